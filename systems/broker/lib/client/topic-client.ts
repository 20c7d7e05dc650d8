import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Checks,
  checkOption,
  checkOptions,
  isAnything,
  isEither,
  isFlag,
  isFunction,
  isObject,
  isText,
  needed
} from '@token-server/service/options'
import {
  type CloseOptions,
  type Connection,
  TokenClient,
  type TokenClientOptions,
  TokenError
} from 'token-server'
import { decodeFrame, encodeFrame, type Header } from '../wire/token-frame'
import { matches } from '../wire/topics'
import { Gate } from './gate'
import { messageOf } from './message-of'
import { TokenSource } from './token-source'
import { TopicError, wrongOption } from './topic-error'
import {
  checkPublish,
  checkSubscribe,
  type PublishOptions,
  type SubscribeOptions,
  type TopicListener,
  type Topics
} from './topics'

export interface TopicClientOptions {
  /** Of the `TokenClient`: where the broker is, certificates. `session` and `reconnect` are true unless it says otherwise. */
  readonly connect: TokenClientOptions
  /**
   * A JWT, or what gives one: it is called for each connection, and again when three quarters of a token's time are over, so that the
   * connection stays. When it fails, it is called again, but at the first connection, where that ends the client. Without it, the certificate
   * says who this is.
   */
  readonly token?: string | (() => string | Promise<string>)
  /** The name of a session: its subscriptions and messages with QoS 1 wait in the broker while this client is away. Default: none. */
  readonly session?: string
  /** Throws away what an earlier session of this name left, at the first connection. Default false. */
  readonly clean?: boolean
  /** Messages that listeners work on at once. Default 1: one after another, in order. */
  readonly concurrency?: number
}

const CHECKS: Checks<TopicClientOptions> = {
  connect: needed(isObject),
  token: isEither(isText, isFunction),
  session: value => (/\p{Surrogate}/u.test(String(value)) ? 'half of a pair of UTF-16' : isText(value)),
  clean: isFlag,
  concurrency: isAnything
}

/** Who this client is. */
export interface Joined {
  readonly id: string
  readonly kind: string
  /** When the token or the certificate ends, milliseconds since 1970. */
  readonly expiresAt: number
  /** The broker had the session. */
  readonly present: boolean
}

export interface TopicClientEvents {
  /** The broker knows this client and its subscriptions: at first, and after each connection that was lost. */
  connect: [joined: Joined]
  /** The connection was lost, and is dialled again. */
  disconnect: []
  /** A listener failed, or a fresh token, or a subscription of an earlier connection, or the broker can't take it in now. The client goes on. */
  warning: [error: Error]
  /** What ended the client, if it did not end in order. Always followed by `close`. */
  error: [error: Error]
  /** The last event. */
  close: []
}

/** Milliseconds before what was lost with a connection is tried on the next one. */
const PAUSE = 50

interface Subscription {
  readonly listener: TopicListener
  readonly qos: 0 | 1
  isGranted: boolean
}

/** Milliseconds that a message of a session waits for its listener: after a restart it may come before the program has subscribed. */
const LISTENER_TIMEOUT = 10_000

/** Refusals and ends that are over by themselves: the next connection may succeed. After others somebody has to do something. */
const PASSING: readonly unknown[] = [
  'closing',
  'slow',
  'store',
  'connect-timeout',
  'token-unavailable',
  'too-many-connections'
]

/**
 * Publishes and subscribes at the token door of a broker. It connects when it is made, again when the connection is lost, and then
 * subscribes again.
 *
 * ```
 *   DIALLING ──the broker accepts──▶ JOINING ──connected──▶ JOINED ──▶ close(), refused, ended: CLOSED
 *       ▲                               │                      │
 *       └────────── cut, and no session of token/2 goes on ────┘
 * ```
 */
export class TopicClient extends EventEmitter<TopicClientEvents> implements Topics {
  readonly #options: TopicClientOptions
  readonly #client: TokenClient
  readonly #tokens: TokenSource
  readonly #gate = new Gate<Joined>()
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #ended = new AbortController()
  readonly #subscribed = new EventEmitter()
  #isCleaned = false
  #failure: Error | undefined

