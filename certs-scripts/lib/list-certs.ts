import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeCertificate, isSignedBy } from './describe'
import { CertsError, reasonOf } from './errors'
import { authorityName, defaultFolder, pathsOf, serverName } from './layout'
import type { CertificateInfo, ListedCertificate } from './types'
import { dayLength } from './validity'

const warningDays = 14

/**
 * Every certificate in the folder, the authority first, then the server, then the rest by name; with a warning
 * for what has expired, expires within 14 days or was signed by another authority than the one beside it. A file
 * that can't be read is listed with its problem. Keys are not opened.
 * @throws {CertsError} ERR_CERTS_MISSING when the folder can't be read or holds no certificate.
 */
export async function listCerts(
  out: string = defaultFolder,
  now: Date = new Date()
): Promise<ListedCertificate[]> {
  const authority = await readFile(pathsOf(out, authorityName).cert, 'utf8').catch(() => undefined)
  const paths = await findCertificates(out)
  if (paths.length === 0) throw missing(`the folder holds no certificate (${out})`)
  return Promise.all(paths.map(path => describeFile(path, authority, now)))
}

/** Days from `now` until the certificate ends, with their fraction; negative when it has ended. */
export function daysLeft(info: CertificateInfo, now: Date): number {
  return (info.notAfter.getTime() - now.getTime()) / dayLength
}

async function findCertificates(out: string): Promise<string[]> {
  try {
    const found: string[] = []
    const folders = (await readdir(out, { withFileTypes: true })).filter(entry => entry.isDirectory())
    for (const folder of folders.map(entry => entry.name).sort(byRank)) {
      const files = await readdir(join(out, folder))
      found.push(...files.filter(file => /^[^.].*\.crt$/.test(file)).map(file => join(out, folder, file)))
    }
    return found
  } catch (error) {
    throw missing(`the folder can't be read (${reasonOf(error)})`, error)
  }
}

function byRank(one: string, other: string): number {
  const rank = (name: string) => [authorityName, serverName].indexOf(name) >>> 0
  return rank(one) - rank(other) || (one < other ? -1 : 1)
}

async function describeFile(
  cert: string,
  authority: string | undefined,
  now: Date
): Promise<ListedCertificate> {
  try {
    const pem = await readFile(cert, 'utf8')
    const info = describeCertificate(pem)
    return { cert, info, warnings: warningsOf(info, isForeign(pem, info, authority), now) }
  } catch (error) {
    return { cert, problem: reasonOf(error) }
  }
}

function isForeign(pem: string, info: CertificateInfo, authority: string | undefined): boolean {
  if (authority === undefined) return false
  try {
    // An authority that was there before signed itself.
    return !isSignedBy(pem, authority) && !(info.authority && isSignedBy(pem, pem))
  } catch {
    // The authority can't be read, which its own line says.
    return false
  }
}

function warningsOf(info: CertificateInfo, foreign: boolean, now: Date): string[] {
  const warnings: string[] = []
  const left = daysLeft(info, now)
  if (left <= 0) warnings.push('it has expired')
  else if (left < warningDays) warnings.push(`it expires in less than ${warningDays} days`)
  if (info.notBefore > now) warnings.push('it is not valid yet')
  if (foreign) warnings.push('it was signed by another authority')
  return warnings
}

function missing(reason: string, cause?: unknown): CertsError {
  return new CertsError('ERR_CERTS_MISSING', `Cannot list certificates: ${reason}`, { cause })
}
