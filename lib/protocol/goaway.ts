import { CLOSE_CODES, closeCodeNumber, type WireCloseCode } from '../errors/close-codes'
import { TokenError } from '../errors/token-error'
import { checkOption, timerDelay } from '../options/checks'
import type { GoawayFrame } from '../wire/control-frame'

/** What a server says when it wants a client to leave. */
export interface Goaway {
  readonly code: WireCloseCode
  /** Milliseconds before which the client shall not come back. */
  readonly retryAfter: number
  /** For people, at most 512 bytes. In the event control characters stand as `\\uXXXX`. Default: empty. */
  readonly reason: string
}

/**
 * The frame by which a server asks a client to go; default: code `drain`, to come back at once, without a reason.
 *
 * @throws TokenError `ERR_OPTION`
 */
export function goawayFrame({ code = 'drain', retryAfter = 0, reason = '' }: Partial<Goaway>): GoawayFrame {
  if (!(CLOSE_CODES[code]?.in as readonly string[] | undefined)?.includes('goaway'))
    throw new TokenError('ERR_OPTION', `Cannot send GOAWAY: ${String(code)} is no code for it`)
  checkOption('retryAfter', retryAfter, timerDelay)
  return { type: 'goaway', code: closeCodeNumber(code), retryAfter, reason: String(reason) }
}
