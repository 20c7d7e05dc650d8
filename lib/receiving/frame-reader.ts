import { protocolError, type TokenError } from '../errors/token-error'
import { BufferView } from '../runtime/buffer-view'
import { MAX_FIRST_BYTES } from '../wire/foreign-protocols'
import { frameRefusal } from '../wire/frame-refusal'
import {
  ABORT_COST,
  HEADER_LENGTH,
  isMark,
  MARK_LENGTH,
  readHeader,
  TYPE_PART,
  TYPE_REQUEST,
  writeHeader
} from '../wire/header'
import { ByteCursor, NO_HEAD } from './byte-cursor'
import { JoinedToken } from './joined-token'
import { scanTokens, type WaitingTokens } from './scan-tokens'

/** What became of a token that a reader did not return: nothing, it came to its end, or the peer aborted it. */
export const NOTHING = 0
export const WHOLE = 1
export const ABORTED = 2
export type Passed = typeof NOTHING | typeof WHOLE | typeof ABORTED

const NO_BYTES: Buffer = Buffer.alloc(0)

/**
 * Turns chunks of bytes into tokens, or into the bytes of tokens as they come. Knows no socket: `push` what
 * arrived, then call `next` until it says null.
 *
 * ```
 *             whole in the chunk ──▶ a view of the chunk, nothing copied
 *            ╱
 *  header ──▶─ spans chunks, or has parts ──▶ joined in memory of its own; bytes read into `memory` are there already
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
  /** The peer wants an answer to the token that was returned, begun or passed last. */
  isRequest = false
  readonly #maxTokenLength: number
  readonly #hasMarks: boolean
  /** What bytes that were taken out, and are held, cost of the credit. */
  #heldCost = 0
  /** What is free again of the credit although no token was returned, and was not told. */
  #freedCost = 0
  readonly #cursor = new ByteCursor()
  /** Bytes that are missing of the data frame entered, -1 while a head is awaited. */
  #left = -1
  /** The data frame entered, or the next one, is not the last of its token. */
  #isPart = false
  /** The next token, or the one at hand, wants an answer. */
  #isRequested = false
  /** True when no token and no head has begun. */
  #isBetween = true
  /** True from the first header that was no error. */
  #hasRead = false
  /** It is null before the first token that does not come whole. */
  #joined: JoinedToken | null = null
  /** A consumer of bytes was told of the token at hand, and has had `given` bytes of it. */
  #isTold = false
  #given = 0
  /** Bytes that come again, after a restart. */
  #skip = 0
  #passed: Passed = NOTHING

  /**
   * @param maxTokenLength the longest token let through whole, and the longest data frame, bytes
   * @param hasMarks PART, ABORT and REQUEST, which were judged before, may stand between the data frames
   */
  constructor(maxTokenLength: number, hasMarks = false) {
    this.#maxTokenLength = maxTokenLength
    this.#hasMarks = hasMarks
  }

  /** Bytes pushed and not yet looked at. */
  get unreadBytes(): number {
    return this.#cursor.unreadBytes
  }

  /** Bytes that are kept of a token which is not whole. */
  get joinedBytes(): number {
    return this.#joined?.length ?? 0
  }

  /** True when some of the unread bytes are gone, with the memory that they were in. */
  get isDetached(): boolean {
    return this.#cursor.isDetached
  }

  /** True when a frame has begun and is not complete: an end of the stream now would cut it. */
  get isMidFrame(): boolean {
    return this.#left >= 0 || this.#cursor.isInHead
  }

  /** What the whole tokens that wait cost of the credit. */
  get waitingCost(): number {
    return this.#scan().cost
  }

  /** Memory for what is missing of a long token, as far as it is taken; null when the next bytes belong nowhere yet. */
  get memory(): Buffer | null {
    return this.#isTold || this.unreadBytes > 0 ? null : (this.#joined?.room(this.#left) ?? null)
  }

  /** Takes a chunk. The tokens that `next` returns may be views of it: it must not be changed afterwards. */
  push(chunk: Buffer): void {
    this.#cursor.push(chunk)
  }

  /**
   * @returns the next token; null when more bytes are needed, or when a token passed that is not returned
   * @throws TokenError `ERR_TOKEN_TOO_LARGE`, `ERR_CONTROL_FRAME`, `ERR_DETACHED`
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
        this.isRequest = false
        return new BufferView(cursor.memory, cursor.offset + start, length)
      }
      if (this.#hasMarks && isMark(length)) return this.#nextRequest() ?? this.#nextByPieces()
    }
    return this.#nextByPieces()
  }

  /**
   * Goes to the next token, which is then `read`. What is left of one begun before is dropped.
   *
   * @returns true when its first length is there; false as `next` returns null
   */
  begin(): boolean {
    if (this.#isTold) return this.#drop() ?? false
    // What was joined for another consumer is the beginning.
    this.#isTold = this.joinedBytes > 0 || this.#findFrame(false)
    this.isRequest = this.#isRequested
    return this.#isTold
  }

  /** @returns the next bytes of the token begun; null when more are needed, or it came to its end without one */
  read(): Buffer | null {
    if (this.#joined !== null && this.#joined.length > 0) return this.#give(this.#joined.take())
    let bytes = NO_BYTES
    while (bytes.length === 0 && this.#passed === NOTHING && this.#findFrame(false)) {
      const taken = this.#takeBytes()
      if (taken === null) break
      const skipped = Math.min(this.#skip, taken.length)
      this.#skip -= skipped
      bytes = this.#give(skipped === 0 ? taken : taken.subarray(skipped))
      if (this.#left === 0 && this.#endFrame()) this.#endToken(WHOLE)
    }
    return bytes.length === 0 ? null : bytes
  }

  /** @returns what became of a token that `next` did not return, or that was dropped or read; told once */
  takePassed(): Passed {
    const passed = this.#passed
    this.#passed = NOTHING
    return passed
  }

  /** @returns what is free again of the credit although no token was returned; told once */
  takeFreed(): number {
    const freed = this.#freedCost
    this.#freedCost = 0
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
    if (tokens > 0) return tokens
    this.#rewind()
    this.#isBetween = !this.#isTold
    this.#joined?.clear()
    this.#skip = this.#given
    return 0
  }

  /** What was taken out until now costs nothing any more: another stream follows, with a credit of its own. */
  forgetCost(): void {
    this.cost = 0
    this.#heldCost = 0
    this.#freedCost = 0
  }

  /** @returns the token behind REQUEST when both are whole in the chunk, and nothing else is between */
  #nextRequest(): Buffer | null {
    const cursor = this.#cursor
    const { chunk, position } = cursor
    const head = position + MARK_LENGTH
    const start = head + HEADER_LENGTH
    if (start > chunk.length || chunk[position + HEADER_LENGTH] !== TYPE_REQUEST) return null
    const length = readHeader(chunk, head)
    const end = start + length
    if (end > chunk.length || length > this.#maxTokenLength) return null
    cursor.position = end
    this.#hasRead = true
    this.cost = length + HEADER_LENGTH
    this.isRequest = true
    return new BufferView(cursor.memory, cursor.offset + start, length)
  }

  #nextByPieces(): Buffer | null {
    // The consumer that read it in pieces has left.
    if (this.#isTold) return this.#drop()
    while (this.#findFrame(true)) {
      const bytes = this.#takeBytes()
      if (bytes === null) return null
      this.#joined ??= new JoinedToken(this.#maxTokenLength)
      this.#joined.add(bytes, this.#left, this.#isPart)
      if (this.#left > 0 || !this.#endFrame()) continue
      this.cost = this.#heldCost
      this.#heldCost = 0
      const token = this.#joined.take()
      this.#endToken(NOTHING)
      return token
    }
    return null
  }

  /** Throws away what is left of the token at hand; when all of it is, it has passed. */
  #drop(): null {
    this.#skip = 0
    this.#joined?.clear()
    while (this.#findFrame(false) && this.#takeBytes() !== null) {
      this.#release()
      if (this.#left > 0 || !this.#endFrame()) continue
      this.#endToken(WHOLE)
      return null
    }
    return null
  }

  /** @returns true when a data frame is at hand; false when bytes are missing or the token was aborted */
  #findFrame(isJoining: boolean): boolean {
    const cursor = this.#cursor
    while (this.#left < 0) {
      const head = cursor.findHead()
      if (cursor.isInHead) this.#isBetween = false
      if (head === NO_HEAD) return false
      if (!this.#hasMarks || !isMark(head)) {
        this.#enter(head, isJoining)
      } else if (!cursor.hasBytes()) {
        return false
      } else if (this.#takeMark(cursor.takeByte())) {
        return false
      }
    }
    return true
  }

  /** @returns true when it aborts the token */
  #takeMark(type: number): boolean {
    if (type === TYPE_PART || type === TYPE_REQUEST) {
      this.#cursor.endHead()
      if (type === TYPE_PART) this.#isPart = true
      else this.#isRequested = true
      return false
    }
    this.#heldCost += ABORT_COST
    this.#endToken(ABORTED)
    return true
  }

  /** @throws TokenError for a length that is let through by nobody; its head stays, and each further call refuses again */
  #enter(length: number, isJoining: boolean): void {
    const sum = isJoining ? this.joinedBytes + length : length
    if (sum > this.#maxTokenLength) throw this.#refusal(length, sum)
    this.#cursor.endHead()
    this.#left = length
    this.#hasRead = true
    this.#heldCost += HEADER_LENGTH
  }

  /** @returns bytes of the data frame at hand as the chunk has them, none only of an empty one; null: none is there */
  #takeBytes(): Buffer | null {
    if (this.#left > 0 && !this.#cursor.hasBytes()) return null
    const bytes = this.#cursor.take(this.#left)
    this.#left -= bytes.length
    this.#heldCost += bytes.length
    return bytes
  }

  #give(bytes: Buffer): Buffer {
    this.#given += bytes.length
    this.#release()
    return bytes
  }

  /** @returns true when it was the last frame of its token; of another one nothing is owed any more */
  #endFrame(): boolean {
    this.#left = -1
    if (!this.#isPart) return true
    this.#isPart = false
    this.#release()
    return false
  }

  #endToken(passed: Passed): void {
    if (passed === WHOLE && this.#skip > 0) {
      throw protocolError('protocol-error', 'Cannot go on with a token: it came again and was shorter')
    }
    this.#release()
    this.#passed = passed
    this.isRequest = this.#isRequested
    this.#rewind()
    this.#isBetween = true
    this.#joined?.clear()
    this.#isTold = false
    this.#given = 0
    this.#skip = 0
  }

  /** The next byte is the first of a token, or of one that comes again. */
  #rewind(): void {
    this.#cursor.endHead()
    this.#left = -1
    this.#isPart = false
    this.#isRequested = false
  }

  /** What was taken out is held no longer. */
  #release(): void {
    this.#freedCost += this.#heldCost
    this.#heldCost = 0
  }

  /** Walks over what waits, and leaves it as it is. */
  #scan(): WaitingTokens {
    return scanTokens({ left: this.#left, isPart: this.#isPart }, this.#cursor.copy())
  }

  #refusal(length: number, sum: number): TokenError {
    return frameRefusal(length, sum, this.#maxTokenLength, this.#hasRead ? null : this.#firstBytes(length))
  }

  #firstBytes(head: number): Buffer {
    const { chunk, position } = this.#cursor
    const bytes = Buffer.alloc(HEADER_LENGTH)
    writeHeader(bytes, 0, head)
    return Buffer.concat([bytes, chunk.subarray(position, position + MAX_FIRST_BYTES)])
  }
}
