/**
 * The credit that a receiver has given to its peer on one transport, `docs/wire-format.md` section 8: counts only, no
 * frames.
 *
 * ```
 *  received  ├──────────────────┤
 *  freed     ├──────────┤                     what the application has taken
 *  granted   ├─────┤                          freed, as the last WINDOW said it
 *  limit     ├─────┤├── window ──┤            a data frame may start while received < limit
 * ```
 *
 * What is held from an older transport makes the window smaller, and gives credit when it is taken. If it is more
 * than the window, `freed` starts below zero.
 */
export class ReceiveCredit {
  /** The `receiveWindow` for this side's HELLO, bytes. */
  readonly helloWindow: number
  readonly #window: number
  #received = 0
  #freed: number
  #granted = 0

  /**
   * @param window the `receiveWindow` of this side, bytes
   * @param held bytes that wait here and came by an older transport
   */
  constructor(window: number, held = 0) {
    this.#window = window
    this.helloWindow = Math.max(window - held, 0)
    this.#freed = Math.min(window - held, 0)
  }

  /** Bytes that arrived, by this transport or before, and that the application has not taken. */
  get held(): number {
    return this.#received - this.#freed + this.#window - this.helloWindow
  }

  /** True while the peer may start. */
  get isLeft(): boolean {
    return this.#received < this.helloWindow + this.#granted
  }

  /** Counts a data frame that begins. @returns false when the peer had no credit for it */
  take(cost: number): boolean {
    const { isLeft } = this
    this.#received += cost
    return isLeft
  }

  /** Counts what the application has taken. */
  free(cost: number): void {
    this.#freed += cost
  }

  /** What is held will never be taken: it is gone, and gives credit. */
  freeAll(): void {
    this.#freed += this.held
  }

  /** True when half of the window could be given back: the peer must not run dry. */
  get isDue(): boolean {
    return (this.#freed - this.#granted) * 2 >= this.#window
  }

  /** @returns the `granted` of the WINDOW that is sent now */
  grant(): number {
    this.#granted = Math.max(this.#freed, 0)
    return this.#granted
  }
}
