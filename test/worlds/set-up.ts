import type { SessionOptions } from '../../lib'
import type { Chance } from './random'

const KIB = 1024

/** What one side of a world is made with. */
export interface SideSetUp {
  readonly maxTokenLength: number
  readonly maxStreamLength: number
  readonly highWaterMark: number
  readonly receiveWindow: number
  readonly idleTimeout: number
  readonly closeTimeout: number
  readonly frameTimeout: number
  /** Its application takes tokens by a handler, and by nothing else. */
  readonly handles: boolean
}

/** What is fixed for a world. */
export interface SetUp {
  readonly servers: number
  readonly clients: number
  readonly session: SessionOptions | false
  readonly reconnects: boolean
  readonly slowConsumer: 'close' | 'drop'
  readonly maxQueueAge: number
  readonly refusedRetryTimeout: number
  readonly outboxBytes: number
  readonly heartbeat: number
  readonly authorizes: boolean
  /** Whose handlers ask the other side from inside: if those of both did, each could wait for the other. */
  readonly asks: 'client' | 'server' | null
  readonly maxPendingRequests: number
  /** Bytes that a transport holds before a write waits. */
  readonly room: number
  /** Of a thousand tokens so many are of any length, up to the longest that may be joined. */
  readonly longOfThousand: number
  /** Bytes of the longest token from a stream. */
  readonly longestStream: number
  readonly client: SideSetUp
  readonly server: SideSetUp
}

export const RESUME_TIMEOUT = 20_000
export const CLOSE_TIMEOUTS = [300, 3_000, 10_000]

export function setUpOf(chance: Chance): SetUp {
  const session = chance.below(10) < 7
  const hasStreams = chance.oneIn(3)
  const side = (lengths: readonly number[]): SideSetUp => ({
    maxTokenLength: chance.pick(lengths),
    maxStreamLength: 0,
    highWaterMark: chance.pick([100, 100, 16 * KIB]),
    receiveWindow: chance.pick([1, 300, 64 * KIB]),
    idleTimeout: chance.pick([0, 0, 0, 1_500]),
    closeTimeout: chance.pick(CLOSE_TIMEOUTS),
    frameTimeout: 3_000,
    handles: chance.oneIn(3)
  })
  const client = side([400 * KIB])
  const server = side([20 * KIB, 64 * KIB, 400 * KIB])
  const windowBytes = chance.pick([410 * KIB, 2_000 * KIB])
  return {
    servers: 1 + chance.below(2),
    clients: 1 + chance.below(2),
    session: session && { windowBytes, resumeTimeout: RESUME_TIMEOUT },
    reconnects: session || !chance.oneIn(4),
    slowConsumer: chance.pick(['close', 'drop', 'drop']),
    maxQueueAge: chance.pick([0, 100, 1_500]),
    refusedRetryTimeout: chance.pick([0, 200]),
    outboxBytes: 900 * KIB,
    heartbeat: 1_000,
    authorizes: chance.oneIn(3),
    asks: chance.pick(['client', 'server', null]),
    maxPendingRequests: chance.pick([3, 1_000]),
    room: chance.pick([1, 30 * KIB, Number.POSITIVE_INFINITY]),
    longOfThousand: chance.pick([15, 15, 300]),
    longestStream: 600 * KIB,
    client,
    // A handler takes no token that is longer than may be joined.
    server: { ...server, maxStreamLength: hasStreams ? 600 * KIB : 0, handles: server.handles && !hasStreams }
  }
}
