import { EventEmitter } from 'node:events'
import { handleLimits } from '../options/handle-options'
import { mixedConsumers } from '../receiving/consumer'
import { nextTick } from '../runtime/event-loop'
import { type ListenerWatch, watchListeners } from '../runtime/watch-listeners'
import type { Forward, Handling } from './connection-context'

type Listener = (this: object, ...values: unknown[]) => unknown

/** What `emit` is where nobody has put another one in its place. */
const { emit } = EventEmitter.prototype

/** The listeners have changed: look again. */
const UNKNOWN = 0
/** `emit` must do it: there is not one listener, or rejections are captured. */
const BY_EMIT = 1

/** The queue in which tokens wait for listeners. */
export interface WaitingTokens {
  /** True while a consumer has them: then no listener may be added. */
  readonly isClaimed?: boolean
  /** A listener was added, and can be called. */
  deliver(): void
}

/**
 * The listeners of `token` on a connection, or on a server or a client, which take the tokens of connections that have no
 * consumer.
 *
 * A sole listener is called directly: `emit` does the same and takes 10 ns more, of the 170 ns that a token of 64 B takes
 * to be received. What a listener throws is the caller's to catch, and to give to `throwLater`.
 */
export class TokenListeners implements Forward, ListenerWatch {
  /** True while there are some. */
  isWanting = false
  handling: Handling<never> | null = null
  readonly #emitter: EventEmitter
  readonly #waiting: WaitingTokens
  readonly #capturesRejections = EventEmitter.captureRejections
  #listener: Listener | typeof UNKNOWN | typeof BY_EMIT = UNKNOWN

  /** @param emitter just constructed */
  constructor(emitter: EventEmitter, waiting: WaitingTokens) {
    this.#emitter = emitter
    this.#waiting = waiting
    watchListeners(emitter, 'token', this)
  }

  /**
   * Each connection without a consumer of its own has this handler from now on.
   *
   * @throws TokenError `ERR_CONSUMER`, `ERR_OPTION`
   */
  handle(handling: Handling<never>): void {
    handleLimits(handling.handler, handling.options)
    if (this.isWanting || this.handling !== null) throw mixedConsumers()
    this.handling = handling
    this.#waiting.deliver()
  }

  /** For the listeners of a connection. */
  give(token: Buffer): void {
    const listener = this.#find()
    if (listener === BY_EMIT) this.#emitter.emit('token', token)
    else listener.call(this.#emitter, token)
  }

  take(token: Buffer, connection: object): void {
    const listener = this.#find()
    if (listener === BY_EMIT) this.#emitter.emit('token', token, connection)
    else listener.call(this.#emitter, token, connection)
  }

  /** The listener is not there yet. */
  onAdd(): void {
    if (this.#waiting.isClaimed || this.handling !== null) throw mixedConsumers()
    this.isWanting = true
    this.#listener = BY_EMIT
    nextTick(() => {
      this.#listener = UNKNOWN
      this.#waiting.deliver()
    })
  }

  onRemove(isLast: boolean): void {
    this.isWanting = !isLast
    this.#listener = UNKNOWN
  }

  #find(): Listener | typeof BY_EMIT {
    if (this.#emitter.emit !== emit) return BY_EMIT
    if (this.#listener !== UNKNOWN) return this.#listener
    // rawListeners() gives the wrapper of a `once` listener, which removes itself.
    const [listener, ...others] = this.#emitter.rawListeners('token') as Listener[]
    const isSole = listener !== undefined && others.length === 0 && !this.#capturesRejections
    this.#listener = isSole ? listener : BY_EMIT
    return this.#listener
  }
}
