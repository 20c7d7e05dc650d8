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
  readonly #claim: Claim
  readonly #pulls = new PendingReads<Buffer>()
  #hasTaken = false

  constructor(claim: (consumer: Consumer) => Claim) {
    this.#claim = claim(this)
  }

  get isWanting(): boolean {
    return this.#pulls.isWaiting
  }

  /** The end of the peer is seen when the next token is asked for: the last one has been answered by then. */
  get isBusy(): boolean {
    return this.#hasTaken && !this.#pulls.hasEnded && !this.#pulls.isWaiting
  }

  get holdsOpen(): boolean {
    return false
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    return this.#pulls.next(() => this.#claim.pull())
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    const done = this.#pulls.leave()
    this.#claim.release()
    return done
  }

  accept(token: Buffer): void {
    this.#hasTaken = true
    this.#pulls.give(token)
  }

  finish(error: TokenError | null): void {
    this.#pulls.end(error)
  }
}
