import { stampedBy, WHY_NOT_STAMPED } from '../core/admission'
import type { Broker } from '../core/broker'
import type { Log } from '../core/log'
import { whyTopicTooLong } from '../limits/limits'
import type { Frame, Header } from '../wire/token-frame'
import { isTopicFilter, isTopicName } from '../wire/topics'
import type { DoorMember } from './door-member'
import { DoorRefusal, malformed } from './door-refusal'

export interface MemberRequestsOptions {
  readonly member: DoorMember
  readonly broker: Broker
  readonly log: Log
  /** Whether the connection goes on. */
  readonly isOpen: () => boolean
  /** What the log says of it. */
  readonly facts: () => object
}

/** What a client asks once it has said who it is. */
export class MemberRequests {
  readonly #options: MemberRequestsOptions

  constructor(options: MemberRequestsOptions) {
    this.#options = options
  }

  /** @returns the answer. @throws DoorRefusal, and what the store and the verifier throw */
  async act(frame: Frame): Promise<Header> {
    const { header } = frame
    switch (header.type) {
      case 'publish':
        return this.#publish(frame)
      case 'subscribe':
        return this.#subscribe(header)
      case 'unsubscribe':
        await this.#options.member.subscriptions.remove([filterOf(header)])
        return { type: 'unsubscribed' }
      case 'renew':
        return this.#renew(header)
      default:
        throw malformed('its type is unknown')
    }
  }

  async #publish({ header, payload }: Frame): Promise<Header> {
    const { member, broker, log, facts } = this.#options
    const { topic, qos = 1, retain = false } = header
    if (typeof topic !== 'string' || !isQos(qos) || typeof retain !== 'boolean') {
      throw malformed('a publish has a topic, a qos of 0 or 1, and retain')
    }
    const tooLong = whyTopicTooLong(topic, broker.limits)
    if (tooLong !== undefined) throw new DoorRefusal('topic', tooLong)
    if (!isTopicName(topic))
      throw new DoorRefusal('topic', 'it is empty, has a wildcard, or a character that MQTT forbids')
    const why = member.grants.whyNotPublish(topic)
    if (why !== undefined) throw new DoorRefusal('not-allowed', why, { topic })
    const { maxPacketBytes } = broker.limits
    if (payload.length > maxPacketBytes) {
      throw new DoorRefusal('too-large', `it has ${payload.length} bytes, bound ${maxPacketBytes}`, { topic })
    }
    const stamped = stampedBy(member.identity, payload)
    if (stamped === undefined) throw new DoorRefusal('not-allowed', WHY_NOT_STAMPED, { topic })
    const turn = member.pace.take(payload.length)
    if (turn !== undefined) await this.#throttled(turn)
    broker.counters.published++
    if (log.isLevelEnabled?.('debug') ?? true) {
      log.debug({ ...facts(), topic, bytes: payload.length, qos, retain }, 'published')
    }
    await broker.publish({ topic, payload: stamped, qos, retain }, member.identity)
    return { type: 'published' }
  }

  async #throttled(turn: Promise<void>): Promise<void> {
    this.#options.broker.counters.throttled++
    await turn
    if (!this.#options.isOpen()) throw new DoorRefusal('not-connected', 'the connection has ended')
  }

  async #subscribe(header: Header): Promise<Header> {
    const { member, broker, log, facts } = this.#options
    const filter = filterOf(header)
    const { qos = 1 } = header
    if (!isQos(qos)) throw malformed('qos must be 0 or 1')
    const tooLong = whyTopicTooLong(filter, broker.limits)
    if (tooLong !== undefined) throw new DoorRefusal('topic', tooLong)
    if (!isTopicFilter(filter)) throw new DoorRefusal('topic', 'it is no topic filter')
    const why = member.grants.whyNotSubscribe(filter)
    if (why !== undefined) throw new DoorRefusal('not-allowed', why, { topic: filter })
    const { subscriptions, maxSubscriptions } = member
    if (subscriptions.size >= maxSubscriptions && !subscriptions.has(filter)) {
      throw new DoorRefusal(
        'too-many-subscriptions',
        `it has ${subscriptions.size}, bound ${maxSubscriptions}`
      )
    }
    await subscriptions.add(filter, qos)
    log.info({ ...facts(), topics: [{ topic: filter, qos }] }, 'subscribed')
    subscriptions.sendRetained(filter).catch((error: Error) => member.onStoreError(error))
    return { type: 'subscribed', qos }
  }

  async #renew({ token }: Header): Promise<Header> {
    const { member, broker, log, facts } = this.#options
    if (typeof token !== 'string') throw malformed('token must be a text')
    const turn = member.pace.take(token.length)
    if (turn !== undefined) await this.#throttled(turn)
    const { expiresAt } = await member.watch.renew(token)
    const lost = member.renew()
    await member.subscriptions.remove(lost)
    if (lost.length > 0) {
      log.warn({ ...facts(), topics: lost }, 'the fresh token does not grant these subscriptions')
    }
    broker.counters.tokenRenewed++
    log.info({ ...facts(), expiresAt }, 'token renewed')
    return { type: 'renewed', expiresAt }
  }
}

function filterOf({ filter }: Header): string {
  if (typeof filter !== 'string') throw malformed('filter must be a text')
  return filter
}

function isQos(value: unknown): value is 0 | 1 {
  return value === 0 || value === 1
}
