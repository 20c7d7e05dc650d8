import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isWildcard, matches } from '../wire/topics'
import {
  decode,
  encode,
  LevelPersistence,
  type StoredClient,
  type StoredPacket,
  type StoredSubscription
} from './base-persistence'
import { takeBrokerId } from './broker-id'
import { CommitQueue, type Database } from './commit-queue'
import { DatabaseFacade } from './database-facade'
import { IncomingIds } from './incoming-ids'
import {
  INCOMING,
  OUTGOING,
  OUTGOING_BY_ID,
  outgoingKey,
  padded,
  RETAINED,
  range,
  SUBSCRIPTIONS
} from './level-keys'
import { QueueAccounts } from './queue-accounts'
import type { PacketNumber, Store, StoreOptions } from './store'
import { SubscriptionIndex } from './subscription-index'
import { Turns } from './turns'

const NOTHING = Buffer.alloc(0)

/** Topics of retained messages that are compared in one turn of the event loop. */
const RETAINED_CHUNK = 500

export interface LevelStoreOptions extends StoreOptions {
  /** Each commit waits until the disk has it. */
  readonly sync: boolean
}

interface Incoming {
  readonly client: StoredClient
  readonly packet: StoredPacket
  readonly finish: () => void
}

/**
 * Sessions, queues, retained messages and wills in a database: aedes-persistence-level, with what it lacks.
 *
 * - A QoS 2 message and its places in the queues are stored in one commit. Else a crash between the two makes the broker take the copy that
 *   comes again for a duplicate, and lose the message.
 * - Writes keep the order in which they were asked for, and so do messages.
 * - Filters that overlap are kept apart (its index drops one of them).
 * - A filter finds its retained messages by their keys, and does not read all of them.
 * - Queues and retained messages are bounded.
 */
export class LevelStore extends LevelPersistence implements Store {
  readonly #db: Database
  readonly #commits: CommitQueue
  readonly #facade: DatabaseFacade
  readonly #options: LevelStoreOptions
  readonly #index = new SubscriptionIndex()
  readonly #incoming = new IncomingIds()
  /** Those that go along with the next commit of queues, by the `properties` of their packet. */
  readonly #uncommitted = new WeakMap<object, Incoming>()
  readonly #commitsOfIncoming = new Map<string, Promise<void>>()
  readonly #queues: QueueAccounts
  readonly #retained = new Set<string>()
  readonly #turns = new Turns()
  #isClosed = false
  #lastNumber = 0
  readonly whyDown = undefined

  constructor(db: Database, options: LevelStoreOptions) {
    const commits = new CommitQueue(db, options.sync)
    const facade = new DatabaseFacade(db, commits)
    super(facade)
    this.#db = db
    this.#commits = commits
    this.#facade = facade
    this.#options = options
    this.#queues = new QueueAccounts(options.maxQueuedMessages, options.maxQueuedBytes)
  }

