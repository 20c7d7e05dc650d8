import { createHash } from 'node:crypto'
import tls, { type SecureContext, type SecureContextOptions } from 'node:tls'
import { readCredentials } from '../tls/read-credentials'
import { addValue } from '../tls/session-id-context'

/** What a client makes of its key, certificate and CAs. */
export interface ClientCredentials {
  readonly context: SecureContext
  /** SHA-256 of each certificate that may be presented. */
  readonly fingerprints: readonly Uint8Array[]
}

/** Weak: no key stays in memory longer than the clients that use it. */
const shared = new Map<string, WeakRef<ClientCredentials>>()
const forgotten = new FinalizationRegistry<string>(name => {
  if (shared.get(name)?.deref() === undefined) shared.delete(name)
})

/**
 * Reads the credentials of a client; clients with the same ones share what was read. A context takes 33 KB, and a client
 * that makes one of its own 1.6 times the processor time until it is connected.
 *
 * The same means each byte of each option: a Buffer that was changed since is another one. An option that is no plain
 * value is not compared, and then nothing is shared.
 *
 * @throws TokenError `ERR_OPTION` when they can't be read
 */
export function clientCredentials(options: SecureContextOptions): ClientCredentials {
  const name = nameOf(options)
  const known = name === null ? undefined : shared.get(name)?.deref()
  if (known !== undefined) return known
  const { context, fingerprints } = readCredentials(options)
  const credentials = Object.freeze({ context, fingerprints })
  if (name !== null) {
    shared.set(name, new WeakRef(credentials))
    forgotten.register(credentials, name)
  }
  return credentials
}

/** SHA-256 of all values; null when one of them can't be compared, or when Node's own CAs count, which can change. */
function nameOf(options: SecureContextOptions): string | null {
  if (options.ca === undefined) return null
  const hash = createHash('sha256')
  addValue(hash, [
    tls.DEFAULT_CIPHERS,
    tls.DEFAULT_ECDH_CURVE,
    tls.DEFAULT_MIN_VERSION,
    tls.DEFAULT_MAX_VERSION
  ])
  for (const [option, value] of Object.entries(options)) {
    hash.update(`${option}\n`)
    if (!addValue(hash, value)) return null
  }
  return hash.digest('base64')
}
