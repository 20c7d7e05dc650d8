import { HEADER_LENGTH, isMark, MARK_LENGTH, readHeader, TYPE_PART } from '../wire/header'
import { ByteCursor } from './byte-cursor'
import { type FrameScan, scanFrames } from './scan-frames'

const NO_HEAD = new Uint8Array(0)

/** What `findLength` says when there is none. */
export const MISSING = -1
export const ABORT = -2

/**
 * Goes from data frame to data frame in the bytes that arrived.
 *
 * ```
 *              length          enter()             take(), until nothing is left
 *  (PART) ────────────▶ judged ───────▶ data frame ──────────────────────────────▶ the next one
 *  ABORT
 * ```
 */
export class FrameCursor extends ByteCursor {
  /** Bytes that are missing of the data frame entered, -1 while a head is awaited. */
  left = -1
  /** The data frame entered, or the next one, is not the last of its token. */
  isPart = false
  /** True when no token and no head has begun. The owner sets it at the end of a token. */
  isBetween = true
  readonly #hasMarks: boolean
  /** The head under way; its memory is taken for the first one that is read byte by byte. */
  #head = NO_HEAD
  #headFilled = 0

  /** @param hasMarks PART and ABORT, which were judged before, may stand between the data frames */
  constructor(hasMarks: boolean) {
    super()
    this.#hasMarks = hasMarks
  }

  /** True when a frame has begun and is not complete. */
  get isMidFrame(): boolean {
    return this.left >= 0 || this.#headFilled > 0
  }

  /** Bytes of the data frame entered that have not arrived; 0 while others wait. */
  get missing(): number {
    return this.unreadBytes > 0 ? 0 : this.left
  }

  /** @returns the length found, or whatever stands in its place, and up to `most` bytes of the chunk behind it */
  peek(most: number): Buffer {
    const behind = this.chunk.subarray(this.position, this.position + most)
    return Buffer.concat([this.#head.subarray(0, HEADER_LENGTH), behind])
  }

  /** @returns the length of the next data frame, which is then entered or found again; MISSING, or ABORT */
  findLength(): number {
    while (this.#readHead()) {
      if (this.#headFilled === HEADER_LENGTH) return readHeader(this.#head, 0)
      this.#headFilled = 0
      if (this.#head[HEADER_LENGTH] !== TYPE_PART) return ABORT
      this.isPart = true
    }
    return MISSING
  }

  enter(length: number): void {
    this.left = length
    this.#headFilled = 0
  }

  /** @returns bytes of the data frame entered as the chunk has them, none only of an empty one; null: none is there */
  takeBody(): Buffer | null {
    if (this.left > 0 && !this.hasBytes()) return null
    const bytes = this.take(this.left)
    this.left -= bytes.length
    return bytes
  }

  /** Walks over what waits, to the end of its last whole token. */
  scan(): FrameScan {
    const place = { head: this.#head, headFilled: this.#headFilled, left: this.left, isPart: this.isPart }
    return scanFrames(place, this.unread())
  }

  /** The frame at hand will not go on: the next byte is the first of a token. */
  rewind(): void {
    this.left = -1
    this.#headFilled = 0
    this.isPart = false
  }

  #readHead(): boolean {
    for (;;) {
      if (this.#headFilled === MARK_LENGTH) return true
      if (this.#headFilled === HEADER_LENGTH && !(this.#hasMarks && isMark(readHeader(this.#head, 0))))
        return true
      if (!this.hasBytes()) return false
      this.isBetween = false
      if (this.#head === NO_HEAD) this.#head = new Uint8Array(MARK_LENGTH)
      this.#head[this.#headFilled++] = this.chunk[this.position++] as number
    }
  }
}
