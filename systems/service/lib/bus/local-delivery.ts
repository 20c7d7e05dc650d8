import type { BusListener } from './bus'

interface Waiting {
  readonly topic: string
  readonly payload: Buffer
  readonly from: string
}

/** The listeners of one process. */
export class LocalDelivery {
  readonly #onError: (error: unknown) => void
  /** The lists are replaced, never changed: one may be in use. */
  #all: readonly BusListener[] = []
  readonly #byTopic = new Map<string, readonly BusListener[]>()
  readonly #waiting: Waiting[] = []
  #isDelivering = false

  /** @param onError gets what a listener has thrown; the others are called anyway */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  subscribe(topic: string | null, listener: BusListener): () => void {
    const list = this.#listOf(topic)
    this.#replace(topic, [...list, listener])
    let isSubscribed = true
    return () => {
      if (!isSubscribed) return
      isSubscribed = false
      const left = [...this.#listOf(topic)]
      left.splice(left.indexOf(listener), 1)
      this.#replace(topic, left)
    }
  }

  /** Calls the listeners; from within a listener once all have had the message before, so that all hear the same order. */
  deliver(topic: string, payload: Buffer, from: string): void {
    if (this.#isDelivering) {
      this.#waiting.push({ topic, payload, from })
      return
    }
    this.#isDelivering = true
    this.#call(topic, payload, from)
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      this.#call(next.topic, next.payload, next.from)
    this.#isDelivering = false
  }

  #call(topic: string, payload: Buffer, from: string): void {
    for (const listener of this.#all) this.#safely(listener, topic, payload, from)
    for (const listener of this.#listOf(topic)) this.#safely(listener, topic, payload, from)
  }

  #safely(listener: BusListener, topic: string, payload: Buffer, from: string): void {
    try {
      listener(topic, payload, from)
    } catch (error) {
      this.#onError(error)
    }
  }

  #listOf(topic: string | null): readonly BusListener[] {
    return topic === null ? this.#all : (this.#byTopic.get(topic) ?? [])
  }

  #replace(topic: string | null, list: readonly BusListener[]): void {
    if (topic === null) this.#all = list
    else if (list.length === 0) this.#byTopic.delete(topic)
    else this.#byTopic.set(topic, list)
  }
}
