import type { Identity, Watch } from '@token-server/identity'
import type { Connection } from 'token-server'
import type { Grants } from '../authorization/grants'
import type { Broker } from '../core/broker'
import type { StoredQueue } from '../core/stored-queue'
import { limitsOf } from '../limits/limits'
import { Pace } from '../limits/pace'
import { Deliveries } from './deliveries'
import { Subscriptions, type SubscriptionsOptions } from './subscriptions'

/** A client of the door that has said who it is: what it may do, and what it has subscribed to. */
export class DoorMember {
  readonly watch: Watch
  readonly pace: Pace
  readonly maxSubscriptions: number
  readonly subscriptions: Subscriptions
  readonly queue: StoredQueue | undefined
  readonly onStoreError: SubscriptionsOptions['onStoreError']
  readonly #broker: Broker
  readonly #ended = new AbortController()
  #grants: Grants

  constructor(
    connection: Connection,
    broker: Broker,
    watch: Watch,
    queueId: string | undefined,
    events: Pick<SubscriptionsOptions, 'onSlow' | 'onStoreError'>
  ) {
    const { limits, counters } = broker
    this.#broker = broker
    this.watch = watch
    this.#grants = broker.grantsOf(watch.identity)
    this.onStoreError = events.onStoreError
    const { maxSubscriptions, maxPublishRate } = limitsOf(watch.identity, limits)
    this.maxSubscriptions = maxSubscriptions
    this.pace = new Pace(maxPublishRate)
    this.queue = queueId === undefined ? undefined : broker.storedQueue(queueId)
    this.subscriptions = new Subscriptions({
      broker,
      deliveries: new Deliveries({
        connection,
        counters,
        limits,
        ended: this.#ended.signal,
        mayReceive: topic => this.#grants.mayReceive(topic),
        onSlow: events.onSlow
      }),
      queue: this.queue,
      grants: () => this.#grants,
      ...events
    })
  }

  get identity(): Identity {
    return this.watch.identity
  }

  get grants(): Grants {
    return this.#grants
  }

  /** A fresh token is in force. @returns subscriptions that it does not grant */
  renew(): string[] {
    this.#grants = this.#broker.grantsOf(this.identity)
    return this.subscriptions.filters.filter(filter => this.#grants.whyNotSubscribe(filter) !== undefined)
  }

  stop(): void {
    this.watch.stop()
    this.#ended.abort()
    this.subscriptions.stop()
  }
}
