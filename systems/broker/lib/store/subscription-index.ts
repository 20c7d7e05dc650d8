import { createTopicMatcher } from '../wire/topic-matcher'
import type { StoredSubscription } from './base-persistence'

export type IndexedSubscription = StoredSubscription & { readonly clientId: string }

/** The subscriptions of stored sessions. Those with QoS 1 or 2 are found by the topic of a message. */
export class SubscriptionIndex {
  readonly #matcher = createTopicMatcher<IndexedSubscription>()
  readonly #byClient = new Map<string, Map<string, IndexedSubscription>>()

  add(subscription: IndexedSubscription): void {
    const { clientId, topic, qos } = subscription
    if (this.has(subscription)) return
    this.remove(clientId, topic)
    let topics = this.#byClient.get(clientId)
    if (topics === undefined) {
      topics = new Map()
      this.#byClient.set(clientId, topics)
    }
    const indexed = { clientId, topic, qos }
    topics.set(topic, indexed)
    if (qos > 0) this.#matcher.add(topic, indexed)
  }

  has({ clientId, topic, qos }: IndexedSubscription): boolean {
    return this.#byClient.get(clientId)?.get(topic)?.qos === qos
  }

  remove(clientId: string, topic: string): void {
    const topics = this.#byClient.get(clientId)
    const indexed = topics?.get(topic)
    if (topics === undefined || indexed === undefined) return
    topics.delete(topic)
    if (topics.size === 0) this.#byClient.delete(clientId)
    if (indexed.qos > 0) this.#matcher.remove(topic, indexed)
  }

  /** Each client once, with the highest QoS of its filters that match. */
  match(topic: string): IndexedSubscription[] {
    const found = this.#matcher.match(topic)
    if (found.length < 2) return found
    const byClient = new Map<string, IndexedSubscription>()
    for (const subscription of found) {
      const other = byClient.get(subscription.clientId)
      if (other === undefined || other.qos < subscription.qos)
        byClient.set(subscription.clientId, subscription)
    }
    return [...byClient.values()]
  }
}
