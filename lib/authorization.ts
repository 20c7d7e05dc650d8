/** What `authorize` may answer: accepted, refused, or refused with a reason that the peer is told. */
export type AuthorizeAnswer = boolean | { readonly reason: string }

/** The decision on a peer. */
export type Verdict = { readonly isAccepted: true } | { readonly isAccepted: false; readonly reason: string }

const ACCEPTED: Verdict = { isAccepted: true }

/**
 * Asks `ask` and settles in any case: an exception, and no answer in `timeout` milliseconds, refuse.
 *
 * @param ask is given a signal that aborts when its answer is of no use any more
 * @param gone aborts when the peer has gone
 */
export async function authorization(
  ask: (signal: AbortSignal) => AuthorizeAnswer | Promise<AuthorizeAnswer>,
  timeout: number,
  gone: AbortSignal
): Promise<Verdict> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(timeout)])
  try {
    const answer = await Promise.race([ask(signal), aborted(signal)])
    if (answer === true) return ACCEPTED
    return { isAccepted: false, reason: answer === false ? 'not authorized' : answer.reason }
  } catch {
    return {
      isAccepted: false,
      reason: signal.aborted ? 'authorize gave no answer in time' : 'authorize failed'
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
