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

/** @throws TokenError `ERR_OPTION` when Node refuses the key, the certificate or another option */
export function secureContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(secureDefaults(options))
  } catch (error) {
    // No cause: Node's errors for a wrong argument quote it.
    const message = `Cannot use the TLS options (key, cert, ca …): Node refuses them with ${codeOf(error)}`
    throw new TokenError('ERR_OPTION', message)
  }
}
