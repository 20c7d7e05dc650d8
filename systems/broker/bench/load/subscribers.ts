import { generate } from 'mqtt-packet'
import { Histogram } from '../histogram'
import { Topics } from '../topics'
import {
  acknowledgement,
  MqttConnection,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  type Target
} from './mqtt-connection'
import { isWhole, now, numberIn, roundIn, sentAtIn, topicIn } from './payload'
import type { LoadOptions, Received } from './tasks'

const ID_BYTES = 2

/** The subscribers of one process at one broker: they check each message, and count. */
export class Subscribers {
  readonly #options: LoadOptions
  readonly #topics: Topics
  readonly #first: number
  /** The number of the last message, of each subscription. */
  readonly #last: Uint32Array
  readonly #connections: MqttConnection[] = []
  #round = 0
  #received = 0
  #unordered = 0
  #wrong = 0
  #stale = 0
  #lastAt = 0
  #latencies = new Histogram()
  #whyClosed: string | undefined

  /** For the connections with the numbers from `first` to before `end`. */
  constructor(options: LoadOptions, first: number, end: number) {
    this.#options = options
    this.#topics = new Topics(options)
    this.#first = first
    this.#last = new Uint32Array((end - first) * this.#topics.each)
  }

  /** Connects one and subscribes. */
  async open(target: Target, connection: number, token: string | undefined): Promise<void> {
    const { qos } = this.#options
    const client = await MqttConnection.open(target, {
      clientId: `subscriber-${connection}`,
      token,
      from: addressOf(connection)
    })
    const first = this.#topics.firstOf(connection)
    const names = Array.from({ length: this.#topics.each }, (_, index) => this.#topics.nameOf(first + index))
    const subscribe = generate({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: names.map(topic => ({ topic, qos }))
    })
    const granted = await client.answerOf(subscribe, SUBACK, (bytes, start, end) => [
      ...bytes.subarray(start + ID_BYTES, end)
    ])
    if (granted.some(code => code !== qos)) throw new Error(`it answered a subscription by ${granted}`)
    const own = names.map(name => Buffer.from(name))
    const place = (connection - this.#first) * this.#topics.each
    client.onClosed = why => {
      this.#whyClosed ??= why
    }
    client.onPacket = (packet, bytes, start, end) => {
      if (packet >> 4 === PUBLISH) this.#take(client, own, first, place, (packet >> 1) & 3, bytes, start, end)
      else if (packet >> 4 === PUBREL)
        client.socket.write(acknowledgement(PUBCOMP, bytes.readUInt16BE(start)))
    }
    this.#connections.push(client)
  }

  expect(round: number): void {
    this.#round = round
    this.#received = this.#unordered = this.#wrong = this.#stale = this.#lastAt = 0
    this.#latencies = new Histogram()
    this.#last.fill(0)
  }

  /** @throws Error when the broker closed a connection */
  get count(): number {
    if (this.#whyClosed !== undefined) throw new Error(`a subscriber is gone: ${this.#whyClosed}`)
    return this.#received
  }

  collect(): Received {
    return {
      received: this.#received,
      unordered: this.#unordered,
      wrong: this.#wrong,
      stale: this.#stale,
      lastAt: this.#lastAt,
      latencies: this.#latencies.counts
    }
  }

  /** Not objects: this runs for each message. */
  #take(
    client: MqttConnection,
    own: readonly Buffer[],
    first: number,
    place: number,
    qos: number,
    bytes: Buffer,
    start: number,
    end: number
  ): void {
    const topicStart = start + 2
    const topicEnd = topicStart + bytes.readUInt16BE(start)
    const payload = qos === 0 ? topicEnd : topicEnd + ID_BYTES
    if (qos > 0) {
      client.socket.write(acknowledgement(qos === 1 ? PUBACK : PUBREC, bytes.readUInt16BE(topicEnd)))
    }
    if (!isWhole(bytes, payload, end, this.#options.payload)) {
      this.#wrong++
      return
    }
    if (roundIn(bytes, payload) !== this.#round) {
      this.#stale++
      return
    }
    const index = topicIn(bytes, payload) - first
    const name = own[index]
    if (name === undefined || name.compare(bytes, topicStart, topicEnd) !== 0) {
      this.#wrong++
      return
    }
    const number = numberIn(bytes, payload)
    if (number <= (this.#last[place + index] as number)) {
      this.#unordered++
      return
    }
    this.#last[place + index] = number
    this.#received++
    this.#lastAt = now()
    this.#latencies.add(this.#lastAt - sentAtIn(bytes, payload))
  }
}

/** Of loopback: each address may connect 2,000 times at once and 200 times a second, and has 28,000 ports to connect from. */
export function addressOf(connection: number): string {
  if (process.platform !== 'linux') return '127.0.0.1'
  return `127.0.1.${1 + (Math.floor(connection / 1_000) % 250)}`
}
