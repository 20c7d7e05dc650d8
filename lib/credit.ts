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

  /**
   * @param window bytes that the peer may send before some are freed
   * @param held bytes of an earlier transport that are not freed yet: they take room, and give credit as they go
   */
  constructor(window: number, held = 0) {
    this.#window = window
    this.#received = Math.min(held, window)
    // What is held above the window gives none.
    this.#freed = this.#received - held
  }

  /** The `receiveWindow` of this side's HELLO, bytes; 0 when WINDOW has to give the first. */
  get initial(): number {
    return this.#window - this.#received
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

  /** What is held will never be taken: it is gone, and gives credit. */
  freeAll(): void {
    this.#freed = this.#received
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
