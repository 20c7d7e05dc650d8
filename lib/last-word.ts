import type { Duplex } from 'node:stream'
import { clock } from './clock'
import { closeCodeNumber, type WireCloseCode } from './close-codes'
import { encodeControl } from './control-frame'

/** Milliseconds that a CLOSE which breaks a connection is given to arrive. */
export const LINGER_TIMEOUT = 1000

/**
 * Refuses a peer of token/2 that got no connection: CLOSE, the end of the socket, and only later its destruction,
 * because a reset would overtake the CLOSE. What the peer sends is thrown away.
 */
export function sayLastWord(socket: Duplex, code: WireCloseCode): void {
  socket.on('error', () => {})
  socket.resume()
  socket.end(encodeControl({ type: 'close', code: closeCodeNumber(code), handed: 0, reason: '' }))
  const linger = clock.setTimeout(() => socket.destroy(), LINGER_TIMEOUT)
  linger.unref()
  socket.once('close', () => clock.clearTimeout(linger))
}
