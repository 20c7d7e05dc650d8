/** Tells what goes on: on a terminal a line that is written over, else one line an item. */
export class Progress {
  #isTerminal = process.stderr.isTTY === true
  #hasStep = false

  step(what, part) {
    if (!this.#isTerminal) return
    const done = part > 0 ? ` ${Math.round(part * 100)} %` : ''
    process.stderr.write(`\r\x1b[K${`${what}${done}`.slice(0, (process.stderr.columns ?? 80) - 1)}`)
    this.#hasStep = true
  }

  line(text) {
    this.clear()
    process.stderr.write(`${text}\n`)
  }

  clear() {
    if (this.#hasStep) process.stderr.write('\r\x1b[K')
    this.#hasStep = false
  }
}
