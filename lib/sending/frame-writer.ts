import { BufferView } from '../runtime/buffer-view'
import { SLAB_LENGTH, slabs } from '../runtime/slab-pool'
import { memoryLost } from '../wire/check-token'
import { COUNTS_LENGTH, encodeControl } from '../wire/control-frame'
import {
  costOf,
  HEADER_LENGTH,
  MAX_LAST_PART_LENGTH,
  PART_LENGTH,
  SPLIT_ABOVE,
  writeHeader
} from '../wire/header'
import type { AnswerQueue } from './answer-queue'
import { isStreamed, type QueuedToken } from './queue-places'
import { Request } from './request'
import type { TokenQueue } from './token-queue'
import type { TokenSource } from './token-source'

/** A frame with this many bytes left is written without being copied, bytes. */
const COPY_BELOW = 64 * 1024

/** What is not copied leaves in pieces of this size, bytes, so that each completed write is progress that is seen. */
const PIECE_LENGTH = 256 * 1024

/** The most that a TLS record has, bytes: what is not copied begins with a record of its own. */
const RECORD_LENGTH = 16 * 1024

const EMPTY = new Uint8Array(0)
const PART = encodeControl({ type: 'part' })
const ABORT = encodeControl({ type: 'abort' })
const REQUEST = encodeControl({ type: 'request' })
const REQUEST_PART = Buffer.concat([REQUEST, PART])

const { set } = Uint8Array.prototype

/** A source of frames that stand between two others. */
export interface ControlSource {
  /**
   * @param hasData a data frame follows, most likely
   * @returns whole control frames, which stay as they are until the chunk that has them is written; or null
   */
  takeControl(hasData: boolean): Uint8Array | null
  /** @returns what there is to say of counts alone, at most `COUNTS_LENGTH` bytes that are copied at once; or null */
  takeCounts(): Uint8Array | null
}

/** Has nothing to say. */
export const NO_CONTROL: ControlSource = { takeControl: () => null, takeCounts: () => null }

/**
 * Turns queued tokens into chunks of bytes. Knows no socket: write what `next` returns, say `written` when that is
 * done, and go on until it says null.
 *
 * ```
 *  control               [C]
 *  tokens   [a][b][ c c c ] │ [ d d d d d d d d d d d d d d d d d d d d d d d d d d ][e]
 *            ╲  │  │   ╲    │  │          │               │             │         │  │
 *  chunks   [ a  b  c ][ c  C P d d d d d ][ d, 240 KiB ][ P d d d d d d ][ d, … ][ d e ]
 *           slab 64 KiB  slab             its own memory  slab, 16 KiB
 * ```
 *
 * Control frames go before the frames that wait, never inside one, and the counts that answers have moved behind those;
 * P is PART. A data frame begins while `credit` is
 * above zero and then goes to its end. A token is looked at only when its turn comes: it must not be changed before.
 */
export class FrameWriter {
  /** What the peer's WINDOW still allows, bytes; below zero when the last frame was larger. */
  credit = Number.POSITIVE_INFINITY
  /** True where PART is agreed. */
  splits = false
  /** Bytes of the longest data frame that the peer takes, at least `MIN_PART_LENGTH` where it takes streams. */
  maxFrameLength = Number.POSITIVE_INFINITY
  /** True when nobody reads a chunk after its write has completed: its memory is used again. */
  reusesSlabs = false
  /** True when the last chunk had bytes of a token. */
  hasTokens = false
  /** The one that is asked between two frames. */
  control = NO_CONTROL
  readonly #queue: TokenQueue
  readonly #answers: AnswerQueue
  /** The memory of the chunk under way. */
  #slab: Buffer | null = null
  /** The payload of the frame that is begun; null between two frames. */
  #body: Uint8Array | null = null
  #bodyLength = 0
  /** What stands before the payload: PART or ABORT, then the header. */
  #prefix: Uint8Array = EMPTY
  #headLength = HEADER_LENGTH
  /** Bytes of prefix, header and payload that are out. */
  #out = 0
  #isLast = true
  /** The frame that is begun is an answer, and not of the token at the head of the queue. */
  #isAnswer = false
  /** Payload bytes of the head of the queue that are out in whole parts. */
  #partsOut = 0
  #isHeadGivenUp = false

  constructor(queue: TokenQueue, answers: AnswerQueue) {
    this.#queue = queue
    this.#answers = answers
  }

  /** True when the last chunk ended inside a frame: nothing but its rest may follow. */
  get isMidFrame(): boolean {
    return this.#body !== null
  }

  /** True when the beginning of an answer is out. */
  get isMidAnswer(): boolean {
    return this.#isAnswer
  }

  /** Tokens and answers that wait, with those begun. */
  get size(): number {
    return this.#queue.size + this.#answers.size
  }

