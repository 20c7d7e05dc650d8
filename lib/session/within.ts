import { timeoutError } from '../errors/fate-errors'
import { unwatchSignal, watchSignal } from '../runtime/abort-signals'
import { PatientDeadline } from '../runtime/patient-deadline'
import { Delivery } from './deliveries'

/** How long whoever has called `deliver()` waits. */
export interface Patience {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds. */
  readonly timeout?: number | undefined
}

/** @returns a delivery that nobody has yet, and the promise of its fate */
export function promised<T>(isRequest = false): { delivery: Delivery; fate: Promise<T> } {
  let delivery!: Delivery
  const fate = new Promise<T>((resolve, reject) => {
    delivery = new Delivery(0, resolve, reject, isRequest)
  })
  return { delivery, fate }
}

/**
 * Waits for the fate of a delivery. When its time is over or its signal aborts, whoever has its token then gives it up.
 *
 * @param patience a signal must not have aborted before
 */
export async function within<T>(
  delivery: Delivery,
  fate: Promise<T>,
  { signal, timeout }: Patience
): Promise<T> {
  if (signal === undefined && timeout === undefined) return fate
  const limit = new PatientDeadline(timeout ?? 0, () =>
    delivery.giveUp('timeout', timeoutError(timeout as number))
  )
  const waiting = { aborted: (reason: unknown) => delivery.giveUp('aborted', reason) }
  limit.arm()
  if (signal !== undefined) watchSignal(signal, waiting)
  try {
    return await fate
  } finally {
    limit.clear()
    if (signal !== undefined) unwatchSignal(signal, waiting)
  }
}
