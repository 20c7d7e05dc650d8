/**
 * Calls all of them, also when one throws: what one listener does wrong must not save the connections of the others. The
 * errors are the application's own, and are thrown where nobody else catches them.
 */
export function callEach(calls: Iterable<() => void>): void {
  for (const call of calls) {
    try {
      call()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
