import { costOf, HEADER_LENGTH, writeHeader } from './wire'

/** Small tokens leave together in slabs of this size, bytes: four full TLS records. */
const SLAB_LENGTH = 64 * 1024

/** A token with this many bytes left is written without being copied, bytes. */
const COPY_BELOW = SLAB_LENGTH

/** A large token leaves in pieces of this size, bytes, so that each completed write is progress that is seen. */
const PIECE_LENGTH = 256 * 1024

/** How many consumed places the queue may have at its front before it is moved together. */
const COMPACT_ABOVE = 1024

/** Stands in the queue for a token that is out, so that its memory is free. */
const SENT = new Uint8Array(0)

/** What may be said between two tokens: whole control frames, or null when there is nothing to say. */
export type ControlSource = () => Uint8Array | null

/**
 * Turns tokens into chunks of bytes. Knows no socket: `push` tokens, then write what `next` returns until it
 * says null.
 *
 * ```
 *  control        [C]
 *  tokens   [a][b] │ [c][ d d d d d d d ][e]
 *            ╲  │  │  │  │      │      │  │
 *  chunks   [ a b ][C c d ][ d piece ][ d e ]      small: copied together · large: its own memory
 * ```
 *
 * Control frames go before the tokens that wait, never inside one. A token is started while `credit` is above
 * zero, and looked at only when its turn comes: it must not be changed before.
 */
export class FrameWriter {
  /** What the peer's WINDOW still allows, bytes; below zero when the last token was larger. */
  credit = Number.POSITIVE_INFINITY
  readonly #control: ControlSource
  #queue: Uint8Array[] = []
  #head = 0
  /** Payload bytes of the token at the head that are already out; -1 when not even its header is. */
  #offset = -1
  #queuedBytes = 0

  constructor(control: ControlSource = () => null) {
    this.#control = control
  }

  /** Bytes of the frames of tokens not yet returned by `next`, headers included. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Tokens of which the last byte was not yet returned by `next`. */
  get queuedTokens(): number {
    return this.#queue.length - this.#head
  }

  /** True when the last chunk ended inside a token: nothing but its rest may follow. */
  get isMidToken(): boolean {
    return this.#offset >= 0
  }

  push(token: Uint8Array): void {
    this.#queue.push(token)
    this.#queuedBytes += costOf(token.byteLength)
  }

  /** @returns the next bytes to write, or null when nothing may be written */
  next(): Uint8Array | null {
    const control = this.isMidToken ? null : this.#control()
    return this.#canSendToken() ? (this.#nextPiece() ?? this.#nextSlab(control)) : control
  }

  /**
   * Takes a token back. `place` counts from the end of the queue, 0 is the token pushed last.
   *
   * @returns false when bytes of it are out already
   */
  withdraw(place: number): boolean {
    const index = this.#queue.length - 1 - place
    if (index < this.#head || (index === this.#head && this.isMidToken)) return false
    const [token] = this.#queue.splice(index, 1)
    this.#queuedBytes -= costOf((token as Uint8Array).byteLength)
    return true
  }

  /** Drops up to `count` of the oldest tokens of which no byte is out. @returns how many */
  dropOldest(count: number): number {
    const dropped = this.#queue.splice(this.#head + (this.isMidToken ? 1 : 0), count)
    for (const token of dropped) this.#queuedBytes -= costOf(token.byteLength)
    return dropped.length
  }

  /** Takes out the tokens of which no byte is out. @returns them, in order */
  clearWaiting(): Uint8Array[] {
    const waiting = this.#queue.splice(this.#head + (this.isMidToken ? 1 : 0))
    for (const token of waiting) this.#queuedBytes -= costOf(token.byteLength)
    return waiting
  }

  /** Empties the queue. @returns the tokens of which the last byte is not out, in order */
  clear(): Uint8Array[] {
    const tokens = this.#queue.slice(this.#head)
    this.#queue = []
    this.#head = 0
    this.#queuedBytes = 0
    return tokens
  }

  #canSendToken(): boolean {
    return this.#head < this.#queue.length && (this.isMidToken || this.credit > 0)
  }

  /** A piece of the large token at the head, as it lies in memory. */
  #nextPiece(): Uint8Array | null {
    const token = this.#queue[this.#head] as Uint8Array
    if (this.#offset < 0 || token.byteLength - this.#offset < COPY_BELOW) return null
    const piece = token.subarray(this.#offset, this.#offset + PIECE_LENGTH)
    this.#queuedBytes -= piece.byteLength
    this.#advance(token, piece.byteLength)
    return piece
  }

  #nextSlab(control: Uint8Array | null): Uint8Array {
    const controlLength = control?.byteLength ?? 0
    const slab = Buffer.allocUnsafe(Math.min(controlLength + this.#queuedBytes, SLAB_LENGTH))
    if (control !== null) slab.set(control)
    let used = controlLength
    while (this.#canSendToken()) {
      const token = this.#queue[this.#head] as Uint8Array
      if (this.#offset < 0) {
        if (slab.length - used < HEADER_LENGTH) break
        writeHeader(slab, used, token.byteLength)
        used += HEADER_LENGTH
        this.#offset = 0
        this.credit -= costOf(token.byteLength)
      }
      const fits = Math.min(token.byteLength - this.#offset, slab.length - used)
      slab.set(token.subarray(this.#offset, this.#offset + fits), used)
      used += fits
      if (!this.#advance(token, fits)) break
    }
    this.#queuedBytes -= used - controlLength
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
