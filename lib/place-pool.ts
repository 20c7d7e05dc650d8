/** Arrays that are kept for later, and the places of one: more goes back to the garbage collector. */
const MAX_KEPT = 16
const MAX_PLACES = 16 * 1024

/**
 * Arrays of many places that all queues share: a queue has one while something is in it. An array that grows with each
 * burst costs more than to write its places.
 */
export class PlacePool<T> {
  /** Of a queue that is empty; nobody writes to it. */
  readonly none: T[] = []
  readonly #kept: T[][] = []

  /** @returns an array of which all places may be written */
  take(): T[] {
    return this.#kept.pop() ?? []
  }

  /** @param array which holds nothing alive any more */
  give(array: T[]): void {
    if (array !== this.none && array.length <= MAX_PLACES && this.#kept.length < MAX_KEPT)
      this.#kept.push(array)
  }
}
