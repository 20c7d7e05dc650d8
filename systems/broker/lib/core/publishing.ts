import type { Verifier } from '@token-server/identity'
import { VOID_TOPIC } from '../bus/local-bus'
import { type BrokerLimits, whyTopicTooLong } from '../limits/limits'
import { stampMessage, WHY_NOT_STAMPED } from './admission'
import { isNotSilent } from './aedes-mends'
import type { AedesPacket } from './aedes-packet'
import type { Counters } from './counters'
import type { Log } from './log'
import { type AedesClient, MEMBER, type Member } from './member'
import { type Refusals, RefusedError } from './refusals'

/** Where a client publishes a fresh token of its own, with QoS 1. */
export const TOKEN_TOPIC = '$token'

export type Done = (error?: Error | null) => void

export interface PublishingOptions {
  readonly verifier: Verifier
  readonly limits: BrokerLimits
  readonly counters: Counters
  readonly refusals: Refusals
  readonly log: Log
  readonly publish: (packet: AedesPacket, client: AedesClient, done: Done) => void
  /** The subscriptions of a member are judged again. */
  readonly onRenewed: (member: Member) => void
}

/** aedes' `authorizePublish`: what a client publishes, from its packet to the acknowledgement. */
export class Publishing {
  readonly #options: PublishingOptions

  constructor(options: PublishingOptions) {
    this.#options = options
  }

  authorize(client: AedesClient | null, packet: AedesPacket, done: Done): void {
    if (client === null) {
      done(null) // The will of a client that is gone: it was judged when it came.
      return
    }
    const member = client[MEMBER]
    if (member === undefined) {
      done(new Error('Cannot publish: because the client is not authenticated'))
    } else if (packet.topic === TOKEN_TOPIC) {
      this.#atItsRate(member, packet, done)
    } else {
      const why =
        member.grants.whyNotPublish(packet.topic) ?? whyTopicTooLong(packet.topic, this.#options.limits)
      if (why !== undefined) this.#refuse(member, packet.topic, why, done)
      else if (client.closed) this.#acceptWill(done)
      else this.#atItsRate(member, packet, done)
    }
  }

  #atItsRate(member: Member, packet: AedesPacket, done: Done): void {
    const turn = member.pace.take(packet.payload.length)
    if (turn === undefined) {
      this.#go(member, packet, done)
      return
    }
    this.#options.counters.throttled++
    void turn.then(() => {
      if (member.client.closed) return
      isNotSilent(member.client)
      this.#go(member, packet, done)
    })
  }

  #go(member: Member, packet: AedesPacket, done: Done): void {
    if (packet.topic === TOKEN_TOPIC) this.#renew(member, packet, done)
    else this.#accept(member, packet, done)
  }

  #accept(member: Member, packet: AedesPacket, done: Done): void {
    const { counters, log } = this.#options
    if (!stampMessage(packet, member.identity)) {
      this.#refuse(member, packet.topic, WHY_NOT_STAMPED, done)
      return
    }
    counters.published++
    packet.dup = false // [MQTT-3.3.1-3]
    if (log.isLevelEnabled?.('debug') ?? true) {
      const { topic, payload, qos, retain } = packet
      log.debug({ ...member.facts, topic, bytes: payload.length, qos, retain }, 'published')
    }
    if (packet.qos === 1) this.#publishThenAcknowledge(member, packet, done)
    else done(null)
  }

  /**
   * PUBACK says that a message is stored and was given out. aedes writes it first, so that a crash loses what was acknowledged and a retained
   * message comes twice to whoever subscribes right then (moscajs/aedes#1126). Here the message is published, and then aedes acknowledges
   * and publishes an empty one to nobody.
   */
  #publishThenAcknowledge({ client }: Member, packet: AedesPacket, done: Done): void {
    this.#options.publish({ ...packet, messageId: undefined }, client, error => {
      leaveEmpty(packet)
      done(error ?? null)
    })
  }

  /** aedes publishes it, and acknowledges it to nobody. */
  #acceptWill(done: Done): void {
    this.#options.counters.published++
    done(null)
  }

  #renew(member: Member, packet: AedesPacket, done: Done): void {
    if (packet.qos !== 1 || packet.retain) {
      this.#refuse(member, TOKEN_TOPIC, 'a fresh token comes with QoS 1 and is not retained', done)
      return
    }
    const { counters, log, onRenewed } = this.#options
    const token = packet.payload.toString()
    leaveEmpty(packet)
    member.watch.renew(token).then(
      identity => {
        member.renew(identity)
        counters.tokenRenewed++
        log.info({ ...member.facts, expiresAt: identity.expiresAt }, 'token renewed')
        onRenewed(member)
        done(null)
      },
      (error: Error) => this.#refuse(member, TOKEN_TOPIC, error.message, done)
    )
  }

  #refuse(member: Member, topic: string, why: string, done: Done): void {
    const refusal = this.#options.refusals.add({ what: 'publish', why, topic, ...member.facts })
    member.connection.because(`refused publish: ${why}`)
    done(new RefusedError(refusal))
  }
}

/** What aedes still does with the packet reaches nobody. */
function leaveEmpty(packet: AedesPacket): void {
  packet.topic = VOID_TOPIC
  packet.payload = Buffer.alloc(0)
  packet.retain = false
  delete packet.properties
}
