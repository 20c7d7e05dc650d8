import { Fifo } from '../runtime/fifo'

/**
 * The numbers of aborted tokens among those that an application acknowledges by itself: it knows nothing of them, and
 * a count that reaches one passes over it.
 *
 * ```
 *  number     1   2   3   4   5
 *  token      a   –   –   b   c        2 and 3 were aborted
 *  it has had 1 ──────▶ counts as 3    it has had 2 more ──▶ counts as 5
 * ```
 */
export class AbortedTokens {
  /** First number and count of each run. */
  readonly #runs = new Fifo<[first: number, count: number]>()
  #waiting = 0

  /** Aborted tokens that no count has passed. */
  get waiting(): number {
    return this.#waiting
  }

  /** @param number larger than any before */
  add(number: number): void {
    const last = this.#runs.last
    this.#waiting++
    // A peer may abort without end: a run costs as much as one token.
    if (last !== undefined && last[0] + last[1] === number) last[1]++
    else this.#runs.push([number, 1])
  }

  /** @returns the count that `handed` stands for, with the aborted tokens behind it */
  pass(handed: number): number {
    let result = handed
    for (let run = this.#runs.first; run !== undefined && run[0] <= result + 1; run = this.#runs.first) {
      result += run[1]
      this.#waiting -= run[1]
      this.#runs.shift()
    }
    return result
  }
}
