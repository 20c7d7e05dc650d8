import type { TokenError } from '../errors/token-error'
import { Deadline } from '../runtime/deadline'
import {
  fullJitter,
  isHopeless,
  type NextDial,
  nextDial,
  type ReconnectCause,
  type ReconnectPolicy
} from './reconnect'

/** Decides when a client dials again, by its policy, the number of dials, and what the server has asked for. */
export class Redial {
  readonly #policy: ReconnectPolicy | null
  readonly #stable: Deadline
  /** Dials since the last stable connection. */
  #attempt = 0
  #retryAfter: number | undefined
  #isHopeless = false

  /**
   * @param reconnect true: by the default policy; false: never
   * @param stablePeriod milliseconds after which a connection counts as stable
   */
  constructor(reconnect: ReconnectPolicy | boolean, stablePeriod: number) {
    this.#policy = typeof reconnect === 'function' ? reconnect : reconnect ? fullJitter() : null
    this.#stable = new Deadline(stablePeriod, () => this.restart())
  }

  get isOn(): boolean {
    return this.#policy !== null
  }

  /** 0 for the first dial, 1 for the first after a stable connection. */
  get attempt(): number {
    return this.#attempt
  }

  /** True when what `next` was asked about will happen again, until somebody changes something. */
  get isHopeless(): boolean {
    return this.#isHopeless
  }

  /** Makes the next dial count as the first. */
  restart(): void {
    this.#attempt = 0
  }

  opened(): void {
    this.#retryAfter = undefined
    this.#stable.arm()
  }

  closed(): void {
    this.#stable.clear()
  }

  asked(retryAfter: number): void {
    this.#retryAfter = retryAfter
  }

  /** @returns when to dial after GOAWAY */
  leave(goesElsewhere: boolean): NextDial {
    if (!this.#retryAfter || goesElsewhere) return 0
    return this.#ask(1, { error: null, isHopeless: false, retryAfter: this.#retryAfter })
  }

  /** The connection or a dial is lost. Without a policy each server is tried once, as the addresses of one name are. */
  next(error: TokenError | null, wasOpen: boolean, hasUntriedServer: boolean): NextDial {
    if (this.#policy === null) return error !== null && hasUntriedServer ? 0 : false
    const retryAfter = this.#retryAfter
    this.#retryAfter = undefined
    this.#attempt++
    // A certificate that has ended under a connection may have been renewed.
    const hasEnded = wasOpen && error?.code === 'ERR_CERTIFICATE'
    this.#isHopeless = error !== null && !hasEnded && isHopeless(error)
    return this.#ask(this.#attempt, { error, isHopeless: this.#isHopeless, retryAfter })
  }

  #ask(attempt: number, cause: ReconnectCause): NextDial {
    return this.#policy !== null && nextDial(this.#policy, attempt, cause)
  }
}
