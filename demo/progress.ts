import { megabytes, minutes, perSecond } from './format'

const MAX_BAR_WIDTH = 30
const MIN_BAR_WIDTH = 5
const LINE_INTERVAL = 1000

/** How far the file has come back: one bar on a terminal, a line a second elsewhere. */
export class Progress {
  readonly #total: number
  readonly #output: NodeJS.WriteStream
  #began = 0
  #lastLine = 0
  #isBarDrawn = false

  constructor(total: number, output: NodeJS.WriteStream) {
    this.#total = total
    this.#output = output
  }

  begin(): void {
    this.#began = this.#lastLine = performance.now()
  }

  update(bytes: number): void {
    if (this.#output.isTTY) {
      this.#output.write(`\r${this.#line(bytes)}\x1b[K`)
      this.#isBarDrawn = true
    } else if (performance.now() - this.#lastLine >= LINE_INTERVAL) {
      this.#lastLine = performance.now()
      this.#output.write(`${this.#numbers(bytes)}\n`)
    }
  }

  /** Leaves the bar on its line. */
  end(): void {
    if (this.#isBarDrawn) this.#output.write('\n')
    this.#isBarDrawn = false
  }

  /** Shorter than the terminal is wide: a line that wraps can't be drawn over. */
  #line(bytes: number): string {
    const most = (this.#output.columns || 80) - 1
    const numbers = this.#numbers(bytes)
    const width = Math.min(most - numbers.length - '[] '.length, MAX_BAR_WIDTH)
    if (width < MIN_BAR_WIDTH) return numbers.slice(0, most)
    const filled = Math.round(width * this.#share(bytes))
    return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${numbers}`
  }

  #numbers(bytes: number): string {
    const elapsed = performance.now() - this.#began
    const speed = perSecond(bytes, elapsed)
    const left = speed > 0 ? minutes(((this.#total - bytes) * 1000) / speed) : '?'
    const percent = Math.floor(100 * this.#share(bytes))
    return `${percent} %  ${megabytes(bytes)} of ${megabytes(this.#total)}  ${megabytes(speed)}/s  ETA ${left}`
  }

  /** A file that grows meanwhile never fills more than the bar. */
  #share(bytes: number): number {
    return this.#total === 0 ? 1 : Math.min(bytes / this.#total, 1)
  }
}
