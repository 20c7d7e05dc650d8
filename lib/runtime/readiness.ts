import type { EventEmitter } from 'node:events'
import { tell } from './application-call'

/**
 * A promise for the moment in which a server or a client is ready, or has ended before. It is made when somebody asks for it, and
 * says the same to whoever asks later.
 */
export class Readiness {
  /** Undefined until it is known. */
  #failure: Error | null | undefined
  #isTold = false
  #promise: Promise<void> | null = null
  #settle: ((failure: Error | null) => void) | null = null

  get promise(): Promise<void> {
    if (this.#promise !== null) return this.#promise
    const promise = new Promise<void>((resolve, reject) => {
      const settle = (failure: Error | null) => (failure === null ? resolve() : reject(failure))
      if (this.#failure === undefined) this.#settle = settle
      else settle(this.#failure)
    })
    this.#promise = promise
    if (this.#isTold) promise.catch(ignore)
    return promise
  }

  /** True while somebody has asked and nothing is known. */
  get isAwaited(): boolean {
    return this.#settle !== null
  }

  get isKnown(): boolean {
    return this.#failure !== undefined
  }

  succeed(): void {
    this.#end(null)
  }

  /** @param isTold somebody else is told why: then a rejection that nobody handles is no fault of the program */
  fail(failure: Error, isTold: boolean): void {
    if (this.#failure !== undefined) return
    this.#isTold = isTold
    if (isTold) this.#promise?.catch(ignore)
    this.#end(failure)
  }

  #end(failure: Error | null): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#settle?.(failure)
    this.#settle = null
  }
}

/**
 * Tells a terminal error by the event `error`, which is thrown when nobody listens: unless somebody waits for `ready`, whose
 * rejection then takes its place.
 */
export function tellError(emitter: object, error: Error, ready: Readiness): void {
  // The events of a server and of a client are other types, which both have this one.
  const failing = emitter as EventEmitter<{ error: [error: Error] }>
  const isHeard = failing.listenerCount('error') > 0
  const isAwaited = ready.isAwaited
  ready.fail(error, isHeard)
  if (isHeard || !isAwaited) tell(failing, 'error', error)
}

function ignore(): void {}
