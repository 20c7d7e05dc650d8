import { generate } from 'mqtt-packet'
import type { BrokerLimits } from '../limits/limits'
import type { AedesPacket } from './aedes-packet'
import type { Counters } from './counters'
import type { Member } from './member'

/**
 * QoS 0 to many: a message is encoded once for all of its subscribers, and each socket is written once a turn. aedes encodes it for each
 * subscriber and writes each message by three writes (moscajs/aedes#1128 is about the writes).
 */
export class FanOut {
  readonly #limits: BrokerLimits
  readonly #counters: Counters
  #topic = ''
  #payload: Buffer | undefined
  #retain = false
  #bytes: Buffer = Buffer.alloc(0)
  #turn: Member[] = []

  constructor(limits: BrokerLimits, counters: Counters) {
    this.#limits = limits
    this.#counters = counters
  }

  send(member: Member, packet: AedesPacket): void {
    const { topic, payload, retain } = packet
    if (payload !== this.#payload || topic !== this.#topic || retain !== this.#retain) {
      this.#topic = topic
      this.#payload = payload
      this.#retain = retain
      this.#bytes = generate({ cmd: 'publish', topic, payload, qos: 0, retain, dup: false })
    }
    const bytes = this.#bytes
    const waiting = member.client.conn.writableLength + member.turnBytes
    if (waiting > 0 && waiting + bytes.length > this.#limits.maxWaitingBytes) {
      this.#drop(member)
      return
    }
    member.stalledSince = 0
    if (member.turn.length === 0) {
      if (this.#turn.length === 0) setImmediate(this.#flush)
      this.#turn.push(member)
    }
    member.turn.push(bytes)
    member.turnBytes += bytes.length
    this.#counters.delivered++
    this.#counters.deliveredBytes += payload.length
  }

  #drop(member: Member): void {
    this.#counters.droppedSlow++
    const now = performance.now()
    if (member.stalledSince === 0) {
      member.stalledSince = now
    } else if (now - member.stalledSince > this.#limits.slowConsumerTimeout) {
      if (member.connection.cut('it took none of its messages in time')) this.#counters.cutSlow++
    }
  }

  #flush = (): void => {
    const turn = this.#turn
    this.#turn = []
    this.#payload = undefined
    for (const member of turn) {
      const { turn: messages, turnBytes } = member
      const { conn } = member.client
      if (conn.writable) {
        conn.write(messages.length === 1 ? (messages[0] as Buffer) : Buffer.concat(messages, turnBytes))
      }
      messages.length = 0
      member.turnBytes = 0
    }
  }
}
