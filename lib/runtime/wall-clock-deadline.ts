import { type ClockTimer, clock } from './clock'

const HOUR = 3_600_000

/**
 * Calls back once, at a time of day however far, and never keeps the process alive.
 *
 * A timer of Node that is longer than 2³¹ ms fires at once, and one of any length goes by a clock that stands still
 * while the machine sleeps and knows of no correction of the date. So this wakes every hour, and asks the calendar.
 */
export class WallClockDeadline {
  readonly #at: number
  readonly #onReach: () => void
  #timer: ClockTimer | null = null

  /** @param at when; a time that has passed, or an invalid date, is reached in the next turn of the event loop */
  constructor(at: Date, onReach: () => void) {
    this.#at = at.getTime()
    this.#onReach = onReach
    this.#arm()
  }

  /** Never calls back from now on. */
  clear(): void {
    if (this.#timer !== null) clock.clearTimeout(this.#timer)
    this.#timer = null
  }

  #arm(): void {
    const left = this.#at - clock.date()
    // One more than is left: `validTo` itself is still valid.
    const delay = left >= 0 ? Math.min(left + 1, HOUR) : 0
    this.#timer = clock.setTimeout(() => this.#wake(), delay)
    this.#timer.unref()
  }

  #wake(): void {
    this.#timer = null
    if (clock.date() <= this.#at) this.#arm()
    else this.#onReach()
  }
}
