import type { TokenError } from '../errors/token-error'
import { BufferView } from '../runtime/buffer-view'
import { ChunkQueue } from '../runtime/chunk-queue'
import { detachedError } from '../runtime/shared-memory'
import { COUNT_LENGTH, isCount } from './control-frame'
import { controlLengthError } from './frame-refusal'
import {
  CONTROL_BIT,
  HEADER_LENGTH,
  isMark,
  MARK_LENGTH,
  MAX_CONTROL_LENGTH,
  readHeader,
  TYPE_ABORT,
  TYPE_PART,
  TYPE_REQUEST,
  writeHeader
} from './header'

const NO_HEAD: Buffer = Buffer.alloc(0)

/** What a demultiplexer reports, in the order of the wire. An exception stops it where it is. */
export interface DemultiplexerEvents {
  /** A data frame of `length` bytes begins. The error, if any, refuses it before its bytes are looked at. */
  onFrame(length: number): TokenError | null
  /**
   * PART, ABORT or REQUEST by its type, which stays among the data, because its place there says which token is meant.
   * The error, if any, refuses it. Without this method they are control frames like others.
   */
  onMark?(type: number): TokenError | null
  /** True when the data frame that `onFrame` was told of is an answer: its bytes go to `onAnswer` and not to `onData`. */
  readonly isAnswer?: boolean
  /** Bytes of an answer, none of an empty one. @param left that are missing */
  onAnswer?(bytes: Buffer, left: number): void
  /** Bytes of data frames, heads included, and of the marks between them. */
  onData(run: Buffer): void
  /**
   * ACK or WINDOW, which come with nearly every chunk: `frame` has it whole at `offset`. Without this method both are
   * control frames like others.
   */
  onCount?(frame: Buffer, offset: number): void
  /** A control frame: its type and fields, a copy or a view of at most 1,024 bytes. */
  onControl(body: Buffer): void
}

/**
 * Takes the control frames and the answers of token/2 out of the bytes and passes the rest on, which is token/1 byte for
 * byte except PART, ABORT and REQUEST.
 *
 * ```
 *  wire      [data][da│ta][control][PART][data]…       │ = the end of a chunk
 *  onFrame    │     │                     │
 *  onMark                           │
 *  onData    ─────────│──          ────────────        runs, as views of the chunk
 *  onControl              ───────
 * ```
 *
 * So control frames are read at once, however long the tokens before them wait for a consumer.
 */
export class Demultiplexer {
  #events: DemultiplexerEvents
  /** Bytes that are missing of the data frame that has begun. */
  #bodyLeft = 0
  /** Bytes that are missing of the answer that has begun. */
  #answerLeft = 0
  /** A head that two chunks share; it gets memory when the first one comes. */
  #head = NO_HEAD
  #headFilled = 0
  /** The control frame that has begun; null when none has. */
  #control: Buffer | null = null
  #controlFilled = 0
  /** The chunks since `hold`; null when it does not hold. */
  #held: ChunkQueue | null = null
  #isStopped = false

  constructor(events: DemultiplexerEvents) {
    this.#events = events
  }

  get isMidFrame(): boolean {
    return this.#bodyLeft > 0 || this.#answerLeft > 0 || this.#headFilled > 0 || this.#control !== null
  }

  get heldBytes(): number {
    return this.#held?.bytes ?? 0
  }

  /** Keeps everything until `handTo`, from the rest of this chunk on. */
  hold(): void {
    this.#held ??= new ChunkQueue()
  }

  /** Reports to others from now on. @returns the chunks that were held, which the caller pushes again */
  handTo(events: DemultiplexerEvents): readonly Buffer[] {
    const held = this.#held ?? []
    this.#events = events
    this.#held = null
    return [...held]
  }

  /** Ignores everything from now on. */
  stop(): void {
    this.#isStopped = true
    this.#held = null
  }

