import { TokenError } from '../errors/token-error'
import type { Claim, Consumer, PieceConsumer } from './consumer'
import { IncomingToken, type TokenInlet } from './incoming-token'
import { PendingReads } from './pending-reads'

/**
 * The tokens of a connection as they arrive, for `for await`: each is an {@link IncomingToken}.
 *
 * ```
 *           next(): its first length is there          pieces, end or abort
 *  nothing ──────────────────────────────────▶ reading ────────────────────▶ over
 *     ▲                                           │ next(): the rest is skipped │ next()
 *     └───────────────────────────────────────────┴────────────────────────────┘
 * ```
 *
 * Leaving the loop gives the tokens back to the connection: the rest of the one begun is skipped.
 */
export class IncomingTokens implements AsyncIterableIterator<IncomingToken>, Consumer {
  readonly pieces: PieceConsumer
  readonly #claim: Claim
  readonly #pulls = new PendingReads<IncomingToken>()
  #current: TokenInlet | null = null

  constructor(claim: (consumer: Consumer) => Claim) {
    const tokens = this.#pulls
    this.pieces = {
      get wantsToken() {
        return tokens.isWaiting
      },
      begin: () => this.#begin(),
      accept: piece => this.#accept(piece),
      end: () => this.#end(),
      abort: () => this.#current?.pulls.end(abortedError('the peer has aborted it'))
    }
    this.#claim = claim(this)
  }

  get isWanting(): boolean {
    return this.#pulls.isWaiting || this.#current?.pulls.isWaiting === true
  }

  /** The end of the peer is seen when more is asked for: what was read last has been answered by then. */
  get isBusy(): boolean {
    return this.#current !== null && !this.#pulls.hasEnded && !this.isWanting
  }

  get holdsOpen(): boolean {
    return false
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<IncomingToken, undefined>> {
    if (!this.#pulls.hasEnded) this.#passOver()
    return this.#pulls.next(() => this.#claim.pull())
  }

  return(): Promise<IteratorResult<IncomingToken, undefined>> {
    this.#passOver()
    const done = this.#pulls.leave()
    this.#claim.release()
    return done
  }

  /** Tokens are taken by `pieces` only. */
  accept(): void {}

  finish(error: TokenError | null): void {
    this.#current?.pulls.end(error ?? abortedError('the connection has ended before its last byte'))
    this.#pulls.end(error)
  }

  #begin(): void {
    this.#passOver()
    const pull = () => this.#claim.pull()
    this.#current = { pulls: new PendingReads<Buffer>(), bytesRead: 0, isComplete: false, pull }
    this.#pulls.give(new IncomingToken(this.#current))
  }

  #accept(piece: Buffer): void {
    const inlet = this.#current as TokenInlet
    inlet.bytesRead += piece.length
    inlet.pulls.give(piece)
  }

  #end(): boolean {
    const inlet = this.#current as TokenInlet
    const isBeyond = inlet.pulls.isWaiting
    inlet.isComplete = true
    inlet.pulls.end(null)
    return isBeyond
  }

  #passOver(): void {
    const inlet = this.#current
    if (inlet === null) return
    inlet.pull = null
    // The error is made only where it is told: its stack costs more than a chunk.
    if (!inlet.pulls.hasEnded) inlet.pulls.end(passedOverError())
  }
}

function abortedError(why: string): TokenError {
  return new TokenError('ERR_TOKEN_ABORTED', `Cannot read the token to its end: ${why}`)
}

function passedOverError(): TokenError {
  return new TokenError(
    'ERR_CONSUMER',
    'Cannot read the token to its end: the next one was asked for before, and its rest is skipped'
  )
}
