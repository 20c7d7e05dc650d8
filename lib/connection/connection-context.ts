import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { SessionLimits } from '../options/connection-options'
import type { HandleOptions } from '../options/handle-options'
import type { AuthorizeAnswer } from '../protocol/authorization'
import type { Goaway } from '../protocol/goaway'
import type { SessionLoss } from '../session/session'
import type { SessionLookup, SessionPart } from '../wire/hello'
import type { UnconsumedTokens } from './consumer-watch'
import type { Handover, TransportFacts } from './transport-facts'

/** Events of a {@link Connection}. */
export interface ConnectionEvents {
  /** Tokens may flow: with token/2 both sides have said HELLO, and a server has accepted its client. */
  open: []
  /** A token arrived. */
  token: [token: Buffer]
  /** `bufferedAmount` fell to half of `highWaterMark` after it had reached it, or after the outbox was full. */
  drain: []
  /** A token that was sent before `open` is longer than the peer takes. It was taken out of the queue. */
  undeliverable: [token: Uint8Array]
  /** Tokens wait, and nobody has taken one for `consumerTimeout`. Told once, and again when some were taken meanwhile. */
  unconsumed: [waiting: UnconsumedTokens]
  /** The server wants this client to leave. */
  goaway: [goaway: Goaway]
  /**
   * The transport is gone and the session goes on: what is sent now waits for `resumed`, or for `session-lost`. Not
   * told when the next transport took the place of the old one.
   */
  detached: [error: TokenError]
  /** The session goes on with another transport: nothing was lost, nothing comes twice. */
  resumed: []
  /** The session can't go on; `close` follows. */
  'session-lost': [loss: SessionLoss]
  /** A handler has thrown, or its promise was rejected. The peer knows that it failed, and the connection goes on. */
  handlerError: [error: unknown]
  /** What broke the connection; emitted only while someone listens, and always followed by `close`. */
  error: [error: TokenError]
  /** The last event, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}

/** What `deliver()` accepts. */
export interface DeliverOptions {
  /** Gives up: takes the token back if nothing of it is out yet. */
  signal?: AbortSignal | undefined
  /** Milliseconds after which to give up. Default: none, the connection's own timeouts decide. */
  timeout?: number | undefined
}

/** What a handler returns: the answer, where one is asked for, or nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: an async function that returns nothing gives a Promise<void>
export type Handled = Uint8Array | undefined | void

/** Is given one token after another. A token is processed when the promise settles. */
export type Handler<Connection> = (token: Buffer, connection: Connection) => Handled | PromiseLike<Handled>

/** A handler, and how tokens are given to it. */
export interface Handling<Connection> {
  readonly handler: Handler<Connection>
  readonly options: HandleOptions
}

/** Takes the tokens of the connections of a server or a client that have no consumer of their own. */
export interface Forward {
  readonly isWanting: boolean
  /** A handler for each connection, in the place of listeners. */
  readonly handling: Handling<never> | null
  /** What it throws is the caller's to catch. */
  take(token: Buffer, connection: object): void
}

/** What a server or a client knows of a connection that it makes, and of its first transport (internal). */
export interface ContextOf<Connection> extends TransportFacts {
  /** The server or client that made it. */
  readonly owner?: object
  /** A client asks for a session, a server may grant one. */
  readonly session?: SessionLimits | undefined
  /** The client dials again: what the server has certainly not had goes on by the next connection. */
  readonly goesOn?: boolean
  readonly forward?: Forward | undefined
  /** Milliseconds of `greetingTimeout` that `authorize` is given at most. */
  readonly authorizeTimeout?: number
  readonly authorize?:
    | ((connection: Connection, signal: AbortSignal) => AuthorizeAnswer | Promise<AuthorizeAnswer>)
    | undefined
  /** Asked before the peer learns that it was accepted. `request` is the session that the peer asks for. */
  readonly admit?: (connection: Connection, request: SessionPart | null) => TokenError | SessionLookup | null
  /** Told before the listeners of the event; `removeAllListeners()` does not remove it. */
  readonly onOpen?: (connection: Connection) => void
  readonly onDrain?: () => void
  readonly onHandlerError?: (error: unknown, connection: Connection) => void
  readonly onUndeliverable?: (token: Uint8Array) => void
  readonly onUnconsumed?: (waiting: UnconsumedTokens, connection: Connection) => void
  readonly onGoaway?: (goaway: Goaway, connection: Connection) => void
  /** It will never be open. */
  readonly onRefused?: (error: TokenError) => void
  /**
   * `successor`: the transport, which goes on. For a client it is that of a connection that lost its session, for the
   * next connection; for a server that of one that came back, and the session has it.
   */
  readonly onClose?: (info: CloseInfo, connection: Connection, successor: Handover | null) => void
  readonly onDetached?: (error: TokenError, connection: Connection) => void
  readonly onResumed?: (connection: Connection) => void
  readonly onSessionLost?: (loss: SessionLoss, connection: Connection) => void
}
