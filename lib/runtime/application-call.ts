import type { EventEmitter } from 'node:events'
import { isPromise } from 'node:util/types'
import type { TokenError } from '../errors/token-error'
import { nextTick } from './event-loop'

/**
 * Tells the application of an event, once everything that belongs to it is done: a listener may call anything. What a
 * listener throws is uncaught in the next tick, as it would be anywhere, and never reaches the library.
 *
 * All code of the application is called through this file, but the listeners of `token`: `SoleListener`.
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
 * @param isAnswer tells whether that is what was asked for
 * @param refuse makes the error for anything else, and for an exception, which is then its cause
 * @throws TokenError of `refuse`
 */
export function ask<T>(
  question: () => unknown,
  isAnswer: (answer: unknown) => answer is T,
  refuse: (why: string, options?: ErrorOptions) => TokenError
): T {
  let answer: unknown
  try {
    answer = question()
  } catch (cause) {
    throw refuse('it has thrown', { cause })
  }
  if (isAnswer(answer)) return answer
  throw refuse(`it gave ${kindOf(answer)}`)
}

/** For who catches by itself: a closure for each call costs too much on a hot path. */
export function throwLater(error: unknown): void {
  nextTick(() => {
    throw error
  })
}

/** Names a wrong answer; text is not shown, for it may be anybody's. */
function kindOf(answer: unknown): string {
  if (answer === undefined || answer === null || typeof answer === 'number') return String(answer)
  if (typeof answer !== 'object') return `a ${typeof answer}`
  if (!isPromise(answer)) return 'an object'
  // It is refused, whatever comes of it; nobody else looks after its rejection.
  answer.catch(() => {})
  return 'a promise'
}
