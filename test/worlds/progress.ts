import { addCounts, type Counts, noCounts } from './counts'

/** Where there is no terminal: a line for each of so many parts of the whole. */
const LINES = 20

/** Tells how far a run of worlds is: on a terminal in one line that changes, elsewhere in lines now and then. */
export class Progress {
  readonly #worlds: number
  readonly #isTerminal = process.stdout.isTTY === true
  readonly #total = noCounts()
  readonly #begin = Date.now()
  #played = 0

  constructor(worlds: number) {
    this.#worlds = worlds
  }

  /** @param counts null when the world broke */
  played(counts: Counts | null): void {
    const before = this.#played++
    if (counts !== null) addCounts(this.#total, counts)
    const part = (played: number) => Math.floor((played * LINES) / this.#worlds)
    if (this.#isTerminal) process.stdout.write(`\r\x1b[K${this.#line}`)
    else if (part(before) < part(this.#played)) console.log(this.#line)
  }

  /** Prints a line of its own. */
  print(line: string): void {
    console.log(this.#isTerminal ? `\r\x1b[K${line}` : line)
  }

  end(): void {
    if (this.#isTerminal) process.stdout.write('\n')
    const { user, system } = process.cpuUsage()
    const perMinute = ((this.#total.steps / (user + system)) * 60).toFixed(2)
    console.log(`${JSON.stringify(this.#total)}, ${perMinute} million steps in a minute of processor time`)
  }

  get #line(): string {
    const minutes = ((Date.now() - this.#begin) / 60_000).toFixed(1)
    return `${this.#played} of ${this.#worlds} worlds, ${this.#total.steps} steps, ${minutes} minutes`
  }
}
