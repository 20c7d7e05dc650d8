import type { Grants } from '../authorization/grants'
import { type AedesPacket, senderOf } from '../core/aedes-packet'
import type { Broker } from '../core/broker'
import type { Message } from '../core/broker-options'
import { RetainedTurns } from '../core/retained-turns'
import type { StoredQueue } from '../core/stored-queue'
import { matches } from '../wire/topics'
import type { Deliveries } from './deliveries'

interface Subscription {
  readonly qos: 0 | 1
  readonly stop: () => void
}

export interface SubscriptionsOptions {
  readonly broker: Broker
  readonly deliveries: Deliveries
  /** Of a client with a session. */
  readonly queue: StoredQueue | undefined
  readonly grants: () => Grants
  /** The client does not take its messages. */
  readonly onSlow: (why: string) => void
  readonly onStoreError: (error: Error) => void
}

/**
 * The subscriptions of one client, and what it gets by them: messages with QoS 0 as they come, those with QoS 1 from its queue in the store,
 * or, without a session, as they come and from memory.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #byFilter = new Map<string, Subscription>()
  /** Of the queue: messages that the client has, and that are still in the store. */
  readonly #underWay = new Set<string>()
  readonly #retained = new RetainedTurns()
  #isStopped = false
  #hasMissed = false
  #isReading = false
  #lastTopic = ''
  #lastPayload: Buffer | undefined

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byFilter.size
  }

  get filters(): string[] {
    return [...this.#byFilter.keys()]
  }

  has(filter: string): boolean {
    return this.#byFilter.has(filter)
  }

  /** Goes on with those of a stored session, and with its messages. */
  async restore(): Promise<void> {
    const { queue, grants } = this.#options
    if (queue === undefined) return
    for (const { filter, qos } of await queue.subscriptions()) {
      if (grants().whyNotSubscribe(filter) === undefined) this.#listen(filter, qos > 0 ? 1 : 0)
      else await queue.unsubscribe([filter])
    }
  }

  /** What waits in the queue, from now on. */
  begin(): void {
    const { queue } = this.#options
    if (queue === undefined) return
    queue.onRecover = () => this.#wake(queue)
    this.#wake(queue)
  }

  async add(filter: string, qos: 0 | 1): Promise<void> {
    this.#listen(filter, qos)
    await this.#options.queue?.subscribe(filter, qos)
  }

  async remove(filters: readonly string[]): Promise<void> {
    for (const filter of filters) {
      this.#byFilter.get(filter)?.stop()
      this.#byFilter.delete(filter)
    }
    await this.#options.queue?.unsubscribe(filters)
  }

  /** What was retained for a filter before. */
  async sendRetained(filter: string): Promise<void> {
    const { broker, deliveries, grants } = this.#options
    for await (const packet of this.#retained.find([filter], () => broker.retained(filter))) {
      await deliveries.room()
      if (this.#isStopped || !this.has(filter)) return
      if (!grants().mayReceive(packet.topic)) continue
      const message = { ...messageOf(packet, this.#qosOf(packet)), retain: true }
      if (message.qos === 0) deliveries.sendOnce(message)
      else void deliveries.deliver(message)
    }
  }

  /** The connection has ended: the stored session stays. */
  stop(): void {
    this.#isStopped = true
    for (const { stop } of this.#byFilter.values()) stop()
    this.#options.queue?.close()
  }

  #listen(filter: string, qos: 0 | 1): void {
    this.#byFilter.get(filter)?.stop()
    const stop = this.#options.broker.subscribe(filter, message => this.#take(message))
    this.#byFilter.set(filter, { qos, stop })
  }

  #take(message: Message): void {
    const { deliveries, queue, grants } = this.#options
    const { topic, payload } = message
    if (payload === this.#lastPayload && topic === this.#lastTopic) return // by another subscription
    this.#lastPayload = payload
    this.#lastTopic = topic
    if (!grants().mayReceive(topic)) return
    const qos = this.#qosOf(message)
    if (qos === 0) deliveries.sendOnce({ ...message, qos })
    else if (queue !== undefined) this.#wake(queue)
    else void this.#fromMemory({ ...message, qos })
  }

  /** The highest that the subscriptions grant for this message. */
  #qosOf({ topic, qos }: Pick<Message, 'topic' | 'qos'>): 0 | 1 {
    if (qos === 0) return 0
    for (const [filter, subscription] of this.#byFilter) {
      if (subscription.qos === 1 && matches(filter, topic)) return 1
    }
    return 0
  }

  async #fromMemory(message: Message & { qos: 1 }): Promise<void> {
    const { broker, deliveries, onSlow } = this.#options
    const { maxWaitingBytes } = broker.limits
    if (deliveries.bytes + message.payload.length <= maxWaitingBytes) await deliveries.deliver(message)
    else onSlow(`more than ${maxWaitingBytes} bytes wait for it`)
  }

  #wake(queue: StoredQueue): void {
    this.#hasMissed = true
    if (this.#isReading) return
    this.#isReading = true
    this.#read(queue).catch(this.#options.onStoreError)
  }

  /** Passes over the queue until nothing has come meanwhile. */
  async #read(queue: StoredQueue): Promise<void> {
    try {
      while (this.#hasMissed && !this.#isStopped) {
        this.#hasMissed = false
        await this.#passOver(queue)
      }
    } finally {
      this.#isReading = false
    }
  }

  async #passOver(queue: StoredQueue): Promise<void> {
    const { deliveries, grants } = this.#options
    // A pass sees the queue as it was when it began: what is removed meanwhile comes again.
    const known = new Set(this.#underWay)
    for await (const packet of queue.messages()) {
      const key = `${packet.brokerId}:${packet.brokerCounter}`
      if (known.has(key)) continue
      await deliveries.room()
      if (this.#isStopped) return
      if (grants().mayReceive(packet.topic)) {
        known.add(key)
        this.#underWay.add(key)
        void this.#deliver(queue, packet, key)
      } else {
        await queue.remove(packet)
      }
    }
  }

  async #deliver(queue: StoredQueue, packet: AedesPacket, key: string): Promise<void> {
    try {
      if (await this.#options.deliveries.deliver(messageOf(packet, 1))) await queue.remove(packet)
    } catch (error) {
      this.#options.onStoreError(error as Error)
    } finally {
      this.#underWay.delete(key)
    }
  }
}

function messageOf({ topic, payload, properties }: AedesPacket, qos: 0 | 1) {
  return { topic, payload, qos, sender: senderOf(properties) }
}
