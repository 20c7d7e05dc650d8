import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StoredClient, StoredPacket, StoredSubscription } from '../base-persistence'
import { sortableId } from '../broker-id'
import type { PacketNumber, Store, StoreOptions } from '../store'
import { subjectOf } from '../subscription-index'
import { EnqueueQueue } from './enqueue-queue'
import { IncomingPackets } from './incoming-packets'
import { type Hello, RedisConnection } from './redis-connection'
import type { Argument, RedisLink } from './redis-link'
import { RetainedMessages } from './retained-messages'
import { ENQUEUE, EXPIRE, TOUCH } from './scripts'
import { SessionQueues } from './session-queues'
import { SharedSubscriptions } from './shared-subscriptions'
import { SharedWills } from './shared-wills'

export interface RedisStoreOptions extends StoreOptions {
  /** `redis://…` or `rediss://…`. */
  readonly url: string
  /** Brokers with the same one share what they store. */
  readonly prefix: string
  /** After so long a session is forgotten that nobody has come back to, milliseconds. */
  readonly sessionTtl: number
  /** Within it Redis must answer, milliseconds. */
  readonly timeout: number
}

/** Milliseconds between two times at which Redis is told who is there. */
const TOUCH_INTERVAL = 5_000
const TOUCHED_AT_ONCE = 500

/** A session that was seen within this time before the last one may be connected to another broker. */
const RECENT = 3 * TOUCH_INTERVAL

/** Sessions that are forgotten in one step. */
const EXPIRED_AT_ONCE = 50

/**
 * Sessions, queues, retained messages and wills in a Redis that several brokers share.
 *
 * - What belongs together is one Lua script: the queues of a message, the incoming QoS 2 packet that it is and what it retains.
 * - Each broker finds the sessions of a topic in its memory. The script that stores a message refuses to when Redis has newer subscriptions, which
 *   are read then: so what is published behind a SUBACK of another broker is not missed, whatever became of the bus between them.
 * - Nothing is kept back for a Redis that is away: what is asked of it rejects, and is not acknowledged.
 */
