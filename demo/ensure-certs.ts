import { existsSync } from 'node:fs'
import { makeCerts } from '@token-server/certs'

const FILES = [
  'certs/ca/ca.crt',
  'certs/server/server.key',
  'certs/server/server.crt',
  'certs/client/client.key',
  'certs/client/client.crt'
]

/**
 * Makes certificates in `certs/` unless they are there.
 *
 * @returns the paths of those that were made
 * @throws Error when some are there and some are not
 */
export async function ensureCerts(): Promise<string[]> {
  const missing = FILES.filter(file => !existsSync(file))
  if (missing.length === 0) return []
  if (missing.length < FILES.length) {
    throw new Error(
      `Cannot use certs/: ${missing.join(', ')} is missing; npm run certs -- --force makes all of them anew`
    )
  }
  const made = await makeCerts()
  return made.map(({ cert }) => cert)
}
