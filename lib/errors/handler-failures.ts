import { TokenError } from './token-error'

/** What the peer may say of a token that its handler did not do, by the numbers on the wire (docs/wire-format.md, section 18). */
const FAILURES = {
  'handler-failed': 1,
  'no-handler': 2,
  'answer-too-large': 3
} as const

export type HandlerFailure = keyof typeof FAILURES

export function failureNumber(failure: HandlerFailure): number {
  return FAILURES[failure]
}

/** The error for a promise of such a token; a number that is not known counts as `handler-failed`. */
export function failureError(number: number, words: string): TokenError {
  const said = words === '' ? '' : `: ${words}`
  if (number === FAILURES['no-handler']) {
    return new TokenError(
      'ERR_NO_HANDLER',
      `Cannot request: the peer has no handler for tokens that ask for an answer${said}`
    )
  }
  const reason = number === FAILURES['answer-too-large'] ? 'answer-too-large' : 'handler-failed'
  const what =
    reason === 'handler-failed' ? 'its handler failed' : 'its answer is longer than this side takes'
  const message = `Cannot have a token handled: the peer had it, and ${what}${said}`
  return new TokenError('ERR_HANDLER_FAILED', message, { reason })
}
