import type { TokenError } from '../errors/token-error'
import { Deadline } from '../runtime/deadline'
import { fullJitter, isHopeless, nextDelay, type ReconnectCause, type ReconnectPolicy } from './reconnect'

/** The wait until the next dial, milliseconds; false: there is none; an error: the policy is of no use. */
export type NextDial = number | false | TokenError

/** When a client dials again: what its policy says, how many dials there were, and what the server asked for. */
export class Redial {
  readonly #policy: ReconnectPolicy | null
  readonly #stable: Deadline
  /** Dials since the last stable connection. */
  #attempt = 0
  #retryAfter: number | undefined

  /**
   * @param reconnect true: with the policy that is the default; false: never
   * @param stablePeriod milliseconds after which a connection counts as stable
   */
  constructor(reconnect: ReconnectPolicy | boolean, stablePeriod: number) {
    this.#policy = typeof reconnect === 'function' ? reconnect : reconnect ? fullJitter() : null
    this.#stable = new Deadline(stablePeriod, () => this.restart())
  }

  /** True when the client reconnects. */
  get isOn(): boolean {
    return this.#policy !== null
  }

  /** 0 for the first dial; 1 for the first after a stable connection. */
  get attempt(): number {
    return this.#attempt
  }

  /** The next dial counts as the first. */
  restart(): void {
    this.#attempt = 0
  }

  /** The server has accepted the client. */
  opened(): void {
    this.#retryAfter = undefined
    this.#stable.arm()
  }

  /** The connection, or its transport, is gone. */
  closed(): void {
    this.#stable.clear()
  }

  /** The server does not want to see the client again for so many milliseconds. */
  asked(retryAfter: number): void {
    this.#retryAfter = retryAfter
  }

  /** @returns when to dial, so that the old connection is left in order */
  leave(goesElsewhere: boolean): NextDial {
    if (!this.#retryAfter || goesElsewhere) return 0
    return this.#ask(1, { error: null, isHopeless: false, retryAfter: this.#retryAfter })
  }

  /**
   * The connection or a dial is lost. Without a policy each of the servers is tried once, as the addresses of one name are.
   *
   * @param wasOpen the server had accepted the client
   */
  next(error: TokenError | null, wasOpen: boolean, hasUntriedServer: boolean): NextDial {
    if (this.#policy === null) return error !== null && hasUntriedServer ? 0 : false
    const retryAfter = this.#retryAfter
    this.#retryAfter = undefined
    this.#attempt++
    // A certificate that ended under a connection may have been renewed meanwhile: the next dial sees.
    const hasEnded = wasOpen && error?.code === 'ERR_CERTIFICATE'
    const isHopelessNow = error !== null && !hasEnded && isHopeless(error)
    return this.#ask(this.#attempt, { error, isHopeless: isHopelessNow, retryAfter })
  }

  #ask(attempt: number, cause: ReconnectCause): NextDial {
    if (this.#policy === null) return false
    try {
      return nextDelay(this.#policy, attempt, cause)
    } catch (error) {
      return error as TokenError
    }
  }
}
