import type { Connection } from '../connection/connection'
import type { UnconsumedTokens } from '../connection/consumer-watch'
import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { Goaway } from '../protocol/goaway'
import type { SessionLoss } from '../session/session'
import type { ExpiringCertificate } from '../tls/expiry-notices'

/** Events of a `TokenClient`. */
export interface TokenClientEvents<Data = unknown> {
  /** The server has accepted this client, and begun a session if one was asked for; on token/1: TLS is up, which is less. */
  connect: []
  /** A token arrived, and the connection has no iterator and no stream. */
  token: [token: Buffer, connection: Connection<Data>]
  /** `bufferedAmount` fell to half of `highWaterMark` after it had reached it. */
  drain: []
  /** A token that was sent before `connect` is longer than the server takes, or has lost its memory. */
  undeliverable: [token: Uint8Array]
  /** Tokens wait on the connection, and nobody has taken one for `consumerTimeout`. */
  unconsumed: [waiting: UnconsumedTokens]
  /** A handler has thrown, or its promise was rejected. The server knows that it failed, and the connection goes on. */
  handlerError: [error: unknown, connection: Connection<Data>]
  /** The server wants this client to leave. With `reconnect` it leaves and comes back by itself. */
  goaway: [goaway: Goaway]
  /** The connection, or a dial, was lost, and the client goes on: with `reconnect`, or to the next of `servers`. */
  disconnect: [info: CloseInfo]
  /** The session goes on with another transport: nothing was lost, nothing comes twice. */
  resumed: []
  /** The session can't go on. What never left, and has no promise, is sent on the next one, after `connect`. */
  'session-lost': [loss: SessionLoss]
  /** The next dial comes in `delay` milliseconds. */
  reconnecting: [next: Reconnecting]
  /** A certificate that this client presents ends in 14 days, or in 1: see `expiryNoticeDays`. */
  'certificate-expiring': [certificate: ExpiringCertificate]
  /** The dial failed or the connection broke, for good. Always followed by `close`. */
  error: [error: TokenError]
  /** The last event after each `connect()`, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}

export interface Reconnecting {
  /** 1 for the first after a stable connection. */
  readonly attempt: number
  /** Milliseconds until it. */
  readonly delay: number
  /** What made it necessary; null when the server ended the connection in order. */
  readonly error: TokenError | null
}
