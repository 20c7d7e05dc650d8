const HOUR = 3_600_000
const DAY = 24 * HOUR

/** When `certificate-expiring` is told, in days before the end. */
const NOTICE_DAYS = [14, 1] as const

/** A moment to tell that a certificate ends soon. */
export interface ExpiryNotice {
  /** When to tell it: now, if its moment has passed. */
  readonly at: Date
  /** Which of the notices it is. */
  readonly days: (typeof NOTICE_DAYS)[number]
}

/**
 * The next notice: 14 days and 1 day before the end. Whoever begins late gets the one missed last at once, not both.
 *
 * @param told `days` of the notice told last; none: Infinity
 * @returns null when none is left, and for a certificate that has ended
 */
export function nextExpiryNotice(validTo: Date, now: Date, told = Infinity): ExpiryNotice | null {
  const end = validTo.getTime()
  if (!(end > now.getTime())) return null
  let missed: ExpiryNotice | null = null
  for (const days of NOTICE_DAYS) {
    if (days >= told) continue
    const at = end - days * DAY
    if (at > now.getTime()) return missed ?? { at: new Date(at), days }
    missed = { at: now, days }
  }
  return missed
}

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
