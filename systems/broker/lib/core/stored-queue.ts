import type { LevelStore } from '../store/level-store'
import type { AedesPacket } from './aedes-packet'

/** A session in the store, for a door that does not speak MQTT: its subscriptions, and the messages with QoS 1 and 2 that wait for it. */
export class StoredQueue {
  readonly id: string
  readonly #store: LevelStore

  constructor(id: string, store: LevelStore) {
    this.id = id
    this.#store = store
  }

  async subscriptions(): Promise<{ filter: string; qos: 0 | 1 | 2 }[]> {
    const stored = await this.#store.subscriptionsByClient(this)
    return stored.map(({ topic, qos }) => ({ filter: topic, qos }))
  }

  subscribe(filter: string, qos: 0 | 1): Promise<void> {
    return this.#store.addSubscriptions(this, [{ topic: filter, qos }])
  }

  unsubscribe(filters: readonly string[]): Promise<void> {
    return this.#store.removeSubscriptions(this, filters)
  }

  /** Forgets the subscriptions and the messages. */
  clear(): Promise<void> {
    return this.#store.cleanSubscriptions(this)
  }

  /** Messages that wait. */
  get length(): number {
    return this.#store.queuedMessages(this.id)
  }

  /** What waits, the oldest first, without what is stored and not yet given out: that is told by the bus when it is. */
  async *messages(): AsyncGenerator<AedesPacket> {
    for await (const packet of this.#store.outgoingStream(this) as AsyncIterable<AedesPacket>) {
      if (packet.cmd === 'publish' && !this.#store.inFlight.has(packet.brokerCounter ?? 0)) yield packet
    }
  }

  /** A message that was received. */
  remove(packet: AedesPacket): Promise<void> {
    return this.#store.outgoingRemove(this, packet)
  }
}
