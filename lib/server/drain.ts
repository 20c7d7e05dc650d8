import type { Connection } from '../connection/connection'
import { CLOSE_CODES } from '../errors/close-codes'
import type { CloseOptions } from '../errors/close-info'
import { checkOption, wait } from '../options/checks'
import { type Goaway, goawayFrame } from '../protocol/goaway'
import { type ClockTimer, clock } from '../runtime/clock'
import { PatientDeadline } from '../runtime/patient-deadline'

/** What `TokenServer.drain()` accepts beside the fields of GOAWAY. */
export interface DrainOptions extends CloseOptions {
  /** Milliseconds over which the clients are asked, one after the other. Default: half of `timeout`. */
  spread?: number | undefined
}

/** Milliseconds between two groups of clients. */
const STEP = 20

/**
 * Asks clients to leave, evenly over a time, and waits until they have left.
 *
 * A client whose session may move has left when the session goes on with its next transport, or is lost: a server that
 * closed earlier would cut the handshake of that transport. A client whose session has to end has not left when it comes
 * back: it is asked again.
 */
export class Drain {
  /** Resolves with how many had not left in time. */
  readonly done: Promise<number>
  /** The connections that are still to be asked. */
  readonly #waiting: Connection[]
  readonly #staying: Set<Connection>
  readonly #goaway: Goaway
  readonly #keepsSession: boolean
  readonly #timeout: number
  readonly #groupSize: number
  readonly #limit: PatientDeadline
  #next: ClockTimer | null = null
  #resolve!: (left: number) => void

  /**
   * @param closeTimeout default of `timeout`, the milliseconds after which it waits no longer
   * @throws TokenError `ERR_OPTION`
   */
  constructor(
    connections: readonly Connection[],
    options: Partial<Goaway> & DrainOptions,
    closeTimeout: number
  ) {
    const { code = 'drain', retryAfter = 0, reason = '' } = options
    const timeout = options.timeout ?? closeTimeout
    checkOption('timeout', timeout, wait)
    const spread = options.spread ?? (timeout === Infinity ? 0 : timeout / 2)
    checkOption('spread', Math.round(spread), wait)
    const goaway = { code, retryAfter, reason }
    // Checks the options, also when there is nobody to ask.
    goawayFrame(goaway)
    const { keepsSession } = CLOSE_CODES[code]
    this.#keepsSession = keepsSession
    this.#waiting = connections.filter(connection => !(keepsSession && connection.isDetached))
    this.#staying = new Set(this.#waiting)
    this.#goaway = goaway
    this.#timeout = timeout
    this.#groupSize = Math.max(1, Math.ceil(this.#waiting.length / Math.max(1, spread / STEP)))
    this.#limit = new PatientDeadline(Math.max(timeout, 1), () => this.#finish())
    this.done = new Promise(resolve => {
      this.#resolve = resolve
    })
    for (const connection of this.#waiting) void connection.closed.then(() => this.#left(connection))
    this.#limit.arm()
    this.#ask()
    this.#checkDone()
  }

  resumed(connection: Connection): void {
    if (!this.#staying.has(connection)) return
    if (this.#keepsSession) this.#left(connection)
    else if (!this.#waiting.includes(connection)) connection.goaway(this.#goaway)
  }

  #ask(): void {
    this.#next = null
    for (const connection of this.#waiting.splice(0, this.#groupSize)) {
      if (!this.#staying.has(connection)) continue
      if (connection.protocol === 'token/2') connection.goaway(this.#goaway)
      else connection.close({ timeout: this.#timeout })
    }
    if (this.#waiting.length > 0) this.#next = clock.setTimeout(() => this.#ask(), STEP)
  }

  #left(connection: Connection): void {
    this.#staying.delete(connection)
    this.#checkDone()
  }

  #checkDone(): void {
    if (this.#staying.size === 0) this.#finish()
  }

  #finish(): void {
    if (this.#next !== null) clock.clearTimeout(this.#next)
    this.#limit.clear()
    this.#resolve(this.#staying.size)
  }
}
