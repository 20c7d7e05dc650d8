import type { Duplex } from 'node:stream'
import type { CloseCode } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { Session, SessionLossReason } from '../session/session'
import type { Forward } from './connection-context'
import type { Handover, TransportFacts } from './transport-facts'

/** What a server or a client may do with its connections beside their public API: `controlOf(connection)`. */
export interface ConnectionControl {
  readonly session: Session
  /** From now on that one takes the tokens that no consumer of the connection does, as far as it wants them. */
  forwardTo(forward: Forward): void
  /** Closes in order with a code of its own. @returns false when it was ended before */
  close(code: CloseCode, timeout?: number): boolean
  /** Breaks the connection; the peer is told why where it can be. */
  fail(error: TokenError): void
  /** The tokens of a closed connection that never left and that nobody has a promise of. */
  takeUnsent(): Uint8Array[]
  /** Drops the oldest tokens of which no byte is out. @returns how many */
  dropOldest(count: number): number
  /** Gives a connection with a session another transport. */
  attach(socket: Duplex, facts: TransportFacts): void
  /** Takes the transport from a connection that never opened. */
  handOver(): Handover
  /** Ends the connection because its session can't go on. */
  loseSession(reason: SessionLossReason): void
}
