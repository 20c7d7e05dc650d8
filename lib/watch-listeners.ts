import { EventEmitter } from 'node:events'

/** What is told about the listeners of one event. */
export interface ListenerWatch {
  /** A listener is about to be added; an exception keeps it out. */
  onAdd(): void
  /** A listener was removed; `isLast` when none is left. */
  onRemove(isLast: boolean): void
}

/** Tells when someone begins or ceases to listen for `event`. */
export function watchListeners(emitter: object, event: string, watch: ListenerWatch): void {
  const { on, listenerCount } = EventEmitter.prototype
  on.call(emitter as EventEmitter, 'newListener', (name: string | symbol) => {
    if (name === event) watch.onAdd()
  })
  on.call(emitter as EventEmitter, 'removeListener', (name: string | symbol) => {
    if (name === event) watch.onRemove(listenerCount.call(emitter as EventEmitter, event) === 0)
  })
}
