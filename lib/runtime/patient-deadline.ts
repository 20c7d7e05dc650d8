import { clock } from './clock'
import { Deadline } from './deadline'

/** The time is counted in so many parts: an answer over several round trips needs several turns of the event loop. */
const PARTS = 4

/** Milliseconds: a shorter deadline is counted in one part. */
const LEAST = 40

/**
 * A deadline for what takes several round trips (a dial, a handshake, a delivery): a process that was blocked does not
 * blame the other side for it. Time is counted in four parts, and each counts as a quarter, however late its timer comes: so
 * three quarters are left after the longest block.
 *
 * ```
 *  timeout   ├────────┼────────┼────────┼────────┤
 *  blocked   ├──██████████████████┼────────┼────────┼────────┤
 * ```
 */
export class PatientDeadline {
  readonly #parts: number
  readonly #part: number
  readonly #deadline: Deadline
  #partsLeft: number
  #since = 0

  /** @param milliseconds until it expires once armed; 0 and Infinity mean never */
  constructor(milliseconds: number, onExpire: () => void) {
    this.#parts = milliseconds < LEAST ? 1 : PARTS
    this.#part = milliseconds === 0 ? Infinity : Math.ceil(milliseconds / this.#parts)
    this.#partsLeft = this.#parts
    this.#deadline = new Deadline(this.#part, () => {
      this.#partsLeft--
      if (this.#partsLeft > 0) this.#count()
      else onExpire()
    })
  }

  get isArmed(): boolean {
    return this.#deadline.isArmed
  }

  /** Milliseconds that are left of it, at least 1; Infinity when it never expires. */
  get timeLeft(): number {
    if (this.#part === Infinity) return Infinity
    const ofThisPart = Math.max(0, this.#since + this.#part - clock.now())
    return Math.max(1, (this.#partsLeft - 1) * this.#part + ofThisPart)
  }

  /** Starts to count, anew when it was already counting. */
  arm(): void {
    this.#partsLeft = this.#parts
    this.#count()
  }

  /** Stops counting for good. */
  clear(): void {
    this.#deadline.clear()
  }

  #count(): void {
    this.#since = clock.now()
    this.#deadline.arm()
  }
}
