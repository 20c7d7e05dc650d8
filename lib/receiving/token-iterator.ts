import type { TokenError } from '../errors/token-error'
import type { Claim, Consumer } from './consumer'
import { PendingReads } from './pending-reads'

/**
 * The tokens of a connection for `for await`: one is taken out when the next is asked for.
 *
 * Leaving the loop gives the tokens back to the connection and does not close it. The loop ends when the
 * connection has ended in order, and throws the TokenError when it broke; tokens that had arrived whole before
 * come first.
 */
export class TokenIterator implements AsyncIterableIterator<Buffer>, Consumer {
  readonly holdsOpen = false
  readonly #claim: Claim
  readonly #reads = new PendingReads<Buffer>()
  #hasTaken = false

  constructor(claim: (consumer: Consumer) => Claim) {
    this.#claim = claim(this)
  }

  get isWanting(): boolean {
    return this.#reads.isWaiting
  }

  /** The end of the peer is seen when the next token is asked for: the last one has been answered by then. */
  get isBusy(): boolean {
    return this.#hasTaken && !this.#reads.hasEnded && !this.#reads.isWaiting
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    return this.#reads.next(() => this.#claim.pull())
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    const done = this.#reads.leave()
    this.#claim.release()
    return done
  }

  accept(token: Buffer): void {
    this.#hasTaken = true
    this.#reads.give(token)
  }

  finish(error: TokenError | null): void {
    this.#reads.end(error)
  }
}
