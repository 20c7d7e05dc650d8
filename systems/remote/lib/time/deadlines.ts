import { type Clock, type ClockTimer, MAX_DELAY } from './clock'

export interface Timed {
  /** By the clock's `now()`; `Infinity`: never. */
  readonly deadline: number
}

/** One timer for all that wait: none is set or cleared for each of them, nor where one comes after the other. */
export class Deadlines<T extends Timed> {
  readonly #clock: Clock
  readonly #waiting: () => Iterable<T>
  readonly #expire: (item: T) => void
  #timer: ClockTimer | undefined
  #due = Number.POSITIVE_INFINITY
  #isIdle = false

  /**
   * @param waiting all that wait now
   * @param expire must take the item out of those
   */
  constructor(clock: Clock, waiting: () => Iterable<T>, expire: (item: T) => void) {
    this.#clock = clock
    this.#waiting = waiting
    this.#expire = expire
  }

  /** Something waits from now on. */
  note(deadline: number): void {
    if (this.#isIdle) {
      this.#isIdle = false
      this.#timer?.ref?.()
    }
    if (deadline >= this.#due) return
    this.stop()
    this.#due = deadline
    const delay = Math.min(Math.max(Math.ceil(deadline - this.#clock.now()), 1), MAX_DELAY)
    this.#timer = this.#clock.setTimeout(() => this.#look(), delay)
  }

  /** Nothing waits just now: the timer stays, and keeps no process alive. */
  idle(): void {
    this.#isIdle = true
    this.#timer?.unref?.()
  }

  stop(): void {
    this.#isIdle = false
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#due = Number.POSITIVE_INFINITY
  }

  #look(): void {
    this.stop()
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const item of this.#waiting()) {
      if (item.deadline <= now) this.#expire(item)
      else if (item.deadline < next) next = item.deadline
    }
    this.note(next)
  }
}
