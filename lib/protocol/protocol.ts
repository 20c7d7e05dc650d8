import type { Duplex } from 'node:stream'
import type { CloseCode } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { ConnectionLimits } from '../options/connection-options'
import type { Receiver } from '../receiving/receiver'
import type { ReceiverEvents } from '../receiving/receiver-host'
import type { Sender, SenderEvents } from '../sending/sender'
import type { Session } from '../session/session'
import type { GoawayFrame } from '../wire/control-frame'

/** What a protocol may do with its connection. */
export interface ProtocolHost {
  readonly socket: Duplex
  readonly limits: ConnectionLimits
  readonly sender: Sender
  readonly receiver: Receiver
  /** Where both directions stand. */
  readonly session: Session
  /** The peer ends in order, or everything it sent was handed out: nothing more is to be sent. */
  beginClose(code: CloseCode): void
  /** A peer that has ended is waited for no longer than `closeTimeout`. */
  armClose(): void
  /** Reading began or ceased: the connection is not idle. */
  active(): void
  /** Bytes are left of what arrived: nobody wants more at the moment. */
  tokensWait(): void
  /** Breaks the connection. */
  fail(error: TokenError): void
  /** The server asked this side to go. */
  goaway(frame: GoawayFrame): void
}

/**
 * The rules of one protocol, between the socket and the sender and receiver of a connection. What is optional is left
 * out where it means nothing.
 */
export interface Protocol extends SenderEvents, ReceiverEvents {
  /** Milliseconds from the last PING to its PONG; null when not known. */
  readonly rtt?: number | null
  /** True while this side does not read, so that a silent peer is not to blame. */
  readonly isPaused?: boolean
  /** True when both sides have said their last word: what the socket does then is no error. */
  readonly isOver?: boolean
  /** Bytes that the peer has sent behind its HELLO, before it was accepted. */
  readonly heldBytes?: number
  read(chunk: Buffer): void
  /** The peer has ended the transport. */
  transportEnded(): void
  /** This side ends in order: the sender is flushed, then `flushed` comes. */
  close(code: CloseCode): void
  /** The transport is gone, or someone else's. */
  stop(): void
  /**
   * Tells the peer why, where that can be told.
   *
   * @param reason for a peer that is refused
   * @returns true when the socket was ended, false to destroy it
   */
  sayGoodbye?(error: TokenError, reason: string): boolean
  /** This side ends the writing half of a stream; reading goes on. */
  endSending?(): void
  /** What became of a token that was not simply handed over is told, and can't be lost. */
  settled?(): void
  /** Asks the client to go. */
  goaway?(frame: GoawayFrame): void
}
