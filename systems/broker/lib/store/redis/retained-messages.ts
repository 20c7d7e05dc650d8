import { Readable } from 'node:stream'
import { isWildcard, matches } from '../../wire/topics'
import type { StoredPacket } from '../base-persistence'
import { Turns } from '../turns'
import { decodeRetained, encodeMessage, withQos } from './messages'
import type { RedisConnection } from './redis-connection'
import { RETAIN } from './scripts'

/** Topics that are compared in one turn of the event loop, and messages that are read at once. */
const TOPICS = '500'
const MESSAGES = 16

export interface RetainedMessagesOptions {
  readonly maxRetainedMessages: number
  readonly onDropped: (what: 'retained', clientId: undefined) => void
  readonly onError: (error: unknown) => void
}

/** What is retained, and found by a filter. */
export class RetainedMessages {
  readonly #redis: RedisConnection
  readonly #options: RetainedMessagesOptions
  readonly #turns = new Turns()
  /** Those that are retained when they are stored. */
  readonly #pending = new WeakSet<StoredPacket>()

  constructor(redis: RedisConnection, options: RetainedMessagesOptions) {
    this.#redis = redis
    this.#options = options
  }

  /** One of QoS 1 or 2 is written with its queues, which aedes does right after: so it keeps its place among the messages of its publisher. */
  async store(packet: StoredPacket): Promise<void> {
    if (packet.qos > 0) {
      this.#pending.add(packet)
      return
    }
    const { topic, payload, qos } = packet
    const message = payload.length === 0 ? '' : withQos(qos, encodeMessage(packet))
    const args = [topic, message, String(this.#options.maxRetainedMessages)]
    const isDropped = await this.#redis.use(link => link.run(RETAIN, args, message.length))
    if (isDropped === 1) this.#options.onDropped('retained', undefined)
  }

  /** Whether a message is to be retained that is being stored. */
  takes(packet: StoredPacket): boolean {
    return this.#pending.delete(packet)
  }

  /** It never fails: aedes listens to no error of it, and the process would end. */
  find(patterns: readonly string[]): Readable {
    return Readable.from(this.#foundOrNone(patterns))
  }

  async *#foundOrNone(patterns: readonly string[]): AsyncGenerator<StoredPacket> {
    try {
      yield* this.#found(patterns)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  /** @returns each message once, and none that a wildcard does not reach [MQTT-4.7.2-1] */
  async *#found(patterns: readonly string[]): AsyncGenerator<StoredPacket> {
    const given = new Set<string>()
    for (const pattern of patterns) {
      for await (const topics of this.#topics(pattern)) {
        const fresh = topics.filter(
          topic => !given.has(topic) && (pattern === topic || matches(pattern, topic))
        )
        for (const topic of fresh) given.add(topic)
        yield* this.#messages(fresh)
      }
    }
  }

  async *#messages(topics: readonly string[]): AsyncGenerator<StoredPacket> {
    for (let at = 0; at < topics.length; at += MESSAGES) {
      const some = topics.slice(at, at + MESSAGES)
      const found = await this.#redis.use(link => link.command('HMGET', 'ret', ...some))
      for (const bytes of found as (Buffer | null)[]) if (bytes !== null) yield decodeRetained(bytes)
    }
  }

  /** Those that match, in chunks. */
  async *#topics(pattern: string): AsyncGenerator<string[]> {
    if (!isWildcard(pattern)) {
      yield [pattern]
      return
    }
    const prefix = pattern.slice(0, pattern.search(/[+#]/))
    // `a/#` reaches `a` as well, which sorts before `a/`.
    const first = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
    const end = Buffer.concat([Buffer.from(`[${first}`), Buffer.from([0xff])])
    let from: string | undefined = `[${first}`
    while (from !== undefined) {
      const topics: string[] = await this.#turns.run(async () => {
        const chunk = await this.#redis.use(link =>
          link.command('ZRANGEBYLEX', 'topics', from as string, end, 'LIMIT', '0', TOPICS)
        )
        const all = (chunk as Buffer[]).map(String)
        from = all.length === 0 ? undefined : `(${all.at(-1)}`
        return all.filter(topic => matches(pattern, topic))
      })
      if (topics.length > 0) yield topics
    }
  }
}