  /**
   * @returns the next bytes to write, or null when nothing may be written
   * @throws TokenError `ERR_DETACHED` when the token whose turn it is has lost its memory
   */
  next(): Uint8Array | null {
    this.hasTokens = true
    if (this.#body !== null) {
      if (this.#body.length !== this.#bodyLength) throw memoryLost()
      return this.#piece() ?? this.#fill(null)
    }
    const hasAnswers = this.#answers.size > 0
    const control = this.control.takeControl(hasAnswers || this.#mayBegin)
    if (hasAnswers) return this.#fill(control)
    if (this.#mayBegin && (!isStreamed(this.#queue.head) || this.#begin())) return this.#fill(control)
    this.hasTokens = false
    return control === null || this.reusesSlabs ? control : Buffer.from(control)
  }

  /** The chunk that `next` returned is written. */
  written(): void {
    if (this.#slab !== null) slabs.give(this.#slab)
    this.#slab = null
  }

  /** The transport is gone, and what it has of a frame with it; it may still read the memory of the last chunk. */
  reset(): void {
    this.#slab = null
    this.#body = null
    this.#isAnswer = false
    this.#partsOut = 0
    this.#isHeadGivenUp = false
  }

  /** Gives up the head, which is in parts: the one that has begun goes to its end, no other follows. */
  abandonParts(): void {
    if (this.#body === null || this.#isAnswer) this.#dropHead()
    else this.#isHeadGivenUp = !this.#isLast
  }

  /** A piece of the large payload that has begun, as it lies in memory. */
  #piece(): Uint8Array | null {
    const body = this.#body as Uint8Array
    const from = this.#out - this.#headLength
    const left = body.length - from
    if (from < 0 || left < COPY_BELOW) return null
    const piece = body.subarray(from, from + PIECE_LENGTH)
    this.#advance(body, piece.length)
    return piece
  }

  #fill(control: Uint8Array | null): Uint8Array {
    const countsLength = this.#answers.size > 0 ? COUNTS_LENGTH : 0
    const slab = this.#memory((control?.length ?? 0) + countsLength)
    let used = 0
    if (control !== null) {
      set.call(slab, control, 0)
      used = control.length
    }
    while (this.#body !== null || this.#answers.size > 0 || this.#mayBegin) {
      // What is in the chunk has been counted as sent.
      if (this.#body === null && used > 0 && this.#answers.isHeadLost) break
      if (this.#body === null && !this.#beginAnswer()) {
        const whole = this.#copyWhole(slab, used)
        if (whole > used) {
          used = whole
          continue
        }
        if (used > 0 && this.#isHeadLost) break
      }
      if (this.#body === null && !this.#begin()) break
      used = this.#copy(slab, used)
      if (this.#body !== null) break
    }
    if (countsLength > 0) used = this.#addCounts(slab, used)
    return used === slab.length ? slab : new BufferView(slab.buffer, slab.byteOffset, used)
  }

  /** An answer that is written settles its token: to say so by itself would be a second write. */
  #addCounts(slab: Buffer, start: number): number {
    if (this.#body !== null || slab.length - start < COUNTS_LENGTH) return start
    const counts = this.control.takeCounts()
    if (counts === null) return start
    set.call(slab, counts, start)
    return start + counts.length
  }

  /** The tokens that the slab has room for, whole. @returns where they end */
  #copyWhole(slab: Buffer, start: number): number {
    const queue = this.#queue
    const { room } = queue
    const { credit } = this
    let used = start
    let count = 0
    while (used - start < credit) {
      const token = queue.wholeAt(count)
      if (token === null) break
      const { length } = token
      const end = used + costOf(length)
      if (end > slab.length || end - start > room || end - used !== queue.costAt(count)) break
      writeHeader(slab, used, length)
      if (length > 0) set.call(slab, token, used + HEADER_LENGTH)
      used = end
      count++
    }
    this.credit -= used - start
    queue.pass(count, used - start)
    return used
  }

  #memory(controlLength: number): Buffer {
    const streamed =
      isStreamed(this.#queue.head) && !this.#isAnswer ? this.#headLength + (this.#body?.length ?? 0) : 0
    const length =
      controlLength +
      this.#answers.waitingBytes +
      this.#queue.waitingBytes +
      PART.length +
      HEADER_LENGTH +
      streamed
    if (!this.reusesSlabs) return Buffer.allocUnsafe(Math.min(length, SLAB_LENGTH))
    this.#slab = slabs.take(length)
    return this.#slab
  }

  /** True when the head no longer has the length that it was taken with. */
  get #isHeadLost(): boolean {
    const token = this.#queue.head as QueuedToken
    return !isStreamed(token) && costOf(token.length) !== this.#queue.costAt(0)
  }

  get #mayBegin(): boolean {
    const queue = this.#queue
    return this.credit > 0 && queue.size > 0 && (queue.isBegun || queue.fits)
  }

  /** Begins the next frame of the head. @returns false when its bytes are not there yet */
  #begin(): boolean {
    const token = this.#queue.head as QueuedToken
    if (isStreamed(token)) return this.splits && this.#beginStreamed(token)
    if (this.#isHeadLost) throw memoryLost()
    const bytes = token instanceof Request ? token.bytes : token
    const from = this.#partsOut
    const isLast = !this.splits || token.length - from <= (from === 0 ? SPLIT_ABOVE : MAX_LAST_PART_LENGTH)
    const body =
      isLast && from === 0 ? bytes : bytes.subarray(from, isLast ? bytes.length : from + PART_LENGTH)
    const isAsking = from === 0 && token !== bytes
    if (isAsking) this.#start(isLast ? REQUEST : REQUEST_PART, body, isLast)
    else this.#start(isLast ? EMPTY : PART, body, isLast)
    return true
  }

  #beginStreamed(token: TokenSource): boolean {
    const part = token.isVoid ? null : token.take(Math.min(PART_LENGTH, this.maxFrameLength))
    if (part !== null) this.#start(part.isLast ? EMPTY : PART, part.bytes, part.isLast)
    else if (token.isVoid) this.#start(ABORT, EMPTY, true, ABORT.length)
    else return false
    return true
  }

  #start(
    prefix: Uint8Array,
    body: Uint8Array,
    isLast: boolean,
    headLength = prefix.length + HEADER_LENGTH
  ): void {
    if (!this.#queue.isBegun) this.#queue.begin()
    this.credit -= costOf(body.length)
    this.#enter(prefix, body, isLast, headLength)
  }

  /** An answer goes before the tokens that wait, also between two parts of one. @returns false when there is none */
  #beginAnswer(): boolean {
    const answer = this.#answers.head
    if (answer === undefined) return false
    if (this.#answers.isHeadLost) throw memoryLost()
    this.#isAnswer = true
    // FAILED has no data frame.
    const headLength = answer.body === null ? answer.head.length : answer.head.length + HEADER_LENGTH
    this.#enter(answer.head, answer.body ?? EMPTY, true, headLength)
    return true
  }

  #enter(prefix: Uint8Array, body: Uint8Array, isLast: boolean, headLength: number): void {
    this.#prefix = prefix
    this.#body = body
    this.#bodyLength = body.length
    this.#headLength = headLength
    this.#out = 0
    this.#isLast = isLast
  }

  /** What the slab has room for. */
  #copy(slab: Buffer, start: number): number {
    const body = this.#body as Uint8Array
    let used = start
    if (this.#out === 0 && slab.length - start >= this.#headLength) used = this.#copyHead(slab, start)
    while (this.#out < this.#headLength && used < slab.length) slab[used++] = this.#headByte(this.#out++)
    if (this.#out < this.#headLength) return used
    const from = this.#out - this.#headLength
    const left = body.length - from
    const toRecord = RECORD_LENGTH - (used % RECORD_LENGTH)
    const most = left - toRecord < COPY_BELOW ? left : toRecord
    const bytes = Math.min(most, slab.length - used)
    set.call(slab, bytes === body.length ? body : body.subarray(from, from + bytes), used)
    this.#advance(body, bytes)
    return used + bytes
  }

  #copyHead(slab: Buffer, start: number): number {
    const prefix = this.#prefix
    for (let at = 0; at < prefix.length; at++) slab[start + at] = prefix[at] as number
    if (this.#headLength > prefix.length)
      writeHeader(slab, start + prefix.length, (this.#body as Uint8Array).length)
    this.#out = this.#headLength
    return start + this.#headLength
  }

  #headByte(at: number): number {
    const prefix = this.#prefix
    if (at < prefix.length) return prefix[at] as number
    return (this.#body as Uint8Array).length >>> (24 - 8 * (at - prefix.length))
  }

  /** Moves past `bytes` of the payload. */
  #advance(body: Uint8Array, bytes: number): void {
    if (this.#isAnswer) this.#answers.waitingBytes -= bytes
    else if (!isStreamed(this.#queue.head)) this.#queue.waitingBytes -= bytes
    this.#out += bytes
    if (this.#out < this.#headLength + body.length) return
    this.#body = null
    if (this.#isAnswer) {
      this.#isAnswer = false
      this.#answers.waitingBytes -= this.#headLength
      this.#answers.finish()
      return
    }
    this.#partsOut = this.#isLast ? 0 : this.#partsOut + body.length
    if (this.#isLast) this.#queue.finish()
    else if (this.#isHeadGivenUp) this.#dropHead()
  }

  #dropHead(): void {
    this.#isHeadGivenUp = false
    this.#partsOut = 0
    // The head, too, whose next part is not begun.
    this.#queue.unbegin(null)
    this.#queue.abandon()
  }
}
