import type { Aedes, Subscription } from 'aedes'
import { type BrokerLimits, whyTopicTooLong } from '../limits/limits'
import type { Persistence } from '../store/base-persistence'
import { matches } from '../wire/topics'
import type { AedesPacket } from './aedes-packet'
import type { Counters } from './counters'
import type { Log } from './log'
import { type AedesClient, MEMBER, type Member } from './member'
import type { Refusals } from './refusals'

/** Refused subscriptions of one connection that are logged; a packet can hold twenty thousand. Further ones are counted. */
const MOST_LOGGED = 100

export interface SubscribingOptions {
  readonly limits: BrokerLimits
  readonly counters: Counters
  readonly refusals: Refusals
  readonly log: Log
}

/** aedes' `authorizeSubscribe`: null makes it answer SUBACK 0x80, an error would close the connection. */
export class Subscribing {
  readonly #options: SubscribingOptions

  constructor(options: SubscribingOptions) {
    this.#options = options
  }

  authorize(client: AedesClient, subscription: Subscription): Subscription | null {
    const member = client[MEMBER]
    if (member === undefined) return null
    const { topic } = subscription
    const why = this.#whyNot(member, topic)
    if (why === undefined) {
      member.filters.add(topic)
      return subscription
    }
    const { refusals, counters } = this.#options
    if (member.refusedSubscriptions++ < MOST_LOGGED)
      refusals.add({ what: 'subscribe', why, topic, ...member.facts })
    else counters.refusedSubscriptions++
    return null
  }

  /** Logs what was granted, and forgets what is given up. */
  listenTo(aedes: Aedes): void {
    aedes.on('subscribe', (subscriptions, client) => {
      const member = (client as AedesClient)[MEMBER]
      if (member === undefined) return
      // Those that were refused, and have a line of their own, come with the QoS 128.
      const topics = subscriptions.filter(({ qos }) => qos <= 2).map(({ topic, qos }) => ({ topic, qos }))
      if (topics.length > 0) this.#options.log.info({ ...member.facts, topics }, 'subscribed')
    })
    aedes.on('unsubscribe', (topics, client) => {
      const member = (client as AedesClient)[MEMBER]
      for (const topic of topics) member?.filters.delete(topic)
    })
  }

  /** Asked by the store, which is handed refused subscriptions beside granted ones. */
  isGranted(client: AedesClient, filter: string): boolean {
    return client[MEMBER]?.filters.has(filter) ?? false
  }

  /** Ends what the fresh token of a member does not grant any more. */
  recheck(member: Member, store: Persistence): void {
    const { client, grants } = member
    const lost = [...member.filters].filter(filter => grants.whyNotSubscribe(filter) !== undefined)
    if (lost.length === 0) return
    for (const filter of lost) member.filters.delete(filter)
    this.#options.log.warn(
      { ...member.facts, topics: lost },
      'the fresh token does not grant these subscriptions'
    )
    if (!client.clean) {
      store.removeSubscriptions(client, lost).catch((error: Error) => {
        member.connection.cut(`its subscriptions could not be removed: ${error.message}`)
      })
    }
    // Without a packet identifier nothing is written to the client.
    client.unsubscribe(lost as never, () => undefined)
  }

  #whyNot({ grants, filters, maxSubscriptions }: Member, filter: string): string | undefined {
    const why = grants.whyNotSubscribe(filter) ?? whyTopicTooLong(filter, this.#options.limits)
    if (why !== undefined || filters.has(filter)) return why
    return filters.size < maxSubscriptions
      ? undefined
      : `it has ${filters.size} subscriptions, bound ${maxSubscriptions}`
  }
}

/** The QoS that the subscriptions of a client grant for this topic [MQTT-3.8.4-6]. aedes looks for a filter that equals the topic only. */
export function grantedQos(client: AedesClient, { topic, qos }: AedesPacket): 0 | 1 | 2 {
  const exact = client.subscriptions[topic]
  if (exact !== undefined && exact.qos >= qos) return qos
  let granted = exact?.qos ?? 0
  for (const filter in client.subscriptions) {
    const of = (client.subscriptions[filter] as { qos: 0 | 1 | 2 }).qos
    if (of > granted && matches(filter, topic)) granted = of
  }
  return granted < qos ? granted : qos
}
