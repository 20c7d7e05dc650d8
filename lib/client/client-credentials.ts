import { createHash, type X509Certificate } from 'node:crypto'
import tls, { type SecureContext, type SecureContextOptions } from 'node:tls'
import { readCredentials } from '../tls/read-credentials'
import { addValue } from '../tls/session-id-context'
import type { TrustSources } from '../tls/trust-anchors'

export interface ClientCredentials {
  readonly context: SecureContext
  /** The certificates that may be presented. */
  readonly own: readonly X509Certificate[]
  /** SHA-256 of each of them. */
  readonly fingerprints: readonly Uint8Array[]
  readonly trust: Pick<TrustSources, 'cas' | 'lists'>
}

/** The references are weak: no key stays in memory longer than the clients that use it. */
const shared = new Map<string, WeakRef<ClientCredentials>>()
const forgotten = new FinalizationRegistry<string>(name => {
  if (shared.get(name)?.deref() === undefined) shared.delete(name)
})

/**
 * Reads the credentials of a client; clients with the same ones share what was read. A context takes 33 KB, and a client
 * that makes its own takes 1.6 times the processor time until it is connected.
 *
 * Credentials are the same when each byte of each option is: a Buffer that was changed makes others. Nothing is shared when
 * an option is no plain value, which can't be compared.
 *
 * @throws TokenError `ERR_OPTION` when they can't be read
 */
export function clientCredentials(options: SecureContextOptions): ClientCredentials {
  const name = nameOf(options)
  const known = name === null ? undefined : shared.get(name)?.deref()
  if (known !== undefined) return known
  const { context, own, fingerprints, trust } = readCredentials(options)
  const { cas, lists } = trust
  const credentials = Object.freeze({ context, own, fingerprints, trust: { cas, lists } })
  if (name !== null) {
    shared.set(name, new WeakRef(credentials))
    forgotten.register(credentials, name)
  }
  return credentials
}

/** @returns SHA-256 of all values; null when one can't be compared, or when Node's own CAs count, which can change */
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
