import type { EventEmitter } from 'node:events'
import { emitToken } from '../runtime/application-call'
import { nextTick } from '../runtime/event-loop'
import { type ListenerWatch, watchListeners } from '../runtime/watch-listeners'
import type { Forward } from './connection-context'

/** The listeners of `token` on a server or a client: they take the tokens of connections that have no consumer. */
export class TokenListeners implements Forward, ListenerWatch {
  isWanting = false
  readonly #owner: EventEmitter
  readonly #onReady: () => void

  /** @param onReady a listener was added, and can be called */
  constructor(owner: EventEmitter, onReady: () => void) {
    this.#owner = owner
    this.#onReady = onReady
    watchListeners(owner, 'token', this)
  }

  take(token: Buffer, connection: object): void {
    emitToken(this.#owner, token, connection)
  }

  onAdd(): void {
    this.isWanting = true
    nextTick(this.#onReady)
  }

  onRemove(isLast: boolean): void {
    this.isWanting = !isLast
  }
}
