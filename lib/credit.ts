/**
 * The credit that a receiver has given to its peer, `docs/wire-format.md` section 8: counts only, no frames.
 *
 * ```
 *  received  ├──────────────────┤
 *  freed     ├──────────┤                     what the application has taken
 *  granted   ├─────┤                          freed, as the last WINDOW said it
 *  limit     ├─────┤├── window ──┤            a token may start while received < limit
 * ```
 */
export class ReceiveCredit {
  readonly #window: number
  #received = 0
  #freed = 0
  #granted = 0

  /** @param window the `receiveWindow` of this side's HELLO, bytes */
  constructor(window: number) {
    this.#window = window
  }

  /** Bytes that arrived and that the application has not taken. */
  get held(): number {
    return this.#received - this.#freed
  }

  /** Counts a data frame that begins. @returns false when the peer had no credit for it */
  take(cost: number): boolean {
    const isAllowed = this.#received < this.#window + this.#granted
    this.#received += cost
    return isAllowed
  }

  /** Counts a token that the application has taken. */
  free(cost: number): void {
    this.#freed += cost
  }

  /** True when half of the window could be given back: the peer must not run dry. */
  get isDue(): boolean {
    return (this.#freed - this.#granted) * 2 >= this.#window
  }

  /** @returns the `granted` of the WINDOW that is sent now */
  grant(): number {
    this.#granted = this.#freed
    return this.#granted
  }
}
