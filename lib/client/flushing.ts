import { clock } from '../runtime/clock'
import { PatientDeadline } from '../runtime/patient-deadline'

/**
 * The time of a `close()` of a client, which goes on meanwhile as long as tokens wait.
 *
 * ```
 *            begin()          pause(): all have left       end()
 *   off ─────────────▶ on ─────────────────────────▶ on ─────────▶ off
 *                       ▲                             │
 *                       └── resume(): some came back ─┘
 * ```
 */
export class Flushing {
  readonly #onExpire: () => void
  #deadline: PatientDeadline | null = null
  /** When `close()` must be done, by the monotonic clock; while it pauses. */
  #endsAt = 0

  /** @param onExpire the time is over, and tokens wait */
  constructor(onExpire: () => void) {
    this.#onExpire = onExpire
  }

  get isOn(): boolean {
    return this.#deadline !== null
  }

  /** Milliseconds that are left of it; Infinity when it is not on. */
  get timeLeft(): number {
    return this.#deadline?.timeLeft ?? Number.POSITIVE_INFINITY
  }

  begin(timeout: number): void {
    this.#deadline = new PatientDeadline(timeout, this.#onExpire)
    this.#deadline.arm()
  }

  /** Nothing waits. @param timeout milliseconds in which something may come back */
  pause(timeout: number): void {
    this.#deadline?.clear()
    this.#endsAt = clock.now() + timeout
  }

  /** Tokens wait again. @returns false when the time is over */
  resume(): boolean {
    const timeLeft = this.#endsAt - clock.now()
    if (timeLeft > 0) this.begin(timeLeft)
    return timeLeft > 0
  }

  /** The client has ended. */
  end(): void {
    this.#deadline?.clear()
    this.#deadline = null
  }
}
