import { detachedError, untransferable } from './shared-memory'

/** Chunks below this length that must wait are joined, bytes: each chunk costs about 225 bytes by itself. */
const JOIN_BELOW = 4096

/** The memory in which small chunks are joined, bytes. */
const JOINED_LENGTH = 16 * 1024

/** Chunks that wait, in order; small ones are joined, so that a byte that waits costs little more than a byte. */
export class ChunkQueue {
  #chunks: Buffer[] = []
  #bytes = 0
  /** The last chunk when it is one in which small ones are joined. */
  #joined: Buffer | null = null
  #joinedFilled = 0

  /** Bytes of all chunks. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#bytes += chunk.length
    if (chunk.length >= JOIN_BELOW) {
      this.#joined = null
      this.#chunks.push(chunk)
      return
    }
    if (this.#joined === null || this.#joined.length - this.#joinedFilled < chunk.length) {
      this.#joined = untransferable(Buffer.allocUnsafeSlow(JOINED_LENGTH))
      this.#joinedFilled = 0
      this.#chunks.push(this.#joined)
    }
    chunk.copy(this.#joined, this.#joinedFilled)
    this.#joinedFilled += chunk.length
    this.#chunks[this.#chunks.length - 1] = this.#joined.subarray(0, this.#joinedFilled)
  }

  /** @throws TokenError `ERR_DETACHED` when the memory of the next one is gone: it was not empty */
  shift(): Buffer | undefined {
    if (this.#chunks[0]?.length === 0) throw detachedError()
    const chunk = this.#chunks.shift()
    if (this.#chunks.length === 0) this.#joined = null
    this.#bytes -= chunk?.length ?? 0
    return chunk
  }

  /** Throws away all but the first `bytes`. */
  truncate(bytes: number): void {
    const kept: Buffer[] = []
    let left = bytes
    for (const chunk of this.#chunks) {
      if (left === 0) break
      kept.push(chunk.subarray(0, left))
      left -= Math.min(left, chunk.length)
    }
    this.#chunks = kept
    this.#bytes = bytes
    this.#joined = null
  }

  [Symbol.iterator](): IterableIterator<Buffer> {
    return this.#chunks.values()
  }
}
