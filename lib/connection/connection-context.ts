import type { Duplex } from 'node:stream'
import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { SessionLimits } from '../options/connection-options'
import type { AuthorizeAnswer } from '../protocol/authorization'
import type { Goaway } from '../protocol/goaway'
import type { Handshake } from '../protocol/handshake'
import type { SessionLoss } from '../session/session'
import type { Peer } from '../tls/peer'
import type { SessionLookup, SessionPart } from '../wire/hello'
import type { Connection } from './connection'

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

/** Takes the tokens of the connections of a server or a client that have no consumer of their own. */
export interface Forward {
  readonly isWanting: boolean
  take(token: Buffer, connection: Connection): void
}

/** A transport that goes from one connection to another, with the handshake on it. */
export interface Handover {
  readonly socket: Duplex
  readonly handshake: Handshake
  /** Whom it leads to: of a resumed TLS session the socket does not know. */
  readonly peer: Peer | null
}

/** What a server or a client knows of one transport (internal). */
export interface TransportFacts {
  /** When the maker knows better than the socket. */
  readonly peer?: Peer | null
  /** SHA-256 of the certificates that this side may have presented. */
  readonly ownFingerprints?: readonly Uint8Array[]
  /** Milliseconds left for HELLO and `authorize`. */
  readonly greetingTimeout?: number
  /** The socket was another connection's, and the peer was greeted on it. */
  readonly greeted?: Handshake
}

/** What a server or a client knows of a connection that it makes, and of its first transport (internal). */
export interface ConnectionContext extends TransportFacts {
  /** A client asks for a session, a server may grant one. */
  readonly session?: SessionLimits | undefined
  readonly forward?: Forward
  /** Milliseconds of `greetingTimeout` that `authorize` is given at most. */
  readonly authorizeTimeout?: number
  readonly authorize?:
    | ((connection: Connection, signal: AbortSignal) => AuthorizeAnswer | Promise<AuthorizeAnswer>)
    | undefined
  /** Asked before the peer learns that it was accepted; as `ProtocolHost.admit`. */
  readonly admit?: (connection: Connection, request: SessionPart | null) => TokenError | SessionLookup | null
  /** Told before the listeners of the event, and whoever removes all listeners does not remove it. */
  readonly onOpen?: (connection: Connection) => void
  readonly onDrain?: () => void
  readonly onUndeliverable?: (token: Uint8Array) => void
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

/** Tells a connection that its {@link Forward} wants now (internal). */
export const forwardChanged = Symbol('forwardChanged')

/** Closes a connection with a code of its own (internal). */
export const closeWith = Symbol('closeWith')

/** Breaks a connection with an error, which the peer is told where it can be (internal). */
export const breakWith = Symbol('breakWith')

/** The tokens of a closed connection that never left (internal). */
export const takeUnsent = Symbol('takeUnsent')

/** Drops the oldest tokens of the queue (internal). */
export const dropOldest = Symbol('dropOldest')

/** Gives a connection with a session another transport (internal). */
export const attach = Symbol('attach')

/** Takes the transport from a connection that never opened (internal). */
export const handOver = Symbol('handOver')

/** Ends a connection because its session can't go on (internal). */
export const loseSession = Symbol('loseSession')

/** What a server needs to know of the session of a connection (internal). */
export const sessionOf = Symbol('sessionOf')
