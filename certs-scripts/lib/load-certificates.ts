import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { shellWord, whereOf } from './advice'
import { CertsError, hasCode, quoted, reasonOf } from './errors'
import { authorityName, checkClientNames, clientName, crlPathOf, pathsOf, serverName } from './layout'
import type { LoadedCertificates } from './types'

/**
 * The key, certificate and authority of a name in a folder, as functions that read their file at each call: options of
 * `TokenServer` and `TokenClient`, which use a renewed file without a restart. With `crl` when the folder has a list now.
 *
 * @param folder what `--out` of `token-certs` says: `certs`, say; a relative one counts from the working directory of now
 * @param name `server`, or a client's
 * @throws {CertsError} ERR_CERTS_MISSING for a file that is not there, ERR_CERTS_FILE for one that can't be read, both
 * from the functions too; ERR_CERTS_NAME
 */
export function loadCertificates(folder: string, name: string): LoadedCertificates {
  if (name !== serverName) checkClientNames([name])
  const own = pathsOf(folder, name)
  const { cert: ca } = pathsOf(folder, authorityName)
  const list = crlPathOf(folder)
  const reader = (path: string) => {
    // The program may change its working directory.
    const absolute = resolve(path)
    return () => read(absolute, () => missing(path, folder, name))
  }
  const loaded: LoadedCertificates = {
    ca: reader(ca),
    key: reader(own.key),
    cert: reader(own.cert),
    ...(existsSync(list) && { crl: reader(list) })
  }
  // What is missing is told now, and not at the first dial.
  for (const load of Object.values(loaded)) load()
  return loaded
}

function read(path: string, missing: () => CertsError): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) throw missing()
    const message = `Cannot load a certificate: its file can't be read (${reasonOf(error)})`
    throw new CertsError('ERR_CERTS_FILE', message, { cause: error })
  }
}

function missing(path: string, folder: string, name: string): CertsError {
  const message = `Cannot load a certificate: there is no file ${quoted(path)}. ${adviceFor(folder, name)}`
  return new CertsError('ERR_CERTS_MISSING', message)
}

/** Which command makes what is missing. */
function adviceFor(folder: string, name: string): string {
  const where = whereOf(folder)
  const authority = pathsOf(folder, authorityName)
  const own = pathsOf(folder, name)
  const isClient = name !== serverName
  if (!existsSync(authority.key)) {
    if (existsSync(authority.cert)) return 'Copy it from the folder that has ca.key'
    const client = isClient && name !== clientName ? ` --client ${shellWord(name)}` : ''
    return `To make it, with its authority, run: npx token-certs${client}${where}`
  }
  const command = isClient ? `client ${shellWord(name)}` : serverName
  const force = existsSync(own.key) || existsSync(own.cert) ? ' --force' : ''
  return `To make it, run: npx token-certs ${command}${force}${where}`
}
