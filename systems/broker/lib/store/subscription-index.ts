import { createTopicMatcher } from '../wire/topic-matcher'
import type { StoredSubscription } from './base-persistence'

export type IndexedSubscription = StoredSubscription & { readonly clientId: string }

/** The subscriptions of stored sessions. Those with QoS 1 or 2 are found by the topic of a message. */
export class SubscriptionIndex {
  readonly #matcher = createTopicMatcher<IndexedSubscription>()
  readonly #byClient = new Map<string, Map<string, IndexedSubscription>>()
  /** The sessions of each subject; the one that connected last comes last. */
  readonly #bySubject = new Map<string, Set<string>>()
  readonly #held = new Set<string>()

  add(subscription: IndexedSubscription): void {
    const { clientId, topic, qos } = subscription
    if (this.has(subscription)) return
    this.remove(clientId, topic)
    let topics = this.#byClient.get(clientId)
    if (topics === undefined) {
      topics = new Map()
      this.#byClient.set(clientId, topics)
      this.#count(clientId)
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
    if (topics.size === 0) {
      this.#byClient.delete(clientId)
      this.#forgetEmpty(clientId)
    }
    if (indexed.qos > 0) this.#matcher.remove(topic, indexed)
  }

  of(clientId: string): IndexedSubscription[] {
    return [...(this.#byClient.get(clientId)?.values() ?? [])]
  }

  forget(clientId: string): void {
    for (const { topic } of this.of(clientId)) this.remove(clientId, topic)
  }

  /** A session connects. @returns the sessions of its subject, the one that connected longest ago first */
  touch(clientId: string): string[] {
    const sessions = this.#bySubject.get(subjectOf(clientId))
    if (sessions === undefined) return []
    if (sessions.delete(clientId)) sessions.add(clientId)
    return [...sessions]
  }

  /** A session counts also when all that is stored of it are incoming packets. */
  hold(clientId: string): void {
    if (this.#held.has(clientId)) return
    this.#held.add(clientId)
    this.#count(clientId)
  }

  letGo(clientId: string): void {
    this.#held.delete(clientId)
    this.#forgetEmpty(clientId)
  }

  #count(clientId: string): void {
    const sessions = this.#bySubject.get(subjectOf(clientId)) ?? new Set()
    this.#bySubject.set(subjectOf(clientId), sessions.add(clientId))
  }

  #forgetEmpty(clientId: string): void {
    if (this.#byClient.has(clientId) || this.#held.has(clientId)) return
    const sessions = this.#bySubject.get(subjectOf(clientId))
    sessions?.delete(clientId)
    if (sessions?.size === 0) this.#bySubject.delete(subjectOf(clientId))
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

/** Ids of sessions begin with their subject, in which `/` and `:` are escaped: `/` follows for MQTT, `:` for the token door. */
export function subjectOf(clientId: string): string {
  return clientId.slice(0, Math.max(clientId.search(/[/:]/), 0))
}
