const HOUR = 3_600_000

/** The clocks that a {@link WallClockDeadline} goes by; a test brings its own. */
export interface WallClock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `expire` after so many milliseconds; must not keep the process alive. Returns how to cancel it. */
  schedule(expire: () => void, delay: number): () => void
}

const systemClock: WallClock = {
  now: () => Date.now(),
  schedule: (expire, delay) => {
    const timer = setTimeout(expire, delay).unref()
    return () => clearTimeout(timer)
  }
}

/**
 * Calls back once, at a time of day however far, and never keeps the process alive.
 *
 * A timer of Node that is longer than 2³¹ ms fires at once, and one of any length goes by a clock that stands still
 * while the machine sleeps and knows of no correction of the date. So this wakes every hour, and asks the calendar.
 */
export class WallClockDeadline {
  readonly #at: number
  readonly #onReach: () => void
  readonly #clock: WallClock
  #cancel: (() => void) | null = null

  /** @param at when; a time that has passed, or an invalid date, is reached in the next turn of the event loop */
  constructor(at: Date, onReach: () => void, clock: WallClock = systemClock) {
    this.#at = at.getTime()
    this.#onReach = onReach
    this.#clock = clock
    this.#arm()
  }

  /** Never calls back from now on. */
  clear(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #arm(): void {
    const left = this.#at - this.#clock.now()
    // One more than is left: `validTo` itself is still valid.
    const delay = left >= 0 ? Math.min(left + 1, HOUR) : 0
    this.#cancel = this.#clock.schedule(() => this.#wake(), delay)
  }

  #wake(): void {
    if (this.#cancel === null) return
    this.#cancel = null
    if (this.#clock.now() <= this.#at) this.#arm()
    else this.#onReach()
  }
}
