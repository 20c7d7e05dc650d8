/**
 * The numbers of the peer's tokens that are settled although one before them is not: a count that reaches one passes
 * over it.
 *
 * ```
 *  number     1   2   3   4   5
 *  settled    ✓       ✓   ✓          2 and 5 are still worked on: the count is 1
 *  then       ✓   ✓   ✓   ✓          the count is 4
 * ```
 */
export class SettledTokens {
  readonly #waiting = new Set<number>()

  /** @returns the count that `handed` stands for once the token of this number is settled */
  add(number: number, handed: number): number {
    if (number === handed + 1) return this.after(number)
    this.#waiting.add(number)
    return handed
  }

  /** @returns the count once all up to this number are settled */
  after(number: number): number {
    let result = number
    if (this.#waiting.size > 0) while (this.#waiting.delete(result + 1)) result++
    return result
  }
}
