import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'

// It stays on: V8 may throw compiled code away, and read it again.
setFlagsFromString('--allow-natives-syntax')
const detachMemory = runInThisContext('memory => %ArrayBufferDetach(memory)') as (memory: unknown) => void

/** Takes the memory of some bytes away, whatever it is marked as: `ArrayBuffer.prototype.transfer()` can, Node 20 has none. */
export function detach(bytes: Uint8Array): void {
  // Node makes no other Buffer without it.
  if (bytes.buffer.byteLength === Buffer.poolSize) throw new Error('This is the memory of Node itself')
  detachMemory(bytes.buffer)
}

/** Gives the memory of a token to a worker, as a program would. @returns false when it was refused or copied */
export function transfer(token: Uint8Array): boolean {
  const { length } = token
  try {
    structuredClone(token, { transfer: [token.buffer as ArrayBuffer] })
  } catch (error) {
    if ((error as Error).name !== 'DataCloneError') throw error
  }
  return token.length !== length
}