  /** @throws TopicError `ERR_TOPIC_OPTION`; TokenError `ERR_OPTION` for one of `connect`, and for `concurrency` */
  constructor(options: TopicClientOptions) {
    super()
    checkOptions(options, CHECKS, wrongOption)
    this.#options = options
    this.#tokens = new TokenSource(options.token, {
      renew: token => this.renew(token),
      onWarning: error => this.emit('warning', error)
    })
    this.#client = new TokenClient({ session: true, reconnect: true, ...options.connect })
    try {
      this.#client.handle(token => this.#take(token), { concurrency: options.concurrency ?? 1 })
    } catch (error) {
      this.#client.close({ timeout: 0 }) // else it would go on dialling
      throw error
    }
    this.#client.on('connect', () => {
      this.#leave()
      void this.#join(this.#client.connection as Connection)
    })
    this.#client.on('session-lost', () => this.#leave())
    this.#client.on('disconnect', () => {
      if (this.#client.connection === null) this.#leave()
      this.emit('disconnect')
    })
    this.#client.on('handlerError', error => this.emit('warning', error as Error))
    this.#client.on('error', error => {
      this.#failure ??= error
    })
    this.#client.on('close', () => this.#closed())
  }

  /** Resolves when the broker knows this client, for the first time or again. Rejects when it has closed. */
  get ready(): Promise<Joined> {
    return this.#gate.opened
  }

  /**
   * Messages that match the filter go to the listener, which replaces an earlier one of the same filter.
   *
   * @throws TopicError `ERR_TOPIC_OPTION`, `ERR_TOPIC_REFUSED`, `ERR_TOPIC_CLOSED`
   */
  async subscribe(filter: string, listener: TopicListener, options: SubscribeOptions = {}): Promise<void> {
    checkSubscribe(filter, listener, options)
    const { qos = 1 } = options
    const before = this.#subscriptions.get(filter)
    const subscription: Subscription = { listener, qos, isGranted: false }
    this.#subscriptions.set(filter, subscription) // before the answer: messages may come with it
    this.#subscribed.emit('subscribed')
    try {
      await this.#ask(encodeFrame({ type: 'subscribe', filter, qos }), true)
      subscription.isGranted = true
    } catch (error) {
      if (before === undefined) this.#subscriptions.delete(filter)
      else this.#subscriptions.set(filter, before)
      throw error
    }
  }

  /** @throws TopicError `ERR_TOPIC_OPTION`, `ERR_TOPIC_REFUSED`, `ERR_TOPIC_CLOSED` */
  async unsubscribe(filter: string): Promise<void> {
    checkOption('filter', filter, isText, wrongOption)
    this.#subscriptions.delete(filter)
    await this.#ask(encodeFrame({ type: 'unsubscribe', filter }), true)
  }

  /**
   * Resolves when the broker has stored the message and given it out. A cut of up to a minute loses and doubles nothing. When the answer was
   * lost for good, a message with QoS 1 is published again, so that it may be there twice; with QoS 0 the promise rejects.
   *
   * @throws TopicError `ERR_TOPIC_OPTION`, `ERR_TOPIC_REFUSED`, `ERR_TOPIC_CLOSED`
   * @throws TokenError `ERR_NOT_SENT`, `ERR_FATE_UNKNOWN`
   */
  async publish(topic: string, payload: Uint8Array | string, options: PublishOptions = {}): Promise<void> {
    checkPublish(topic, payload, options)
    const { qos = 1, retain = false } = options
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    const header = { type: 'publish', topic, qos, ...(retain ? { retain } : {}) }
    await this.#ask(encodeFrame(header, bytes), qos === 1)
  }

  /**
   * Shows a fresh token on the open connection.
   *
   * @returns when it ends, milliseconds since 1970
   * @throws TopicError `ERR_TOPIC_OPTION`, `ERR_TOPIC_REFUSED`: the broker ends the connection; `ERR_TOPIC_CLOSED`
   */
  async renew(token: string): Promise<number> {
    checkOption('token', token, isText, wrongOption)
    const { expiresAt } = await this.#ask(encodeFrame({ type: 'renew', token }), true)
    this.#tokens.accepted(expiresAt as number)
    return expiresAt as number
  }

  /**
   * Closes: what has left is answered, and listeners that work are waited for, within `timeout`. What waits for a connection is rejected. A
   * session in the broker stays.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    this.#client.close(options)
    await this.#client.closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #join(connection: Connection): Promise<void> {
    const { session, clean = false } = this.#options
    try {
      const jwt = await this.#tokens.take(() => this.#client.connection !== connection)
      if (this.#client.connection !== connection) return
      const header = {
        type: 'connect',
        token: jwt,
        session,
        ...(clean && !this.#isCleaned ? { clean } : {})
      }
      const answer = accepted(await connection.request(encodeFrame(header)))
      this.#isCleaned = true
      await this.#subscribeAgain(connection)
      const joined = answer as unknown as Joined
      if (this.#client.connection !== connection) return
      this.#tokens.accepted(joined.expiresAt)
      this.#gate.open(joined)
      this.emit('connect', joined)
    } catch (error) {
      if (isLost(error)) return // another connection follows, or the end
      if (error instanceof TopicError && PASSING.includes(error.refusal)) this.emit('warning', error)
      else this.#fail(error as Error)
    }
  }

  async #subscribeAgain(connection: Connection): Promise<void> {
    for (const [filter, { qos, isGranted }] of this.#subscriptions) {
      if (!isGranted) continue // it is asked for when the connection is there
      try {
        accepted(await connection.request(encodeFrame({ type: 'subscribe', filter, qos })))
      } catch (error) {
        if (!(error instanceof TopicError)) throw error
        this.emit('warning', error)
      }
    }
  }

  /** @param again whether it is asked again on the next connection, when nobody knows what became of it */
  async #ask(frame: Buffer, again: boolean): Promise<Header> {
    for (;;) {
      await this.#gate.opened
      try {
        return accepted(await this.#client.request(frame))
      } catch (error) {
        // It has had no effect: it left before a new connection had been introduced.
        const isEarly = error instanceof TopicError && error.refusal === 'not-connected'
        const isClosing = error instanceof TopicError && error.refusal === 'closing'
        if (!isEarly && !(again && (isClosing || isLost(error)))) throw error
        if (this.#ended.signal.aborted) throw closedError(this.#failure)
      }
      await delay(PAUSE)
    }
  }

  async #take(token: Buffer): Promise<void> {
    const { header, payload } = decodeFrame(token)
    if (header.type === 'end') this.#endedByBroker(header)
    if (header.type !== 'message') return
    const message = messageOf(header, payload)
    let listeners = this.#listenersOf(message.topic)
    if (listeners.length === 0 && this.#options.session !== undefined) {
      await this.#untilListening(message.topic)
      listeners = this.#listenersOf(message.topic)
    }
    await Promise.all(listeners.map(listener => listener(message)))
  }

  #listenersOf(topic: string): TopicListener[] {
    return [...this.#subscriptions]
      .filter(([filter]) => matches(filter, topic))
      .map(([, { listener }]) => listener)
  }

  /** @throws TopicError `ERR_TOPIC_HANDLER`: the message comes again */
  async #untilListening(topic: string): Promise<void> {
    const signal = AbortSignal.any([AbortSignal.timeout(LISTENER_TIMEOUT), this.#ended.signal])
    while (this.#listenersOf(topic).length === 0) {
      await once(this.#subscribed, 'subscribed', { signal }).catch(() => {
        const why = 'the session has a subscription to it, and this client has not subscribed'
        throw new TopicError('ERR_TOPIC_HANDLER', `Cannot handle a message to ${topic}: because ${why}`)
      })
    }
  }

  #endedByBroker({ code, why }: Header): void {
    if (PASSING.includes(code)) return
    if (code === 'token-expired' && typeof this.#options.token === 'function') return
    const message = `The broker has ended the connection: ${String(why)}`
    this.#fail(new TopicError('ERR_TOPIC_ENDED', message, { refusal: String(code) }))
  }

  #leave(): void {
    this.#tokens.stop()
    this.#gate.shut()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#client.close()
  }

  #closed(): void {
    this.#tokens.stop()
    this.#ended.abort()
    this.#gate.fail(closedError(this.#failure))
    if (this.#failure !== undefined && this.listenerCount('error') > 0) this.emit('error', this.#failure)
    this.emit('close')
  }
}

