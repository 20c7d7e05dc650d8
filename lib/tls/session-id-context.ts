import { createHash, type Hash } from 'node:crypto'
import type { TlsOptions } from 'node:tls'

/** Everything that decides whom a server trusts, or which certificate it showed, when it gives out a ticket. */
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
 * The `sessionIdContext` of a server: a ticket resumes only where it is the same, else the client falls back to a
 * full handshake. So a ticket dies when the server's trust changes, also when `ticketKeys` are fixed, and lives on
 * over a restart and in other processes with the same options.
 *
 * `cert` and `pfx` are in it because the peer of a resumed session remembers the certificate of the first
 * handshake, and names it in its HELLO. What is a list to Node counts in its order.
 *
 * @returns 32 characters, the most that OpenSSL takes
 */
export function sessionIdContext(options: TlsOptions): string {
  const hash = createHash('sha256')
  for (const name of INGREDIENTS) {
    hash.update(`${name}\n`)
    add(hash, (options as Record<string, unknown>)[name])
  }
  // base64 keeps 192 of the 256 bits; hex would keep 128.
  return hash.digest('base64url').slice(0, 32)
}

/** Each value with its kind and its length, so that no two different lists of values look alike. */
function add(hash: Hash, value: unknown): void {
  if (Array.isArray(value)) {
    hash.update(`list ${value.length}\n`)
    for (const item of value) add(hash, item)
  } else if (typeof value === 'string' || ArrayBuffer.isView(value)) {
    const bytes =
      typeof value === 'string'
        ? Buffer.from(value)
        : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    hash.update(`bytes ${bytes.length}\n`).update(bytes)
  } else if (typeof value === 'object' && value !== null) {
    // `pfx: [{ buf, passphrase }]`: the passphrase opens it and decides nothing.
    add(hash, 'buf' in value ? value.buf : Object.entries(value).flat())
  } else {
    hash.update(`${typeof value} ${String(value)}\n`)
  }
}
