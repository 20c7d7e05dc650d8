/** What waits under rising numbers, in their order. */
export class Numbered<T extends { readonly number: number }> {
  /**
   * By `number & mask`. Not a Map: each time it grows or is cleaned up, a Map leaves its old table behind with a pointer to the new one, so
   * that all that comes later lives until the garbage collector goes through the whole heap.
   */
  #slots: (T | undefined)[] = new Array(64).fill(undefined)
  #low = 1
  #high = 1
  size = 0

  /** @param item with a higher number than all before */
  add(item: T): void {
    const { number } = item
    if (this.size === 0) this.#low = number
    while (number - this.#low >= this.#slots.length) this.#grow()
    this.#slots[number & (this.#slots.length - 1)] = item
    this.#high = number + 1
    this.size++
  }

  get(number: unknown): T | undefined {
    if (typeof number !== 'number') return undefined
    const item = this.#slots[number & (this.#slots.length - 1)]
    return item?.number === number ? item : undefined
  }

  /** @returns whether it was there */
  delete(number: number): boolean {
    if (this.get(number) === undefined) return false
    this.#slots[number & (this.#slots.length - 1)] = undefined
    this.size--
    while (this.#low < this.#high && this.#slots[this.#low & (this.#slots.length - 1)] === undefined)
      this.#low++
    return true
  }

  /** Undefined where nothing waits. */
  get lowest(): number | undefined {
    return this.size === 0 ? undefined : this.#low
  }

  /** Those that wait; what is taken out or added meanwhile is left out or comes. */
  *values(): IterableIterator<T> {
    for (let number = this.#low; number < this.#high; number++) {
      const item = this.get(number)
      if (item !== undefined) yield item
    }
  }

  #grow(): void {
    const slots = new Array(this.#slots.length * 2).fill(undefined)
    for (const item of this.values()) slots[item.number & (slots.length - 1)] = item
    this.#slots = slots
  }
}
