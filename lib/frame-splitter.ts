import type { TokenError } from './errors'
import { CONTROL_BIT, HEADER_LENGTH, MAX_CONTROL_LENGTH, readHeader } from './wire'

/** What a splitter tells its owner, in the order of the wire. An exception stops it where it is. */
export interface SplitterEvents {
  /** A data frame of `length` bytes begins. The error, if any, refuses it before its bytes are looked at. */
  onFrame(length: number): TokenError | null
  /** Bytes of data frames, heads included: to be read as token/1. */
  onData(run: Buffer): void
  /** A control frame: its type and fields, a copy or a view of at most 1,024 bytes. */
  onControl(body: Buffer): void
  /** A control frame of a length that there is none of. */
  refuseControl(length: number): TokenError
}

/**
 * Takes the control frames of token/2 out of the bytes and passes the rest on, which is token/1 byte for byte.
 *
 * ```
 *  wire      [data][da│ta][control][data]…       │ = the end of a chunk
 *  onData    ─────────│──          ──────        runs, as views of the chunk
 *  onControl              ───────
 * ```
 *
 * So control frames are read at once, however long the tokens before them wait for a consumer.
 */
export class FrameSplitter {
  readonly #events: SplitterEvents
  /** Bytes that are missing of the data frame begun. */
  #bodyLeft = 0
  readonly #head = Buffer.alloc(HEADER_LENGTH)
  #headFilled = 0
  /** The control frame begun, null when none is. */
  #control: Buffer | null = null
  #controlFilled = 0
  /** Chunks kept while held. */
  #held: Buffer[] | null = null
  #heldBytes = 0
  #isStopped = false

  constructor(events: SplitterEvents) {
    this.#events = events
  }

  /** True when a frame has begun and is not complete. */
  get isMidFrame(): boolean {
    return this.#bodyLeft > 0 || this.#headFilled > 0 || this.#control !== null
  }

  /** Bytes kept since `hold`. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Looks at nothing more until `release`, also not at the rest of the chunk at hand. */
  hold(): void {
    this.#held ??= []
  }

  /** Goes on with what was held. */
  release(): void {
    const held = this.#held ?? []
    this.#held = null
    this.#heldBytes = 0
    for (const chunk of held) this.push(chunk)
  }

  /** Ignores everything from now on. */
  stop(): void {
    this.#isStopped = true
  }

  /** @throws TokenError what the events have thrown or refused */
  push(chunk: Buffer): void {
    let position = 0
    let runStart = 0
    const passRun = (end: number) => {
      if (end > runStart)
        this.#events.onData(runStart === 0 && end === chunk.length ? chunk : chunk.subarray(runStart, end))
    }
    while (position < chunk.length && !this.#isStopped && this.#held === null) {
      if (this.#bodyLeft > 0) {
        const length = Math.min(this.#bodyLeft, chunk.length - position)
        this.#bodyLeft -= length
        position += length
      } else if (
        this.#control === null &&
        this.#headFilled === 0 &&
        chunk.length - position >= HEADER_LENGTH
      ) {
        const head = readHeader(chunk, position)
        if (head < CONTROL_BIT) {
          const refusal = this.#events.onFrame(head)
          if (refusal !== null) {
            passRun(position)
            throw refusal
          }
          this.#bodyLeft = head
        } else {
          passRun(position)
          this.#beginControl(head)
          runStart = position + HEADER_LENGTH
        }
        position += HEADER_LENGTH
      } else {
        if (this.#control === null && this.#headFilled === 0) passRun(position)
        position =
          this.#control === null ? this.#readHead(chunk, position) : this.#readControl(chunk, position)
        runStart = position
      }
    }
    if (this.#isStopped) return
    passRun(position)
    if (this.#held !== null) this.#keep(chunk.subarray(position))
  }

  /** A head that two chunks share. */
  #readHead(chunk: Buffer, start: number): number {
    let position = start
    while (this.#headFilled < HEADER_LENGTH && position < chunk.length) {
      this.#head[this.#headFilled++] = chunk[position++] as number
    }
    if (this.#headFilled < HEADER_LENGTH) return position
    this.#headFilled = 0
    const head = readHeader(this.#head, 0)
    if (head >= CONTROL_BIT) {
      this.#beginControl(head)
    } else {
      const refusal = this.#events.onFrame(head)
      if (refusal !== null) throw refusal
      this.#bodyLeft = head
      this.#events.onData(Buffer.from(this.#head))
    }
    return position
  }

  #beginControl(head: number): void {
    const length = head - CONTROL_BIT
    if (length === 0 || length > MAX_CONTROL_LENGTH) throw this.#events.refuseControl(length)
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
      this.#events.onControl(control)
    }
    return end
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0) return
    this.#held?.push(rest)
    this.#heldBytes += rest.length
  }
}
