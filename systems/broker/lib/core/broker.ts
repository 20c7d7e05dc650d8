import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Identity } from '@token-server/identity'
import { Aedes } from 'aedes'
import { type Grants, grantsOf } from '../authorization/grants'
import { ClusterBus } from '../bus/cluster-bus'
import { joinCluster, type Membership } from '../bus/join-cluster'
import { LocalBus } from '../bus/local-bus'
import { BrokerError, type BrokerErrorCode } from '../errors/broker-error'
import { type BrokerLimits, limitsOf } from '../limits/limits'
import { Places } from '../limits/places'
import { openStore } from '../store/open-store'
import type { Store } from '../store/store'
import { Admission, authenticateByJwt } from './admission'
import { keepIdentifiersApart, keepRegistryRight, NO_DUPLICATES, skipIdentifiersInUse } from './aedes-mends'
import type { AedesPacket } from './aedes-packet'
import {
  type BrokerOptions,
  type ConnectionInfo,
  type Outgoing,
  packetOf,
  whyNotPublish
} from './broker-options'
import { Connection, type From } from './connection'
import { Connections } from './connections'
import { Counters } from './counters'
import { FanOut } from './fan-out'
import { guardSocket } from './guard-socket'
import { hear, type MessageListener } from './hear'
import { type Log, SILENT } from './log'
import { type AedesClient, MEMBER } from './member'
import { Publishing } from './publishing'
import { Redelivery, TAKEN } from './redelivery'
import { type Refusal, Refusals } from './refusals'
import { giveRetainedInTurns } from './retained-turns'
import { StoredQueue, StoredQueues } from './stored-queue'
import { grantedQos, Subscribing } from './subscribing'

/** The longest interval of which aedes can wait four. */
const NEVER = 2 ** 29 - 1

