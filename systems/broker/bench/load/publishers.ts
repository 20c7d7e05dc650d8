import { setTimeout as wait } from 'node:timers/promises'
import { generate } from 'mqtt-packet'
import { Topics } from '../topics'
import {
  acknowledgement,
  MqttConnection,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  type Target
} from './mqtt-connection'
import { now, writePayload } from './payload'
import type { LoadOptions, Sent, Tasks } from './tasks'

export const PUBLISHERS = 20

/** A prime: messages that follow each other go to topics far apart. */
const STRIDE = 7_919

/** Milliseconds between two looks at the clock. */
const TICK = 2

/** Bytes that wait in a socket of ours: the broker does not take them. */
const MOST_WAITING = 1_048_576

/** Identifiers of MQTT have 16 bits, and one that is not acknowledged must not be used again. */
const MOST_INFLIGHT = 30_000
const IDS = 65_535

/** A round that takes so many times its time is given up. */
const PATIENCE = 2

/** Those who publish to one broker, all in this process. */
export class Publishers {
  readonly #options: LoadOptions
  readonly #topics: Topics
  /** What stands before the payload, by topic. With QoS 1 and 2 the identifier is the end of it. */
  readonly #headers: Buffer[]
  readonly #numbers: Uint32Array
  readonly #publishers: Publisher[] = []

  constructor(options: LoadOptions) {
    this.#options = options
    this.#topics = new Topics(options)
    const { qos, payload } = options
    this.#headers = Array.from({ length: this.#topics.count }, (_, topic) =>
      publishHeader(this.#topics.nameOf(topic), payload, qos)
    )
    this.#numbers = new Uint32Array(this.#topics.count)
  }

  /** Connects one. */
  async open(target: Target, number: number, token: string | undefined): Promise<void> {
    const login = { clientId: `publisher-${number}`, token, from: '127.0.2.1' }
    if (process.platform !== 'linux') login.from = '127.0.0.1'
    this.#publishers.push(new Publisher(await MqttConnection.open(target, login)))
  }

  /** Messages that were acknowledged in the round. */
  get count(): number {
    return this.#publishers.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  }

  async publish({ round, rate, seconds }: Omit<Tasks['publish']['in'], 'peer'>): Promise<Sent> {
    this.#numbers.fill(0)
    for (const publisher of this.#publishers) publisher.acknowledged = 0
    const total = Math.round(rate * seconds)
    const begin = now()
    let sent = 0
    let late = 0
    let isHeldBack = false
    let lastAt = begin
    while (sent < total && now() - begin < PATIENCE * 1_000 * seconds) {
      const due = Math.min(total, 1 + Math.floor(((now() - begin) / 1_000) * rate))
      for (const { socket } of this.#publishers) socket.cork()
      while (sent < due) {
        const topic = (sent * STRIDE) % this.#topics.count
        const publisher = this.#publishers[topic % this.#publishers.length] as Publisher
        if (publisher.isFull) {
          isHeldBack = true
          break
        }
        lastAt = now()
        late = Math.max(late, lastAt - begin - (sent / rate) * 1_000)
        this.#send(publisher, topic, round, lastAt)
        sent++
      }
      for (const { socket } of this.#publishers) socket.uncork()
      await wait(TICK)
    }
    return { sent, lastAt, late, isHeldBack }
  }

  #send(publisher: Publisher, topic: number, round: number, sentAt: number): void {
    const { qos, payload: length } = this.#options
    const header = this.#headers[topic] as Buffer
    const bytes = Buffer.allocUnsafe(header.length + length)
    header.copy(bytes)
    if (qos > 0) bytes.writeUInt16BE(publisher.nextId(), header.length - 2)
    const number = (this.#numbers[topic] as number) + 1
    this.#numbers[topic] = number
    writePayload(bytes, header.length, length, { topic, number, round, sentAt })
    publisher.socket.write(bytes)
  }
}

class Publisher {
  readonly socket: MqttConnection['socket']
  acknowledged = 0
  #inflight = 0
  #id = 0
  #isClosed = false

  constructor(connection: MqttConnection) {
    this.socket = connection.socket
    connection.onClosed = () => {
      this.#isClosed = true
    }
    connection.onPacket = (first, bytes, start) => {
      const type = first >> 4
      if (type === PUBREC) this.socket.write(acknowledgement(PUBREL, bytes.readUInt16BE(start)))
      if (type !== PUBACK && type !== PUBCOMP) return
      this.acknowledged++
      this.#inflight--
    }
  }

  get isFull(): boolean {
    return this.#isClosed || this.#inflight >= MOST_INFLIGHT || this.socket.writableLength > MOST_WAITING
  }

  nextId(): number {
    this.#inflight++
    this.#id = (this.#id % IDS) + 1
    return this.#id
  }
}

/** A PUBLISH up to its payload */
export function publishHeader(topic: string, payloadLength: number, qos: 0 | 1 | 2): Buffer {
  const whole = generate({
    cmd: 'publish',
    topic,
    payload: Buffer.alloc(payloadLength),
    qos,
    messageId: 1,
    retain: false,
    dup: false
  })
  return whole.subarray(0, whole.length - payloadLength)
}
