import { untransferable } from './shared-memory'

/** Memory for a busy connection, bytes: four full TLS records. */
export const SLAB_LENGTH = 64 * 1024

/** Memory for a few bytes, a question or an answer. */
export const SMALL_SLAB_LENGTH = 4 * 1024

/** Bytes of each kind that are kept for later; what busier times needed on top goes back to the garbage collector. */
const KEPT_BYTES = 1024 * 1024

/**
 * Slabs of memory that all connections share: one owns a slab while a write is under way, an idle one owns none.
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

function make(length: number): Buffer {
  return untransferable(Buffer.allocUnsafeSlow(length))
}

/** The pool of this process. */
export const slabs = new SlabPool()
