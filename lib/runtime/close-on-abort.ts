import { nextTick } from './event-loop'
/**
 * Has a signal close what was connected. It is let go when that has closed: a signal may outlive many connections.
 *
 * @param closed never rejects
 */
export function closeOnAbort(
  signal: AbortSignal | undefined,
  closed: Promise<unknown>,
  close: () => unknown
): void {
  if (signal === undefined) return
  const aborted = () => void close()
  // Whoever has just constructed it can listen first.
  if (signal.aborted) nextTick(aborted)
  signal.addEventListener('abort', aborted, { once: true })
  void closed.then(() => signal.removeEventListener('abort', aborted))
}
