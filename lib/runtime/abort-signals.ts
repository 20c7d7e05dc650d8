import { nextTick } from './event-loop'

/** Someone who wants to know when a signal aborts. */
export interface Aborted {
  aborted(reason: unknown): void
}

/** The listener of one signal, and all who wait for it. */
interface Watch {
  readonly waiting: Set<Aborted>
  readonly listener: () => void
}

const watches = new WeakMap<AbortSignal, Watch>()

/**
 * Tells when a signal aborts, which has not aborted. Any number may wait for one signal: it gets one listener, for a
 * signal walks over its listeners whenever one comes or goes, and warns of a leak from the 11th on.
 */
export function watchSignal(signal: AbortSignal, waiting: Aborted): void {
  let watch = watches.get(signal)
  if (watch === undefined) {
    watch = begin(signal)
    watches.set(signal, watch)
  }
  watch.waiting.add(waiting)
}

/** Does not tell it any more. */
export function unwatchSignal(signal: AbortSignal, waiting: Aborted): void {
  const watch = watches.get(signal)
  if (watch === undefined || !watch.waiting.delete(waiting) || watch.waiting.size > 0) return
  watches.delete(signal)
  signal.removeEventListener('abort', watch.listener)
}

/**
 * Has a signal, also one that has aborted, close what was connected, until that has closed.
 *
 * @param closed never rejects
 */
export function closeOnAbort(
  signal: AbortSignal | undefined,
  closed: Promise<unknown>,
  close: () => unknown
): void {
  if (signal === undefined) return
  const waiting = { aborted: () => void close() }
  // The application, which has just constructed it, can listen first.
  if (signal.aborted) nextTick(waiting.aborted)
  else watchSignal(signal, waiting)
  void closed.then(() => unwatchSignal(signal, waiting))
}

function begin(signal: AbortSignal): Watch {
  const waiting = new Set<Aborted>()
  const listener = () => {
    watches.delete(signal)
    for (const one of waiting) one.aborted(signal.reason)
  }
  signal.addEventListener('abort', listener, { once: true })
  return { waiting, listener }
}
