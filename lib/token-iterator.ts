import type { Claim, Consumer } from './consumer'
import type { TokenError } from './errors'

interface Waiter {
  resolve(result: IteratorResult<Buffer, undefined>): void
  reject(error: TokenError): void
}

const DONE: IteratorResult<Buffer, undefined> = { done: true, value: undefined }

/**
 * The tokens of a connection for `for await`: one is taken out when the next is asked for.
 *
 * Leaving the loop gives the tokens back to the connection and does not close it. The loop ends when the
 * connection has ended in order, and throws the TokenError when it broke; tokens that had arrived whole before
 * come first.
 */
export class TokenIterator implements AsyncIterableIterator<Buffer, undefined>, Consumer {
  readonly #claim: Claim
  readonly #waiting: Waiter[] = []
  #hasTaken = false
  #ended = false
  #error: TokenError | null = null

  constructor(claim: (consumer: Consumer) => Claim) {
    this.#claim = claim(this)
  }

  get isWanting(): boolean {
    return this.#waiting.length > 0
  }

  /** The end of the peer is seen when the next token is asked for: the last one has been answered by then. */
  get isBusy(): boolean {
    return this.#hasTaken && !this.#ended && this.#waiting.length === 0
  }

  get holdsOpen(): boolean {
    return false
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#ended) return this.#afterEnd()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#claim.pull()
    })
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#error = null
    this.#settle()
    this.#claim.release()
    return Promise.resolve(DONE)
  }

  accept(token: Buffer): void {
    this.#hasTaken = true
    this.#waiting.shift()?.resolve({ done: false, value: token })
  }

  finish(error: TokenError | null): void {
    if (this.#ended) return
    this.#error = error
    this.#settle()
  }

  #settle(): void {
    this.#ended = true
    for (const waiter of this.#waiting.splice(0)) {
      this.#afterEnd().then(waiter.resolve, waiter.reject)
    }
  }

  /** The error is thrown once, as by a generator. */
  #afterEnd(): Promise<IteratorResult<Buffer, undefined>> {
    const error = this.#error
    this.#error = null
    return error === null ? Promise.resolve(DONE) : Promise.reject(error)
  }
}
