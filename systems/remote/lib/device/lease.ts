import type { Clock } from '../time/clock'
import type { ClientRecord } from './command'

/** One client at a time may have the device for itself. */
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
    if (this.#holder !== undefined && this.#clock.now() >= this.#ends) this.#holder = undefined
    return this.#holder
  }

  /** Milliseconds. */
  get remaining(): number {
    return this.holder === undefined ? 0 : Math.ceil(this.#ends - this.#clock.now())
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

  /** Whether this client may command the device. */
  isFree(client: ClientRecord): boolean {
    const { holder } = this
    return holder === undefined || holder === client
  }
}
