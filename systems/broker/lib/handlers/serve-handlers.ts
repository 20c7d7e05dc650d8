import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type Check, checkOption, checkOptions, has, isSignal, listOf } from '@token-server/service/options'
import { ownerOf } from '../authorization/owner-of'
import { wrongOption } from '../client/topic-error'
import type { PublishOptions, TopicMessage, Topics } from '../client/topics'
import { isLog, type Log, SILENT, wordsOf } from '../core/log'
import { DEFAULT_LIMITS } from '../limits/limits'
import { type HandlerContext, type HandlerDefinition, isDefinition } from './handler'

export interface ServeOptions {
  /** Default: silent. */
  readonly log?: Log
  /** Stops retries; a message that is being handled then counts as not received. */
  readonly signal?: AbortSignal
}

/** Bytes of the payload in one dead letter, where they are base64: the letter stays below the default `maxPacketBytes`. */
const MAX_LETTER_BYTES = 131_072
/** Characters of what an error says. */
const MAX_WHY_LENGTH = 1_000
const isIterable: Check = value => (Symbol.iterator in Object(value) ? undefined : 'no list')
const isMade: Check = value => (isDefinition(value) ? undefined : 'nothing that handler() has made')

/** A message that no attempt can help. */
class Hopeless extends Error {}

/**
 * Subscribes for each handler, and gives it its messages. Resolves when all subscriptions are granted.
 *
 * @throws TopicError `ERR_TOPIC_OPTION`, and what `topics.subscribe` rejects with
 */
export async function serveHandlers(
  topics: Topics,
  handlers: Iterable<HandlerDefinition>,
  options: ServeOptions = {}
): Promise<void> {
  checkOption('topics', topics, has('subscribe', 'publish'), wrongOption)
  checkOption('handlers', handlers, isIterable, wrongOption)
  const definitions = [...handlers]
  checkOption('handlers', definitions, listOf(isMade), wrongOption)
  checkOptions<ServeOptions>(options, { log: isLog, signal: isSignal }, wrongOption)
  const { log = SILENT, signal } = options
  const stopped = stoppedBy(signal)
  // All in this turn: messages of a kept session come as soon as the connection is there.
  const subscribed = definitions.map(definition => {
    const runner = new Runner(topics, definition, log, stopped)
    const { qos } = definition.options
    return topics.subscribe(definition.filter, message => runner.handle(message), { qos })
  })
  await Promise.all(subscribed)
}

/** As many as like may wait for it. */
function stoppedBy(signal: AbortSignal | undefined): AbortSignal {
  const stopped = new AbortController()
  setMaxListeners(0, stopped.signal)
  const stop = () => stopped.abort(signal?.reason)
  if (signal?.aborted) stop()
  else signal?.addEventListener('abort', stop, { once: true })
  return stopped.signal
}

/** One handler: its attempts, and what becomes of a message that none of them could handle. */
class Runner {
  readonly #topics: Topics
  readonly #definition: HandlerDefinition
  readonly #log: Log
  readonly #stopped: AbortSignal

  constructor(topics: Topics, definition: HandlerDefinition, log: Log, stopped: AbortSignal) {
    this.#topics = topics
    this.#definition = definition
    this.#log = log
    this.#stopped = stopped
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
        this.#log.warn({ topic, attempt, error: wordsOf(error) }, 'a handler failed')
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
    await within(options.timeout, this.#stopped, signal => {
      const context: HandlerContext = {
        topic,
        sender,
        signal,
        publish: (to, what, how) => this.#publish(to, what, how),
        publishTo: (id, to, what, how) => this.#publish(topicOf(id, to), what, how)
      }
      return run(payload as never, context)
    })
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
    const to = (deadLetter === true ? `dead_${topic}` : deadLetter).slice(0, DEFAULT_LIMITS.maxTopicLength)
    const why = wordsOf(error).slice(0, MAX_WHY_LENGTH)
    const facts = { topic, attempts, error: why, deadLetter: to }
    const letter = { topic, sender, attempts, why }
    const parts = Math.max(Math.ceil(payload.length / MAX_LETTER_BYTES), 1)
    try {
      for (let part = 1; part <= parts; part++) {
        const bytes = payload.subarray((part - 1) * MAX_LETTER_BYTES, part * MAX_LETTER_BYTES)
        const place = parts > 1 ? { part, parts } : {}
        await this.#publish(to, { ...letter, ...place, payload: bytes.toString('base64') })
      }
    } catch (cause) {
      this.#log.error(
        { ...facts, cause: wordsOf(cause) },
        'a message could not go to the dead letters: it will come again'
      )
      throw cause
    }
    this.#log.error(facts, 'a message went to the dead letters')
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

/**
 * Runs a handler until its time is over or the handlers are stopped. One that does not look at its signal is left alone: what it does
 * afterwards is not waited for. Nothing of it stays behind: a signal of `AbortSignal.timeout` would for the whole time.
 */
function within(
  timeout: number,
  stopped: AbortSignal,
  run: (signal: AbortSignal) => unknown
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController()
    const end = (reason: unknown) => {
      controller.abort(reason)
      reject(reason)
    }
    const late = () =>
      end(new DOMException(`it took longer than its timeout of ${timeout} ms`, 'TimeoutError'))
    const timer = setTimeout(late, timeout)
    const stop = () => end(stopped.reason)
    stopped.addEventListener('abort', stop)
    if (stopped.aborted) stop()
    const done = () => {
      clearTimeout(timer)
      stopped.removeEventListener('abort', stop)
    }
    const ran = new Promise(go => go(run(controller.signal)))
    ran.finally(done).then(resolve, reject)
  })
}
