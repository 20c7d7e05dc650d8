import { isUint8Array } from 'node:util/types'
import { TokenError } from '../errors/token-error'

/**
 * Refuses what can't be sent as a token.
 *
 * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`
 */
export function checkToken(token: Uint8Array, maxTokenLength: number): void {
  // `instanceof` would refuse arrays of another realm, as under jest.
  if (!isUint8Array(token)) {
    throw new TokenError(
      'ERR_TOKEN_TYPE',
      `Cannot send a token: it must be a Buffer or Uint8Array, got ${kindOf(token)}`
    )
  }
  if (token.length > maxTokenLength) throw tooLargeError(token.length, maxTokenLength)
}

/**
 * Refuses the length of a token whose bytes will come from a stream.
 *
 * @throws TokenError `ERR_OPTION`, `ERR_TOKEN_TOO_LARGE`
 */
export function checkLength(length: number, maxTokenLength: number): void {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new TokenError(
      'ERR_OPTION',
      `Cannot send a token from a stream: its length is ${length}, and must be a count of bytes`
    )
  }
  if (length > maxTokenLength) throw tooLargeError(length, maxTokenLength)
}

/** The error for a token that is longer than this side or its peer allows. */
export function tooLargeError(length: number, maxTokenLength: number): TokenError {
  return new TokenError(
    'ERR_TOKEN_TOO_LARGE',
    `Cannot send a token: its length is ${length} bytes, maxTokenLength is ${maxTokenLength}`
  )
}

/**
 * The error for a token that has changed since it was taken: it was moved to a worker, its `ArrayBuffer` was resized, or its
 * `WebAssembly.Memory` has grown.
 */
export function memoryLost(): TokenError {
  return new TokenError(
    'ERR_DETACHED',
    'Cannot send a token: its memory was taken away, or changed its length, before all of it had left'
  )
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value
}
