import { BufferView } from './buffer-view'
import { ChunkQueue } from './chunk-queue'

const NO_CHUNK: Buffer = Buffer.alloc(0)

/** A place in the bytes that arrived: the chunk at hand and a position in it, and the chunks that wait behind it. */
export class ByteCursor {
  chunk = NO_CHUNK
  position = 0
  /** Memory of the chunk and its offset there: the getters of a Buffer are slow. */
  memory: ArrayBufferLike = NO_CHUNK.buffer
  offset = 0
  /** Chunks behind the one at hand, only while nobody takes tokens; null before the first. */
  #queue: ChunkQueue | null = null

  /** Bytes behind the position. */
  get unreadBytes(): number {
    return this.chunk.length - this.position + (this.#queue?.bytes ?? 0)
  }

  push(chunk: Buffer): void {
    if (this.position === this.chunk.length && this.#queue?.isEmpty !== false) {
      this.#setChunk(chunk)
    } else {
      this.#queue ??= new ChunkQueue()
      this.#queue.push(chunk)
    }
  }

  /** Goes on to the next chunk at the end of one. @returns true when a byte is there */
  hasBytes(): boolean {
    while (this.position === this.chunk.length) {
      const chunk = this.#queue?.shift()
      this.#setChunk(chunk ?? NO_CHUNK)
      if (chunk === undefined) return false
    }
    return true
  }

  /** @returns a view of the next bytes, as many as the chunk has, at most `most` */
  take(most: number): Buffer {
    const length = Math.min(most, this.chunk.length - this.position)
    const bytes = new BufferView(this.memory, this.offset + this.position, length)
    this.position += length
    return bytes
  }

  /** All that is behind the position. */
  unread(): Buffer[] {
    return [this.chunk.subarray(this.position), ...(this.#queue ?? [])]
  }

  /** Throws away all but the next `bytes`. */
  truncate(bytes: number): void {
    const rest = this.chunk.length - this.position
    this.#queue?.truncate(Math.max(bytes - rest, 0))
    if (bytes < rest) this.#setChunk(this.chunk.subarray(this.position, this.position + bytes))
  }

  #setChunk(chunk: Buffer): void {
    this.chunk = chunk
    this.memory = chunk.buffer
    this.offset = chunk.byteOffset
    this.position = 0
  }
}
