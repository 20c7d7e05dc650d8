/** Of one key, since it is counted: it may have come {@link Frequent.missed} times more. */
export interface Count {
  messages: number
  bytes: number
}

interface Counted extends Count {
  /** `messages`, less what others have taken away. */
  credit: number
}

/**
 * Finds the most frequent keys in bounded memory, whatever keys there are (Misra and Gries, 1982). A key that is not counted while all
 * places are taken takes one credit from each of those that are, and a key without credit loses its place. So a key that makes up more
 * than 1 / (`places` + 1) of all has a place in the end, and each count is too low by at most that share. Each round of taking was paid
 * for by as many messages before: the work is constant a message, in the mean.
 */
export class Frequent {
  readonly #places: number
  readonly #counts = new Map<string, Counted>()
  #missed = 0

  constructor(places: number) {
    this.#places = places
  }

  add(key: string, bytes: number): void {
    const count = this.#counts.get(key)
    if (count !== undefined) {
      count.messages++
      count.bytes += bytes
      count.credit++
    } else if (this.#counts.size < this.#places) {
      this.#counts.set(key, { messages: 1, bytes, credit: 1 })
    } else {
      this.#missed++
      for (const [other, counted] of this.#counts) if (--counted.credit === 0) this.#counts.delete(other)
    }
  }

  /** At most as many as there are places. */
  get counts(): ReadonlyMap<string, Readonly<Count>> {
    return this.#counts
  }

  /** So much a count may be too low, whether its key has a place or not. */
  get missed(): number {
    return this.#missed
  }
}
