import { TokenError } from '../errors/token-error'
import { kindOf } from '../runtime/application-call'
import { PatientDeadline } from '../runtime/patient-deadline'

/** What `authorize` may answer: accepted, refused, or refused with a reason that the peer is told. */
export type AuthorizeAnswer = boolean | { readonly reason: string }

const NO_REASON = 'not authorized'

/** The decision on a peer. The reason is for the peer, the error with its cause for this side. */
export type Verdict =
  | { readonly isAccepted: true }
  | { readonly isAccepted: false; readonly reason: string; readonly error: TokenError }

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
  const late = new AbortController()
  const limit = new PatientDeadline(Math.max(timeout, 1), () => late.abort(tooLate(timeout)))
  const signal = AbortSignal.any([gone, late.signal])
  limit.arm()
  try {
    const answer = await Promise.race([ask(signal), aborted(signal)])
    return answer === true ? { isAccepted: true } : refused(answer)
  } catch (cause) {
    return late.signal.aborted ? late.signal.reason : refusal('authorize failed', 'authorize failed', cause)
  } finally {
    limit.clear()
  }
}

/** Whoever writes no TypeScript may answer anything: what is not true is no. This side is told what it was, not the peer. */
function refused(answer: unknown): Verdict {
  const reason = typeof answer === 'object' && answer !== null && 'reason' in answer ? answer.reason : null
  if (typeof reason === 'string') return refusal(reason, reason)
  const isNo = answer === false
  const why = `${NO_REASON}: authorize must give true, false or { reason: string }, and it gave ${kindOf(answer)}`
  return refusal(NO_REASON, isNo ? NO_REASON : why)
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** @param reason for the peer @param why for this side */
function refusal(reason: string, why: string, cause?: unknown): Verdict {
  const options = { closeCode: 'refused' as const, ...(cause !== undefined && { cause }) }
  return {
    isAccepted: false,
    reason,
    error: new TokenError('ERR_REFUSED', `Cannot accept the peer: ${why}`, options)
  }
}

function tooLate(timeout: number): Verdict {
  const message = `Cannot accept the peer: authorize gave no answer in ${Math.round(timeout)} ms`
  const error = new TokenError('ERR_HANDSHAKE_TIMEOUT', message, { closeCode: 'handshake-timeout' })
  return { isAccepted: false, reason: '', error }
}
