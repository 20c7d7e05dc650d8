import type { Store } from '../store/store'
import type { AedesPacket } from './aedes-packet'

/** A session in the store, for a door that does not speak MQTT: its subscriptions, and the messages with QoS 1 and 2 that wait for it. */
export class StoredQueue {
  readonly id: string
  readonly #store: Store
  readonly #onClose: (queue: StoredQueue) => void
  /** Is called when messages may wait that the bus has not told of. */
  onRecover: () => void = () => undefined
  /** Is called when somebody goes on with it at another broker. */
  onTaken: () => void = () => undefined

  constructor(id: string, store: Store, onClose: (queue: StoredQueue) => void) {
    this.id = id
    this.#store = store
    this.#onClose = onClose
  }

  /** It is its owner's from now on. */
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

  /** How many messages wait. */
  count(): Promise<number> {
    return this.#store.queuedMessages(this.id)
  }

  /** What waits, the oldest first. */
  messages(): AsyncIterable<AedesPacket> {
    return this.#store.outgoingUnsent(this, 0) as AsyncIterable<AedesPacket>
  }

  /** A message that was received. */
  remove(packet: AedesPacket): Promise<void> {
    return this.#store.outgoingRemove(this, packet)
  }

  /** Nobody is connected to it any more; what waits stays. */
  close(): void {
    this.#onClose(this)
  }
}

/** Those of sessions that are connected. */
export class StoredQueues {
  readonly #open = new Set<StoredQueue>()

  open(id: string, store: Store): StoredQueue {
    const queue = new StoredQueue(id, store, closed => void this.#open.delete(closed))
    this.#open.add(queue)
    return queue
  }

  *ids(): Iterable<string> {
    for (const { id } of this.#open) yield id
  }

  isOpen(id: string): boolean {
    for (const queue of this.#open) if (queue.id === id) return true
    return false
  }

  taken(id: string): void {
    for (const queue of this.#open) if (queue.id === id) queue.onTaken()
  }

  recover(): void {
    for (const queue of this.#open) queue.onRecover()
  }
}
