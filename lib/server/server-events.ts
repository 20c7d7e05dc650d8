import type { Connection } from '../connection/connection'
import type { UnconsumedTokens } from '../connection/consumer-watch'
import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { SessionLoss } from '../session/session'
import type { ExpiringCertificate, ExpiringList } from '../tls/expiry-notices'
import type { Refusal } from './pending-clients'

/** Events of a `TokenServer`. */
export interface TokenServerEvents<Data = unknown> {
  /** The server listens. */
  connect: []
  /** A client was accepted, with a new session if it has one. No token is handed out before the listeners have returned. */
  connection: [connection: Connection<Data>]
  /** A token arrived on a connection that has no iterator and no stream. */
  token: [token: Buffer, connection: Connection<Data>]
  /** Someone came to the port and got no connection. */
  refused: [refusal: Refusal]
  /** A connection broke. */
  connectionError: [error: TokenError, connection: Connection<Data>]
  /** The session of a connection goes on with another transport. */
  resumed: [connection: Connection<Data>]
  /** The session of a connection can't go on: its client did not come back in time, or made room for others. */
  'session-lost': [loss: SessionLoss, connection: Connection<Data>]
  /** A slow connection lost its oldest tokens, with `slowConsumer: 'drop'`. */
  dropped: [count: number, connection: Connection<Data>]
  /** Tokens wait on a connection, and nobody has taken one for `consumerTimeout`. */
  unconsumed: [waiting: UnconsumedTokens, connection: Connection<Data>]
  /** A handler has thrown, or its promise was rejected. The client knows that it failed, and the connection goes on. */
  handlerError: [error: unknown, connection: Connection<Data>]
  /** A certificate that this server presents ends in 14 days, or in 1: see `expiryNoticeDays`. */
  'certificate-expiring': [certificate: ExpiringCertificate]
  /** The certificate of a peer ends so soon, and its connection with it. */
  'peer-certificate-expiring': [certificate: ExpiringCertificate, connection: Connection<Data>]
  /** A list in `crl` ends so soon: then no client of its issuer is let in any more. */
  'crl-expiring': [list: ExpiringList]
  /** The server can't listen. Always followed by `close`. */
  error: [error: TokenError]
  /** The last event after each `connect()`, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}
