import { setTimeout as delay } from 'node:timers/promises'
import type { TokenBucket } from '../core/token-bucket'

/** Lets publishes through at a rate, in their order. */
export class Pace {
  readonly #bucket: TokenBucket
  #last: Promise<unknown> | undefined

  constructor(bucket: TokenBucket) {
    this.#bucket = bucket
  }

  /** undefined: at once. */
  take(): Promise<unknown> | undefined {
    const now = performance.now()
    const wait = this.#bucket.take(now)
    if (wait === 0 && this.#last === undefined) return undefined
    const turn = (this.#last ?? Promise.resolve()).then(() => {
      return delay(Math.max(now + wait - performance.now(), 0), undefined, { ref: false })
    })
    this.#last = turn
    void turn.then(() => {
      if (this.#last === turn) this.#last = undefined
    })
    return turn
  }
}
