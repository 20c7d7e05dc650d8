import type { Frame } from '../wire/frame'

/** Bytes that a frame takes beside its body. */
const OVERHEAD = 256

/** Takes frames one after another, although taking one is asynchronous: what is sealed opens in its order alone. */
export class InOrder {
  readonly #take: (frame: Frame) => Promise<void> | void
  #waiting: Frame[] = []
  #isTaking = false
  #isEnded = false
  #onLast: (() => void) | undefined
  /** Of the frames that wait. */
  waitingBytes = 0

  /** @param take must not reject */
  constructor(take: (frame: Frame) => Promise<void> | void) {
    this.#take = take
  }

  push(frame: Frame): void {
    if (this.#isEnded) return
    this.#waiting.push(frame)
    this.waitingBytes += frame.body.length + OVERHEAD
    if (!this.#isTaking) void this.#takeAll()
  }

  /** Calls back when all that came before has been taken, or at once: nothing is to come after it. */
  last(callback: () => void): void {
    if (this.#isTaking && !this.#isEnded) this.#onLast = callback
    else callback()
  }

  end(): void {
    this.#isEnded = true
    this.#waiting = []
  }

  async #takeAll(): Promise<void> {
    this.#isTaking = true
    while (this.#waiting.length > 0) {
      const frames = this.#waiting
      this.#waiting = []
      for (const frame of frames) {
        if (this.#isEnded) break
        await this.#take(frame)
        this.waitingBytes -= frame.body.length + OVERHEAD
      }
    }
    this.#isTaking = false
    const onLast = this.#onLast
    this.#onLast = undefined
    onLast?.()
  }
}
