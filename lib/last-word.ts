import type { Duplex } from 'node:stream'
import { clock } from './clock'
import { closeCodeNumber, type WireCloseCode } from './close-codes'
import { encodeControl } from './control-frame'

/** Milliseconds that a CLOSE which breaks a connection is given to arrive. */
export const LINGER_TIMEOUT = 1000

/**
 * Ends a transport of token/2 that no connection has: CLOSE, the end of the socket, and only later its destruction,
 * because a reset would overtake the CLOSE. What the peer sends is thrown away.
 *
 * @param handed tokens of the peer that the application has had
 */
export function sayLastWord(socket: Duplex, code: WireCloseCode, handed = 0): void {
  socket.on('error', () => {})
  socket.resume()
  socket.end(encodeControl({ type: 'close', code: closeCodeNumber(code), handed, reason: '' }))
  const linger = clock.setTimeout(() => socket.destroy(), LINGER_TIMEOUT)
  linger.unref()
  socket.once('close', () => clock.clearTimeout(linger))
}
