import type { Duplex } from 'node:stream'
import { closeCodeNumber, type WireCloseCode } from '../errors/close-codes'
import type { TokenError } from '../errors/token-error'
import { clock } from '../runtime/clock'
import { encodeControl } from '../wire/control-frame'

/** Milliseconds that a CLOSE which breaks a connection is given to arrive. */
export const LINGER_TIMEOUT = 1000

/** The same when `closeTimeout` is over already: whoever waits for the end has waited enough. */
const AFTER_CLOSE_TIMEOUT = 50

/** @returns milliseconds that a CLOSE because of this error is given to arrive */
export function lingerAfter(error: TokenError): number {
  return error.code === 'ERR_CLOSE_TIMEOUT' ? AFTER_CLOSE_TIMEOUT : LINGER_TIMEOUT
}

/** What CLOSE says beside its code. */
export interface SayCloseOptions {
  /** Tokens of the peer that the application has had. Default 0. */
  readonly handed?: number
  /** For people. Default none. */
  readonly reason?: string
  /** Milliseconds until the socket is destroyed. Default {@link LINGER_TIMEOUT}. */
  readonly linger?: number
}

/**
 * Ends a transport of token/2 that no connection reads any more: CLOSE, the end of the socket, and only later its
 * destruction, because a reset would overtake the CLOSE. What the peer sends is thrown away.
 */
export function sayClose(socket: Duplex, code: WireCloseCode, options: SayCloseOptions = {}): void {
  const { handed = 0, reason = '', linger = LINGER_TIMEOUT } = options
  socket.on('error', () => {})
  socket.resume()
  socket.end(encodeControl({ type: 'close', code: closeCodeNumber(code), handed, reason }))
  const timer = clock.setTimeout(() => socket.destroy(), linger)
  timer.unref()
  socket.once('close', () => clock.clearTimeout(timer))
}
