import type { LevelStore } from '../store/level-store'
import type { AedesPacket } from './aedes-packet'
import type { Counters } from './counters'
import type { BrokerLimits } from './limits'
import type { Member } from './member'

/**
 * The queue of a kept session: each of its messages once and in order, whatever is published while it is being emptied.
 *
 * aedes gives a client that comes back what is in its queue and, at the same time, what is published now: the newer first, and a message
 * that is stored in between twice. Here messages are left in the queue until it is empty, and only then go to the client as they come.
 * A client that takes too little goes back to its queue.
 *
 * ```
 *   connected ──▶ FETCHING ──(nothing was missed in a pass)──▶ LIVE
 *                    ▲                                          │
 *                    └──────────(too much waits for it)─────────┘
 * ```
 */
export class Redelivery {
  readonly #store: LevelStore
  readonly #limits: BrokerLimits
  readonly #counters: Counters

  constructor(store: LevelStore, limits: BrokerLimits, counters: Counters) {
    this.#store = store
    this.#limits = limits
    this.#counters = counters
  }

  /** Whether this message of QoS 1 or 2 goes to the client now. @param isNew it comes from its publisher, not from the queue */
  passes(member: Member, packet: AedesPacket, isNew: boolean): boolean {
    const counter = packet.brokerCounter ?? 0
    if (packet.messageId) {
      // aedes empties the queue. Of a message that subscribers have not been given yet, this is the one copy.
      if (this.#store.inFlight.has(counter)) this.#aheadOf(member).add(counter)
      return true
    }
    if (packet === member.redelivering || !isNew) return true
    if (member.client.clean) return this.#cleanPasses(member)
    if (member.sentAhead?.delete(counter)) return false
    if (member.isLive && !this.#isFull(member)) return true
    leaveInQueue(member, packet)
    if (member.isLive) {
      member.isLive = false
      this.#fetch(member)
    }
    return false
  }

  /** Its queue was emptied by aedes. */
  ready(member: Member): void {
    if (member.client.clean) return
    if (member.missed !== undefined) this.#fetch(member)
    else member.isLive = true
  }

  #fetch(member: Member): void {
    this.#passOver(member).catch((error: unknown) => {
      this.#counters.storeErrors++
      member.connection.cut(`its queue could not be read: ${(error as Error).message}`)
    })
  }

  async #passOver(member: Member): Promise<void> {
    while (member.missed !== undefined) {
      const { missed } = member
      member.missed = undefined
      for (const [brokerId, first] of missed) {
        for await (const packet of this.#store.outgoingFrom(member.client, brokerId, first)) {
          if (member.client.closed) return
          await this.#redeliver(member, packet as AedesPacket)
        }
      }
    }
    member.isLive = true
  }

  /** Resolves when the client can take more. */
  #redeliver(member: Member, packet: AedesPacket): Promise<void> | undefined {
    if (packet.cmd !== 'publish' || packet.messageId) return undefined // it was sent; null: it comes from the store
    const counter = packet.brokerCounter ?? 0
    if (this.#store.inFlight.has(counter)) this.#aheadOf(member).add(counter)
    return new Promise(resolve => {
      member.redelivering = packet
      member.client.deliverQoS(packet, resolve)
      member.redelivering = undefined
    })
  }

  #cleanPasses(member: Member): boolean {
    if (!this.#isFull(member)) return true
    if (member.connection.cut('it did not take its messages')) this.#counters.cutSlow++
    return false
  }

  #isFull(member: Member): boolean {
    return member.client.conn.writableLength + member.turnBytes > this.#limits.maxWaitingBytes
  }

  #aheadOf(member: Member): Set<number> {
    member.sentAhead ??= new Set()
    return member.sentAhead
  }
}

function leaveInQueue(member: Member, { brokerId = '', brokerCounter = 0 }: AedesPacket): void {
  member.missed ??= new Map()
  const first = member.missed.get(brokerId) ?? brokerCounter
  member.missed.set(brokerId, Math.min(first, brokerCounter))
}
