import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import { markAsUntransferable } from 'node:worker_threads'

// It stays on: V8 may throw compiled code away, and read it again.
setFlagsFromString('--allow-natives-syntax')
const detachMemory = runInThisContext('memory => %ArrayBufferDetach(memory)') as (memory: unknown) => void

/** Takes the memory of some bytes away, as `ArrayBuffer.prototype.transfer()` does, which Node 20 has not. */
export function detach(bytes: Uint8Array): void {
  // Node makes no other Buffer without it.
  if (bytes.buffer === Buffer.allocUnsafe(1).buffer) throw new Error('This is the memory of Node itself')
  detachMemory(bytes.buffer)
}

/** Whether it can be done with memory that is marked: from Node 24 on nobody can. */
export const canDetachMarked = (() => {
  const marked = Buffer.allocUnsafeSlow(1)
  markAsUntransferable(marked.buffer)
  try {
    detach(marked)
  } catch {
    return false
  }
  return true
})()

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
