import { type Clock, type ClockTimer, systemClock } from '../time/clock'
import { CODE_LIFETIME, MAX_SEALED_INVITATION } from './invitation-code'

export interface BoardLimits {
  /** Invitations at once, of one device. Default 4. */
  readonly maxPerDevice: number
  /** Of all devices. Default 10,000. */
  readonly maxInvitations: number
}

const PLACE = /^[\w-]{22}$/

interface Entry {
  readonly device: string
  readonly sealed: Uint8Array
  readonly timer: ClockTimer
}

/**
 * Sealed invitations under the place that follows from a code, each for two minutes and for one who asks. The relay that has it can open
 * none of them: `invitation-code.ts` says how well that holds.
 */
export class InvitationBoard {
  readonly #limits: BoardLimits
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()

  constructor({ clock = systemClock, ...limits }: Partial<BoardLimits> & { readonly clock?: Clock } = {}) {
    this.#limits = { maxPerDevice: 4, maxInvitations: 10_000, ...limits }
    this.#clock = clock
  }

  get size(): number {
    return this.#entries.size
  }

  /**
   * @param device that has proven its key
   * @returns whether it is held now: not what is malformed, too much, or at a place that is taken
   */
  post(device: string, place: string, sealed: Uint8Array): boolean {
    const { maxPerDevice, maxInvitations } = this.#limits
    if (!PLACE.test(place) || sealed.length > MAX_SEALED_INVITATION || this.#entries.has(place)) return false
    if (this.#entries.size >= maxInvitations || this.#countOf(device) >= maxPerDevice) return false
    const timer = this.#clock.setTimeout(() => this.#entries.delete(place), CODE_LIFETIME)
    timer.unref?.()
    this.#entries.set(place, { device, sealed: Uint8Array.from(sealed), timer })
    return true
  }

  /** Gives it out, and holds it no more. */
  take(place: string): Uint8Array | undefined {
    const entry = this.#entries.get(place)
    if (entry === undefined) return undefined
    this.#clock.clearTimeout(entry.timer)
    this.#entries.delete(place)
    return entry.sealed
  }

  close(): void {
    for (const { timer } of this.#entries.values()) this.#clock.clearTimeout(timer)
    this.#entries.clear()
  }

  #countOf(device: string): number {
    let count = 0
    for (const entry of this.#entries.values()) if (entry.device === device) count++
    return count
  }
}
