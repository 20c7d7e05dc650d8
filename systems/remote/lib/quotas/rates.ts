import { TokenBucket } from '@token-server/service'

/** How much of a rate may come at once, in seconds. */
const BURST_SECONDS = 10

/** Those that were seen longest ago are forgotten. */
const MOST_KEYS = 10_000

/** A rate for each of many. */
export class Rates {
  readonly #perSecond: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** @returns false: it has been too fast */
  take(key: string): boolean {
    const now = performance.now()
    const found = this.#buckets.get(key)
    const bucket = found ?? new TokenBucket(this.#perSecond, BURST_SECONDS * this.#perSecond, now)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined && this.#buckets.size > MOST_KEYS) this.#buckets.delete(oldest)
    return bucket.tryTake(now)
  }
}
