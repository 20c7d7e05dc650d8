import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describeCertificate, makeCerts } from '@token-server/certs'

const AUTHORITY = ['certs/ca/ca.key', 'certs/ca/ca.crt']
const FILES = [
  'certs/ca/ca.crt',
  'certs/server/server.key',
  'certs/server/server.crt',
  'certs/client/client.key',
  'certs/client/client.crt'
]

/** The name by which the client program calls the server program. */
const HOST = 'localhost'

/**
 * Makes certificates in `certs/` unless they are there.
 *
 * @returns the paths of those that were made
 * @throws Error when some are there and some are not, or the server's is made for others than localhost
 */
export async function ensureCerts(): Promise<string[]> {
  const missing = FILES.filter(file => !existsSync(file))
  if (missing.length === FILES.length && !AUTHORITY.some(file => existsSync(file))) {
    const made = await makeCerts()
    return made.map(({ cert }) => cert)
  }
  if (missing.length > 0) throw new Error(`Cannot use certs/: ${missing.join(', ')} is missing; ${cureOf()}`)
  checkHost(readFileSync('certs/server/server.crt', 'utf8'))
  return []
}

/** What makes the missing files, and loses none that are there. */
function cureOf(): string {
  const command = 'npm run certs --'
  if (AUTHORITY.every(file => existsSync(file))) {
    return `${command} --force makes them, with the authority that is there`
  }
  return `${command} --new-authority makes all of them anew, and keeps what is left of the old authority`
}

function checkHost(cert: string): void {
  if (new X509Certificate(cert).checkHost(HOST) !== undefined) return
  const { names } = describeCertificate(cert)
  const hosts = [HOST, ...names].map(name => `--host ${name}`).join(' ')
  throw new Error(
    `Cannot use certs/: it is made for ${names.join(', ')}, and the demo dials ${HOST}; ` +
      `npm run certs -- server ${hosts} --force adds that name`
  )
}
