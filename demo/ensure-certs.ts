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
 */
export async function ensureCerts(): Promise<string[]> {
  if (FILES.every(file => existsSync(file))) return []
  const made = await makeCerts()
  return made.map(({ cert }) => cert)
}
