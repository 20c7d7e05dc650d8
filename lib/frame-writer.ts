import { HEADER_LENGTH, writeHeader } from './wire'

/** Small tokens leave together in slabs of this size, bytes: four full TLS records. */
const SLAB_LENGTH = 64 * 1024

/** A token with this many bytes left is written without being copied, bytes. */
const COPY_BELOW = SLAB_LENGTH

/** A large token leaves in pieces of this size, bytes, so that each completed write is progress that is seen. */
const PIECE_LENGTH = 256 * 1024

/** Stands in the queue for a token that is out, so that its memory is free. */
const SENT = new Uint8Array(0)

/** How many consumed places the queue may have at its front before it is moved together. */
const COMPACT_ABOVE = 1024

/**
 * Turns tokens into chunks of bytes. Knows no socket: `push` tokens, then write what `next` returns until it
 * says null.
 *
 * ```
 *  tokens   [a][b][c][ d d d d d d d ][e]
 *            ╲  │  ╱  │      │      │  │
 *  chunks   [ a b c d ][ d piece ][ d e ]      small: copied together · large: its own memory
 * ```
 *
 * A token is looked at only when its turn comes, so it must not be changed before.
 */
export class FrameWriter {
  #queue: Uint8Array[] = []
  #head = 0
  /** Payload bytes of the token at the head that are already out; -1 when not even its header is. */
  #offset = -1
  #queuedBytes = 0

  /** Bytes of the frames not yet returned by `next`, headers included. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Tokens of which the last byte was not yet returned by `next`. */
  get queuedTokens(): number {
    return this.#queue.length - this.#head
  }

  push(token: Uint8Array): void {
    this.#queue.push(token)
    this.#queuedBytes += HEADER_LENGTH + token.byteLength
  }

  /** @returns the next bytes to write, or null when every token is out */
  next(): Uint8Array | null {
    if (this.#queuedBytes === 0) return null
    const chunk = this.#nextPiece() ?? this.#nextSlab()
    this.#queuedBytes -= chunk.byteLength
    return chunk
  }

  /** A piece of the large token at the head, as it lies in memory. */
  #nextPiece(): Uint8Array | null {
    const token = this.#queue[this.#head] as Uint8Array
    if (this.#offset < 0 || token.byteLength - this.#offset < COPY_BELOW) return null
    const piece = token.subarray(this.#offset, this.#offset + PIECE_LENGTH)
    this.#advance(token, piece.byteLength)
    return piece
  }

  #nextSlab(): Uint8Array {
    const slab = Buffer.allocUnsafe(Math.min(this.#queuedBytes, SLAB_LENGTH))
    let used = 0
    while (this.#head < this.#queue.length) {
      const token = this.#queue[this.#head] as Uint8Array
      if (this.#offset < 0) {
        if (slab.length - used < HEADER_LENGTH) break
        writeHeader(slab, used, token.byteLength)
        used += HEADER_LENGTH
        this.#offset = 0
      }
      const fits = Math.min(token.byteLength - this.#offset, slab.length - used)
      slab.set(token.subarray(this.#offset, this.#offset + fits), used)
      used += fits
      if (!this.#advance(token, fits)) break
    }
    return used === slab.length ? slab : slab.subarray(0, used)
  }

  /** Moves past `bytes` of the token at the head; true when that was its last. */
  #advance(token: Uint8Array, bytes: number): boolean {
    this.#offset += bytes
    if (this.#offset < token.byteLength) return false
    this.#offset = -1
    this.#queue[this.#head++] = SENT
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head > COMPACT_ABOVE && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    return true
  }
}
