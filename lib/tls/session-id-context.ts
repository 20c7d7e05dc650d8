import { createHash, type Hash } from 'node:crypto'
import type { TlsOptions } from 'node:tls'

/** The options that decide whom a server trusts, or which certificate it shows, when it gives out a ticket. */
const INGREDIENTS = [
  'ca',
  'crl',
  'pfx',
  'cert',
  'requestCert',
  'rejectUnauthorized',
  'allowPartialTrustChain',
  'ciphers',
  'sigalgs',
  'ecdhCurve',
  'minVersion',
  'maxVersion',
  'secureProtocol',
  'secureOptions',
  'sessionIdContext'
] as const

/**
 * The `sessionIdContext` of a server: a ticket resumes only where it is the same, else the client falls back to a full
 * handshake. So a ticket is void when the server's trust changes, also when `ticketKeys` are fixed, and good after a restart
 * and in other processes with the same options.
 *
 * `cert` and `pfx` are in it because the peer of a resumed session remembers the certificate of the first handshake, and names
 * it in its HELLO. The order of a list counts.
 *
 * @returns 32 characters, the most that OpenSSL takes
 */
export function sessionIdContext(options: TlsOptions): string {
  const hash = createHash('sha256')
  for (const name of INGREDIENTS) {
    hash.update(`${name}\n`)
    addValue(hash, (options as Record<string, unknown>)[name])
  }
  // base64 keeps 192 of the 256 bits; hex would keep 128.
  return hash.digest('base64url').slice(0, 32)
}

/**
 * Adds a value to a hash, with its kind and its length, so that no two different lists of values look alike.
 *
 * @returns false when it is no plain value, of which a part is not compared
 */
export function addValue(hash: Hash, value: unknown): boolean {
  if (Array.isArray(value)) {
    hash.update(`list ${value.length}\n`)
    return value.map(item => addValue(hash, item)).every(isPlain => isPlain)
  }
  if (typeof value === 'string' || ArrayBuffer.isView(value)) {
    const bytes =
      typeof value === 'string'
        ? Buffer.from(value)
        : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    hash.update(`bytes ${bytes.length}\n`).update(bytes)
    return true
  }
  if (typeof value === 'object' && value !== null) {
    // The passphrase of `pfx: [{ buf, passphrase }]` decides nothing.
    addValue(hash, 'buf' in value ? value.buf : Object.entries(value).flat())
    return false
  }
  hash.update(`${typeof value} ${String(value)}\n`)
  return typeof value !== 'symbol' && typeof value !== 'function'
}
