import { markAsUntransferable } from 'node:worker_threads'
import { TokenError } from '../errors/token-error'

/**
 * Marks memory in which more than one token lies, or bytes that are not read yet: the owner of one token can't give the
 * memory of the others to a worker. Node 20 copies where it was to be transferred, later ones throw `DataCloneError`.
 *
 * `ArrayBuffer.prototype.transfer()` of Node 22 does not look at the mark: who reads must still notice that the memory is gone.
 */
export function untransferable<T extends Uint8Array>(bytes: T): T {
  markAsUntransferable(bytes.buffer)
  return bytes
}

/** The error of a connection whose bytes that were not read yet lay in memory that somebody took away. */
export function detachedError(): TokenError {
  return new TokenError(
    'ERR_DETACHED',
    'Cannot read what has arrived: its memory is detached, because the ArrayBuffer of a token beside it was transferred'
  )
}
