import { BufferView } from './buffer-view'
import { untransferable } from './shared-memory'

/** Memory for a busy connection that writes, bytes: four full TLS records. */
export const SLAB_LENGTH = 64 * 1024

/** Memory for a few bytes, a question or an answer. */
export const SMALL_SLAB_LENGTH = 4 * 1024

/** Bytes of each kind that are kept for later; what busier times needed on top goes back to the garbage collector. */
const KEPT_BYTES = 1024 * 1024

/** Below this length, bytes, memory for what arrived is taken of a small slab; up to that length of a large one. */
const SMALL_BELOW = 4 * 1024
const LARGE_UP_TO = 64 * 1024

/**
 * Slabs of memory to write from, which all connections share: one owns a slab while a write is under way, an idle one owns
 * none.
 */
export class SlabPool {
  readonly #large: Buffer[] = []
  readonly #small: Buffer[] = []

  /** @returns a slab for `length` bytes, or the largest there is; what was in it before is still there */
  take(length: number): Buffer {
    if (length <= SMALL_SLAB_LENGTH) return this.#small.pop() ?? make(SMALL_SLAB_LENGTH)
    return this.#large.pop() ?? make(SLAB_LENGTH)
  }

  /** Nobody reads the slab any more: it may be written anew. */
  give(slab: Buffer): void {
    const kept = slab.length === SLAB_LENGTH ? this.#large : this.#small
    if (kept.length * slab.length < KEPT_BYTES) kept.push(slab)
  }
}

/** The pool of this process. */
export const slabs = new SlabPool()

/**
 * Memory for bytes that arrived, which nobody writes a second time. Up to 64 KiB it is shared: memory of its own costs
 * the allocator and the garbage collector more than the bytes cost.
 */
export function allocate(length: number): Buffer {
  if (length > LARGE_UP_TO) return Buffer.allocUnsafeSlow(length)
  return (length < SMALL_BELOW ? small : large).take(length)
}

/** Memory that is given away piece by piece, and never taken back: it is gone with the last piece. */
class SharedSlab {
  readonly #length: number
  #memory: ArrayBufferLike
  #used = 0

  constructor(length: number) {
    this.#length = length
    this.#memory = make(length).buffer
  }

  take(length: number): Buffer {
    // A detached one has no length.
    if (this.#memory.byteLength - this.#used < length) {
      this.#memory = make(this.#length).buffer
      this.#used = 0
    }
    const view = new BufferView(this.#memory, this.#used, length)
    this.#used += length
    return view
  }
}

const small = new SharedSlab(64 * 1024)
const large = new SharedSlab(256 * 1024)

function make(length: number): Buffer {
  return untransferable(Buffer.allocUnsafeSlow(length))
}
