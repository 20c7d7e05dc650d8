import { createPrivateKey } from 'node:crypto'
import { readdir, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openAuthority } from './authority'
import { describeCertificate, readCertificate } from './describe'
import { CertsError, hasCode, reasonOf } from './errors'
import { authorityName, pathsOf } from './layout'
import type { Authority, CertificateFiles, CertificateInfo, KeyAndCert } from './types'
import { isStagedFor, writeFiles } from './write-files'

/** A certificate that is to be kept under a name. */
export interface Named extends KeyAndCert {
  readonly name: string
  /** What it replaces. */
  readonly replaced?: CertificateInfo
}

/** Writes all of these into the folder, or none. @throws {CertsError} ERR_CERTS_EXISTS, ERR_CERTS_FILE */
export async function store(
  out: string,
  certs: readonly Named[],
  force: boolean
): Promise<CertificateFiles[]> {
  const files = certs.flatMap(({ name, key, cert }) => {
    const paths = pathsOf(out, name)
    // The key comes first: `finishRenewal` counts on it.
    return [
      { path: paths.key, text: key, secret: true },
      { path: paths.cert, text: cert, secret: false }
    ]
  })
  await writeFiles(files, force)
  return certs.map(({ name, cert, replaced }) => ({
    ...pathsOf(out, name),
    info: describeCertificate(cert),
    ...(replaced !== undefined && { replaced })
  }))
}

/** The authority kept in the folder. @throws {CertsError} ERR_CERTS_MISSING, ERR_CERTS_AUTHORITY */
export async function loadAuthority(out: string): Promise<Authority> {
  await finishRenewal(out, authorityName)
  const paths = pathsOf(out, authorityName)
  return openAuthority({ key: await read(paths.key), cert: await read(paths.cert) })
}

/** The certificate (PEM) kept under a name, if there is one. @throws {CertsError} ERR_CERTS_FILE */
export async function loadCertificate(out: string, name: string): Promise<string | undefined> {
  await finishRenewal(out, name)
  const { cert } = pathsOf(out, name)
  try {
    return await readFile(cert, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    const message = `Cannot renew a certificate: its file can't be read (${reasonOf(error)})`
    throw new CertsError('ERR_CERTS_FILE', message, { cause: error })
  }
}

/**
 * Two files can't be renamed at once: a process that is killed between a pair's key and its certificate leaves the
 * new key beside the old certificate, and the new certificate under its temporary name. The next command that
 * uses the pair puts it in its place.
 */
export async function finishRenewal(out: string, name: string): Promise<void> {
  const { key: keyPath, cert: certPath } = pathsOf(out, name)
  const key = await readFile(keyPath, 'utf8').catch(() => undefined)
  if (key === undefined || (await holdsCertificateOf(certPath, key))) return
  const folder = dirname(certPath)
  for (const file of await readdir(folder).catch(() => [])) {
    const staged = join(folder, file)
    if (!isStagedFor(file, certPath) || !(await holdsCertificateOf(staged, key))) continue
    await rename(staged, certPath)
    return
  }
}

async function holdsCertificateOf(path: string, key: string): Promise<boolean> {
  try {
    return readCertificate(await readFile(path, 'utf8')).node.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CertsError(
      'ERR_CERTS_MISSING',
      `Cannot use the authority: its file can't be read (${reasonOf(error)})`,
      { cause: error }
    )
  }
}