/** The header of an answer that is no refusal. @throws TopicError */
function accepted(token: Buffer): Header {
  let header: Header
  try {
    header = decodeFrame(token).header
  } catch (cause) {
    const why = 'the answer is no frame of a token door'
    throw new TopicError('ERR_TOPIC_ANSWER', `Cannot read an answer of the broker: because ${why}`, { cause })
  }
  if (header.type !== 'refused') return header
  const { code, why, refusal } = header
  throw new TopicError('ERR_TOPIC_REFUSED', `The broker refused it: ${String(why)} (${String(refusal)})`, {
    refusal: String(code)
  })
}

/** Whether the next connection may do what this one did not. */
function isLost(error: unknown): boolean {
  if (!(error instanceof TokenError)) return false
  const { code, reason } = error
  if (code !== 'ERR_NOT_SENT' && code !== 'ERR_FATE_UNKNOWN') return false
  return reason !== 'outbox-full' && reason !== 'too-many-requests' && reason !== 'answer-too-large'
}

function closedError(cause: Error | undefined): TopicError {
  const why = cause === undefined ? 'the client is closed' : `the client has ended: ${cause.message}`
  const refusal = cause instanceof TopicError ? cause.refusal : undefined
  return new TopicError('ERR_TOPIC_CLOSED', `Cannot go on: because ${why}`, {
    cause,
    ...(refusal === undefined ? {} : { refusal })
  })
}
