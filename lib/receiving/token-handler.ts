import { isUint8Array } from 'node:util/types'
import { TokenError } from '../errors/token-error'
import { nextTick } from '../runtime/event-loop'
import type { Claim, Consumer } from './consumer'
import type { UnsettledToken } from './unsettled-token'

/** What became of a token: done, with the answer if there is one; or why not. */
export type Outcome = { readonly answer: Uint8Array | null } | { readonly error: unknown }

/** The connection that a handler works for. */
export interface TokenHandlerHost {
  /** Told once for each token. */
  settle(token: UnsettledToken, outcome: Outcome): void
}

/**
 * A function of the application that is given one token after another, and says by its promise when each is done.
 *
 * ```
 *  tokens    1 ──▶ handle ── settled, with an answer, or the error
 *            2 ──▶ handle ──────── …                        `concurrency` of them at once
 *            3     waits, and keeps its credit
 * ```
 */
export class TokenHandler implements Consumer {
  readonly holdsOpen = false
  readonly #claim: Claim
  readonly #host: TokenHandlerHost
  readonly #call: (token: Buffer) => unknown
  readonly #concurrency: number
  #running = 0
  #isOver = false

  /** @param concurrency tokens that may be with `call` at once */
  constructor(
    claim: (consumer: Consumer) => Claim,
    host: TokenHandlerHost,
    call: (token: Buffer) => unknown,
    concurrency: number
  ) {
    this.#host = host
    this.#call = call
    this.#concurrency = concurrency
    this.#claim = claim(this)
    // The application has not finished the call that brings the handler.
    nextTick(() => this.#claim.pull())
  }

  get isWanting(): boolean {
    return this.#running < this.#concurrency && !this.#isOver
  }

  get isBusy(): boolean {
    return this.#running > 0
  }

  accept(): void {}

  handle(token: Buffer, unsettled: UnsettledToken): void {
    let answer: unknown
    let isPromise: boolean
    try {
      answer = this.#call(token)
      isPromise = typeof (answer as PromiseLike<unknown> | null | undefined)?.then === 'function'
    } catch (error) {
      this.#host.settle(unsettled, { error })
      return
    }
    if (isPromise) void this.#settleLater(unsettled, answer)
    else this.#host.settle(unsettled, outcomeOf(answer, unsettled))
  }

  finish(_error: TokenError | null): void {
    this.#isOver = true
  }

  /** `await` also catches what a promise of the application's own kind throws instead of settling. */
  async #settleLater(token: UnsettledToken, promise: unknown): Promise<void> {
    this.#running++
    let outcome: Outcome
    try {
      outcome = outcomeOf(await promise, token)
    } catch (error) {
      outcome = { error }
    }
    this.#running--
    this.#host.settle(token, outcome)
    this.#claim.pull()
  }
}

/** Without a request nobody gets what a handler returns, and it may be anything. */
function outcomeOf(value: unknown, { isRequest }: UnsettledToken): Outcome {
  if (!isRequest || value === undefined || value === null) return { answer: null }
  if (isUint8Array(value)) return { answer: value }
  return {
    error: new TokenError(
      'ERR_TOKEN_TYPE',
      `Cannot answer a request: the handler must return a Buffer, a Uint8Array or nothing, and gave a ${typeof value}`
    )
  }
}
