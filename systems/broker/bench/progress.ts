/** Where progress goes: a terminal, or anything else. */
export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** On a terminal one line is written again and again; elsewhere only what stays is a line. */
export class Progress {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  /** Stays. */
  say(line: string): void {
    this.#output.write(`${this.#clear}${line}\n`)
  }

  /** Is replaced by what comes next. */
  now(text: string): void {
    if (this.#output.isTTY === true) this.#output.write(`${this.#clear}${text}`)
  }

  get #clear(): string {
    return this.#output.isTTY === true ? '\r\x1b[K' : ''
  }
}
