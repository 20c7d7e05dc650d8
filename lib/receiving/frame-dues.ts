/** What the bytes that a reader took out cost of the credit: owed while they are held, then free. */
export class FrameDues {
  #unpaid = 0
  #freed = 0

  /** `cost` was taken out. */
  owe(cost: number): void {
    this.#unpaid += cost
  }

  /** What is owed is held no longer. */
  pay(): void {
    this.#freed += this.#unpaid
    this.#unpaid = 0
  }

  /** @returns what is owed; whoever takes it frees it */
  takeUnpaid(): number {
    const unpaid = this.#unpaid
    this.#unpaid = 0
    return unpaid
  }

  /** @returns what is free and was not told yet */
  takeFreed(): number {
    const freed = this.#freed
    this.#freed = 0
    return freed
  }

  /** Another stream follows, with a credit of its own. */
  forget(): void {
    this.#unpaid = 0
    this.#freed = 0
  }
}
