import type { Identity, Watch } from '@token-server/identity'
import type { Connection } from 'token-server'
import type { Grants } from '../authorization/grants'
import type { Broker } from '../core/broker'
import { isServiceKind } from '../core/member'
import type { StoredQueue } from '../core/stored-queue'
import { TokenBucket } from '../core/token-bucket'
import { stampSender } from '../wire/stamp-sender'
import { Deliveries } from './deliveries'
import { Pace } from './pace'
import { Subscriptions, type SubscriptionsOptions } from './subscriptions'

/** How long a client may use its rate in advance, in seconds. */
const BURST_SECONDS = 10

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
    const isService = isServiceKind(watch.identity)
    this.maxSubscriptions = isService ? limits.maxSubscriptionsPerHandler : limits.maxSubscriptionsPerDevice
    const rate = isService ? limits.maxPublishRatePerHandler : limits.maxPublishRatePerDevice
    this.pace = new Pace(new TokenBucket(rate, BURST_SECONDS * rate, performance.now()))
    this.queue = queueId === undefined ? undefined : broker.storedQueue(queueId)
    this.subscriptions = new Subscriptions({
      broker,
      deliveries: new Deliveries(connection, counters, limits.maxWaitingBytes, this.#ended.signal),
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

  /** As the broker stamps what comes by MQTT. */
  stamped(payload: Buffer): Buffer {
    return isServiceKind(this.identity) ? payload : stampSender(payload, this.identity.id)
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
