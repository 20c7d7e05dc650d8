import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BrokerLimits } from '../limits/limits'
import { SessionTakenError, type Store } from '../store/store'
import type { AedesPacket } from './aedes-packet'
import type { Counters } from './counters'
import type { Member } from './member'

/** Why a client is cut whose session goes on elsewhere. */
export const TAKEN = 'the client has connected to another broker'

/** Messages of one queue that are on their way to its client at once: the store marks them as sent in few commits, in their order. */
const MOST_AT_ONCE = 64

/**
 * The queue of a kept session: each of its messages once and in order, whatever is published while it is being emptied.
 *
 * aedes gives a client that comes back what is in its queue and, at the same time, what is published now: the newer first, and a message
 * that is stored in between twice. Here messages are left in the queue until it is empty, and only then go to the client as they come.
 * A client that takes too little goes back to its queue.
 *
 * ```
 *   RESENDING ──▶ FETCHING ──(nothing was missed in a pass)──▶ LIVE
 *                  ▲  │ ▲                                        │
 *   the store  ────┘  │ └──(too much waits for it, or a gap)─────┘
 *   is back           └──(the store is away)──▶ STRANDED
 * ```
 *
 * The bus tells of the messages of each broker with rising numbers, and a pass sees all that were stored when it ends. So of each broker the
 * highest number that was fetched tells what of it must not be sent again.
 */
export class Redelivery {
  readonly #store: Store
  readonly #limits: BrokerLimits
  readonly #counters: Counters

  constructor(store: Store, limits: BrokerLimits, counters: Counters) {
    this.#store = store
    this.#limits = limits
    this.#counters = counters
  }

  /** Whether this message of QoS 1 or 2 goes to the client now. @param isNew it comes from its publisher, not from the queue */
  passes(member: Member, packet: AedesPacket, isNew: boolean): boolean {
    if (packet.messageId) {
      noteFetched(member, packet) // aedes sends it again
      return true
    }
    if (packet === member.redelivering || !isNew) return true
    if (member.client.clean) return this.#cleanPasses(member)
    const { brokerId = '', brokerCounter = 0 } = packet
    if (brokerCounter <= (member.fetched?.get(brokerId) ?? 0)) return false
    if (member.delivery === 'live' && !this.#isFull(member)) return true
    this.#leaveInQueue(member, brokerCounter)
    return false
  }

  /** aedes has sent again what was sent before. */
  ready(member: Member): void {
    if (member.client.clean) return
    member.delivery = 'stranded'
    this.#leaveInQueue(member, 0)
  }

  /** The bus may not have told of all that was stored for this member. */
  recover(member: Member): void {
    if (!member.client.clean) this.#leaveInQueue(member, 0)
  }

  #leaveInQueue(member: Member, number: number): void {
    member.missed = Math.min(member.missed ?? number, number)
    const isStranded = member.delivery === 'stranded' && this.#store.whyDown === undefined
    if (member.delivery === 'live' || isStranded) this.#fetch(member)
  }

  #fetch(member: Member): void {
    member.delivery = 'fetching'
    this.#passOver(member).catch((error: unknown) => {
      member.missed = 0
      member.delivery = 'stranded'
      if (error instanceof SessionTakenError) {
        if (member.connection.cut(TAKEN)) this.#counters.takenOver++
        return
      }
      this.#counters.storeErrors++
      if (this.#store.whyDown === undefined)
        member.connection.cut(`its queue could not be read: ${(error as Error).message}`)
    })
  }

  async #passOver(member: Member): Promise<void> {
    await nextTurn() // aedes marks in the next turn what it sends
    while (member.missed !== undefined) {
      const { missed } = member
      member.missed = undefined
      const underWay: Promise<void>[] = []
      for await (const packet of this.#store.outgoingUnsent(member.client, missed)) {
        if (member.client.closed) return
        underWay.push(this.#redeliver(member, packet as AedesPacket))
        if (underWay.length === MOST_AT_ONCE) await underWay.shift()
      }
      await Promise.all(underWay)
    }
    member.delivery = 'live'
  }

  /** Resolves when the client can take more. */
  #redeliver(member: Member, packet: AedesPacket): Promise<void> {
    noteFetched(member, packet)
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
}

function noteFetched(member: Member, { brokerId = '', brokerCounter = 0 }: AedesPacket): void {
  member.fetched ??= new Map()
  if (brokerCounter > (member.fetched.get(brokerId) ?? 0)) member.fetched.set(brokerId, brokerCounter)
}
