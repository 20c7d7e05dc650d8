import { CLOSE_CODES } from './close-codes'
import { type FateReason, TokenError } from './token-error'

/** Situations in which the peer's application has not processed a token, and never will. */
const NOT_SENT = {
  aborted: 'its signal aborted before it had left',
  'close-timeout': 'an end in order was begun, and took longer than its timeout',
  closed: 'this side has closed',
  'connection-lost': 'the connection broke',
  destroyed: 'this side has destroyed the connection',
  dropped: 'it waited for too long behind a slow peer, and this side dropped it',
  'memory-lost': 'its memory was taken away, or changed its length, before it had left',
  'never-connected': 'the client has ended, and no server had accepted it',
  'outbox-full': 'the outbox is full',
  'peer-closed': 'the peer has closed the connection',
  refused: 'the server refuses this client',
  'session-lost': 'the session is lost',
  'stream-cut': 'the connection ended before all of its stream had arrived, whose bytes cannot be sent again',
  'stream-failed': 'its stream failed',
  timeout: 'its timeout passed before it had left',
  'too-many-requests': 'maxPendingRequests wait for their answer',
  unreachable: 'its timeout passed while there was no connection'
} as const satisfies Partial<Record<FateReason, string>>

/** Situations in which nobody knows whether the peer's application has processed a token that has left. */
const UNKNOWN = {
  aborted: 'its signal aborted',
  'close-timeout': 'an end in order took longer than its timeout',
  closed: 'this side has closed',
  'connection-lost': 'the connection broke',
  destroyed: 'this side has destroyed the connection',
  'peer-closed': 'the peer has closed while its handler worked on it',
  refused: 'the server refuses this client',
  'session-lost': 'the session was lost',
  timeout: 'its timeout passed',
  unanswered: 'the peer has counted it as done'
} as const satisfies Partial<Record<FateReason, string>>

export type NotSentReason = keyof typeof NOT_SENT
type UnknownReason = keyof typeof UNKNOWN
type EndReason = NotSentReason & UnknownReason

/** The peer's application has not processed the token and never will: sending it again makes no duplicate. */
export function notSent(reason: NotSentReason, cause?: unknown): TokenError {
  const message = `Cannot deliver a token: ${NOT_SENT[reason]}. The peer has not processed it and never will`
  return new TokenError('ERR_NOT_SENT', message, { reason, ...causeOf(cause) })
}

/**
 * The error for a token that was taken back before it had left.
 *
 * @param cause the reason of the signal, or the timeout
 * @param loss why there is no connection; null when there is one
 */
export function givenUp(reason: 'aborted' | 'timeout', cause: unknown, loss: TokenError | null): TokenError {
  if (reason === 'aborted' || loss === null) return notSent(reason, cause)
  return notSent(loss.code === 'ERR_REFUSED' ? 'refused' : 'unreachable', loss)
}

/** The token left, and nobody knows whether the peer's application has processed it. */
export function fateUnknown(reason: UnknownReason, cause?: unknown): TokenError {
  const message = `Cannot tell whether a token was delivered: it left, and ${UNKNOWN[reason]} before an answer came`
  return new TokenError('ERR_FATE_UNKNOWN', message, { reason, ...causeOf(cause) })
}

/** The reason of those whose connection has ended by this error; null: in order, by this side. */
export function reasonOfEnd(error: TokenError | null): EndReason {
  switch (error?.code) {
    case undefined:
    case 'ERR_SERVER_CLOSED':
      return 'closed'
    case 'ERR_ABORTED':
      return 'destroyed'
    case 'ERR_CLOSE_TIMEOUT':
      return 'close-timeout'
    case 'ERR_REFUSED':
      return 'refused'
    case 'ERR_SESSION_LOST':
      return 'session-lost'
    default:
      return 'connection-lost'
  }
}

/** False when the peer has closed because of what this side says or is: it would not take the same tokens the next time. */
export function mayBeRepeated(closed: TokenError | null): boolean {
  if (closed?.closeCode === undefined) return true
  const { retry, keepsSession } = CLOSE_CODES[closed.closeCode]
  return retry !== 'seldom' || keepsSession
}

/** The cause of what was given up by its own `timeout`, milliseconds; as that of `AbortSignal.timeout()`. */
export function timeoutError(timeout: number): DOMException {
  return new DOMException(`The delivery was given up after its timeout of ${timeout} ms`, 'TimeoutError')
}

function causeOf(cause: unknown): { cause?: unknown } {
  return cause === undefined || cause === null ? {} : { cause }
}
