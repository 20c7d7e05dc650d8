import { ChunkQueue } from './chunk-queue'
import { HEADER_LENGTH } from './wire'

/** The first memory taken for a token that spans chunks, bytes. */
const FIRST_ALLOCATION = 4096

/** Memory for a token of one frame is at most this many times the bytes that have arrived of it. */
const GROWTH = 4

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * A token that is joined from pieces, in memory of exactly its length.
 *
 * ```
 *  one frame, its length is known    ▶ copied as they come, into memory that grows with what arrived
 *  parts, their sum is not known     ▶ kept as they are until the last one is there, and then copied once
 * ```
 */
export class JoinedToken {
  #memory = NOTHING
  #filled = 0
  readonly #parts = new ChunkQueue()

  /** Bytes joined. */
  get length(): number {
    return this.#filled + this.#parts.bytes
  }

  /**
   * Adds a piece. One that has all of its frame is not copied while no other comes.
   *
   * @param left bytes that are missing of its frame
   * @param isPart more frames follow, of unknown length
   */
  add(piece: Buffer, left: number, isPart: boolean): void {
    if (isPart || this.#parts.bytes > 0) {
      if (piece.length > 0) this.#parts.push(piece)
      return
    }
    const needed = this.#filled + piece.length
    if (this.#filled === 0 && left === 0) {
      this.#memory = piece
    } else if (piece.length > 0) {
      if (needed > this.#memory.length) this.#grow(needed, needed + left)
      this.#memory.set(piece, this.#filled)
    }
    this.#filled = needed
  }

  /** @returns what was joined, and begins anew */
  take(): Buffer {
    if (this.#parts.bytes > 0) return this.#joinParts()
    const memory = this.#memory
    const length = this.#filled
    this.#memory = NOTHING
    this.#filled = 0
    return memory.length === length ? memory : memory.subarray(0, length)
  }

  #grow(needed: number, most: number): void {
    const wanted = Math.max((needed + HEADER_LENGTH) * GROWTH, FIRST_ALLOCATION)
    const grown = Buffer.allocUnsafeSlow(Math.min(most, wanted))
    if (this.#filled > 0) this.#memory.copy(grown, 0, 0, this.#filled)
    this.#memory = grown
  }

  #joinParts(): Buffer {
    const token = Buffer.allocUnsafeSlow(this.#parts.bytes)
    let length = 0
    for (let piece = this.#parts.shift(); piece !== undefined; piece = this.#parts.shift()) {
      token.set(piece, length)
      length += piece.length
    }
    return token
  }
}
