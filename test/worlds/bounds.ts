import type { Connection } from '../../lib'
import type { SideSetUp } from './set-up'
import type { World } from './world'

/** Bytes of a write under way that were not taken by `send()`: a part of a token from a stream, and control frames. */
const WRITE_BYTES = 256 * 1024 + 1024

/** What a client without a session keeps to reconnect. */
const RETAINED_BYTES = 16 * 1024 * 1024

/** Fails the world when a connection holds more than its options allow. */
export function expectBounded(world: World, connection: Connection, side: SideSetUp, where: string): void {
  const { session, outboxBytes, reconnects, client } = world.setUp
  const goesOn = reconnects && side === client
  const windowBytes = session === false ? (goesOn ? RETAINED_BYTES : 0) : (session.windowBytes ?? 0)
  const { retainedBytes, bufferedAmount, unreadBytes } = connection
  if (retainedBytes > windowBytes) world.fail(`${where} keeps ${retainedBytes} bytes for replay`)
  // What a resumed session writes again waits beside what is new.
  if (bufferedAmount > outboxBytes + windowBytes + WRITE_BYTES)
    world.fail(`${where} has ${bufferedAmount} bytes that wait`)
  // The last frame may go beyond the window, and the parts of a token that is joined are outside of it.
  if (unreadBytes > side.receiveWindow + 2 * side.maxTokenLength)
    world.fail(`${where} has ${unreadBytes} bytes that are unread`)
}
