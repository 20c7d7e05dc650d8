/** So many lines of one kind are written in a period. */
const MOST_LINES = 5

/** Milliseconds. */
const PERIOD = 10_000

/**
 * Bounds how many lines strangers can cause: of each kind the first few of a period are written, the others are counted, and the
 * count is written when the period ends.
 */
export class LimitedLog {
  readonly #write: (kind: string, more: number) => void
  readonly #counts = new Map<string, number>()
  #period: NodeJS.Timeout | null = null

  /** @param write writes how many more there were of a kind */
  constructor(write: (kind: string, more: number) => void) {
    this.#write = write
  }

  /** @param kind one of a bounded set, such as the code of an error @returns true when a line may be written */
  may(kind: string): boolean {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    this.#period ??= setTimeout(() => this.flush(), PERIOD).unref()
    return count <= MOST_LINES
  }

  /** Ends the period. */
  flush(): void {
    if (this.#period !== null) clearTimeout(this.#period)
    this.#period = null
    const counts = [...this.#counts]
    this.#counts.clear()
    for (const [kind, count] of counts) if (count > MOST_LINES) this.#write(kind, count - MOST_LINES)
  }
}
