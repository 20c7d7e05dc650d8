import type { Broker } from '../core/broker'
import { type Count, Frequent } from './frequent'

export interface TopicRate {
  readonly topic: string
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

/** The topics with the most messages. */
export interface TopTopicsReport {
  /** The busiest first. */
  readonly topics: readonly TopicRate[]
  /** So many messages a second a topic may have more than is said; 0 unless there are more topics than can be counted. */
  readonly uncertainty: number
}

export interface TopTopicsOptions {
  /** Milliseconds of one count; what is reported is of the last whole one and the present one. Default 5,000. */
  readonly window?: number
  /** It counts until nobody has asked for so long, milliseconds. Default 15,000. */
  readonly patience?: number
}

/** Of one count. Strangers choose how many topics there are. */
const PLACES = 1_000

const MOST_REPORTED = 10

/** Counts the messages of each topic, but for those that begin with `$`. It costs something for each message, so it counts only while somebody looks. */
export class TopTopics {
  readonly #broker: Broker
  readonly #window: number
  readonly #patience: number
  #current = new Frequent(PLACES)
  #before = new Frequent(0)
  #begun = 0
  /** When the count before began; the same as `#begun` while there is none. */
  #since = 0
  #askedAt = 0
  #end: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(broker: Broker, { window = 5_000, patience = 15_000 }: TopTopicsOptions = {}) {
    this.#broker = broker
    this.#window = window
    this.#patience = patience
  }

  /** Empty when it is asked for the first time: it begins to count then. */
  report(): TopTopicsReport {
    this.#askedAt = performance.now()
    if (this.#end === undefined) this.#start()
    const seconds = Math.max(1, this.#askedAt - this.#since) / 1_000
    const busiest = [...this.#sums()].sort(([, a], [, b]) => b.messages - a.messages).slice(0, MOST_REPORTED)
    return {
      topics: busiest.map(([topic, { messages, bytes }]) => ({
        topic,
        messagesPerSecond: messages / seconds,
        bytesPerSecond: bytes / seconds
      })),
      uncertainty: (this.#before.missed + this.#current.missed) / seconds
    }
  }

  get isCounting(): boolean {
    return this.#end !== undefined
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#end?.()
    this.#end = undefined
    this.#current = this.#before = new Frequent(0)
  }

  #start(): void {
    this.#current = new Frequent(PLACES)
    this.#begun = this.#since = performance.now()
    this.#end = this.#broker.subscribe('#', ({ topic, payload }) => this.#current.add(topic, payload.length))
    this.#timer = setInterval(() => this.#turn(), this.#window).unref()
  }

  #turn(): void {
    if (performance.now() - this.#askedAt > this.#patience) {
      this.stop()
      return
    }
    this.#before = this.#current
    this.#current = new Frequent(PLACES)
    this.#since = this.#begun
    this.#begun = performance.now()
  }

  #sums(): Map<string, Count> {
    const sums = new Map<string, Count>()
    for (const { counts } of [this.#before, this.#current]) {
      for (const [topic, { messages, bytes }] of counts) {
        const before = sums.get(topic)
        sums.set(topic, {
          messages: messages + (before?.messages ?? 0),
          bytes: bytes + (before?.bytes ?? 0)
        })
      }
    }
    return sums
  }
}
