/** Every code a {@link TokenError} can bear. The list is closed: `switch (error.code)` narrows. */
export type TokenErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_CERTIFICATE'
  | 'ERR_CLOSE_TIMEOUT'
  | 'ERR_CONNECT'
  | 'ERR_CONNECT_TIMEOUT'
  | 'ERR_CONSUMER'
  | 'ERR_CONTROL_FRAME'
  | 'ERR_FRAME_TIMEOUT'
  | 'ERR_HANDSHAKE'
  | 'ERR_HANDSHAKE_TIMEOUT'
  | 'ERR_IDLE_TIMEOUT'
  | 'ERR_LISTEN'
  | 'ERR_NOT_SENT'
  | 'ERR_OPTION'
  | 'ERR_PROTOCOL'
  | 'ERR_SERVER_CLOSED'
  | 'ERR_SOCKET'
  | 'ERR_TOKEN_TOO_LARGE'
  | 'ERR_TOKEN_TYPE'
  | 'ERR_TOO_MANY_CONNECTIONS'
  | 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS'
  | 'ERR_TOO_MANY_FILES'
  | 'ERR_TOO_MANY_HANDSHAKES'
  | 'ERR_TRUNCATED'
  | 'ERR_WRITE_TIMEOUT'

/**
 * The one error class of this library.
 *
 * `code` is stable and has a section in `docs/errors.md`. `message` says what could not be done because of
 * which value, and never contains a key or the bytes of a token. `cause` is the error of Node's tls, net or
 * stream behind it, when there is one.
 */
export class TokenError extends Error {
  override readonly name = 'TokenError'

  constructor(
    readonly code: TokenErrorCode,
    message: string,
    options?: { cause?: unknown }
  ) {
    super(message, options)
  }
}
