import { constants } from 'node:crypto'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext, type SecureContextOptions } from 'node:tls'
import { TokenError } from './errors'
import { codeOf } from './socket-error'

const FASTEST = 'TLS_AES_128_GCM_SHA256'

/** What Node offers, with the fastest suite first. A list of the user's own (`--tls-cipher-list`) stays as it is. */
const CIPHERS =
  DEFAULT_CIPHERS === constants.defaultCoreCipherList
    ? [FASTEST, ...DEFAULT_CIPHERS.split(':').filter(name => name !== FASTEST)].join(':')
    : undefined

/**
 * TLS 1.3 unless the caller says otherwise, AES with 128 bits before the other ciphers; renegotiation (TLS 1.2) never.
 */
export function secureDefaults<T extends SecureContextOptions>(options: T): T {
  return {
    ...options,
    ciphers: options.ciphers ?? CIPHERS,
    minVersion: options.minVersion ?? (options.secureProtocol === undefined ? 'TLSv1.3' : undefined),
    secureOptions: (options.secureOptions ?? 0) | constants.SSL_OP_NO_RENEGOTIATION
  }
}

/** @throws TokenError `ERR_OPTION`, with the name of the option that Node refuses */
export function secureContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(secureDefaults(options))
  } catch (error) {
    throw refusedAlone(options) ?? refusal('key, cert, ca and the like, together', error)
  }
}

/** Of options that Node has refused together, the first that it refuses alone; null for none. */
function refusedAlone(options: SecureContextOptions): TokenError | null {
  const { key, passphrase, ciphers } = options
  for (const name of ['ciphers', ...Object.keys(options)] as (keyof SecureContextOptions)[]) {
    // Ciphers may say which keys are strong enough.
    const more = name === 'cert' ? { key, passphrase } : name === 'pfx' ? { passphrase } : {}
    try {
      const alone = { ...more, [name]: options[name], ...(ciphers !== undefined && { ciphers }) }
      if (options[name] !== undefined && name !== 'passphrase') createSecureContext(alone)
    } catch (error) {
      return refusal(name, error)
    }
  }
  return null
}

/** No cause: Node's errors for a wrong argument quote it. */
function refusal(name: string, error: unknown): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: Node refuses it with ${wordOf(error)}`)
}

/** The code of an error of Node, and OpenSSL's reason. */
export function wordOf(error: unknown): string {
  const reason = reasonOf(error)
  return reason === '' ? codeOf(error) : `${codeOf(error)}, ${reason}`
}

/** What OpenSSL says of itself; empty for any other error, which may quote a wrong argument. */
export function reasonOf(error: unknown): string {
  const { reason, code, message } = error as { reason?: unknown; code?: unknown; message?: unknown }
  if (typeof reason === 'string') return reason
  // Those about a PFX have no code or one of these; that of a wrong argument has another.
  const isSafe = code === undefined || String(code).startsWith('ERR_CRYPTO_')
  return isSafe && typeof message === 'string' ? message : ''
}
