import { type ClockTimer, clock } from './clock'
import { setImmediate } from './event-loop'

/**
 * A timer that is armed and disarmed often and expires seldom: disarming leaves the timer of Node alone, and it
 * never keeps the process alive.
 *
 * Before it expires it lets one poll phase pass: a process that was blocked reads what waits for it before anyone
 * is blamed.
 */
export class Deadline {
  readonly #milliseconds: number
  readonly #onExpire: () => void
  #timer: ClockTimer | null = null
  /** Which poll phase it waits for; null: none. */
  #poll: object | null = null
  #armed = false

  /** @param milliseconds until it expires once armed; 0 and Infinity mean never */
  constructor(milliseconds: number, onExpire: () => void) {
    this.#milliseconds = milliseconds
    this.#onExpire = onExpire
  }

  get isArmed(): boolean {
    return this.#armed
  }

  /** Starts to count, anew when it was already counting. */
  arm(): void {
    if (this.#milliseconds === 0 || this.#milliseconds === Infinity) return
    this.#armed = true
    this.#poll = null
    if (this.#timer === null) this.#start()
    else this.#timer.refresh()
  }

  disarm(): void {
    this.#armed = false
  }

  /** Disarms and lets go of the timer. */
  clear(): void {
    this.#armed = false
    if (this.#timer !== null) clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#poll = null
  }

  #start(): void {
    this.#timer = clock.setTimeout(() => this.#expire(), this.#milliseconds)
    this.#timer.unref()
  }

  #expire(): void {
    this.#timer = null
    if (!this.#armed) return
    const poll = {}
    this.#poll = poll
    // Not unref'd: the loop would then sleep in its poll phase, however long, before it comes here. Never cleared:
    // Node calls no immediate any more after one was cleared in the tick that an exception has left.
    setImmediate(() => {
      if (this.#poll === poll) this.#polled()
    })
  }

  #polled(): void {
    this.#poll = null
    if (!this.#armed) return
    this.#armed = false
    this.#onExpire()
  }
}
