import type { Clock, ClockTimer } from './clock'
import type { Identity } from './identity'
import { JwtError } from './jwt-error'

/**
 * The token of one open connection.
 *
 * ```
 *            renew(token): the fresh one
 *             ┌──────┐
 *   watch() ──▶ open ├── the token ends, or is revoked ──▶ ended: onEnd was called
 *             └──┬───┘
 *                └────── stop(), or the verifier's close() ──▶ stopped: onEnd is never called
 * ```
 */
export interface Watch {
  /** That of the newest token. */
  readonly identity: Identity
  /**
   * Takes a fresh token for the open connection: its `expiresAt` and grants hold from then on.
   *
   * @returns the identity of the fresh token
   * @throws JwtError what `verify` throws; with SUBJECT when it is not of the same id and kind; with the reason of the end when
   *   the watch is over. Whatever it throws, the earlier token goes on as before.
   */
  renew(token: string): Promise<Identity>
  /** Forgets the connection, which has closed. It may be called again. */
  stop(): void
}

/** What a watch needs of its verifier. */
export interface WatchHost {
  readonly clock: Clock
  readonly clockTolerance: number
  verify(token: string): Promise<Identity>
  isRevoked(identity: Identity): boolean
  /** Finds the watch by the identity from now on. */
  add(watch: OpenWatch, identity: Identity): void
  remove(watch: OpenWatch, identity: Identity): void
}

/**
 * A timer of Node goes by a clock that stands still while the machine sleeps, knows of no correction of the date and
 * can't be longer than 2³¹ ms. So each wakes in between and asks the calendar, milliseconds.
 */
const LONGEST_SLEEP = 60_000

export class OpenWatch implements Watch {
  readonly #host: WatchHost
  readonly #onEnd: (end: JwtError) => void
  #identity: Identity
  /** When the token's connection ends, milliseconds since 1970. */
  #endsAt = 0
  #timer: ClockTimer | null = null
  #state: 'open' | 'stopped' | JwtError = 'open'

  constructor(host: WatchHost, identity: Identity, onEnd: (end: JwtError) => void) {
    this.#host = host
    this.#identity = identity
    this.#onEnd = onEnd
    this.#begin(identity)
    // Revoked since it was verified. The caller has no watch yet that it could know by its end.
    if (host.isRevoked(identity)) queueMicrotask(() => this.revoke())
  }

  get identity(): Identity {
    return this.#identity
  }

  async renew(token: string): Promise<Identity> {
    this.#checkOpen()
    const fresh = await this.#host.verify(token)
    this.#checkOpen()
    const { id, kind } = this.#identity
    if (fresh.id !== id || fresh.kind !== kind) {
      throw new JwtError('ERR_JWT_SUBJECT', 'Cannot renew: the fresh token is of somebody else')
    }
    this.#leave()
    this.#begin(fresh)
    return fresh
  }

  stop(): void {
    if (this.#state !== 'open') return
    this.#state = 'stopped'
    this.#leave()
  }

  /** Its token stands on the list of revocations. */
  revoke(): void {
    this.#end(new JwtError('ERR_JWT_REVOKED', 'Cannot go on: the token of the connection is revoked'))
  }

  #begin(identity: Identity): void {
    const { clock, clockTolerance } = this.#host
    this.#identity = identity
    // Within the tolerance a token is accepted although its time is over: its connection has the rest of it.
    const isOver = clock.date() >= identity.expiresAt
    this.#endsAt = identity.expiresAt + (isOver ? clockTolerance : 0)
    this.#host.add(this, identity)
    this.#sleep()
  }

  #leave(): void {
    if (this.#timer !== null) this.#host.clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#host.remove(this, this.#identity)
  }

  #sleep(): void {
    const { clock } = this.#host
    const left = Math.max(this.#endsAt - clock.date(), 1)
    this.#timer = clock.setTimeout(() => this.#wake(), Math.min(Math.ceil(left), LONGEST_SLEEP))
    this.#timer.unref()
  }

  #wake(): void {
    if (this.#host.clock.date() < this.#endsAt) {
      this.#sleep()
      return
    }
    const ended = new Date(this.#identity.expiresAt).toISOString()
    this.#end(new JwtError('ERR_JWT_EXPIRED', `Cannot go on: the token of the connection ended at ${ended}`))
  }

  #end(reason: JwtError): void {
    if (this.#state !== 'open') return
    this.#state = reason
    this.#leave()
    this.#onEnd(reason)
  }

  #checkOpen(): void {
    if (this.#state === 'open') return
    if (this.#state !== 'stopped') throw this.#state
    throw new JwtError('ERR_JWT_SUBJECT', 'Cannot renew: the connection is not watched any more')
  }
}
