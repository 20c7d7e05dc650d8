import type { RelayChange } from './relay-connection'

/** A connection that is lost is most often back at the first try. */
const QUIET_FAILURES = 1

/**
 * Warns of a relay that can't be reached, for a program that listens for nothing: once for each reason, until the device is there again.
 *
 * @returns to be called with each change of one relay
 */
export function relayWarning(): (change: RelayChange) => void {
  let failures = 0
  let wasOnline = false
  let warned: string | undefined
  return ({ url, isOnline, error, isFinal }) => {
    if (isOnline) {
      wasOnline = true
      failures = 0
      warned = undefined
    }
    // `hostMiddleware` rejects with what ends the first try, and nobody is to be told that it was closed.
    const isTold = wasOnline ? error?.reason === 'closed' : isFinal
    if (error === undefined || isTold) return
    failures++
    if (wasOnline && !isFinal && failures <= QUIET_FAILURES) return
    const cause = (error.cause as NodeJS.ErrnoException | undefined)?.code
    const reason = `${error.reason} ${cause}`
    if (reason === warned) return
    warned = reason
    const { host } = new URL(url)
    process.emitWarning(
      `The device is not at the relay ${host}. ${error.message}${cause === undefined ? '' : ` (${cause})`}. ` +
        (isFinal ? 'It is not tried again.' : 'It is tried again.'),
      { code: 'REMOTE_RELAY', detail: 'A listener for the event "relay" of the device hears of it instead.' }
    )
  }
}
