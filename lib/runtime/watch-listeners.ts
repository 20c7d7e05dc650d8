import { EventEmitter } from 'node:events'

/** What is told about the listeners of one event. */
export interface ListenerWatch {
  /** A listener is about to be added; an exception keeps it out. */
  onAdd(): void
  /** A listener was removed; `isLast` when none is left. */
  onRemove(isLast: boolean): void
}

const { on, listenerCount, removeAllListeners } = EventEmitter.prototype

const watchedEvent = Symbol('watchedEvent')
const listenerWatch = Symbol('listenerWatch')

interface WatchedEmitter extends EventEmitter {
  readonly [watchedEvent]: string
  readonly [listenerWatch]: ListenerWatch
}

/**
 * Tells when someone begins or ceases to listen for `event`, the only one that is watched of an emitter.
 *
 * The functions are the same for all emitters, for closures of its own cost each of them half a kilobyte.
 */
export function watchListeners(target: object, event: string, watch: ListenerWatch): void {
  Object.defineProperty(target, watchedEvent, { value: event })
  Object.defineProperty(target, listenerWatch, { value: watch })
  // Node's removes ours as well, and then a listener that is added later would wait for ever.
  const value = removeAllButOurs
  Object.defineProperty(target, 'removeAllListeners', { configurable: true, writable: true, value })
  install(target as WatchedEmitter)
}

function install(emitter: WatchedEmitter): void {
  if (listenerCount.call(emitter, 'newListener', added) === 0) on.call(emitter, 'newListener', added)
  if (listenerCount.call(emitter, 'removeListener', removed) === 0)
    on.call(emitter, 'removeListener', removed)
}

function added(this: WatchedEmitter, name: string | symbol): void {
  if (name === this[watchedEvent]) this[listenerWatch].onAdd()
}

function removed(this: WatchedEmitter, name: string | symbol): void {
  if (name === this[watchedEvent]) this[listenerWatch].onRemove(listenerCount.call(this, name) === 0)
}

function removeAllButOurs(this: WatchedEmitter, ...events: string[]): WatchedEmitter {
  removeAllListeners.apply(this, events as [string])
  install(this)
  return this
}
