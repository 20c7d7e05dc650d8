import type { Connection } from '../../lib'
import { controlOf } from '../../lib/connection/connection'
import type { Taker } from './taker'
import type { World } from './world'

/** Bytes of a write under way that were not taken by `send()`: a part of a token from a stream, and control frames. */
const WRITE_BYTES = 256 * 1024 + 1024

/** What a client without a session keeps to reconnect. */
const RETAINED_BYTES = 16 * 1024 * 1024

/** Answers of which a handler is given no other token. */
const ANSWER_BYTES = 1024 * 1024

/** Fails the world when a connection holds more than its options allow. */
export function expectBounded(
  world: World,
  connection: Connection,
  role: 'client' | 'server',
  taker: Taker,
  where: string
): void {
  const { session, outboxBytes, reconnects } = world.setUp
  const side = world.setUp[role]
  const other = world.setUp[role === 'client' ? 'server' : 'client']
  const goesOn = reconnects && role === 'client'
  const windowBytes = session === false ? (goesOn ? RETAINED_BYTES : 0) : (session.windowBytes ?? 0)
  const answerBytes = ANSWER_BYTES + taker.mostAnswerBytes(other.maxTokenLength)
  const { retainedBytes, bufferedAmount, unreadBytes } = connection
  if (retainedBytes > windowBytes + answerBytes)
    world.fail(`${where} keeps ${retainedBytes} bytes for replay`)
  // What a resumed session writes again waits beside what is new.
  if (bufferedAmount > outboxBytes + windowBytes + answerBytes + WRITE_BYTES)
    world.fail(`${where} has ${bufferedAmount} bytes that wait`)
  // The last frame may go beyond the window, and the parts of a token that is joined are outside of it.
  if (unreadBytes > side.receiveWindow + 2 * side.maxTokenLength)
    world.fail(`${where} has ${unreadBytes} bytes that are unread`)
}

/** Fails the world when a connection at rest still waits for an answer, or works on one. */
export function expectNothingAsked(world: World, connection: Connection, taker: Taker, where: string): void {
  const { unanswered } = controlOf(connection).session.deliveries
  if (unanswered > 0) world.fail(`${where} waits for ${unanswered} answers, and all is at rest`)
  if (taker.running > 0)
    world.fail(`${where} has ${taker.running} tokens with its handler, and all is at rest`)
}

/** Fails the world when a connection that is over still holds bytes, or a token with its handler. */
export function expectNothingLeft(world: World, connection: Connection, taker: Taker, where: string): void {
  const { bufferedAmount, retainedBytes } = connection
  if (bufferedAmount + retainedBytes > 0)
    world.fail(`${where} is over, has ${bufferedAmount} bytes that wait and keeps ${retainedBytes}`)
  if (taker.running > 0) world.fail(`${where} is over, and its handler still has ${taker.running} tokens`)
}
