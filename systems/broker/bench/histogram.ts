/** Steps within each power of two: the error of a value is at most 1/64 of it. */
const STEPS = 64

/** The lowest value that is told from 0, in the unit of the values. */
const UNIT = 1 / 1024

const POWERS = 32

/** Counts durations so that histograms of several processes can be added, in steps of 1.6 %. */
export class Histogram {
  readonly counts: Uint32Array<ArrayBufferLike>

  /** @param counts of another histogram; default none */
  constructor(counts: Uint32Array<ArrayBufferLike> = new Uint32Array(STEPS * POWERS)) {
    this.counts = counts
  }

  add(value: number): void {
    const index = indexOf(value)
    this.counts[index] = (this.counts[index] as number) + 1
  }

  addAll({ counts }: Histogram): void {
    for (let index = 0; index < counts.length; index++) {
      this.counts[index] = (this.counts[index] as number) + (counts[index] as number)
    }
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  /**
   * The value that a share of all values does not exceed; NaN without values.
   *
   * @param share from 0 to 1
   */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.total))
    for (let index = 0; index < this.counts.length; index++) {
      left -= this.counts[index] as number
      if (left <= 0) return middleOf(index)
    }
    return Number.NaN
  }
}

function indexOf(value: number): number {
  const units = value / UNIT
  if (!(units >= 1)) return 0
  const power = Math.floor(Math.log2(units))
  return Math.min(STEPS * POWERS - 1, STEPS * power + Math.floor((units / 2 ** power - 1) * STEPS))
}

/** The middle of the step. */
function middleOf(index: number): number {
  if (index === 0) return 0
  const power = Math.floor(index / STEPS)
  return UNIT * 2 ** power * (1 + ((index % STEPS) + 0.5) / STEPS)
}

/** The middle one of some values; of two the lower. NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN
}