  /** @throws TokenError what the events have thrown or refused; `ERR_PROTOCOL`, `ERR_DETACHED` */
  push(chunk: Buffer): void {
    let position = 0
    let runStart = 0
    if ((this.#control !== null || this.#headFilled > 0) && !this.#isStopped && this.#held === null)
      runStart = position = this.#finishFrame(chunk)
    if (this.#answerLeft > 0 && !this.#isStopped) runStart = position = this.#passAnswer(chunk, position)
    while (position < chunk.length && !this.#isStopped && this.#held === null) {
      position = this.#skipBody(chunk, position)
      if (chunk.length - position < HEADER_LENGTH) {
        if (position < chunk.length) {
          this.#pass(chunk, runStart, position)
          runStart = position = this.#keepHead(chunk, position)
        }
        break
      }
      const head = readHeader(chunk, position)
      if (head < CONTROL_BIT) {
        const refusal = this.#events.onFrame(head)
        if (refusal !== null) this.#refuse(chunk, runStart, position, refusal)
        position += HEADER_LENGTH
        if (this.#events.isAnswer) {
          this.#pass(chunk, runStart, position - HEADER_LENGTH)
          this.#answerLeft = head
          runStart = position = this.#passAnswer(chunk, position)
        } else {
          this.#bodyLeft = head
        }
      } else if (this.#isMarkAt(chunk, position, head)) {
        const refusal = this.#markRead(chunk[position + HEADER_LENGTH] as number)
        if (refusal !== null) this.#refuse(chunk, runStart, position, refusal)
        position += MARK_LENGTH
      } else if (this.#isCountAt(chunk, position, head)) {
        this.#pass(chunk, runStart, position)
        this.#events.onCount?.(chunk, position)
        runStart = position += COUNT_LENGTH
      } else {
        this.#pass(chunk, runStart, position)
        this.#beginControl(head)
        runStart = position = this.#readControl(chunk, position + HEADER_LENGTH)
      }
    }
    if (this.#isStopped) return
    if (position > chunk.length) throw detachedError()
    this.#pass(chunk, runStart, position)
    this.#held?.push(chunk.subarray(position))
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    if (end <= start) return
    if (end > chunk.length) throw detachedError()
    const isAll = end - start === chunk.length
    this.#events.onData(isAll ? chunk : new BufferView(chunk.buffer, chunk.byteOffset + start, end - start))
  }

  #refuse(chunk: Buffer, start: number, end: number, refusal: TokenError): never {
    this.#pass(chunk, start, end)
    throw refusal
  }

  #passAnswer(chunk: Buffer, start: number): number {
    const length = Math.min(this.#answerLeft, chunk.length - start)
    this.#answerLeft -= length
    this.#events.onAnswer?.(new BufferView(chunk.buffer, chunk.byteOffset + start, length), this.#answerLeft)
    return start + length
  }

  #skipBody(chunk: Buffer, position: number): number {
    const length = Math.min(this.#bodyLeft, chunk.length - position)
    this.#bodyLeft -= length
    return position + length
  }

  #isMarkAt(chunk: Buffer, position: number, head: number): boolean {
    if (!isMark(head) || position + HEADER_LENGTH === chunk.length) return false
    return this.#isMarkType(chunk[position + HEADER_LENGTH] as number)
  }

  #isCountAt(chunk: Buffer, position: number, head: number): boolean {
    return this.#events.onCount !== undefined && isCount(chunk, position, head)
  }

  #isMarkType(type: number): boolean {
    const isMarkType = type === TYPE_PART || type === TYPE_ABORT || type === TYPE_REQUEST
    return isMarkType && this.#events.onMark !== undefined
  }

  #markRead(type: number): TokenError | null {
    return this.#events.onMark?.(type) ?? null
  }

  #keepHead(chunk: Buffer, start: number): number {
    let position = start
    if (this.#head === NO_HEAD) this.#head = Buffer.alloc(HEADER_LENGTH)
    while (this.#headFilled < HEADER_LENGTH && position < chunk.length) {
      this.#head[this.#headFilled++] = chunk[position++] as number
    }
    return position
  }

  /** Goes on with a head or control frame that an earlier chunk has begun. */
  #finishFrame(chunk: Buffer): number {
    if (this.#control !== null) return this.#readControl(chunk, 0)
    const position = this.#keepHead(chunk, 0)
    if (this.#headFilled < HEADER_LENGTH) return position
    this.#headFilled = 0
    const head = readHeader(this.#head, 0)
    if (head >= CONTROL_BIT) {
      this.#beginControl(head)
      return this.#readControl(chunk, position)
    }
    const refusal = this.#events.onFrame(head)
    if (refusal !== null) throw refusal
    if (this.#events.isAnswer) {
      this.#answerLeft = head
      return this.#passAnswer(chunk, position)
    }
    this.#bodyLeft = head
    this.#events.onData(Buffer.from(this.#head))
    return position
  }

  #beginControl(head: number): void {
    const length = head - CONTROL_BIT
    if (length === 0 || length > MAX_CONTROL_LENGTH) throw controlLengthError(length)
    this.#control = Buffer.allocUnsafe(length)
    this.#controlFilled = 0
  }

  #readControl(chunk: Buffer, start: number): number {
    const control = this.#control as Buffer
    const end = Math.min(chunk.length, start + control.length - this.#controlFilled)
    chunk.copy(control, this.#controlFilled, start, end)
    this.#controlFilled += end - start
    if (this.#controlFilled === control.length) {
      this.#control = null
      if (control.length === 1 && this.#isMarkType(control[0] as number)) this.#passMark(control)
      else this.#events.onControl(control)
    }
    return end
  }

  /** Passes a mark that came in two chunks. */
  #passMark(control: Buffer): void {
    const refusal = this.#markRead(control[0] as number)
    if (refusal !== null) throw refusal
    const mark = Buffer.allocUnsafe(MARK_LENGTH)
    writeHeader(mark, 0, CONTROL_BIT | control.length)
    mark[HEADER_LENGTH] = control[0] as number
    this.#events.onData(mark)
  }
}
