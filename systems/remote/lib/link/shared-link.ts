import type { Link } from './link'

/** Who sends over it, beside others. */
export interface Sender {
  /** It may go on: there is room again. */
  drained(): void
}

/** Characters that may be sealed at once for one connection; one message more may be. */
const MAX_RESERVED = 262_144

/** One connection over which many send: while it is full each holds back, and they go on in the order in which they had to stop. */
export class SharedLink {
  readonly #link: Link
  readonly #waiting = new Set<Sender>()
  #isFull = false
  #reserved = 0
  #isWaking = false

  constructor(link: Link) {
    this.#link = link
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes
  }

  /**
   * Asks for room for what is sealed now and sent then.
   *
   * @returns false: the sender is told when to ask again; true: {@link release} follows
   */
  reserve(sender: Sender, length: number): boolean {
    if (this.#isFull || this.#waiting.size > 0 || this.#reserved >= MAX_RESERVED) {
      this.#waiting.add(sender)
      return false
    }
    this.#reserved += length
    return true
  }

  release(length: number): void {
    this.#reserved -= length
    if (this.#waiting.size === 0 || this.#isWaking) return
    // Later, so that who has just sent asks again behind the others.
    this.#isWaking = true
    queueMicrotask(() => this.#wake())
  }

  /** @returns false: the sender is told when it may go on */
  send(frame: Uint8Array, sender: Sender): boolean {
    if (this.#link.send(frame)) return true
    this.#isFull = true
    this.#waiting.add(sender)
    return false
  }

  /** To be called when the connection has room again. */
  drained(): void {
    this.#isFull = false
    this.#wake()
  }

  #wake(): void {
    this.#isWaking = false
    if (this.#isFull) return
    const senders = [...this.#waiting]
    this.#waiting.clear()
    for (const sender of senders) sender.drained()
  }
}
