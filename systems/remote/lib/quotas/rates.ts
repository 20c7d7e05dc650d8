/** How much of a rate may come at once, in seconds. */
const BURST_SECONDS = 10

/** Those that are remembered. */
const MOST_KEYS = 10_000

/**
 * A rate for each of many, ten seconds' worth of it at once (the generic cell rate algorithm: one number for each).
 *
 * Only who has worked off all that it took is forgotten. While there are too many others, those that are not known have one rate
 * together: who comes by ever new names is not faster by that.
 */
export class Rates {
  readonly #interval: number
  /** When each will have worked off what it took, milliseconds; who took something last is last. */
  readonly #until = new Map<string, number>()
  #untilOfOthers = 0

  constructor(perSecond: number) {
    this.#interval = 1_000 / perSecond
  }

  /** @returns false: it has been too fast, and takes nothing */
  take(key: string, now = performance.now()): boolean {
    this.#forget(now)
    const known = this.#until.get(key)
    const isOther = known === undefined && this.#until.size >= MOST_KEYS
    const before = isOther ? this.#untilOfOthers : known
    const until = Math.max(before ?? 0, now) + this.#interval
    if (until - now > BURST_SECONDS * 1_000) return false
    if (isOther) this.#untilOfOthers = until
    else {
      this.#until.delete(key)
      this.#until.set(key, until)
    }
    return true
  }

  /** It has taken so many that do not count. */
  give(key: string, count: number): void {
    const until = this.#until.get(key)
    if (until !== undefined) this.#until.set(key, until - count * this.#interval)
  }

  /** One in front that has not worked it off holds up the others for the ten seconds of a burst at most. */
  #forget(now: number): void {
    for (const [key, until] of this.#until) {
      if (until > now) return
      this.#until.delete(key)
    }
  }
}
