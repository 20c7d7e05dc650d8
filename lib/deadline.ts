/**
 * A timer that is armed and disarmed often and expires seldom: disarming leaves the timer of Node alone, and it
 * never keeps the process alive.
 */
export class Deadline {
  readonly #milliseconds: number
  readonly #onExpire: () => void
  #timer: NodeJS.Timeout | null = null
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
    if (this.#timer === null) this.#timer = setTimeout(() => this.#expire(), this.#milliseconds).unref()
    else this.#timer.refresh()
  }

  disarm(): void {
    this.#armed = false
  }

  /** Disarms and lets go of the timer. */
  clear(): void {
    this.#armed = false
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #expire(): void {
    this.#timer = null
    if (!this.#armed) return
    this.#armed = false
    this.#onExpire()
  }
}
