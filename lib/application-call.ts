/**
 * Calls code of the application. An exception leaves as uncaught in the next tick, as it would from any listener,
 * but never through the caller, whose state it would spoil.
 */
export function callApplication(call: () => void): void {
  try {
    call()
  } catch (error) {
    throwLater(error)
  }
}

/** For who catches by itself: a closure for each call costs too much on a hot path. */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
