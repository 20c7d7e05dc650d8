import { BufferView } from './buffer-view'

const SLAB_LENGTH = 64 * 1024

let slab = Buffer.allocUnsafeSlow(SLAB_LENGTH)
let used = 0

/**
 * Memory for bytes that arrived, which nobody writes a second time: who reads shares it, because memory of its own costs
 * a small token more than its bytes.
 */
export function allocate(length: number): Buffer {
  if (slab.length - used < length) {
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB_LENGTH, length))
    used = 0
  }
  used += length
  return new BufferView(slab.buffer, slab.byteOffset + used - length, length)
}
