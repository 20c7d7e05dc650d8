import type { EventEmitter } from 'node:events'
import { nextTick } from '../runtime/event-loop'
import { SoleListener } from '../runtime/sole-listener'
import { type ListenerWatch, watchListeners } from '../runtime/watch-listeners'
import type { Forward } from './connection-context'

/** The listeners of `token` on a server or a client: they take the tokens of connections that have no consumer. */
export class TokenListeners implements Forward, ListenerWatch {
  isWanting = false
  readonly #sole: SoleListener
  readonly #onReady: () => void

  /** @param onReady a listener was added, and can be called */
  constructor(owner: EventEmitter, onReady: () => void) {
    this.#sole = new SoleListener(owner, 'token')
    this.#onReady = onReady
    watchListeners(owner, 'token', this)
  }

  take(token: Buffer, connection: object): void {
    this.#sole.givePair(token, connection)
  }

  onAdd(): void {
    this.isWanting = true
    this.#sole.suspend()
    nextTick(() => {
      this.#sole.forget()
      this.#onReady()
    })
  }

  onRemove(isLast: boolean): void {
    this.isWanting = !isLast
    this.#sole.forget()
  }
}
