import type { TokenError } from '../errors/token-error'
import type { UnsettledToken } from './unsettled-token'

/** The listeners that get the tokens while no consumer has claimed them. */
export interface ReceiverListeners {
  /** True while there are some. */
  readonly hasListeners: boolean
  onToken(token: Buffer): void
}

/** What a receiver does to its connection. */
export interface ReceiverHost {
  /** The bytes are no frames: breaks the connection. Called once. */
  fail(error: TokenError): void
  /** The peer has ended, tokens are left, and nobody is there to take them: `closeTimeout` begins to run. */
  armClose(): void
}

/** What a receiver tells the protocol that is spoken at the moment. */
export interface ReceiverEvents {
  /** Answers that have not left fill this side's memory: no token is handed over meanwhile. `deliver` follows. */
  readonly isHeldUp?: boolean
  /**
   * The application has processed the `count` tokens up to number `last`, and what `cost` bytes of credit were needed for is held
   * no longer; told once for a run of tokens. Without a token (`count` 0) when parts of one were taken.
   */
  handed?(count: number, last: number, cost: number): void
  /** The peer has aborted the token of this number, counted from 1, and its turn has passed. */
  tokenAborted?(number: number): void
  /** The token asks for an answer, and the consumer gives none: it was not handed over. */
  unhandled?(token: UnsettledToken): void
  /** Called after each delivery that no end has followed. @param isDrained no whole token is left */
  delivered?(isDrained: boolean): void
  /** Nobody takes what comes any more: it is thrown away, so that the end is seen. */
  discarding?(): void
  /** The peer has ended and everything was handed over. `holdsOpen`: a consumer may still answer. */
  allHanded?(holdsOpen: boolean): void
}
