import { HEADER_LENGTH } from './wire'

/** The first memory taken for a token that spans chunks, bytes. */
const FIRST_ALLOCATION = 4096

/** Memory for a token is at most this many times the bytes that have arrived of it; less while its end is unknown. */
const GROWTH = 4
const GROWTH_OF_PARTS = 2

const NOTHING: Buffer = Buffer.alloc(0)

/** A token that is joined from pieces, in memory that grows with what arrived. */
export class JoinedToken {
  readonly #maxLength: number
  #memory = NOTHING
  #length = 0

  /** @param maxLength of a token, bytes */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Bytes joined. */
  get length(): number {
    return this.#length
  }

  /**
   * Adds a piece. One that has all of its frame is not copied while no other comes.
   *
   * @param left bytes that are missing of its frame
   * @param isPart more frames follow, of unknown length
   */
  add(piece: Buffer, left: number, isPart: boolean): void {
    const needed = this.#length + piece.length
    if (this.#length === 0 && left === 0) {
      this.#memory = piece
    } else if (piece.length > 0) {
      if (needed > this.#memory.length) this.#grow(needed, isPart ? this.#maxLength : needed + left, isPart)
      this.#memory.set(piece, this.#length)
    }
    this.#length = needed
  }

  /** @returns what was joined, and begins anew */
  take(): Buffer {
    const memory = this.#memory
    const length = this.#length
    this.#memory = NOTHING
    this.#length = 0
    return memory.length === length ? memory : memory.subarray(0, length)
  }

  #grow(needed: number, most: number, isPart: boolean): void {
    const arrived = needed + HEADER_LENGTH
    const wanted = Math.max(arrived * (isPart ? GROWTH_OF_PARTS : GROWTH), FIRST_ALLOCATION)
    const grown = Buffer.allocUnsafeSlow(Math.min(most, wanted))
    if (this.#length > 0) this.#memory.copy(grown, 0, 0, this.#length)
    this.#memory = grown
  }
}
