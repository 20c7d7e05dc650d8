import type { WireCloseCode } from './close-codes'
import { TokenError } from './errors'

/** Beside the errors and not in them, so that the public class has no field that only the wire needs. */
const wireCodes = new WeakMap<TokenError, WireCloseCode>()

/** An `ERR_PROTOCOL` that remembers with which code its connection has to be closed. */
export function protocolError(wireCode: WireCloseCode, message: string): TokenError {
  const error = new TokenError('ERR_PROTOCOL', message)
  wireCodes.set(error, wireCode)
  return error
}

/**
 * The close code that tells the peer of an error of the decoder (docs/wire-format.md, section 2).
 *
 * @returns null for an error of which the wire says nothing to the peer
 */
export function wireCodeOf(error: TokenError): WireCloseCode | null {
  if (error.code === 'ERR_TOKEN_TOO_LARGE') return 'too-large'
  if (error.code === 'ERR_PROTOCOL') return wireCodes.get(error) ?? 'protocol-error'
  return null
}
