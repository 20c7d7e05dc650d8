import { seededRandom } from '../../lib/testing'

/** Everything that a simulation leaves to chance, from one seed. */
export class Chance {
  readonly #random: () => number

  constructor(readonly seed: number) {
    this.#random = seededRandom(seed)
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.#random() * times < 1
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }
}
