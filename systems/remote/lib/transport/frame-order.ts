import { concat } from '../encoding/bytes'

/** Bytes that stand before a frame that is numbered. */
export const NUMBER_LENGTH = 4

/** Frames that came before one that is missing, at most. */
const MAX_WAITING = 1_024

/** Numbers frames which go by two ways: as answers, and as tokens of their own. */
export class FrameNumbers {
  #next = 0

  number(frame: Uint8Array): Uint8Array<ArrayBuffer> {
    const number = this.#next
    this.#next = (number + 1) >>> 0
    return concat(Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number), frame)
  }
}

/** Puts them into their order again. */
export class FrameOrder {
  #next = 0
  readonly #waiting = new Map<number, Uint8Array>()
  readonly #onFrame: (frame: Uint8Array) => void

  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame
  }

  /** @returns false for what no {@link FrameNumbers} can have made: it has come before, or too much is missing */
  take(numbered: Uint8Array): boolean {
    if (numbered.length < NUMBER_LENGTH) return false
    const number = new DataView(numbered.buffer, numbered.byteOffset, NUMBER_LENGTH).getUint32(0)
    const frame = numbered.subarray(NUMBER_LENGTH)
    if (number !== this.#next) {
      const isAhead = (number - this.#next) >>> 0 < MAX_WAITING
      if (!isAhead || this.#waiting.has(number)) return false
      this.#waiting.set(number, frame)
      return true
    }
    this.#next = (number + 1) >>> 0
    this.#onFrame(frame)
    while (this.#waiting.size > 0) {
      const waiting = this.#waiting.get(this.#next)
      if (waiting === undefined) break
      this.#waiting.delete(this.#next)
      this.#next = (this.#next + 1) >>> 0
      this.#onFrame(waiting)
    }
    return true
  }
}
