import { EventEmitter } from 'node:events'

/** What is told about the listeners of one event. */
export interface ListenerWatch {
  /** A listener is about to be added; an exception keeps it out. */
  onAdd(): void
  /** A listener was removed; `isLast` when none is left. */
  onRemove(isLast: boolean): void
}

const { on, listenerCount, removeAllListeners } = EventEmitter.prototype

/** Tells when someone begins or ceases to listen for `event`. */
export function watchListeners(target: object, event: string, watch: ListenerWatch): void {
  const emitter = target as EventEmitter
  const watchers = {
    newListener(name: string | symbol) {
      if (name === event) watch.onAdd()
    },
    removeListener(name: string | symbol) {
      if (name === event) watch.onRemove(listenerCount.call(emitter, event) === 0)
    }
  }
  const install = () => {
    for (const [name, watcher] of Object.entries(watchers)) {
      if (listenerCount.call(emitter, name, watcher) === 0) on.call(emitter, name, watcher)
    }
  }
  install()
  // It removes ours as well, and then a listener that is added later would wait for ever.
  Object.defineProperty(emitter, 'removeAllListeners', {
    configurable: true,
    writable: true,
    value: (...events: string[]) => {
      removeAllListeners.apply(emitter, events as [string])
      install()
      return emitter
    }
  })
}