export class RedisStore implements Store {
  readonly #options: RedisStoreOptions
  readonly #redis: RedisConnection
  readonly #subscriptions: SharedSubscriptions
  readonly #queues: SessionQueues
  readonly #incoming: IncomingPackets
  readonly #retained: RetainedMessages
  readonly #wills: SharedWills
  readonly #enqueue: EnqueueQueue
  #epoch: string | undefined
  #lastNumber = 0
  #touching: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: RedisStoreOptions) {
    const { url, prefix, timeout, maxRetainedMessages, onDropped, onUp, onDown, cut } = options
    const onError = (error: unknown) => this.#failed(error)
    this.#options = options
    this.#redis = new RedisConnection({
      url,
      prefix: `${prefix}:`,
      timeout,
      prepare: (link, hello) => this.#prepare(link, hello),
      onUp,
      onDown
    })
    this.#subscriptions = new SharedSubscriptions(this.#redis, options)
    this.#queues = new SessionQueues(this.#redis)
    this.#incoming = new IncomingPackets(this.#redis, cut)
    this.#retained = new RetainedMessages(this.#redis, { maxRetainedMessages, onDropped, onError })
    this.#wills = new SharedWills(this.#redis, onError)
    this.#enqueue = new EnqueueQueue({
      store: (messages, bytes) => this.#store(messages, bytes),
      match: topic => this.#subscriptions.match(topic),
      onNumber: number => {
        this.#lastNumber = number
      },
      onDropped
    })
  }

  get whyDown(): string | undefined {
    return this.#redis.whyDown
  }

  takeBrokerId(): Promise<string> {
    return Promise.resolve(sortableId())
  }

  /** @throws BrokerError `ERR_BROKER_STORE`: Redis can't be used within the timeout */
  async setup(broker: { readonly id: string }): Promise<void> {
    await this.#redis.open(broker.id)
    const interval = Math.min(TOUCH_INTERVAL, this.#options.sessionTtl / 4)
    this.#touching = setInterval(() => void this.#touch(), interval)
  }

  /** What was asked for before is written, such as the wills of clients that were connected. */
  async destroy(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#touching)
    await this.#enqueue.idle()
    await nextTurn() // who was told of it deletes its will
    await this.#redis.use(link => link.command('ZREM', 'alive', this.#redis.brokerId)).catch(() => undefined)
    this.#redis.close()
  }

  async #prepare(link: RedisLink, { epoch, lastNumber, info }: Hello): Promise<void> {
    if (epoch === this.#epoch) {
      await this.#subscriptions.catchUp(link)
      return
    }
    for (const why of weaknessesOf(info)) this.#options.onWarning(why)
    const hadMore = await this.#subscriptions.restore(link)
    if (this.#epoch !== undefined && (hadMore || lastNumber < this.#lastNumber)) {
      const lost = 'Redis has lost data: sessions, queues and retained messages may be gone'
      this.#options.onError(new Error(lost))
    }
    this.#epoch = epoch
  }

  #failed(error: unknown): void {
    if (!this.#isClosed && this.whyDown === undefined) this.#options.onError(error as Error)
  }

  // Subscriptions and sessions

  subscriptionsByClient(client: StoredClient): Promise<StoredSubscription[]> {
    return this.#subscriptions.claim(client)
  }

  subscriptionsByTopic(topic: string): Promise<StoredSubscription[]> {
    return Promise.resolve(this.#subscriptions.match(topic))
  }

  addSubscriptions(client: StoredClient, subscriptions: readonly StoredSubscription[]): Promise<void> {
    return this.#subscriptions.add(client, subscriptions)
  }

  removeSubscriptions(client: StoredClient, topics: readonly string[]): Promise<void> {
    return this.#subscriptions.remove(client, topics)
  }

  cleanSubscriptions(client: StoredClient): Promise<void> {
    return this.#subscriptions.forget(client)
  }

  async makeRoomFor(clientId: string, most: number, isOpen: (clientId: string) => boolean): Promise<void> {
    const key = `of:${subjectOf(clientId)}`
    const reply = await this.#redis.use(link => link.command('ZRANGE', key, '0', '-1', 'WITHSCORES'))
    const all = (reply as [Buffer, number][]).map(([id, seen]) => ({ id: id.toString(), seen }))
    const others = all.filter(({ id }) => id !== clientId)
    const surplus = others.length - (most - 1)
    if (surplus <= 0) return
    const recent = (others.at(-1)?.seen ?? 0) - RECENT
    const closed = others.filter(({ id }) => !isOpen(id))
    const mayBeOpen = closed.filter(({ seen }) => seen >= recent)
    const first = [...closed.filter(({ seen }) => seen < recent), ...mayBeOpen]
    for (const { id } of first.slice(0, surplus)) {
      await this.cleanSubscriptions({ id })
      await this.cleanIncoming({ id })
    }
  }

  /** Says that this broker and its sessions are there, and forgets sessions that nobody has come back to. */
  async #touch(): Promise<void> {
    if (this.whyDown !== undefined) return
    try {
      const open = [...this.#options.openSessions()]
      for (let at = 0; at === 0 || at < open.length; at += TOUCHED_AT_ONCE) {
        const some = [this.#redis.brokerId, ...open.slice(at, at + TOUCHED_AT_ONCE)]
        await this.#redis.use(link => link.run(TOUCH, some))
      }
      const age = [String(this.#options.sessionTtl), String(EXPIRED_AT_ONCE)]
      let expired: unknown
      do expired = await this.#redis.use(link => link.run(EXPIRE, age))
      while (expired === EXPIRED_AT_ONCE)
    } catch (error) {
      this.#failed(error)
    }
  }

  // Queues

  /** The sessions are looked for when the message goes to Redis: what aedes has found may be older. */
  async outgoingEnqueueCombi(_found: readonly StoredSubscription[], packet: StoredPacket): Promise<void> {
    const incoming = this.#incoming.of(packet)
    try {
      await this.#enqueue.add({ packet, incoming, isRetained: this.#retained.takes(packet) })
    } finally {
      incoming?.finish()
    }
  }

  /** aedes 1.2 calls it for `client.publish` only, which nobody calls here. */
  outgoingEnqueue(): Promise<void> {
    return Promise.reject(new Error('Cannot store a message for one client'))
  }

  #store(messages: readonly Argument[], bytes: number): Promise<unknown[] | undefined> {
    const { maxQueuedMessages, maxQueuedBytes, maxRetainedMessages, sessionTtl } = this.#options
    const bounds = [maxQueuedMessages, maxQueuedBytes, maxRetainedMessages, sessionTtl].map(String)
    return this.#redis.use(async link => {
      const { fence, epoch } = this.#redis
      const args = [...fence, epoch, this.#subscriptions.version, ...bounds, ...messages]
      const reply = (await link.run(ENQUEUE, args, bytes)) as unknown[]
      if (reply.length > 0) return reply
      await this.#subscriptions.catchUp(link)
      return undefined
    })
  }

  outgoingStream(client: StoredClient): Readable {
    return this.#queues.sent(client)
  }

  outgoingUnsent(client: StoredClient): AsyncIterable<StoredPacket> {
    return this.#queues.unsent(client)
  }

  outgoingUpdate(client: StoredClient, packet: StoredPacket): Promise<void> {
    return this.#queues.update(client, packet)
  }

  outgoingClearMessageId(client: StoredClient, packet: StoredPacket): Promise<StoredPacket | undefined> {
    return this.#queues.clear(client, packet)
  }

  outgoingRemove(client: StoredClient, packet: PacketNumber): Promise<void> {
    return this.#queues.remove(client, packet)
  }

  queuedMessages(clientId: string): Promise<number> {
    return this.#queues.count(clientId)
  }

  // QoS 2 from clients, retained messages, wills

  incomingStorePacket(client: StoredClient, packet: StoredPacket): Promise<void> {
    return this.#incoming.store(client, packet)
  }

  incomingGetPacket(client: StoredClient, packet: StoredPacket): Promise<unknown> {
    return this.#incoming.get(client, packet)
  }

  incomingDelPacket(client: StoredClient, packet: StoredPacket): Promise<void> {
    return this.#incoming.remove(client, packet)
  }

  cleanIncoming(client: StoredClient): Promise<void> {
    return this.#incoming.clear(client)
  }

  storeRetained(packet: StoredPacket): Promise<void> {
    return this.#retained.store(packet)
  }

  createRetainedStreamCombi(patterns: readonly string[]): Readable {
    return this.#retained.find(patterns)
  }

  putWill(client: StoredClient, packet: StoredPacket): Promise<void> {
    return this.#wills.put(client, packet)
  }

  delWill(client: StoredClient): Promise<StoredPacket | undefined> {
    return this.#wills.delete(client)
  }

  streamWill(): Readable {
    return this.#wills.ofTheDead()
  }
}

/** Of a Redis that may lose what was acknowledged. */
function weaknessesOf(info: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  if (info.get('aof_enabled') === '0') {
    found.push(
      'Redis has "appendonly no": when it is killed, what was acknowledged since its last snapshot is lost'
    )
  }
  const policy = info.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction' && info.get('maxmemory') !== '0') {
    found.push(
      `Redis has "maxmemory-policy ${policy}": when it is full, it throws away sessions and messages`
    )
  }
  return found
}
