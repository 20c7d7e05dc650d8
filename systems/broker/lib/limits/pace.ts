import { setTimeout as delay } from 'node:timers/promises'
import { TokenBucket } from '@token-server/service'

/** How long a client may use its rate in advance, in seconds. */
const BURST_SECONDS = 10

/** A message of so many bytes counts as one; a longer one counts for each that is begun. */
const BYTES_OF_ONE = 16_384

/** Lets the messages of one client through at a rate, in their order. */
export class Pace {
  readonly #bucket: TokenBucket
  #last: Promise<void> | undefined

  constructor(perSecond: number) {
    this.#bucket = new TokenBucket(perSecond, BURST_SECONDS * perSecond, performance.now())
  }

  /** @returns resolves when a message of so many bytes may go on; undefined: at once */
  take(bytes: number): Promise<void> | undefined {
    const now = performance.now()
    const wait = this.#bucket.take(now, Math.ceil((bytes + 1) / BYTES_OF_ONE))
    if (wait === 0 && this.#last === undefined) return undefined
    const turn = waitUntil(this.#last, now + wait)
    this.#last = turn
    void turn.then(() => {
      if (this.#last === turn) this.#last = undefined
    })
    return turn
  }
}

/** A timer takes a millisecond or more: those that became due meanwhile go on without one. */
async function waitUntil(before: Promise<void> | undefined, due: number): Promise<void> {
  await before
  const wait = due - performance.now()
  if (wait > 0) await delay(wait, undefined, { ref: false })
}
