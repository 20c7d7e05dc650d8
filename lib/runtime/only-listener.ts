import { EventEmitter } from 'node:events'

type Listener = (this: object, ...values: unknown[]) => unknown

/** What `emit` is where nobody has put another one in its place. */
const { emit } = EventEmitter.prototype

/** The listeners have changed: look again. */
const UNKNOWN = 0
/** `emit` must do it. */
const BY_EMIT = 1

/**
 * Emits an event of one argument, or of two, by a direct call where it has one listener, which is what `emit` would do with some
 * 20 ns more.
 *
 * `emit` does it for several listeners, where it was overridden, and where it has to look after rejections.
 */
export class OnlyListener {
  readonly #emitter: EventEmitter
  readonly #event: string
  readonly #capturesRejections = EventEmitter.captureRejections
  #listener: Listener | typeof UNKNOWN | typeof BY_EMIT = UNKNOWN

  /** @param emitter just constructed */
  constructor(emitter: object, event: string) {
    this.#emitter = emitter as EventEmitter
    this.#event = event
  }

  /** The listeners are changing, and are not there yet. */
  suspend(): void {
    this.#listener = BY_EMIT
  }

  /** The listeners have changed. */
  forget(): void {
    this.#listener = UNKNOWN
  }

  emit(value: unknown): void {
    if (this.#listener === UNKNOWN) this.#listener = this.#find()
    if (this.#listener === BY_EMIT || this.#emitter.emit !== emit) this.#emitter.emit(this.#event, value)
    else (this.#listener as Listener).call(this.#emitter, value)
  }

  emitPair(value: unknown, second: unknown): void {
    if (this.#listener === UNKNOWN) this.#listener = this.#find()
    if (this.#listener === BY_EMIT || this.#emitter.emit !== emit) {
      this.#emitter.emit(this.#event, value, second)
    } else {
      ;(this.#listener as Listener).call(this.#emitter, value, second)
    }
  }

  #find(): Listener | typeof BY_EMIT {
    // As they were added: the wrapper of a `once` listener takes itself away.
    const listeners = this.#emitter.rawListeners(this.#event) as Listener[]
    return listeners.length === 1 && !this.#capturesRejections ? (listeners[0] as Listener) : BY_EMIT
  }
}
