import type { Clock } from '../time/clock'
import type { ClientRecord } from './command'

/** Milliseconds for which its holder may be without a connection. */
const GRACE = 10_000

/** One client at a time may have the device for itself: until its time is over, or it is gone and does not come back at once. */
export class Lease {
  readonly #clock: Clock
  readonly #maxTime: number
  #holder: ClientRecord | undefined
  #ends = 0

  /** @param maxTime milliseconds */
  constructor(clock: Clock, maxTime: number) {
    this.#clock = clock
    this.#maxTime = maxTime
  }

  /** Undefined when nobody has it, or its time is over. */
  get holder(): ClientRecord | undefined {
    if (this.#remaining <= 0) this.#holder = undefined
    return this.#holder
  }

  /** Milliseconds. */
  get remaining(): number {
    return Math.max(Math.ceil(this.#remaining), 0)
  }

  /** @returns false when somebody else has it */
  take(client: ClientRecord, time: number): boolean {
    if (!this.isFree(client)) return false
    this.#holder = client
    this.#ends = this.#clock.now() + Math.min(time, this.#maxTime)
    return true
  }

  release(client: ClientRecord): void {
    if (this.#holder === client) this.#holder = undefined
  }

  /** Takes it back, whoever has it. @returns false when nobody has */
  end(): boolean {
    const { holder } = this
    this.#holder = undefined
    return holder !== undefined
  }

  /** Whether this client may command the device. */
  isFree(client: ClientRecord): boolean {
    const { holder } = this
    return holder === undefined || holder === client
  }

  get #remaining(): number {
    const holder = this.#holder
    if (holder === undefined) return 0
    const ends = holder.sessions > 0 ? this.#ends : Math.min(this.#ends, holder.lastUsed + GRACE)
    return ends - this.#clock.now()
  }
}
