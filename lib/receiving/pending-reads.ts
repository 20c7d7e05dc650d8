import type { TokenError } from '../errors/token-error'

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: TokenError): void
}

const DONE: IteratorResult<never, undefined> = { done: true, value: undefined }

/** The calls of `next()` of an async iterator that wait for a value, and its end. */
export class PendingReads<T> {
  readonly #waiting: Waiter<T>[] = []
  #hasEnded = false
  #error: TokenError | null = null

  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** @param onWait is called when it waits; what it brings may answer at once */
  next(onWait: () => void): Promise<IteratorResult<T, undefined>> {
    if (this.#hasEnded) return this.#afterEnd()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      onWait()
    })
  }

  give(value: T): void {
    this.#waiting.shift()?.resolve({ done: false, value })
  }

  /** Ends all that wait and all that come. The error is thrown once, as by a generator. */
  end(error: TokenError | null): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#error = error
    for (const waiter of this.#waiting.splice(0)) this.#afterEnd().then(waiter.resolve, waiter.reject)
  }

  /** Ends without an error, also one that has ended with an error that was not thrown. */
  leave(): Promise<IteratorResult<T, undefined>> {
    this.#error = null
    this.end(null)
    return Promise.resolve(DONE)
  }

  #afterEnd(): Promise<IteratorResult<T, undefined>> {
    const error = this.#error
    this.#error = null
    return error === null ? Promise.resolve(DONE) : Promise.reject(error)
  }
}
