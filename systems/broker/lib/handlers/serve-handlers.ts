import { setTimeout as delay } from 'node:timers/promises'
import { ownerOf } from '../authorization/owner-of'
import type { PublishOptions, TopicMessage, Topics } from '../client/topics'
import { type Log, SILENT } from '../core/log'
import type { HandlerContext, HandlerDefinition } from './handler'

export interface ServeOptions {
  /** Default: silent. */
  readonly log?: Log
  /** Stops retries; a message that is being handled then counts as not received. */
  readonly signal?: AbortSignal
}

/** A message that no attempt can help. */
class Hopeless extends Error {}

/**
 * Subscribes for each handler, and gives it its messages. Resolves when all subscriptions are granted.
 *
 * @throws what `topics.subscribe` rejects with
 */
export async function serveHandlers(
  topics: Topics,
  handlers: Iterable<HandlerDefinition>,
  options: ServeOptions = {}
): Promise<void> {
  // All in this turn: messages of a kept session come as soon as the connection is there.
  const subscribed = [...handlers].map(definition => {
    const runner = new Runner(topics, definition, options)
    const { qos } = definition.options
    return topics.subscribe(definition.filter, message => runner.handle(message), { qos })
  })
  await Promise.all(subscribed)
}

/** One handler: its attempts, and what becomes of a message that none of them could handle. */
class Runner {
  readonly #topics: Topics
  readonly #definition: HandlerDefinition
  readonly #log: Log
  readonly #stopped: AbortSignal

  constructor(topics: Topics, definition: HandlerDefinition, options: ServeOptions) {
    this.#topics = topics
    this.#definition = definition
    this.#log = options.log ?? SILENT
    this.#stopped = options.signal ?? new AbortController().signal
  }

  async handle(message: TopicMessage): Promise<void> {
    const { retries, retryDelay } = this.#definition.options
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#attempt(message)
        return
      } catch (error) {
        this.#stopped.throwIfAborted()
        const { topic } = message
        const why = (error as Error)?.message ?? String(error)
        this.#log.warn({ topic, attempt, error: why }, 'a handler failed')
        if (error instanceof Hopeless || attempt > retries) return await this.#giveUp(message, attempt, error)
      }
      await delay(Math.min(retryDelay * 2 ** (attempt - 1), 2 ** 31 - 1), undefined, {
        signal: this.#stopped
      })
    }
  }

  async #attempt(message: TopicMessage): Promise<void> {
    const { run, options } = this.#definition
    const { sender, topic } = message
    if (sender === undefined) throw new Hopeless('nobody is known to have sent it')
    const payload = options.payload === 'json' ? parsed(message.payload) : message.payload
    const signal = AbortSignal.any([AbortSignal.timeout(options.timeout), this.#stopped])
    const context: HandlerContext = {
      topic,
      sender,
      signal,
      publish: (to, what, how) => this.#publish(to, what, how),
      publishTo: (id, to, what, how) => this.#publish(topicOf(id, to), what, how)
    }
    await orAborted(Promise.resolve(run(payload as never, context)), signal)
  }

  #publish(topic: string, payload: unknown, options?: PublishOptions): Promise<void> {
    const isBytes = payload instanceof Uint8Array || typeof payload === 'string'
    return this.#topics.publish(topic, isBytes ? payload : JSON.stringify(payload), options)
  }

  /** @throws without a place for dead letters what made the last attempt fail */
  async #giveUp(message: TopicMessage, attempts: number, error: unknown): Promise<void> {
    const { deadLetter } = this.#definition.options
    if (deadLetter === false) throw error
    const { topic, payload, sender } = message
    const to = deadLetter === true ? `dead_${topic}` : deadLetter
    const why = (error as Error)?.message ?? String(error)
    await this.#publish(to, { topic, sender, attempts, why, payload: payload.toString('base64') })
    this.#log.error({ topic, attempts, error: why, deadLetter: to }, 'a message went to the dead letters')
  }
}

/** A user's topic: with `_` where the id is one by itself, else with `/`, as for `alice`. */
export function topicOf(id: string, topic: string): string {
  return ownerOf(id).kind === 'user' ? `${id}_${topic}` : `${id}/${topic}`
}

function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString())
  } catch {
    throw new Hopeless('its payload is no JSON')
  }
}

/** A handler that does not look at its signal is left alone: what it does afterwards is not waited for. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
