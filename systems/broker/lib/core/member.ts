import type { Duplex } from 'node:stream'
import type { Identity, Watch } from '@token-server/identity'
import type { Client } from 'aedes'
import { type Grants, grantsOf } from '../authorization/grants'
import { subjectOf } from '../authorization/subject'
import { type BrokerLimits, limitsOf } from '../limits/limits'
import { Pace } from '../limits/pace'
import type { AedesPacket } from './aedes-packet'
import type { Connection } from './connection'

/** What of aedes' client its types leave out and we use. Pinned with aedes; `test/core/broker.test.ts` holds each. */
export interface AedesClient extends Client {
  readonly conn: Duplex
  readonly errored: boolean
  readonly subscriptions: Record<string, { readonly qos: 0 | 1 | 2 }>
  /** The will, once the connection is registered. */
  readonly will: AedesPacket | null
  /** The packet identifier of the next message of QoS 1 or 2. */
  _nextId: number
  /** Ends the connection; null: it is closed, or its keep alive is 0. */
  readonly _keepaliveTimer: NodeJS.Timeout | null
  /** Its own record of what it delivered: we keep none for it. */
  duplicates: Record<string, number>
  pause(): void
  deliverQoS(packet: AedesPacket, done: () => void): void
  [MEMBER]?: Member
}

/** Where a client of aedes keeps what we know of it. */
export const MEMBER = Symbol('member')

/** See Redelivery. */
export type Delivery = 'resending' | 'fetching' | 'stranded' | 'live'

/** An authenticated connection: who it is, what it may do, and what waits for it. */
export class Member {
  readonly connection: Connection
  readonly client: AedesClient
  readonly watch: Watch
  readonly maxSubscriptions: number
  /** Publishes that are faster wait: as many as are read at once. */
  readonly pace: Pace
  /** Of its subscriptions, from the moment they are granted. */
  readonly filters = new Set<string>()
  refusedSubscriptions = 0
  #identity: Identity
  #grants: Grants
  readonly #commands: readonly string[]

  /** QoS 0 messages of this turn, and their bytes. Belongs to the fan-out. */
  readonly turn: Buffer[] = []
  turnBytes = 0
  /** Since when messages are dropped and nothing is taken; 0: nothing was dropped. */
  stalledSince = 0
  /** The number of the last message of the bus that it was given. */
  lastMessage = 0

  /** Belong to the redelivery: whether messages go to the client as they come, or are fetched from its queue. */
  delivery: Delivery
  /** The lowest number of the messages that were left in the queue. */
  missed: number | undefined
  /** By the id of their broker, the highest number of the messages that were fetched from the queue. */
  fetched: Map<string, number> | undefined
  redelivering: AedesPacket | undefined

  constructor(
    connection: Connection,
    client: AedesClient,
    watch: Watch,
    commands: readonly string[],
    limits: BrokerLimits,
    isClean: boolean
  ) {
    this.connection = connection
    this.client = client
    this.watch = watch
    this.#identity = watch.identity
    this.#commands = commands
    this.#grants = grantsOf(watch.identity, commands)
    const { maxSubscriptions, maxPublishRate } = limitsOf(watch.identity, limits)
    this.maxSubscriptions = maxSubscriptions
    this.pace = new Pace(maxPublishRate)
    this.delivery = isClean ? 'live' : 'resending'
  }

  get identity(): Identity {
    return this.#identity
  }

  get grants(): Grants {
    return this.#grants
  }

  /** A fresh token came. */
  renew(identity: Identity): void {
    this.#identity = identity
    this.#grants = grantsOf(identity, this.#commands)
  }

  /** What the log says of it. */
  get facts(): { connection: string; user: string; clientId: string; address?: string } {
    const { address } = this.connection.from
    return {
      connection: this.connection.id,
      user: subjectOf(this.#identity),
      clientId: this.client.id,
      ...(address === undefined ? {} : { address })
    }
  }
}
