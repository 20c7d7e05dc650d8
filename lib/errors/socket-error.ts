import { tidied, tlsWords } from './tls-words'
import { TokenError } from './token-error'

/**
 * The TokenError for an error that a socket emitted on an open connection.
 *
 * A peer that refuses our certificate sends a TLS alert, which in TLS 1.3 comes only after the handshake. An alert about a
 * bad record means that the network has changed a byte.
 */
export function socketError(cause: unknown): TokenError {
  if (cause instanceof TokenError) return cause
  const code = codeOf(cause)
  if (/^ERR_SSL_.*ALERT/.test(code) && !code.endsWith('BAD_RECORD_MAC')) {
    return new TokenError(
      'ERR_HANDSHAKE',
      `Cannot use the connection: the peer refused it with the TLS alert ${inWords(code)}`,
      { cause: tidied(cause) }
    )
  }
  return new TokenError('ERR_SOCKET', `Cannot use the connection: its socket failed with ${code}`, {
    cause: tidied(cause)
  })
}

const SERVER_LEFT =
  'the server left in the middle of it, because a limit was reached (maxConnections …), because it was closed, or because it speaks no TLS'

/** The TokenError for a dial that failed, before or in the TLS handshake. */
export function dialError(cause: unknown, target: string, isTcpOpen: boolean): TokenError {
  const code = codeOf(cause)
  if (isTcpOpen) {
    const why = code === 'ECONNRESET' ? `${code}: ${SERVER_LEFT}` : inWords(code)
    return new TokenError(
      'ERR_HANDSHAKE',
      `Cannot connect to ${target}: the TLS handshake failed with ${why}`,
      {
        cause: tidied(cause)
      }
    )
  }
  return new TokenError('ERR_CONNECT', `Cannot connect to ${target}: the dial failed with ${code}`, { cause })
}

/** A code of TLS, and what it means. */
export function inWords(code: string): string {
  const words = tlsWords(code)
  return words === null ? code : `${code}: ${words}`
}

/** The stable code of an error of Node; of an AggregateError (several addresses were tried) all of them. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error
  // `instanceof` fails when a test runner has loaded the library into another realm than Node's.
  const { errors, code, name } = error as Partial<AggregateError & NodeJS.ErrnoException>
  if (Array.isArray(errors)) return [...new Set(errors.map(codeOf))].join(', ')
  return code ?? name ?? 'object'
}