/** Made by `createBroker`. */
export class Broker {
  readonly counters = new Counters()
  readonly limits: BrokerLimits
  /** @internal */
  readonly places: Places
  readonly #options: BrokerOptions
  readonly #log: Log
  readonly #refusals: Refusals
  readonly #fanOut: FanOut
  readonly #subscribing: Subscribing
  readonly #admission: Admission
  readonly #connections = new Connections()
  readonly #queues = new StoredQueues()
  #bus!: LocalBus
  #aedes!: Aedes
  #store!: Store
  #redelivery!: Redelivery
  #publishing!: Publishing
  #membership!: Membership
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(options: BrokerOptions, limits: BrokerLimits) {
    this.#options = options
    this.limits = limits
    this.places = new Places(limits)
    this.#log = options.log ?? SILENT
    this.#refusals = new Refusals(this.#log, this.counters)
    this.#fanOut = new FanOut(limits, this.counters)
    const shared = { limits, counters: this.counters, refusals: this.#refusals, log: this.#log }
    this.#subscribing = new Subscribing(shared)
    this.#admission = new Admission({
      verifier: options.verifier,
      authenticate: options.authenticate ?? authenticateByJwt(options.verifier),
      commands: options.commands ?? [],
      ...shared,
      places: this.places,
      whyStoreDown: () => this.whyStoreDown,
      isConnected: clientId => clientId in this.#clients,
      makeRoomFor: (clientId, identity) => this.makeRoomFor(clientId, identity)
    })
  }

  /** @internal */
  async open(): Promise<void> {
    const { limits, counters } = this
    this.#store = await openStore(this.#options, {
      maxQueuedMessages: limits.maxQueuedMessages,
      maxQueuedBytes: limits.maxQueuedBytes,
      maxRetainedMessages: limits.maxRetainedMessages,
      maySubscribe: (client, filter) =>
        client instanceof StoredQueue || this.#subscribing.isGranted(client as AedesClient, filter),
      openSessions: () => this.#openSessions(),
      cut: (client, why) => (client as AedesClient)[MEMBER]?.connection.cut(`the store failed: ${why}`),
      onError: error => this.#storeFailed(error),
      onWarning: why => this.#log.warn({ why }, 'the store is less safe than it should be'),
      onDown: why => this.#log.error({ why }, 'the store is away: nothing of QoS 1 and 2 is acknowledged'),
      onUp: () => {
        this.#log.info({}, 'the store is back')
        this.recover()
      },
      onDropped: what => {
        if (what === 'queued') counters.droppedQueued++
        else counters.droppedRetained++
      }
    })
    const id = await this.#store.takeBrokerId()
    const { bus } = this.#options
    const busFailed = (error: Error) => this.#log.error({ error: error.message }, 'the bus failed')
    this.#bus = bus === undefined ? new LocalBus() : new ClusterBus(bus, id, busFailed)
    this.#redelivery = new Redelivery(this.#store, limits, counters)
    const aedes = new Aedes({
      id,
      heartbeatInterval: NEVER, // LostWills and Cluster do what aedes does by it
      mq: this.#bus,
      persistence: keepIdentifiersApart(this.#store),
      connectTimeout: limits.connectTimeout,
      drainTimeout: limits.slowConsumerTimeout,
      maxInflightInbound: limits.maxIncomingInflight,
      maxTopicLevels: 100,
      maxClientsIdLength: Number.MAX_SAFE_INTEGER,
      queueLimit: 1_000,
      preConnect: (client, packet, done) => {
        const connection = this.#connections.of(client as AedesClient) as Connection
        this.#admission.examine(client as AedesClient, packet, connection).then(
          () => done(null, true),
          (error: Error) => done(error, false)
        )
      },
      authenticate: (client, _name, _password, done) =>
        this.#admission.answer(client as AedesClient, done as never),
      authorizePublish: (client, packet, done) =>
        this.#publishing.authorize(client as AedesClient | null, packet as AedesPacket, done),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.#subscribing.authorize(client as AedesClient, subscription)),
      authorizeForward: (client, packet) =>
        this.#forward(client as AedesClient, packet as AedesPacket) as never
    })
    this.#aedes = aedes
    this.#publishing = new Publishing({
      verifier: this.#options.verifier,
      limits,
      counters,
      refusals: this.#refusals,
      log: this.#log,
      publish: (packet, client, done) => {
        const publish = aedes.publish as (packet: object, client: object, done: object) => void
        publish.call(aedes, packet, client, done)
      },
      onRenewed: member => this.#subscribing.recheck(member, this.#store)
    })
    keepRegistryRight(aedes)
    giveRetainedInTurns(aedes, this.#store)
    this.#listenTo(aedes)
    await aedes.listen()
    this.#membership = joinCluster({
      brokerId: id,
      bus,
      revocations: this.#options.verifier.revocations,
      store: this.#store,
      counters,
      log: this.#log,
      clientIds: () => [...Object.keys(this.#clients), ...this.#queues.ids()],
      isHere: id => this.#isHere(id),
      onTaken: id => this.#taken(id),
      publish: packet => this.#publish(packet),
      recover: () => this.recover()
    })
  }

  /**
   * Takes a connection over which a client will speak MQTT. The stream must not have been read.
   *
   * @param from for the log and the limits
   */
  handle(stream: Duplex, from: From = {}): void {
    stream.on('error', () => undefined)
    const connection = new Connection(stream, from)
    this.counters.accepted++
    const why = this.#closing === undefined ? this.places.enter() : 'the broker is closing'
    if (why !== undefined) {
      this.#refusals.add({ what: 'connect', why, connection: connection.id })
      stream.destroy()
      return
    }
    guardSocket(stream, this.limits, violation => {
      connection.because(violation.message)
      const facts = this.#connections.factsOf(client, connection)
      this.#refusals.add({ what: 'packet', why: violation.message, ...facts })
    })
    const client = this.#aedes.handle(stream) as AedesClient
    client.duplicates = NO_DUPLICATES
    skipIdentifiersInUse(client)
    this.#connections.add(client, connection)
    stream.once('close', () => this.#closed(client, connection))
  }

  /**
   * Publishes a message of this process, or of somebody it has authenticated. Resolves when it is stored and was given to all subscribers.
   *
   * @throws BrokerError `ERR_BROKER_CLOSED`, `ERR_BROKER_MESSAGE`, `ERR_BROKER_STORE`
   */
  publish(message: Outgoing, sender?: Identity): Promise<void> {
    const refuse = (code: BrokerErrorCode, why: string, cause?: Error) => {
      return Promise.reject(new BrokerError(code, `Cannot publish a message: because ${why}`, { cause }))
    }
    if (this.#closing !== undefined) return refuse('ERR_BROKER_CLOSED', 'the broker is closed')
    const why = whyNotPublish(message, this.limits, this.#options.bus !== undefined)
    if (why !== undefined) return refuse('ERR_BROKER_MESSAGE', why)
    return this.#publish(packetOf(message, sender)).catch((error: Error) => {
      return refuse('ERR_BROKER_STORE', 'it was not stored', error)
    })
  }

  #publish(packet: AedesPacket): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#aedes.publish(packet as never, error => (error ? reject(error) : resolve()))
    })
  }

  /**
   * Hears the messages that match a filter, in this process. An error of the listener is logged, and no concern of the publisher.
   *
   * @returns ends it
   */
  subscribe(filter: string, listener: MessageListener): () => void {
    return hear(this.#bus, filter, listener, this.#log)
  }

  /** Why nothing can be stored now; undefined: it can. */
  get whyStoreDown(): string | undefined {
    return this.#store.whyDown
  }

  /** What somebody may do here. */
  grantsOf(identity: Identity): Grants {
    return grantsOf(identity, this.#options.commands)
  }

  /** @internal For another door: its connections are shown with those of MQTT. */
  addDoor(connections: () => Iterable<ConnectionInfo>): void {
    this.#connections.addDoor(connections)
  }

  /** @internal Forgets stored sessions of a subject that has more than it may, for one that connects. */
  makeRoomFor(sessionId: string, identity: Identity): Promise<void> {
    const { maxSessions } = limitsOf(identity, this.limits)
    return this.#store.makeRoomFor(sessionId, maxSessions, id => this.#isHere(id))
  }

  /** @internal For another door: logs and counts what it refuses. */
  refuse(refusal: Omit<Refusal, 'id' | 'at'>): Refusal {
    return this.#refusals.add(refusal)
  }

  /** @internal For another door: a session in the store. */
  storedQueue(id: string): StoredQueue {
    this.#membership.announce(id)
    return this.#queues.open(id, this.#store)
  }

  /** @internal Looks through the queues of all sessions that are connected: the bus may not have told of all that was stored. */
  recover(): void {
    for (const member of this.#connections.members()) this.#redelivery.recover(member)
    this.#queues.recover()
  }

  /** @internal For another door. */
  retained(filter: string): AsyncIterable<AedesPacket> {
    return this.#store.createRetainedStreamCombi([filter])
  }

  /** The last refusals, the newest last. */
  refusals(): readonly Refusal[] {
    return this.#refusals.recent()
  }

  /** Those of all doors that are authenticated. @param minWaitingBytes only those for which at least so many bytes wait */
  connections(minWaitingBytes = 0): IterableIterator<ConnectionInfo> {
    return this.#connections.infos(minWaitingBytes)
  }

  /** Closes all connections, sends their wills, and closes the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#membership.close()
    for (const connection of this.#connections) connection.because('the broker closes')
    await new Promise<void>(resolve => this.#aedes.close(resolve))
    for (const connection of this.#connections) connection.stream.destroy()
    await this.#store.destroy()
  }

  /** aedes' `authorizeForward`: whether, when and how a message goes to a subscriber. null: we have sent it, or it is not sent. */
  #forward(client: AedesClient, packet: AedesPacket): AedesPacket | null {
    const member = client[MEMBER]
    if (member === undefined || !member.grants.mayReceive(packet.topic)) return null
    const { current } = this.#bus
    if (current !== 0) {
      if (member.lastMessage === current) return null // by another subscription of it
      member.lastMessage = current
    }
    if (packet.qos > 0 && !packet.messageId) packet.qos = grantedQos(client, packet)
    if (packet.qos === 0) {
      this.#fanOut.send(member, packet)
      return null
    }
    if (!this.#redelivery.passes(member, packet, current !== 0)) return null
    this.counters.delivered++
    this.counters.deliveredBytes += packet.payload.length
    return packet
  }

  /** Connections by their client id. */
  get #clients(): Record<string, AedesClient> {
    return (this.#aedes as unknown as { clients: Record<string, AedesClient> }).clients
  }

  /** Whether a client, or a session of another door, is connected here. */
  #isHere(id: string): boolean {
    return id in this.#clients || this.#queues.isOpen(id)
  }

  /** A session goes on at another broker. */
  #taken(id: string): void {
    this.#queues.taken(id)
    const client = this.#clients[id]
    if (client === undefined) return
    this.counters.takenOver++
    this.#connections.of(client)?.because(TAKEN)
    client.close()
  }

  *#openSessions(): Iterable<string> {
    for (const { client } of this.#connections.members()) if (!client.clean) yield client.id
    yield* this.#queues.ids()
  }

  #listenTo(aedes: Aedes): void {
    const failed = (client: unknown, error: Error) => this.#failed(client as AedesClient, error)
    aedes.on('clientError', failed)
    aedes.on('connectionError', failed)
    const emitter: EventEmitter = aedes
    emitter.on('error', (error: Error) => this.#storeFailed(error))
    aedes.on('clientReady', client => {
      const member = (client as AedesClient)[MEMBER]
      if (member === undefined || client.conn.closed) return
      this.counters.connections++
      client.conn.once('close', () => this.counters.connections--)
      const { via } = member.connection.from
      this.#log.info({ ...member.facts, via, clean: client.clean, version: client.version }, 'connected')
      this.#redelivery.ready(member)
    })
    aedes.on('keepaliveTimeout', () => this.counters.keepAliveTimeouts++)
    this.#subscribing.listenTo(aedes)
    aedes.on('client', ({ id }) => this.#membership.announce(id))
  }

  #storeFailed(error: Error): void {
    if (this.#closing !== undefined) return
    this.counters.storeErrors++
    this.#log.error({ error: error.message }, 'the store failed')
  }

  #failed(client: AedesClient, error: Error): void {
    if (error.message === 'connect did not arrive in time') this.counters.connectTimeouts++
    if (error.message === 'drain timeout') this.counters.cutSlow++
    this.#connections.of(client)?.because(error.message)
  }

  #closed(client: AedesClient, connection: Connection): void {
    this.places.leave()
    this.#connections.remove(client)
    const fields = { ...this.#connections.factsOf(client, connection), reason: connection.endReason }
    if (client[MEMBER] === undefined) this.#log.debug(fields, 'closed before it was connected')
    else this.#log.info(fields, 'disconnected')
  }
}
