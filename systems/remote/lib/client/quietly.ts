/** Calls what the program gave: what it throws is no business of the connection. */
export function quietly(call: () => void): void {
  try {
    call()
  } catch {}
}
