import { TokenError } from '../errors/token-error'
import type { UnsettledToken } from './unsettled-token'

/** What takes the tokens of a connection when it has no `token` listeners: an iterator or a stream. */
export interface Consumer {
  /** True while the next token may be handed over. */
  readonly isWanting: boolean
  /** True while it works on what it took last: an end of the peer is then told after it has pulled again. */
  readonly isBusy: boolean
  /** True while it may still answer although the peer has ended: the connection's own end then waits for it. */
  readonly holdsOpen: boolean
  /** Set by a consumer that takes tokens as they come; `accept` is not called then. */
  readonly pieces?: PieceConsumer
  accept(token: Buffer): void
  /** Set by a consumer that says of each token when it is settled, in any order; `accept` is not called then. */
  handle?(token: Buffer, unsettled: UnsettledToken): void
  /**
   * The connection breaks: lets go of a token that it took and that nobody has read out of it.
   *
   * @returns true when there was one
   */
  dropUnread?(error: TokenError): boolean
  /** What it has taken is in the final count: nobody who reads may be denied it. */
  keepUnread?(): void
  /** No token comes any more; with an error when the connection broke. */
  finish(error: TokenError | null): void
}

/** A consumer that takes the bytes of a token before all of them are there. */
export interface PieceConsumer {
  /** It wants the next token, not more of this one. */
  readonly wantsToken: boolean
  /** A token has begun. */
  begin(): void
  /** The next bytes of it. */
  accept(piece: Buffer): void
  /** The last byte of it was there. @returns true when more was asked for already */
  end(): boolean
  /** The peer has aborted it. */
  abort(): void
}

/** The hold that a consumer has on its connection. */
export interface Claim {
  /** The consumer wants again. */
  pull(): void
  /** Leaves the tokens to the next consumer. */
  release(): void
}

/** The error for a second consumer. */
export function mixedConsumers(): TokenError {
  return new TokenError(
    'ERR_CONSUMER',
    'Cannot add a consumer of tokens: the connection has another one (token listeners, an iterator or a stream)'
  )
}
