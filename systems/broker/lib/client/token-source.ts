import { setTimeout as delay } from 'node:timers/promises'
import { checkOption, isText } from '@token-server/service/options'
import { wordsOf } from '../core/log'
import { wrongOption } from './topic-error'

export interface TokenSourceEvents {
  /** Shows a fresh token on the open connection. */
  readonly renew: (token: string) => Promise<unknown>
  /** There was no token, and it goes on. */
  readonly onWarning: (error: Error) => void
}

/** Milliseconds before a token is asked for again that could not be had. */
const PAUSE = 1_000

/** How much of a token's time passes before a fresh one is shown, at most 2³¹ − 1 ms. */
const RENEW_AFTER = 0.75
const LONGEST_TIMER = 2 ** 31 - 1

/** Where the tokens of a client come from. A function may fail for some time: only at first is that a reason to end. */
export class TokenSource {
  readonly #token: string | (() => string | Promise<string>) | undefined
  readonly #events: TokenSourceEvents
  #renewal: NodeJS.Timeout | undefined
  #hasJoined = false

  constructor(token: string | (() => string | Promise<string>) | undefined, events: TokenSourceEvents) {
    this.#token = token
    this.#events = events
  }

  /** For a connection. @param isOver whether that one has ended. @throws what the function throws before a first token was accepted */
  async take(isOver: () => boolean): Promise<string | undefined> {
    if (typeof this.#token !== 'function') return this.#token
    for (;;) {
      try {
        const token = await this.#token()
        // Without one the client would be whom its certificate names.
        checkOption('token', token, isText, wrongOption)
        return token
      } catch (error) {
        if (!this.#hasJoined) throw errorOf(error)
        this.#events.onWarning(errorOf(error))
      }
      await delay(PAUSE, undefined, { ref: false })
      if (isOver()) return undefined
    }
  }

  /** The broker has taken one. Another is shown before this one ends. */
  accepted(expiresAt: number): void {
    this.#hasJoined = true
    this.stop()
    if (typeof this.#token !== 'function') return
    const left = expiresAt - Date.now()
    const renewal = setTimeout(
      () => {
        Promise.resolve()
          .then(this.#token as () => string | Promise<string>)
          .then(this.#events.renew)
          .catch((error: unknown) => {
            this.#events.onWarning(errorOf(error))
            if (this.#renewal === renewal && left > PAUSE) this.accepted(expiresAt)
          })
      },
      Math.min(left * RENEW_AFTER, LONGEST_TIMER)
    )
    this.#renewal = renewal.unref()
  }

  /** The connection is over. */
  stop(): void {
    clearTimeout(this.#renewal)
    this.#renewal = undefined
  }
}

/** A function may throw anything. */
function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(wordsOf(error))
}
