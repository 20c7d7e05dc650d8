import { failureNumber, type HandlerFailure } from '../errors/handler-failures'
import type { Outcome } from '../receiving/token-handler'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { type Answer, bytesOf } from '../sending/answer-queue'
import { encodeAnswer, encodeControl } from '../wire/control-frame'

const EMPTY = new Uint8Array(0)

/**
 * What the peer is told of a token that a handler had.
 *
 * @param maxLength of the peer's longest token, bytes
 * @returns null when a count says it: the token is done, and nobody waits for an answer
 */
export function answerOf(token: UnsettledToken, outcome: Outcome, maxLength: number): Answer | null {
  if ('error' in outcome) return failed(token, 'handler-failed', exposed(outcome.error))
  if (!token.isRequest) return null
  const body = outcome.answer ?? EMPTY
  if (body.length > maxLength) {
    return failed(token, 'answer-too-large', `${body.length} bytes, maxTokenLength is ${maxLength}`)
  }
  const head = encodeAnswer(token.number)
  return { token, head, body, bytes: bytesOf(head, body) }
}

/** Whoever takes the tokens gives no answers. */
export function noHandler(token: UnsettledToken): Answer {
  return failed(token, 'no-handler', '')
}

function failed(token: UnsettledToken, failure: HandlerFailure, reason: string): Answer {
  const head = encodeControl({ type: 'failed', to: token.number, code: failureNumber(failure), reason })
  return { token, head, body: null, bytes: head.length }
}

/**
 * The message of an error that says by `expose` that it is meant for the other side; of others nothing leaves. What is
 * thrown may be anything, and throw again when it is looked at.
 */
function exposed(error: unknown): string {
  try {
    const { expose, message } = (error ?? {}) as { expose?: unknown; message?: unknown }
    return expose === true && typeof message === 'string' ? message : ''
  } catch {
    return ''
  }
}
