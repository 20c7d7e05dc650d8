import { BufferView } from './buffer-view'
import { untransferable } from './shared-memory'

/** Below this length, bytes, a small slab is shared; up to that length a large one. */
const SMALL_BELOW = 4 * 1024
const LARGE_UP_TO = 64 * 1024

/** Memory that is given away piece by piece, and never taken back: it is gone with the last piece. */
class SharedSlab {
  readonly #length: number
  #memory: ArrayBufferLike
  #used = 0

  constructor(length: number) {
    this.#length = length
    this.#memory = sharedMemory(length)
  }

  take(length: number): Buffer {
    // A detached one has no length.
    if (this.#memory.byteLength - this.#used < length) {
      this.#memory = sharedMemory(this.#length)
      this.#used = 0
    }
    const view = new BufferView(this.#memory, this.#used, length)
    this.#used += length
    return view
  }
}

function sharedMemory(length: number): ArrayBufferLike {
  return untransferable(Buffer.allocUnsafeSlow(length)).buffer
}

const small = new SharedSlab(64 * 1024)
const large = new SharedSlab(256 * 1024)

/**
 * Memory for bytes that arrived, which nobody writes a second time. Up to 64 KiB it is shared: memory of its own costs
 * the allocator and the garbage collector more than the bytes cost.
 */
export function allocate(length: number): Buffer {
  if (length > LARGE_UP_TO) return Buffer.allocUnsafeSlow(length)
  return (length < SMALL_BELOW ? small : large).take(length)
}