  takeBrokerId(): Promise<string> {
    return takeBrokerId(this.#db)
  }

  override async setup(broker: { readonly id: string }): Promise<void> {
    await super.setup(broker)
    for await (const bytes of this.#facade.values(range(SUBSCRIPTIONS))) {
      this.#index.add(decode(bytes) as StoredSubscription & { clientId: string })
    }
    for await (const key of this.#db.keys(range(INCOMING))) {
      const [, client = '', id] = key.split(':')
      this.#incoming.add(decodeURIComponent(client), Number(id))
      this.#index.hold(decodeURIComponent(client))
    }
    const queued = this.#facade.values(range(OUTGOING))[Symbol.asyncIterator]()
    for await (const key of this.#db.keys(range(OUTGOING))) {
      const { value } = await queued.next() // in the order of the keys
      this.#queues.add(decodeURIComponent(key.split(':')[1] as string), value.length)
    }
    for await (const key of this.#db.keys(range(RETAINED))) this.#retained.add(key.slice(RETAINED.length))
  }

  // Retained messages

  override async storeRetained(packet: StoredPacket): Promise<void> {
    if (packet.payload.length === 0) {
      if (!this.#retained.delete(packet.topic)) return
    } else if (!this.#retained.has(packet.topic)) {
      if (this.#retained.size >= this.#options.maxRetainedMessages) {
        this.#options.onDropped('retained', undefined)
        return
      }
      this.#retained.add(packet.topic)
    }
    await super.storeRetained(packet)
  }

  /** It never fails: aedes listens to no error of it, and the process would end. */
  override createRetainedStreamCombi(patterns: readonly string[]): Readable {
    return Readable.from(this.#retainedOrNone(patterns))
  }

  async *#retainedOrNone(patterns: readonly string[]): AsyncGenerator<StoredPacket> {
    try {
      yield* this.#retainedOf(patterns)
    } catch (error) {
      if (!this.#isClosed) this.#options.onError(error as Error)
    }
  }

  /** @returns each message once, and none that a wildcard does not reach [MQTT-4.7.2-1] */
  async *#retainedOf(patterns: readonly string[]): AsyncGenerator<StoredPacket> {
    const given = new Set<string>()
    for (const pattern of patterns) {
      for await (const topics of this.#retainedTopics(pattern)) {
        for (const topic of topics) {
          if (given.has(topic)) continue
          given.add(topic)
          const bytes = await this.#db.get(RETAINED + topic)
          if (bytes !== undefined) yield decode(bytes) as StoredPacket
        }
      }
    }
  }

  /** Those that match, in chunks. */
  async *#retainedTopics(pattern: string): AsyncGenerator<string[]> {
    if (!isWildcard(pattern)) {
      yield [pattern]
      return
    }
    const prefix = pattern.slice(0, pattern.search(/[+#]/))
    // `a/#` reaches `a` as well, which sorts before `a/`.
    const first = RETAINED + (prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)
    const keys = this.#db.keys({ gte: first, lt: `${first}\u{10ffff}` })
    try {
      for (;;) {
        const topics = await this.#turns.run(async () => {
          const chunk = await keys.nextv(RETAINED_CHUNK)
          if (chunk.length === 0) return undefined
          const found = chunk.map(key => key.slice(RETAINED.length)).filter(topic => matches(pattern, topic))
          await nextTurn() // others have theirs between two chunks
          return found
        })
        if (topics === undefined) return
        yield topics
      }
    } finally {
      await keys.close()
    }
  }

  override async destroy(): Promise<void> {
    this.#isClosed = true
    await super.destroy()
  }

  // Subscriptions

  override async addSubscriptions(
    client: StoredClient,
    subscriptions: readonly StoredSubscription[]
  ): Promise<void> {
    // aedes hands over all subscriptions of a packet once for each that is granted.
    const fresh = subscriptions.filter(({ topic, qos }) => {
      return (
        this.#options.maySubscribe(client, topic) && !this.#index.has({ clientId: client.id, topic, qos })
      )
    })
    for (const { topic, qos } of fresh) this.#index.add({ clientId: client.id, topic, qos })
    await super.addSubscriptions(client, fresh)
  }

  override async removeSubscriptions(client: StoredClient, topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#index.remove(client.id, topic)
    await super.removeSubscriptions(client, topics)
  }

  /** A clean session begins: what an earlier one with this id left goes away [MQTT-3.1.2-6]. */
  override async cleanSubscriptions(client: StoredClient): Promise<void> {
    await super.cleanSubscriptions(client)
    if (this.#queues.messages(client.id) === 0) return
    const id = encodeURIComponent(client.id)
    await this.#facade.clear(range(`${OUTGOING}${id}:`))
    await this.#facade.clear(range(`${OUTGOING_BY_ID}${id}:`))
    this.#queues.clear(client.id)
  }

  override subscriptionsByTopic(topic: string): Promise<StoredSubscription[]> {
    return Promise.resolve(this.#index.match(topic))
  }

  // Sessions

  async makeRoomFor(clientId: string, most: number, isOpen: (clientId: string) => boolean): Promise<void> {
    const others = this.#index.touch(clientId).filter(id => id !== clientId)
    let surplus = others.length - (most - 1)
    for (const id of others) {
      if (surplus <= 0) return
      if (isOpen(id)) continue
      surplus--
      await this.cleanSubscriptions({ id })
      await this.cleanIncoming({ id })
    }
  }

  // Queues of sessions

  /** With the sender, which the packets of aedes-persistence-level leave out. */
  override async outgoingEnqueue(
    { clientId = '' }: StoredSubscription,
    { cmd, brokerId, brokerCounter, topic, payload, qos, retain, properties }: StoredPacket
  ): Promise<void> {
    const sender = properties === undefined ? {} : { properties }
    const value = encode({ cmd, brokerId, brokerCounter, topic, payload, qos, retain, dup: false, ...sender })
    await this.#facade.put(outgoingKey(clientId, { brokerId, brokerCounter }), value)
  }

  /** All queues, and the incoming QoS 2 packet that this message is, in one commit. */
  override async outgoingEnqueueCombi(
    subscriptions: readonly StoredSubscription[],
    packet: StoredPacket
  ): Promise<void> {
    packet.brokerCounter = ++this.#lastNumber
    const incoming = packet.properties && this.#uncommitted.get(packet.properties)
    const open = subscriptions.filter(({ clientId = '' }) => {
      const isOpen = this.#queues.hasRoom(clientId, packet.payload.length)
      if (!isOpen) this.#options.onDropped('queued', clientId)
      return isOpen
    })
    if (open.length === 0 && incoming === undefined) return
    for (const { clientId = '' } of open) this.#queues.add(clientId, packet.payload.length)
    const operations = this.#facade.collect(() => {
      for (const subscription of open) {
        const qos = Math.min(packet.qos, subscription.qos) as 1 | 2 // [MQTT-3.8.4-6]
        void this.outgoingEnqueue(subscription, { ...packet, qos, retain: false }) // [MQTT-3.3.1-9]
      }
      if (incoming !== undefined) void super.incomingStorePacket(incoming.client, incoming.packet)
    })
    try {
      await this.#commits.write(operations)
    } catch (error) {
      if (incoming !== undefined) this.#received(incoming.client, incoming.packet)
      throw error
    } finally {
      incoming?.finish()
    }
  }

  override outgoingStream(client: StoredClient & { readonly clean?: boolean }): Readable {
    return Readable.from(client.clean === true ? [] : this.#sent(client))
  }

  async *#sent({ id }: StoredClient): AsyncGenerator<StoredPacket> {
    const keys = new Set<string>()
    await this.#commits.write([]) // an earlier connection may have sent what is not committed yet
    for await (const bytes of this.#facade.values(range(`${OUTGOING_BY_ID}${encodeURIComponent(id)}:`))) {
      const packet = decode(bytes) as StoredPacket
      keys.add(outgoingKey(id, packet))
    }
    for (const key of [...keys].sort()) {
      const bytes = await this.#db.get(key)
      if (bytes !== undefined) yield decode(bytes) as StoredPacket
    }
  }

  /** In the order of their keys: those of earlier starts, whose ids are lower, come first. */
  async *outgoingUnsent(client: StoredClient, from: number): AsyncGenerator<StoredPacket> {
    const all = range(`${OUTGOING}${encodeURIComponent(client.id)}:`)
    const some =
      from === 0
        ? all
        : { ...all, gte: outgoingKey(client.id, { brokerId: this.broker.id, brokerCounter: from }) }
    for await (const bytes of this.#facade.values(some)) {
      const packet = decode(bytes) as StoredPacket
      if (packet.cmd === 'publish' && !packet.messageId) yield packet
    }
  }

  /**
   * A message of a queue gets the packet identifier under which it is sent, or a PUBREL takes its place, by one commit: between two, a broker
   * that is killed loses it. What is read with an identifier later was sent before: it is a duplicate [MQTT-3.3.1-1]. A message whose
   * subscription was granted while it was being stored has no place in the queue, and gets it here. Commits resolve in order, so that
   * messages leave in the order of their queue [MQTT-4.6.0-6].
   */
  override async outgoingUpdate(client: StoredClient, packet: StoredPacket): Promise<void> {
    const { cmd, topic, payload, qos, retain, messageId } = packet
    const key = `${OUTGOING_BY_ID}${encodeURIComponent(client.id)}:${padded(messageId)}`
    const number = packet.brokerId ? packet : await this.#numberAt(key)
    const { brokerId, brokerCounter } = number
    const message = cmd === 'publish' ? { topic, payload, qos, retain, dup: true } : {}
    const value = encode({ cmd, brokerId, brokerCounter, messageId, ...message })
    await this.#commits.write([
      { type: 'put', key, value },
      { type: 'put', key: outgoingKey(client.id, number), value }
    ])
  }

  async #numberAt(key: string): Promise<PacketNumber> {
    const bytes = await this.#db.get(key)
    if (bytes === undefined) throw new Error('Cannot find a packet: nothing was sent under its identifier')
    return decode(bytes) as PacketNumber
  }

