import { toBase64url } from '../encoding/base64url'

export interface OnceReplaysOptions {
  /** How old a request may be, in milliseconds: as long is it remembered. Default 120,000. */
  readonly maxAge?: number
  /** How far a client's clock may be ahead, in milliseconds. Default 10,000. */
  readonly maxAhead?: number
  /** How many requests are remembered; when there are more within `maxAge`, new ones are refused. Default 100,000. */
  readonly maxRequests?: number
  /** A clock that is never set, in milliseconds. Default `performance.now`. */
  readonly elapsed?: () => number
}

/** Why a request is not taken. For `late`, `ahead` and `restarted` the client can seal it anew, by {@link OnceReplays.clock}. */
export type OnceRefusal = 'repeated' | 'late' | 'ahead' | 'restarted' | 'busy'

/** A clock that runs a second faster or slower than time itself was set. */
const MAX_DRIFT = 1000

/**
 * The requests without a connection that a device took lately. None is taken twice, whether the device started anew or its clock was set
 * between the two. Whoever has no key can't fill it: ask it about what was opened, and about nothing else.
 */
export class OnceReplays {
  readonly #maxAge: number
  readonly maxAhead: number
  readonly #maxRequests: number
  readonly #elapsed: () => number
  /** In the order in which they came: when each was sent. */
  readonly #sentAt = new Map<string, number>()
  /** Nothing that was sent then or earlier is taken: it may have been forgotten. */
  #floor: number
  #drift: number
  #isAfterRestart = true

  /** @param now milliseconds since 1970, by the device's clock */
  constructor(now: number, options: OnceReplaysOptions = {}) {
    this.#maxAge = options.maxAge ?? 120_000
    this.maxAhead = options.maxAhead ?? 10_000
    this.#maxRequests = options.maxRequests ?? 100_000
    this.#elapsed = options.elapsed ?? (() => performance.now())
    this.#drift = now - this.#elapsed()
    this.#floor = now + this.maxAhead
  }

  get size(): number {
    return this.#sentAt.size
  }

  /** What a client's clock has to say so that its next request is taken. */
  clock(now: number): number {
    return Math.max(now, this.#floor + 1)
  }

  /** @returns undefined when the request is taken, and remembered from then on */
  take({ enc, sentAt }: { enc: Uint8Array; sentAt: number }, now: number): OnceRefusal | undefined {
    this.#noticeSetClock(now)
    this.#forget(now)
    const id = toBase64url(enc)
    if (this.#sentAt.has(id)) return 'repeated'
    if (sentAt > now + this.maxAhead) return 'ahead'
    if (sentAt < now - this.#maxAge) return 'late'
    if (sentAt <= this.#floor) return this.#isAfterRestart ? 'restarted' : 'late'
    if (this.#sentAt.size >= this.#maxRequests) return 'busy'
    this.#sentAt.set(id, sentAt)
    return undefined
  }

  /** A clock that was set tells nothing of what came before: it is as after a restart. */
  #noticeSetClock(now: number): void {
    const drift = now - this.#elapsed()
    if (Math.abs(drift - this.#drift) > MAX_DRIFT) {
      this.#floor = Math.max(this.#floor, now + this.maxAhead)
      this.#isAfterRestart = true
    }
    this.#drift = drift
  }

  /** The oldest stands first but for `maxAge + maxAhead`, so that nothing is kept for longer than that in vain. */
  #forget(now: number): void {
    for (const [id, sentAt] of this.#sentAt) {
      if (sentAt >= now - this.#maxAge) return
      this.#sentAt.delete(id)
      if (sentAt > this.#floor) {
        this.#floor = sentAt
        this.#isAfterRestart = false
      }
    }
  }
}
