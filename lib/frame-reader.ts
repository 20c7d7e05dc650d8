import { BufferView } from './buffer-view'
import { ByteCursor } from './byte-cursor'
import { DIAGNOSIS_LENGTH } from './diagnose'
import { frameRefusal } from './frame-refusal'
import { scanFrames } from './frame-scan'
import { JoinedToken } from './joined-token'
import { protocolError } from './protocol-error'
import { ABORT_COST, HEADER_LENGTH, isMark, MARK_LENGTH, readHeader, TYPE_PART } from './wire'

/** What became of a token that `next` has not returned: nothing, it came to its end, or the peer aborted it. */
export const NOTHING = 0
export const WHOLE = 1
export const ABORTED = 2
export type Passed = typeof NOTHING | typeof WHOLE | typeof ABORTED

/**
 * Turns chunks of bytes into tokens, or into the bytes of tokens as they come. Knows no socket: `push` what
 * arrived, then call `next` until it says null.
 *
 * ```
 *             whole in the chunk ──▶ a view of the chunk, nothing copied
 *            ╱
 *  header ──▶─ spans chunks, or has parts ──▶ copied once into memory that grows with what arrived
 *            ╲
 *             begin(), read() ──▶ views, as the bytes come
 * ```
 *
 * A length over the limit is refused at its header, before memory is taken for it. After an error the reader is
 * broken for good: the place of the next header is unknown.
 */
export class FrameReader {
  /** What the token that was returned last still costs of the credit. */
  cost = 0
  readonly #maxTokenLength: number
  readonly #hasMarks: boolean
  readonly #cursor = new ByteCursor()
  /** True from the first header that was no error. */
  #hasRead = false
  /** True when no token and no head has begun. */
  #isBetween = true

  readonly #head = new Uint8Array(MARK_LENGTH)
  #headFilled = 0
  /** Bytes that are missing of the data frame at hand, -1 while a head is awaited. */
  #left = -1
  /** The data frame at hand, or the next one, is not the last of its token. */
  #isPart = false
  readonly #joined: JoinedToken

  /** A consumer of bytes was told of the token at hand, and has had `given` bytes of it. */
  #isTold = false
  #given = 0
  /** Bytes that come again, after a restart. */
  #skip = 0
  #isDropping = false
  #passed: Passed = NOTHING
  /** What was taken out and is still owed to the credit; what is not any more. */
  #unpaid = 0
  #freed = 0

  /**
   * @param maxTokenLength the longest token let through whole, and the longest data frame, bytes
   * @param hasMarks PART and ABORT, which were judged before, may stand between the data frames
   */
  constructor(maxTokenLength: number, hasMarks = false) {
    this.#maxTokenLength = maxTokenLength
    this.#hasMarks = hasMarks
    this.#joined = new JoinedToken(maxTokenLength)
  }

  /** Bytes pushed and not yet looked at. */
  get unreadBytes(): number {
    return this.#cursor.unreadBytes
  }

  /** True when a frame has begun and is not complete: an end of the stream now would cut it. */
  get isMidFrame(): boolean {
    return this.#left >= 0 || this.#headFilled > 0
  }

  /** What the whole tokens that wait cost of the credit. */
  get waitingCost(): number {
    return this.#scan().cost
  }

  /** Takes a chunk. The tokens that `next` returns may be views of it: it must not be changed afterwards. */
  push(chunk: Buffer): void {
    this.#cursor.push(chunk)
  }

  /**
   * @returns the next token; null when more bytes are needed, or when a token passed that is not returned
   * @throws TokenError `ERR_TOKEN_TOO_LARGE`, `ERR_CONTROL_FRAME`
   */
  next(): Buffer | null {
    const cursor = this.#cursor
    const { chunk, position } = cursor
    const start = position + HEADER_LENGTH
    if (this.#isBetween && start <= chunk.length) {
      const length = readHeader(chunk, position)
      const end = start + length
      if (end <= chunk.length && length <= this.#maxTokenLength) {
        cursor.position = end
        this.#hasRead = true
        this.cost = length + HEADER_LENGTH
        return new BufferView(cursor.memory, cursor.offset + start, length)
      }
    }
    return this.#nextByPieces()
  }

