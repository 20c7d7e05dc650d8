import type { Readable } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import { TokenError } from '../errors/token-error'
import { nextTick } from '../runtime/event-loop'
import { memoryLost, tooLargeError } from '../wire/check-token'
import { MIN_PART_LENGTH, PART_LENGTH } from '../wire/header'

/** Bytes that are read ahead of the writer. */
const READ_AHEAD_BYTES = 64 * 1024

const EMPTY = new Uint8Array(0)

/** A piece of a token. */
export interface Part {
  readonly bytes: Uint8Array
  readonly isLast: boolean
}

/** What is known of a token before its bytes. */
export interface TokenSourceOptions {
  /** Bytes that it will have, exactly. */
  length?: number | undefined
  /** Bytes that it may have; asked with each chunk, because it is the peer who decides. */
  maxLength?: (() => number) | undefined
}

/**
 * A token whose bytes come from a stream: read when the writer asks, and given out in parts.
 *
 * ```
 *            take()                       the source ends        take()
 *  untouched ──────▶ reading, 64 KiB ahead ─────────────▶ ended ─────────▶ over
 *      │                   │                                │
 *      └───────────────────┴─ fail(): the source, a wrong length, the caller ─┴──▶ void
 * ```
 *
 * A part has 16 KiB or more, but for the last: smaller chunks are collected in memory that doubles, so that it
 * follows what arrived. Larger ones are passed on as they are and must not be changed afterwards.
 */
export class TokenSource {
  /** Told when a part may be there, and when the token has become void. */
  onChange: () => void = () => {}
  /** Its place in the queue. */
  place = 0
  readonly length: number | null
  readonly #source: AsyncIterable<Uint8Array>
  readonly #maxLength: () => number
  #iterator: AsyncIterator<Uint8Array> | null = null
  #held: Uint8Array = EMPTY
  /** What it must have: the memory is someone else's, who may take it away. */
  #heldLength = 0
  /** The memory behind `#held` when it is this object's own; null when the bytes there are someone else's, too. */
  #memory: Uint8Array | null = null
  #total = 0
  #isReading = false
  #hasEnded = false
  #isOver = false
  #failure: { readonly cause: unknown } | null = null

  /** @param source owned from now on: it is destroyed when the token becomes void */
  constructor(source: AsyncIterable<Uint8Array>, options: TokenSourceOptions = {}) {
    this.#source = source
    this.length = options.length ?? null
    this.#maxLength = options.maxLength ?? (() => Number.POSITIVE_INFINITY)
    // Nobody else listens before it is read: its error would end the process.
    if (isReadable(source)) source.on('error', error => this.fail(error))
  }

  get isVoid(): boolean {
    return this.#failure !== null
  }

  /** True when its last part was taken, or it is void. */
  get isSettled(): boolean {
    return this.#isOver || this.isVoid
  }

  /** The reason why it is void. */
  get cause(): unknown {
    return this.#failure?.cause
  }

  /**
   * @param most bytes of the part, at least `MIN_PART_LENGTH`
   * @returns the next part, or null when it is not there yet; then `onChange` will come
   */
  take(most = PART_LENGTH): Part | null {
    if (this.isSettled) return null
    if (this.#held.length !== this.#heldLength) {
      // The caller is in the middle of its work.
      nextTick(() => this.fail(memoryLost()))
      return null
    }
    const isLast = this.#hasEnded && this.#held.length <= most
    if (!isLast && this.#held.length < MIN_PART_LENGTH) {
      this.#readSoon()
      return null
    }
    const bytes = this.#held.subarray(0, most)
    this.#hold(this.#held.length === bytes.length ? EMPTY : this.#held.subarray(bytes.length))
    this.#memory = null
    this.#isOver = isLast
    if (!isLast) this.#readSoon()
    return { bytes, isLast }
  }

  /** Makes the token void. @returns false when its last part was taken, or it was void before */
  fail(cause: unknown): boolean {
    if (!this.release(cause)) return false
    this.onChange()
    return true
  }

  /** Does as `fail`, and tells nobody. */
  release(cause: unknown = null): boolean {
    if (this.isSettled) return false
    this.#failure = { cause }
    this.#hold(EMPTY)
    this.#memory = null
    if (isReadable(this.#source)) this.#source.destroy()
    else void this.#return()
    return true
  }

  /** Does as `release`, also when the last part was taken: it did not arrive, and can't be repeated. */
  spoil(cause: unknown): void {
    if (!this.release(cause)) this.#failure ??= { cause }
  }

  async #return(): Promise<void> {
    try {
      await (this.#iterator ?? this.#source[Symbol.asyncIterator]()).return?.()
    } catch {
      // The token is void already, and that was told.
    }
  }

  /** The writer asks in the middle of its work, and the code of the source may send tokens itself. */
  #readSoon(): void {
    if (this.#isReading || this.#hasEnded) return
    this.#isReading = true
    nextTick(() => void this.#read())
  }

  async #read(): Promise<void> {
    try {
      this.#iterator ??= this.#source[Symbol.asyncIterator]()
      while (this.#failure === null && !this.#hasEnded && this.#held.length < READ_AHEAD_BYTES) {
        const { done, value } = await this.#iterator.next()
        if (this.#failure !== null) return
        if (done) this.#end()
        else this.#add(value)
        if (this.#hasEnded || this.#held.length >= MIN_PART_LENGTH) this.onChange()
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#isReading = false
    }
  }

  #end(): void {
    if (this.length !== null && this.#total !== this.length) throw wrongLength(this.#total, this.length)
    this.#hasEnded = true
  }

  #add(chunk: Uint8Array): void {
    if (!isUint8Array(chunk)) {
      const message = `Cannot send a token from a stream: it gives a ${typeof chunk} instead of bytes`
      throw new TokenError('ERR_TOKEN_TYPE', message)
    }
    this.#total += chunk.length
    const maxLength = this.#maxLength()
    if (this.#total > maxLength) throw tooLargeError(this.#total, maxLength)
    if (this.length !== null && this.#total > this.length) throw wrongLength(this.#total, this.length)
    if (chunk.length === 0) return
    if (this.#heldLength === 0) this.#hold(chunk)
    else this.#append(chunk)
  }

  #append(chunk: Uint8Array): void {
    const used = this.#heldLength
    if (this.#held.length !== used) throw memoryLost()
    const needed = used + chunk.length
    if (this.#memory === null || this.#memory.length < needed) {
      this.#memory = Buffer.allocUnsafeSlow(Math.max(needed, 2 * used))
      this.#memory.set(this.#held)
    }
    this.#memory.set(chunk, used)
    this.#hold(this.#memory.subarray(0, needed))
  }

  #hold(bytes: Uint8Array): void {
    this.#held = bytes
    this.#heldLength = bytes.length
  }
}

/** A stream of another package, such as readable-stream, counts, too. */
function isReadable(source: AsyncIterable<Uint8Array>): source is Readable {
  const { on, destroy } = source as Partial<Readable>
  return typeof on === 'function' && typeof destroy === 'function'
}

function wrongLength(total: number, length: number): TokenError {
  return new TokenError(
    'ERR_OPTION',
    `Cannot send a token from a stream: it gave ${total} bytes, its length was said to be ${length}`
  )
}
