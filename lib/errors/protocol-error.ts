import type { WireCloseCode } from './close-codes'
import { TokenError } from './token-error'

/** The error for a broken rule of token/2, with the code that its connection is closed with. */
export function protocolError(closeCode: WireCloseCode, message: string): TokenError {
  return new TokenError('ERR_PROTOCOL', message, { closeCode })
}
