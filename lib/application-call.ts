/**
 * Calls code of the application. An exception leaves as uncaught in the next tick, as it would from any listener,
 * but never through the caller, whose state it would spoil.
 */
export function callApplication(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}
