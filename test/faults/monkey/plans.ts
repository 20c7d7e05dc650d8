import type { SessionOptions, TokenClientOptions, TokenServerOptions } from '../../../lib'
import type { Lengths } from '../../worlds/play'
import type { Chance } from '../../worlds/random'
import { CLIENTS } from './credentials'

const KIB = 1024

/** How a round ends: all come to rest and close in order; or everything is closed in the middle of it. */
export type Ending = 'rest' | 'chaos'

/** What is fixed for a round. */
export interface RoundPlan {
  readonly ending: Ending
  readonly lengths: Lengths
  /** Of both servers. */
  readonly server: {
    readonly handles: boolean
    readonly takesLong: boolean
    readonly maxStreamLength: number
  }
  readonly clients: readonly ClientKind[]
  /** Whose handlers ask the other side from inside: if those of both did, each could wait for the other. */
  readonly asks: 'client' | 'server'
  readonly tls: Pick<TokenServerOptions, 'minVersion'>
}

/** What the clients of one place have, one after the other. */
export interface ClientKind {
  readonly kind: 'token/1' | 'token/2' | 'session'
  readonly handles: boolean
}

/** What is fixed for a client. */
export interface ClientPlan extends ClientKind {
  readonly reconnects: boolean
  readonly closeTimeout: number
  readonly options: Partial<TokenClientOptions>
}

export interface ServerPlan {
  readonly authorizes: boolean
  readonly closeTimeout: number
  readonly options: Partial<TokenServerOptions>
}

export function roundPlan(chance: Chance): RoundPlan {
  const takesLong = chance.oneIn(3)
  const handles = !takesLong && chance.oneIn(4)
  return {
    ending: chance.pick(['rest', 'chaos']),
    lengths: {
      outboxBytes: 900 * KIB,
      longOfThousand: chance.pick([15, 15, 100]),
      longestStream: 600 * KIB,
      client: { maxTokenLength: 400 * KIB },
      server: { maxTokenLength: chance.pick([20 * KIB, 64 * KIB, 400 * KIB]) }
    },
    server: { handles, takesLong, maxStreamLength: takesLong ? 600 * KIB : 0 },
    clients: Array.from({ length: CLIENTS }, (_, index) => {
      const spoken = index < 2 ? 'token/1' : index < 4 ? 'token/2' : 'session'
      const kind = handles && spoken === 'token/1' ? 'token/2' : spoken
      return { kind, handles: kind !== 'token/1' && chance.oneIn(5) }
    }),
    asks: chance.pick(['client', 'server']),
    tls: chance.oneIn(3) ? { minVersion: 'TLSv1.2' } : {}
  }
}

export function clientPlan(chance: Chance, round: RoundPlan, index: number): ClientPlan {
  const { kind, handles } = round.clients[index] as ClientKind
  const side = sideOf(chance, round)
  return {
    kind,
    handles,
    reconnects: kind === 'session' || !chance.oneIn(4),
    closeTimeout: side.closeTimeout,
    options: {
      ...side,
      maxTokenLength: round.lengths.client.maxTokenLength,
      protocol: kind === 'token/1' ? 'token/1' : 'token/2',
      connectTimeout: 3_000,
      stablePeriod: 500,
      refusedRetryTimeout: chance.pick([0, 200]),
      ...(round.tls.minVersion !== undefined &&
        chance.oneIn(2) && { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }),
      ...(kind === 'session' && { session: sessionOf(chance) })
    }
  }
}

export function serverPlan(chance: Chance, round: RoundPlan): ServerPlan {
  const side = sideOf(chance, round)
  return {
    authorizes: chance.oneIn(2),
    closeTimeout: side.closeTimeout,
    options: {
      ...side,
      ...round.tls,
      maxTokenLength: round.lengths.server.maxTokenLength,
      maxStreamLength: round.server.maxStreamLength,
      ...(round.server.handles && { protocol: 'token/2' }),
      session: sessionOf(chance),
      slowConsumer: chance.pick(['close', 'drop']),
      maxQueueAge: chance.pick([0, 1_500, 20_000]),
      handshakeTimeout: 3_000,
      authorizeTimeout: 700,
      ...(round.ending === 'chaos' && {
        maxConnections: chance.pick([1_000, 1_000, 6]),
        maxPendingHandshakes: chance.pick([1_000, 1_000, 4]),
        maxSessions: chance.pick([1_000, 1_000, 3]),
        maxConnectionsPerIdentity: chance.pick([1_000, 1]),
        memoryBudgetBytes: chance.pick([2 ** 30, 1024 * KIB])
      })
    }
  }
}

function sessionOf(chance: Chance): SessionOptions {
  return {
    windowBytes: chance.pick([410 * KIB, 2_000 * KIB]),
    resumeTimeout: chance.pick([1_500, 3_000])
  }
}

/** What both sides have. One that comes to rest may be quiet, and slow, for as long as the machine is busy. */
function sideOf(chance: Chance, { ending, lengths }: RoundPlan) {
  const isHasty = ending === 'chaos'
  return {
    outboxBytes: lengths.outboxBytes,
    highWaterMark: chance.pick([100, 100, 16 * KIB]),
    receiveWindow: chance.pick([1, 300, 64 * KIB, 2_048 * KIB]),
    heartbeat: isHasty ? chance.pick([0, 500, 2_000]) : chance.pick([0, 5_000]),
    idleTimeout: isHasty ? chance.pick([0, 0, 0, 800]) : 0,
    frameTimeout: isHasty ? chance.pick([500, 3_000]) : 20_000,
    writeTimeout: isHasty ? chance.pick([0, 1_000]) : 0,
    closeTimeout: isHasty ? chance.pick([200, 1_000, 3_000]) : 4_000,
    noDelay: chance.oneIn(2),
    keepAlive: chance.oneIn(2)
  }
}