  /**
   * Goes to the next token, which is then `read`. What is left of one begun before is dropped.
   *
   * @returns true when its first length is there; false as `next` returns null
   */
  begin(): boolean {
    if (this.#isTold) this.#isDropping = true
    // What was joined for another consumer is the beginning.
    while (this.#joined.length > 0 || this.#findFrame(false)) {
      if (!this.#isDropping) {
        this.#isTold = true
        return true
      }
      if (!this.#dropBytes()) return false
    }
    return false
  }

  /** @returns the next bytes of the token begun; null when more are needed, or it came to its end without one */
  read(): Buffer | null {
    if (this.#joined.length > 0) return this.#give(this.#joined.take())
    while (this.#findFrame(false)) {
      const bytes = this.#takeBytes()
      if (bytes === null) return null
      const skipped = Math.min(this.#skip, bytes.length)
      this.#skip -= skipped
      if (this.#left === 0 && this.#endFrame()) this.#endToken(WHOLE)
      if (skipped < bytes.length) return this.#give(skipped === 0 ? bytes : bytes.subarray(skipped))
      if (this.#passed !== NOTHING) return null
    }
    return null
  }

  /** @returns what became of a token that `next` did not return, or that was dropped or read; told once */
  takePassed(): Passed {
    const passed = this.#passed
    this.#passed = NOTHING
    return passed
  }

  /** @returns what is free again of the credit although no token was returned; told once */
  takeFreed(): number {
    const freed = this.#freed
    this.#freed = 0
    return freed
  }

  /**
   * Throws away what is here of a token that is not whole. Of one that a consumer is reading, the bytes that it has
   * had are skipped when it comes again.
   *
   * @returns whole tokens that wait
   */
  cut(): number {
    const { tokens, end } = this.#scan()
    this.#cursor.truncate(end)
    if (tokens === 0) this.#rewind()
    return tokens
  }

  /** What was taken out until now costs nothing any more: another stream follows, with a credit of its own. */
  forgetCost(): void {
    this.cost = 0
    this.#unpaid = 0
    this.#freed = 0
  }

  #rewind(): void {
    this.#left = -1
    this.#headFilled = 0
    this.#isPart = false
    this.#joined.take()
    this.#skip = this.#given
    this.#isBetween = !this.#isTold
  }

  #scan() {
    const place = {
      head: this.#head,
      headFilled: this.#headFilled,
      left: this.#left,
      isPart: this.#isPart
    }
    return scanFrames(place, this.#cursor.unread())
  }

  #nextByPieces(): Buffer | null {
    // The consumer that read it in pieces has left.
    if (this.#isTold) this.#isDropping = true
    while (this.#findFrame(!this.#isDropping)) {
      if (this.#isDropping) {
        if (!this.#dropBytes()) return null
        continue
      }
      const bytes = this.#takeBytes()
      if (bytes === null) return null
      this.#joined.add(bytes, this.#left, this.#isPart)
      if (this.#left > 0 || !this.#endFrame()) continue
      this.cost = this.#unpaid
      this.#unpaid = 0
      const token = this.#joined.take()
      this.#endToken(NOTHING)
      return token
    }
    return null
  }

  /** Reads heads until a data frame is at hand. @returns false when bytes are missing or the token was aborted */
  #findFrame(isJoining: boolean): boolean {
    while (this.#left < 0) {
      if (!this.#readHead()) return false
      if (this.#headFilled === HEADER_LENGTH) {
        this.#beginFrame(readHeader(this.#head, 0), isJoining)
      } else if (this.#head[HEADER_LENGTH] === TYPE_PART) {
        this.#isPart = true
        this.#headFilled = 0
      } else {
        this.#unpaid += ABORT_COST
        this.#endToken(ABORTED)
        return false
      }
    }
    return true
  }

  #readHead(): boolean {
    for (;;) {
      if (this.#headFilled === MARK_LENGTH) return true
      if (this.#headFilled === HEADER_LENGTH && !(this.#hasMarks && isMark(readHeader(this.#head, 0))))
        return true
      if (!this.#cursor.hasBytes()) return false
      this.#isBetween = false
      this.#head[this.#headFilled++] = this.#cursor.chunk[this.#cursor.position++] as number
    }
  }

  #beginFrame(length: number, isJoining: boolean): void {
    const sum = isJoining ? this.#joined.length + length : length
    // The head stays where it is: each further call refuses again.
    if (sum > this.#maxTokenLength) throw this.#refuse(length, sum)
    this.#left = length
    this.#headFilled = 0
    this.#hasRead = true
    this.#unpaid += HEADER_LENGTH
  }

  /** @returns bytes of the data frame at hand as the chunk has them, none only of an empty one; null: none is there */
  #takeBytes(): Buffer | null {
    if (this.#left > 0 && !this.#cursor.hasBytes()) return null
    const bytes = this.#cursor.take(this.#left)
    this.#left -= bytes.length
    this.#unpaid += bytes.length
    return bytes
  }

  #give(bytes: Buffer): Buffer {
    this.#given += bytes.length
    this.#pay()
    return bytes
  }

  /** @returns false when bytes are missing, or the token that is dropped has come to its end */
  #dropBytes(): boolean {
    if (this.#takeBytes() === null) return false
    this.#pay()
    if (this.#left > 0 || !this.#endFrame()) return true
    this.#endToken(WHOLE)
    return false
  }

  /** @returns true when it was the last frame of its token; of another one nothing is owed any more */
  #endFrame(): boolean {
    this.#left = -1
    if (!this.#isPart) return true
    this.#isPart = false
    this.#pay()
    return false
  }

  #pay(): void {
    this.#freed += this.#unpaid
    this.#unpaid = 0
  }

  #endToken(passed: Passed): void {
    if (passed === WHOLE && this.#skip > 0 && !this.#isDropping) {
      throw protocolError('protocol-error', 'Cannot go on with a token: it came again and was shorter')
    }
    this.#pay()
    this.#passed = passed
    this.#headFilled = 0
    this.#isPart = false
    this.#joined.take()
    this.#isTold = false
    this.#isDropping = false
    this.#given = 0
    this.#skip = 0
    this.#isBetween = true
  }

  #refuse(length: number, sum: number) {
    const { chunk, position } = this.#cursor
    const rest = chunk.subarray(position, position + DIAGNOSIS_LENGTH)
    const first = Buffer.concat([this.#head.subarray(0, HEADER_LENGTH), rest])
    return frameRefusal(length, sum, this.#maxTokenLength, this.#hasRead ? null : first)
  }
}
