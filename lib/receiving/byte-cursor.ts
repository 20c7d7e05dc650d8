import { BufferView } from '../runtime/buffer-view'
import { ChunkQueue } from '../runtime/chunk-queue'
import { detachedError } from '../runtime/shared-memory'
import { HEADER_LENGTH } from '../wire/header'

const NO_CHUNK: Buffer = Buffer.alloc(0)

/** Fewer bytes than a head are there. */
export const NO_HEAD = -1

/** A place in the bytes that arrived: the chunk at hand and a position in it, and the chunks that wait behind it. */
export class ByteCursor {
  chunk = NO_CHUNK
  position = 0
  /** Memory of the chunk and its offset there: the getters of a Buffer are slow. */
  memory: ArrayBufferLike = NO_CHUNK.buffer
  offset = 0
  /** Bytes that the chunk had: it has none when its memory was detached. */
  #length = 0
  /** The head at hand, as far as it is there: its bytes were taken. */
  #head = 0
  #headFilled = 0
  /** Chunks behind the one at hand, only while nobody takes tokens; null before the first. */
  #queue: ChunkQueue | null = null

  /** True from the first byte of a head until `endHead`. */
  get isInHead(): boolean {
    return this.#headFilled > 0
  }

  /** Bytes from the position on. */
  get unreadBytes(): number {
    return this.#length - this.position + (this.#queue?.bytes ?? 0)
  }

  push(chunk: Buffer): void {
    if (this.position === this.#length && this.#queue?.isEmpty !== false) {
      this.#setChunk(chunk)
    } else {
      this.#queue ??= new ChunkQueue()
      this.#queue.push(chunk)
    }
  }

  /** True when some of them are gone, for their memory was detached: no later byte can be read. */
  get isDetached(): boolean {
    return this.unread().reduce((sum, { length }) => sum + length, 0) !== this.unreadBytes
  }

  /**
   * Goes on to the next chunk at the end of one.
   *
   * @returns true when a byte is there
   * @throws TokenError `ERR_DETACHED`
   */
  hasBytes(): boolean {
    while (this.position === this.#length) {
      const chunk = this.#queue?.shift()
      this.#setChunk(chunk ?? NO_CHUNK)
      if (chunk === undefined) return false
    }
    if (this.chunk.length !== this.#length) throw detachedError()
    return true
  }

  /**
   * @returns a view of the next bytes, as many as the chunk has, at most `most`
   * @throws TokenError `ERR_DETACHED`
   */
  take(most: number): Buffer {
    if (this.chunk.length !== this.#length) throw detachedError()
    const length = Math.min(most, this.#length - this.position)
    const bytes = new BufferView(this.memory, this.offset + this.position, length)
    this.position += length
    return bytes
  }

  /** @returns the next byte, which is there */
  takeByte(): number {
    return this.chunk[this.position++] as number
  }

  /**
   * Goes behind the next head, which two chunks may share.
   *
   * @returns it, again until `endHead`; NO_HEAD when it is not whole
   * @throws TokenError `ERR_DETACHED`
   */
  findHead(): number {
    while (this.#headFilled < HEADER_LENGTH) {
      if (!this.hasBytes()) return NO_HEAD
      this.#head = this.#head * 0x100 + this.takeByte()
      this.#headFilled++
    }
    return this.#head
  }

  /** The next byte belongs to no head that was begun. */
  endHead(): void {
    this.#head = 0
    this.#headFilled = 0
  }

  /** @returns another one at the same place, with what is not detached */
  copy(): ByteCursor {
    const result = new ByteCursor()
    result.#head = this.#head
    result.#headFilled = this.#headFilled
    for (const chunk of this.unread()) result.push(chunk)
    return result
  }

  /** All that is behind the position, up to what was detached. */
  unread(): Buffer[] {
    const chunks: Buffer[] = []
    if (this.position < this.#length) {
      if (this.chunk.length === 0) return chunks
      chunks.push(this.chunk.subarray(this.position))
    }
    for (const chunk of this.#queue ?? []) {
      if (chunk.length === 0) break
      chunks.push(chunk)
    }
    return chunks
  }

  /** Throws away all but the next `bytes`. */
  truncate(bytes: number): void {
    const rest = this.#length - this.position
    this.#queue?.truncate(Math.max(bytes - rest, 0))
    if (bytes === 0) this.#setChunk(NO_CHUNK)
    else if (bytes < rest) this.#setChunk(this.chunk.subarray(this.position, this.position + bytes))
  }

  #setChunk(chunk: Buffer): void {
    this.chunk = chunk
    this.#length = chunk.length
    this.memory = chunk.buffer
    this.offset = chunk.byteOffset
    this.position = 0
  }
}
