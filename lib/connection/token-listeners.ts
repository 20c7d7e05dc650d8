import type { EventEmitter } from 'node:events'
import { tell } from '../runtime/application-call'
import { nextTick } from '../runtime/event-loop'
import { type ListenerWatch, watchListeners } from '../runtime/watch-listeners'
import type { Connection, Forward } from './connection'

type Owner = EventEmitter<{ token: [token: Buffer, connection: Connection] }>

/** The listeners of `token` on a server or a client: they take the tokens of connections that have no consumer. */
export class TokenListeners implements Forward, ListenerWatch {
  isWanting = false
  readonly #owner: Owner
  readonly #onReady: () => void

  /** @param onReady a listener was added, and can be called */
  constructor(owner: object, onReady: () => void) {
    this.#owner = owner as Owner
    this.#onReady = onReady
    watchListeners(owner, 'token', this)
  }

  take(token: Buffer, connection: Connection): void {
    tell(this.#owner, 'token', token, connection)
  }

  onAdd(): void {
    this.isWanting = true
    nextTick(this.#onReady)
  }

  onRemove(isLast: boolean): void {
    this.isWanting = !isLast
  }
}
