import { protocolError, TokenError } from '../errors/token-error'
import { diagnose } from './foreign-protocols'
import { MAX_CONTROL_LENGTH, WIRE_MAX_TOKEN_LENGTH } from './header'

/**
 * The error for a length that a reader refuses.
 *
 * @param length as it stood in the frame
 * @param sum of the token, with its parts before
 * @param firstBytes the first bytes of the stream, when this is its first frame: the message says which other protocol they are
 */
export function frameRefusal(
  length: number,
  sum: number,
  maxTokenLength: number,
  firstBytes: Buffer | null
): TokenError {
  const name = firstBytes === null ? null : diagnose(firstBytes)
  const looks = name === null ? '' : `; the bytes look like ${name}`
  if (length > WIRE_MAX_TOKEN_LENGTH) {
    return new TokenError(
      'ERR_CONTROL_FRAME',
      `Cannot read a frame: its length 0x${length.toString(16)} has the top bit set, this connection speaks token/1${looks}`
    )
  }
  return tokenTooLarge(sum, maxTokenLength, looks)
}

/** The error for a token that is longer than this side takes. */
export function tokenTooLarge(length: number, maxTokenLength: number, looks = ''): TokenError {
  return new TokenError(
    'ERR_TOKEN_TOO_LARGE',
    `Cannot receive a token: its length is ${length} bytes, maxTokenLength is ${maxTokenLength}${looks}`
  )
}

/** The error for a control frame of a length that there is none of. */
export function controlLengthError(length: number): TokenError {
  return protocolError(
    'protocol-error',
    `Cannot read a control frame: its length is ${length}, 1 to ${MAX_CONTROL_LENGTH} is allowed`
  )
}
