import { toBase64url } from '../encoding/base64url'
import { randomId } from '../encoding/random-id'
import type { Clock } from '../time/clock'
import type { Moment } from '../wire/message'

export interface OnceReplaysOptions {
  /** How old a request may be, in milliseconds: as long is it remembered. Default 120,000. */
  readonly maxAge?: number
  /** How many requests are remembered; when there are more within `maxAge`, a new epoch begins. Default 100,000. */
  readonly maxRequests?: number
}

/** Why a request is not taken, and never will be. Of an untimely one, the client can seal it anew with {@link OnceReplays.moment}. */
export type OnceRefusal = 'repeated' | Untimely

export interface Untimely {
  /** Milliseconds for which it was certainly not taken: what was before is forgotten. Undefined: it never was. */
  readonly untakenFor: number | undefined
}

const NEVER_TAKEN: Untimely = { untakenFor: undefined }

/** How much later than the device's clock a request may be sealed, milliseconds: the client's runs faster. */
const MAX_AHEAD = 10_000

/** More that were sealed later than that begin a new epoch. */
const MAX_REMEMBERED_AHEAD = 1_000

/** The wall clock was set, or the device slept, when it goes apart from the monotonic one by more, milliseconds. */
const MAX_DRIFT = 1_000

/**
 * The requests without a connection that a device took lately. None is taken twice, and none that was refused is taken later. A client
 * learns the epoch from the device alone, sealed; a request of another epoch is never taken. So a restart, a clock that is set, and more
 * requests than can be remembered begin a new epoch, and the clock of the client does not matter. Whoever has no key can't fill it: ask
 * it about what was opened, and about nothing else.
 */
export class OnceReplays {
  readonly #clock: Clock
  readonly #maxAge: number
  readonly #maxRequests: number
  /** In the order in which they came: when each was sealed. */
  readonly #taken = new Map<string, number>()
  /** Refused, and their time is still to come. */
  readonly #ahead = new Set<string>()
  #epoch = ''
  /** By the monotonic clock. */
  #began = 0
  #drift = 0

  constructor(clock: Clock, { maxAge = 120_000, maxRequests = 100_000 }: OnceReplaysOptions = {}) {
    this.#clock = clock
    this.#maxAge = maxAge
    this.#maxRequests = maxRequests
    this.#begin()
  }

  get size(): number {
    return this.#taken.size
  }

  /** What a request that is sealed now has to say. */
  get moment(): Moment {
    return [this.#epoch, Math.floor(this.#clock.now() - this.#began)]
  }

  /**
   * @param enc tells this request from all others; a repeated one has it, too
   * @param at the moment that the request says
   * @returns undefined when the request is taken; it is remembered from then on
   */
  take(enc: Uint8Array, at: unknown): OnceRefusal | undefined {
    if (Math.abs(this.#clock.date() - this.#clock.now() - this.#drift) > MAX_DRIFT) this.#begin()
    const [epoch, now] = this.moment
    this.#forget(now)
    if (!isMoment(at) || at[0] !== epoch) return { untakenFor: now }
    const [id, sealedAt] = [toBase64url(enc), at[1]]
    if (this.#taken.has(id)) return 'repeated'
    if (this.#ahead.has(id)) return NEVER_TAKEN
    if (sealedAt < now - this.#maxAge) return { untakenFor: now - this.#maxAge - sealedAt }
    const isAhead = sealedAt > now + MAX_AHEAD
    if (isAhead) this.#ahead.add(id)
    const isFull = isAhead ? this.#ahead.size > MAX_REMEMBERED_AHEAD : this.#taken.size >= this.#maxRequests
    if (isFull) this.#begin()
    if (isAhead || isFull) return NEVER_TAKEN
    this.#taken.set(id, sealedAt)
    return undefined
  }

  #begin(): void {
    this.#epoch = randomId()
    this.#began = this.#clock.now()
    this.#drift = this.#clock.date() - this.#began
    this.#taken.clear()
    this.#ahead.clear()
  }

  /** The oldest stands first but for `maxAge` and {@link MAX_AHEAD}, so that nothing is kept for longer than that in vain. */
  #forget(now: number): void {
    for (const [id, sealedAt] of this.#taken) {
      if (sealedAt >= now - this.#maxAge) return
      this.#taken.delete(id)
    }
  }
}

function isMoment(at: unknown): at is Moment {
  return Array.isArray(at) && typeof at[0] === 'string' && Number.isFinite(at[1])
}
