import { BufferView } from '../runtime/buffer-view'
import { detachedError } from '../runtime/shared-memory'
import { allocate } from '../runtime/slab-pool'
import { HEADER_LENGTH, MARK_LENGTH } from '../wire/header'

/** The first memory for small pieces, bytes. */
const FIRST_ALLOCATION = 4096

/** A piece of this length is kept as it is until there is memory, bytes. */
const KEEP_ABOVE = 4096

/** Memory is at most this many times the bytes that have arrived, and at the end this many times the token. */
const GROWTH = 4
const SLACK = 2

/** What came with each part beside its bytes. With it, four times as much is a round length for most parts. */
const PART_HEAD = MARK_LENGTH + HEADER_LENGTH

/** Room for fewer bytes is not worth a chunk of its own. */
const LEAST_ROOM = 4096

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * A token that is joined from pieces, in memory that is taken when enough has arrived: a length that is announced is no
 * promise.
 *
 * ```
 *  one frame   pieces, a quarter ▸ [ of exactly the length                                    ]
 *  parts       pieces, the first ▸ [ 4 × as much                   ] pieces ▸ [ 4 × as much …      the sum is not known
 * ```
 *
 * A piece that was read into `room` is not copied, another one once, and what has outgrown its memory again.
 */
export class JoinedToken {
  readonly #maxLength: number
  #memory = NOTHING
  #filled = 0
  /** What came when there was no room, and its bytes. */
  #pieces: Buffer[] = []
  #kept = 0

  /** @param maxLength the longest token, bytes */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Bytes joined. */
  get length(): number {
    return this.#filled + this.#kept
  }

  /**
   * Adds a piece. One that has all of the token is not copied.
   *
   * @param left bytes that are missing of its frame
   * @param isPart more frames follow
   */
  add(piece: Buffer, left: number, isPart: boolean): void {
    if (left === 0 && !isPart && this.length === 0) {
      this.#memory = piece
      this.#filled = piece.length
      return
    }
    if (this.#isInPlace(piece)) {
      this.#filled += piece.length
    } else if (this.#kept === 0 && piece.length <= this.#memory.length - this.#filled) {
      this.#copy(piece)
    } else if (piece.length > 0) {
      this.#pieces.push(piece)
      this.#kept += piece.length
    }
    if (this.#kept > 0 && (piece.length < KEEP_ABOVE || this.#isTime(left, isPart)))
      this.#gather(left, isPart)
  }

  /** @returns memory for the next bytes of the `left` that are missing of the frame; null: there is none of use */
  room(left: number): Buffer | null {
    const memory = this.#memory
    const length = Math.min(left, memory.length - this.#filled)
    if (length < LEAST_ROOM || this.#kept > 0) return null
    return new BufferView(memory.buffer, memory.byteOffset + this.#filled, length)
  }

  /**
   * @returns what was joined, and begins anew
   * @throws TokenError `ERR_DETACHED`
   */
  take(): Buffer {
    if (this.#kept > 0) this.#move(allocate(this.length))
    const memory = this.#memory
    const length = this.#filled
    if (memory.length < length) throw detachedError()
    this.clear()
    if (memory.length === length) return memory
    return memory.length > length * SLACK
      ? Buffer.from(memory.subarray(0, length))
      : memory.subarray(0, length)
  }

  /** Throws away what was joined, and begins anew. */
  clear(): void {
    this.#memory = NOTHING
    this.#filled = 0
    if (this.#kept === 0) return
    this.#pieces = []
    this.#kept = 0
  }

  #isInPlace(piece: Buffer): boolean {
    const memory = this.#memory
    if (piece.length > memory.length - this.#filled) return false
    return piece.buffer === memory.buffer && piece.byteOffset === memory.byteOffset + this.#filled
  }

  #copy(piece: Buffer): void {
    this.#memory.set(piece, this.#filled)
    this.#filled += piece.length
  }

  /** True when what has arrived is worth memory for all that is known of the token. */
  #isTime(left: number, isPart: boolean): boolean {
    return isPart ? left === 0 : left <= this.length * (GROWTH - 1)
  }

  #gather(left: number, isPart: boolean): void {
    const arrived = isPart ? this.length + PART_HEAD : this.length
    const wanted = Math.max(arrived * GROWTH, FIRST_ALLOCATION)
    const total = this.length + left
    if (isPart) this.#move(Buffer.allocUnsafeSlow(Math.min(wanted, this.#maxLength)))
    else this.#move(wanted < total ? Buffer.allocUnsafeSlow(wanted) : allocate(total))
  }

  #move(memory: Buffer): void {
    const isDetached = this.#memory.length < this.#filled || this.#pieces.some(({ length }) => length === 0)
    if (isDetached) throw detachedError()
    const pieces = [this.#memory.subarray(0, this.#filled), ...this.#pieces]
    this.clear()
    this.#memory = memory
    for (const piece of pieces) this.#copy(piece)
  }
}
