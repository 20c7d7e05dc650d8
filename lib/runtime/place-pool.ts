/** Places that are kept for later, and how many one may have: more goes back to the garbage collector. */
const MAX_KEPT = 16
const MAX_PLACES = 16 * 1024

/** What stands in each place, and what was counted for it. */
export class Places<T> {
  readonly tokens: T[] = []
  readonly costs: number[] = []
}

/**
 * Many places that all queues share: a queue has some while something is in it. Arrays that grow with each burst cost
 * more than to write their places.
 */
export class PlacePool<T> {
  /** Of a queue that is empty; nobody writes to them. */
  readonly none = new Places<T>()
  readonly #kept: Places<T>[] = []

  /** @returns places that may all be written */
  take(): Places<T> {
    return this.#kept.pop() ?? new Places()
  }

  /** @param places which hold nothing alive any more */
  give(places: Places<T>): void {
    if (places !== this.none && places.tokens.length <= MAX_PLACES && this.#kept.length < MAX_KEPT)
      this.#kept.push(places)
  }
}
