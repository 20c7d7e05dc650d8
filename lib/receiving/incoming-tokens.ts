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
export class IncomingTokens implements AsyncIterableIterator<IncomingToken>, Consumer, PieceConsumer {
  readonly pieces = this
  readonly holdsOpen = false
  readonly #claim: Claim
  readonly #reads = new PendingReads<IncomingToken>()
  #current: TokenInlet | null = null

  constructor(claim: (consumer: Consumer) => Claim) {
    this.#claim = claim(this)
  }

  get isWanting(): boolean {
    return this.wantsToken || this.#current?.reads.isWaiting === true
  }

  get wantsToken(): boolean {
    return this.#reads.isWaiting
  }

  /** The end of the peer is seen when more is asked for: what was read last has been answered by then. */
  get isBusy(): boolean {
    return this.#current !== null && !this.#reads.hasEnded && !this.isWanting
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<IncomingToken, undefined>> {
    if (!this.#reads.hasEnded) this.#passOver()
    return this.#reads.next(() => this.#claim.pull())
  }

  return(): Promise<IteratorResult<IncomingToken, undefined>> {
    this.#passOver()
    const done = this.#reads.leave()
    this.#claim.release()
    return done
  }

  finish(error: TokenError | null): void {
    this.#current?.reads.end(error ?? abortedError('the connection has ended before its last byte'))
    this.#reads.end(error)
  }

  begin(): void {
    this.#passOver()
    const pull = () => this.#claim.pull()
    this.#current = { reads: new PendingReads<Buffer>(), bytesRead: 0, isComplete: false, pull }
    this.#reads.give(new IncomingToken(this.#current))
  }

  accept(piece: Buffer): void {
    const inlet = this.#current as TokenInlet
    inlet.bytesRead += piece.length
    inlet.reads.give(piece)
  }

  end(): boolean {
    const inlet = this.#current as TokenInlet
    const isBeyond = inlet.reads.isWaiting
    inlet.isComplete = true
    inlet.reads.end(null)
    return isBeyond
  }

  abort(): void {
    this.#current?.reads.end(abortedError('the peer has aborted it'))
  }

  #passOver(): void {
    const inlet = this.#current
    if (inlet === null) return
    inlet.pull = null
    // The error is made only where it is told: its stack costs more than a chunk.
    if (!inlet.reads.hasEnded) inlet.reads.end(passedOverError())
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
