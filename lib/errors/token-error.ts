import type { WireCloseCode } from './close-codes'

/** Every code a {@link TokenError} can bear. The list is closed: `switch (error.code)` narrows. */
export type TokenErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_CERTIFICATE'
  | 'ERR_CLOSE_TIMEOUT'
  | 'ERR_CONNECT'
  | 'ERR_CONNECT_TIMEOUT'
  | 'ERR_CONSUMER'
  | 'ERR_CONTROL_FRAME'
  | 'ERR_DETACHED'
  | 'ERR_FATE_UNKNOWN'
  | 'ERR_FRAME_TIMEOUT'
  | 'ERR_HANDLER_FAILED'
  | 'ERR_HANDSHAKE'
  | 'ERR_HANDSHAKE_TIMEOUT'
  | 'ERR_HEARTBEAT_TIMEOUT'
  | 'ERR_IDLE_TIMEOUT'
  | 'ERR_LISTEN'
  | 'ERR_LOST'
  | 'ERR_NOT_SENT'
  | 'ERR_NO_HANDLER'
  | 'ERR_OPTION'
  | 'ERR_PEER_CLOSED'
  | 'ERR_PROTOCOL'
  | 'ERR_PROTOCOL_REQUIRED'
  | 'ERR_REFUSED'
  | 'ERR_RELOAD'
  | 'ERR_SERVER_CLOSED'
  | 'ERR_SESSION_LOST'
  | 'ERR_SLOW_CONSUMER'
  | 'ERR_SOCKET'
  | 'ERR_TOKEN_ABORTED'
  | 'ERR_TOKEN_TOO_LARGE'
  | 'ERR_TOKEN_TYPE'
  | 'ERR_TOO_MANY_CONNECTIONS'
  | 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS'
  | 'ERR_TOO_MANY_CONNECTIONS_PER_IDENTITY'
  | 'ERR_TOO_MANY_FILES'
  | 'ERR_TOO_MANY_HANDSHAKES'
  | 'ERR_TRUNCATED'
  | 'ERR_WRITE_TIMEOUT'

/**
 * The situation in which `ERR_NOT_SENT` or `ERR_FATE_UNKNOWN` was told. The list is closed: `switch (error.reason)` narrows.
 * `docs/errors.md` says of each what to do.
 */
export type FateReason =
  | 'aborted'
  | 'answer-too-large'
  | 'close-timeout'
  | 'closed'
  | 'connection-lost'
  | 'destroyed'
  | 'dropped'
  | 'handler-failed'
  | 'memory-lost'
  | 'never-connected'
  | 'outbox-full'
  | 'peer-closed'
  | 'refused'
  | 'session-lost'
  | 'stream-cut'
  | 'stream-failed'
  | 'timeout'
  | 'too-many-requests'
  | 'unanswered'
  | 'unreachable'

export interface TokenErrorOptions {
  cause?: unknown
  /** The situation of a token whose fate the error tells. */
  reason?: FateReason
  /** The close code that the peer gave, or is given, for this error. */
  closeCode?: WireCloseCode
}

/**
 * The one error class of this library.
 *
 * `code` is stable and has a section in `docs/errors.md`. `message` says what could not be done because of
 * which value, and never contains a key or the bytes of a token. `cause` is the error of Node's tls, net or
 * stream behind it, when there is one. `closeCode` is the reason that stood in a CLOSE frame of token/2. `reason` tells the
 * situation of `ERR_NOT_SENT`, `ERR_FATE_UNKNOWN` and `ERR_HANDLER_FAILED`.
 */
export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly closeCode: WireCloseCode | undefined
  readonly reason: FateReason | undefined

  constructor(
    readonly code: TokenErrorCode,
    message: string,
    options?: TokenErrorOptions
  ) {
    super(message, options)
    this.closeCode = options?.closeCode
    this.reason = options?.reason
  }
}

/** The error for a broken rule of token/2, with the code that its connection is closed with. */
export function protocolError(closeCode: WireCloseCode, message: string): TokenError {
  return new TokenError('ERR_PROTOCOL', message, { closeCode })
}