  override async outgoingClearMessageId(
    client: StoredClient,
    packet: StoredPacket
  ): Promise<StoredPacket | undefined> {
    if (packet.messageId === undefined) return undefined // a message that was held back stays in its queue
    const cleared = await super.outgoingClearMessageId(client, packet)
    if (cleared !== undefined) this.#queues.remove(client.id)
    return cleared
  }

  async outgoingRemove(client: StoredClient, packet: PacketNumber): Promise<void> {
    await this.#commits.write([{ type: 'del', key: outgoingKey(client.id, packet) }])
    this.#queues.remove(client.id)
  }

  queuedMessages(clientId: string): Promise<number> {
    return Promise.resolve(this.#queues.messages(clientId))
  }

  // QoS 2 from clients

  /** Written with the queues of the same message: aedes publishes it right after. */
  override incomingStorePacket(
    client: StoredClient & { readonly clean?: boolean },
    packet: StoredPacket
  ): Promise<void> {
    if (packet.properties === undefined) return super.incomingStorePacket(client, packet)
    const id = packet.messageId as number
    const key = `${id}:${client.id}`
    const committed = new Promise<void>(resolve => {
      const finish = () => {
        this.#commitsOfIncoming.delete(key)
        resolve()
      }
      const stored = { ...packet, payload: NOTHING } // its identifier is all that is asked for
      this.#uncommitted.set(packet.properties as object, { client, packet: stored, finish })
    })
    this.#commitsOfIncoming.set(key, committed)
    this.#incoming.add(client.id, id)
    if (client.clean !== true) this.#index.hold(client.id)
    return Promise.resolve()
  }

  /** Answers from memory, so that messages keep their order. Rejects for a packet that is new, as aedes wants it. */
  override async incomingGetPacket(client: StoredClient, packet: StoredPacket): Promise<unknown> {
    const id = packet.messageId as number
    await this.#commitsOfIncoming.get(`${id}:${client.id}`) // a duplicate is acknowledged behind the commit only
    if (this.#incoming.has(client.id, id)) return { messageId: id }
    throw new Error('Cannot find a packet: because it is new')
  }

  override async incomingDelPacket(client: StoredClient, packet: StoredPacket): Promise<void> {
    await super.incomingDelPacket(client, packet)
    this.#received(client, packet)
  }

  #received({ id }: StoredClient, { messageId }: StoredPacket): void {
    if (this.#incoming.delete(id, messageId as number)) this.#index.letGo(id)
  }

  override async cleanIncoming(client: StoredClient): Promise<void> {
    if (!this.#incoming.clear(client.id)) return
    this.#index.letGo(client.id)
    await super.cleanIncoming(client)
  }
}
