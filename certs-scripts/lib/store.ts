import { readFile } from 'node:fs/promises'
import { openAuthority } from './authority'
import { describeCertificate } from './describe'
import { CertsError, reasonOf } from './errors'
import { authorityName, pathsOf } from './layout'
import type { Authority, CertificateFiles, KeyAndCert } from './types'
import { writeFiles } from './write-files'

/** A certificate that is to be kept under a name. */
export interface Named extends KeyAndCert {
  readonly name: string
}

/** Writes all of these into the folder, or none. @throws {CertsError} ERR_CERTS_EXISTS, ERR_CERTS_FILE */
export async function store(
  out: string,
  certs: readonly Named[],
  force: boolean
): Promise<CertificateFiles[]> {
  const files = certs.flatMap(({ name, key, cert }) => {
    const paths = pathsOf(out, name)
    return [
      { path: paths.key, text: key, secret: true },
      { path: paths.cert, text: cert, secret: false }
    ]
  })
  await writeFiles(files, force)
  return certs.map(({ name, cert }) => ({ ...pathsOf(out, name), info: describeCertificate(cert) }))
}

/** The authority kept in the folder. @throws {CertsError} ERR_CERTS_MISSING, ERR_CERTS_AUTHORITY */
export async function loadAuthority(out: string): Promise<Authority> {
  const paths = pathsOf(out, authorityName)
  return openAuthority({ key: await read(paths.key), cert: await read(paths.cert) })
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CertsError(
      'ERR_CERTS_MISSING',
      `Cannot use the authority: because its file can't be read (${reasonOf(error)})`,
      { cause: error }
    )
  }
}
