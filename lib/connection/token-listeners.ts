import { nextTick } from '../runtime/event-loop'
import { OnlyListener } from '../runtime/only-listener'
import { type ListenerWatch, watchListeners } from '../runtime/watch-listeners'
import type { Connection } from './connection'
import type { Forward } from './connection-context'

/** The listeners of `token` on a server or a client: they take the tokens of connections that have no consumer. */
export class TokenListeners implements Forward, ListenerWatch {
  isWanting = false
  readonly #listener: OnlyListener
  readonly #onReady: () => void

  /** @param onReady a listener was added, and can be called */
  constructor(owner: object, onReady: () => void) {
    this.#listener = new OnlyListener(owner, 'token')
    this.#onReady = onReady
    watchListeners(owner, 'token', this)
  }

  take(token: Buffer, connection: Connection): void {
    this.#listener.emitPair(token, connection)
  }

  onAdd(): void {
    this.isWanting = true
    this.#listener.suspend()
    nextTick(() => {
      this.#listener.forget()
      this.#onReady()
    })
  }

  onRemove(isLast: boolean): void {
    this.#listener.forget()
    this.isWanting = !isLast
  }
}
