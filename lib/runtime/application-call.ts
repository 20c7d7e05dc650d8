import type { EventEmitter } from 'node:events'
import { isPromise } from 'node:util/types'
import { TokenError, type TokenErrorCode, type TokenErrorOptions } from '../errors/token-error'
import { nextTick } from './event-loop'

/**
 * Tells the application of an event, once everything that belongs to it is done: a listener may call anything. What a
 * listener throws is uncaught in the next tick, as it would be anywhere, and never reaches the library.
 *
 * All code of the application is called through this file, but the listeners of `token`: `TokenListeners`.
 */
export function tell<Events extends Record<keyof Events, unknown[]>, Name extends keyof Events & string>(
  emitter: EventEmitter<Events>,
  event: Name,
  ...values: Events[Name]
): void {
  try {
    ;(emitter as EventEmitter).emit(event, ...values)
  } catch (error) {
    throwLater(error)
  }
}

/** Calls a function of the application that owes no answer. @returns false when it has thrown, which is uncaught */
export function callApplication(call: () => void): boolean {
  try {
    call()
    return true
  } catch (error) {
    throwLater(error)
    return false
  }
}

/**
 * Asks a function of the application for something that the library goes by.
 *
 * @param demand what can't be done without the answer, and what that must be: the beginning of the error's message
 * @returns the answer; an error when it is none, or when the function has thrown, with that as its cause
 */
export function ask<T>(
  question: () => unknown,
  isAnswer: (answer: unknown) => answer is T,
  code: TokenErrorCode,
  demand: string,
  options?: TokenErrorOptions
): T | TokenError {
  try {
    const answer = question()
    return isAnswer(answer)
      ? answer
      : new TokenError(code, `${demand}, and it gave ${kindOf(answer)}`, options)
  } catch (cause) {
    return new TokenError(code, `${demand}, and it has thrown`, { ...options, cause })
  }
}

/** For callers that catch by themselves: a closure for each call costs too much on a hot path. */
export function throwLater(error: unknown): void {
  nextTick(() => {
    throw error
  })
}

/** Names a wrong answer; text is not shown, for it may be anybody's. */
export function kindOf(answer: unknown): string {
  if (answer === undefined || answer === null || typeof answer === 'number') return String(answer)
  if (typeof answer !== 'object') return `a ${typeof answer}`
  if (!isPromise(answer)) return 'an object'
  // It is refused, whatever comes of it; nobody else looks after its rejection.
  answer.catch(() => {})
  return 'a promise'
}
