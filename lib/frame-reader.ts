import { DIAGNOSIS_LENGTH, diagnose } from './diagnose'
import { TokenError } from './errors'
import { HEADER_LENGTH, readHeader, WIRE_MAX_TOKEN_LENGTH } from './wire'

/** The first memory taken for a token that spans chunks, bytes. */
const FIRST_ALLOCATION = 4096

/** Memory for a token that spans chunks is at most this many times the bytes that have arrived of it. */
const GROWTH = 4

/** Chunks below this length that must wait are joined, bytes: each chunk costs about 225 bytes by itself. */
const JOIN_BELOW = 4096

/** The memory in which small chunks are joined, bytes. */
const JOINED_LENGTH = 16 * 1024

const NO_CHUNK: Buffer = Buffer.alloc(0)

/**
 * Turns chunks of bytes into tokens. Knows no socket: `push` what arrived, then call `next` until it says null.
 *
 * ```
 *             whole in the chunk ──▶ a view of the chunk, nothing copied
 *            ╱
 *  header ──▶
 *            ╲
 *             spans chunks ──▶ copied once into memory that grows with what arrived
 * ```
 *
 * A length over the limit is refused at its header, before memory is taken for it. After an error the reader is
 * broken for good: the place of the next header is unknown.
 */
export class FrameReader {
  readonly #maxTokenLength: number
  #chunk = NO_CHUNK
  #position = 0
  /** True from the first header that was no error. */
  #hasRead = false
  /** Chunks behind the current one, only while nobody takes tokens. */
  readonly #queue: Buffer[] = []
  #queuedBytes = 0
  /** The last chunk of the queue when it is one in which small ones are joined. */
  #joined = NO_CHUNK
  #joinedFilled = 0

  /** The length in the last header, or -1 while a header is awaited. */
  #length = -1
  readonly #header = new Uint8Array(HEADER_LENGTH)
  #headerFilled = 0
  #partial = NO_CHUNK
  #filled = 0

  /** @param maxTokenLength the longest token let through, bytes */
  constructor(maxTokenLength: number) {
    this.#maxTokenLength = maxTokenLength
  }

  /** Bytes pushed and not yet looked at by `next`. */
  get unreadBytes(): number {
    return this.#chunk.length - this.#position + this.#queuedBytes
  }

  /** True when a frame has begun and is not complete: an end of the stream now would cut it. */
  get isMidFrame(): boolean {
    return this.#length >= 0 || this.#headerFilled > 0
  }

  /** Takes a chunk. The tokens that `next` returns may be views of it: it must not be changed afterwards. */
  push(chunk: Buffer): void {
    if (this.#position === this.#chunk.length && this.#queue.length === 0) {
      this.#chunk = chunk
      this.#position = 0
    } else {
      this.#enqueue(chunk)
    }
  }

  /**
   * @returns the next token, or null when more bytes are needed
   * @throws TokenError `ERR_TOKEN_TOO_LARGE`, `ERR_CONTROL_FRAME`
   */
  next(): Buffer | null {
    const chunk = this.#chunk
    const start = this.#position + HEADER_LENGTH
    if (!this.isMidFrame && start <= chunk.length) {
      const length = readHeader(chunk, this.#position)
      const end = start + length
      if (end <= chunk.length && length <= this.#maxTokenLength) {
        this.#position = end
        this.#hasRead = true
        return chunk.subarray(start, end)
      }
    }
    return this.#nextAcrossChunks()
  }

  #enqueue(chunk: Buffer): void {
    this.#queuedBytes += chunk.length
    if (chunk.length >= JOIN_BELOW) {
      this.#joined = NO_CHUNK
      this.#queue.push(chunk)
      return
    }
    if (this.#joined.length - this.#joinedFilled < chunk.length) {
      this.#joined = Buffer.allocUnsafeSlow(JOINED_LENGTH)
      this.#joinedFilled = 0
      this.#queue.push(this.#joined)
    }
    chunk.copy(this.#joined, this.#joinedFilled)
    this.#joinedFilled += chunk.length
    this.#queue[this.#queue.length - 1] = this.#joined.subarray(0, this.#joinedFilled)
  }

  #nextAcrossChunks(): Buffer | null {
    do {
      if (this.#length < 0 && !this.#readHeader()) continue
      if (this.#readBody()) return this.#takeToken()
    } while (this.#nextChunk())
    return null
  }

  #nextChunk(): boolean {
    const chunk = this.#queue.shift()
    if (this.#queue.length === 0) this.#joined = NO_CHUNK
    this.#chunk = chunk ?? NO_CHUNK
    this.#position = 0
    this.#queuedBytes -= this.#chunk.length
    return chunk !== undefined
  }

  #readHeader(): boolean {
    const chunk = this.#chunk
    while (this.#headerFilled < HEADER_LENGTH) {
      if (this.#position === chunk.length) return false
      this.#header[this.#headerFilled++] = chunk[this.#position++] as number
    }
    const length = readHeader(this.#header, 0)
    if (length > this.#maxTokenLength) throw this.#refuse(length)
    this.#length = length
    this.#hasRead = true
    return true
  }

  #refuse(length: number): TokenError {
    const looks = this.#looksLike()
    if (length > WIRE_MAX_TOKEN_LENGTH) {
      return new TokenError(
        'ERR_CONTROL_FRAME',
        `Cannot read a frame: its length 0x${length.toString(16)} has the top bit set, this connection speaks token/1${looks}`
      )
    }
    return new TokenError(
      'ERR_TOKEN_TOO_LARGE',
      `Cannot receive a token: its length is ${length} bytes, maxTokenLength is ${this.#maxTokenLength}${looks}`
    )
  }

  /** The first bytes of another protocol, read as a length, are refused: the message says whose they are. */
  #looksLike(): string {
    if (this.#hasRead) return ''
    const rest = this.#chunk.subarray(this.#position, this.#position + DIAGNOSIS_LENGTH)
    const name = diagnose(Buffer.concat([this.#header, rest]))
    return name === null ? '' : `; the bytes look like ${name}`
  }

  /** Moves bytes of the chunk into the partial token; true when it is complete. */
  #readBody(): boolean {
    const wanted = this.#length - this.#filled
    const available = Math.min(wanted, this.#chunk.length - this.#position)
    if (available === this.#length) {
      this.#partial = this.#chunk.subarray(this.#position, this.#position + available)
    } else if (available > 0) {
      this.#reserve(this.#filled + available)
      this.#chunk.copy(this.#partial, this.#filled, this.#position, this.#position + available)
    }
    this.#position += available
    this.#filled += available
    return available === wanted
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#partial.length) return
    const capacity = Math.min(this.#length, Math.max(bytes * GROWTH, FIRST_ALLOCATION))
    const grown = Buffer.allocUnsafeSlow(capacity)
    this.#partial.copy(grown, 0, 0, this.#filled)
    this.#partial = grown
  }

  #takeToken(): Buffer {
    const token = this.#partial
    this.#partial = NO_CHUNK
    this.#filled = 0
    this.#length = -1
    this.#headerFilled = 0
    return token
  }
}
