import { type ClockTimer, clock } from './clock'
import { CLOSE_CODES } from './close-codes'
import type { CloseOptions } from './close-info'
import type { Connection } from './connection'
import type { Goaway } from './connection-context'
import { Deadline } from './deadline'

/** What `TokenServer.drain()` accepts beside the fields of GOAWAY. */
export interface DrainOptions extends CloseOptions {
  /** Milliseconds over which the clients are asked, one after the other. Default: half of `timeout`. */
  spread?: number | undefined
}

/** Milliseconds between two groups of clients that are asked. */
const STEP = 20

/**
 * Asks clients to leave, evenly over a time, and waits until they have.
 *
 * A session that may move has left when its transport is gone. One that has to end has not: its client comes back, and
 * is asked then.
 */
export class Drain {
  /** How many had not left in time. */
  readonly done: Promise<number>
  readonly #waiting: Connection[]
  /** With what ends the watch over each. */
  readonly #staying = new Map<Connection, () => void>()
  readonly #goaway: Goaway
  readonly #timeout: number
  readonly #groupSize: number
  readonly #limit: Deadline
  #next: ClockTimer | null = null
  #resolve!: (left: number) => void

  /**
   * @param timeout milliseconds until those who are left are no longer waited for
   * @param spread milliseconds until the last one is asked
   */
  constructor(connections: readonly Connection[], goaway: Goaway, timeout: number, spread: number) {
    const keepsSession = CLOSE_CODES[goaway.code]?.keepsSession ?? false
    this.#waiting = connections.filter(connection => !(keepsSession && connection.isDetached))
    this.#goaway = goaway
    this.#timeout = timeout
    this.#groupSize = Math.max(1, Math.ceil(this.#waiting.length / Math.max(1, spread / STEP)))
    this.#limit = new Deadline(Math.max(timeout, 1), () => this.#finish())
    this.done = new Promise(resolve => {
      this.#resolve = resolve
    })
    for (const connection of this.#waiting) this.#watch(connection, keepsSession)
    this.#limit.arm()
    this.#ask()
    this.#checkDone()
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

  #watch(connection: Connection, keepsSession: boolean): void {
    const left = () => this.#left(connection)
    const resumed = () => {
      if (keepsSession) this.#left(connection)
      else if (!this.#waiting.includes(connection)) connection.goaway(this.#goaway)
    }
    connection.on('resumed', resumed)
    if (keepsSession) connection.on('detached', left)
    this.#staying.set(connection, () => {
      connection.removeListener('resumed', resumed)
      connection.removeListener('detached', left)
    })
    void connection.closed.then(left)
  }

  #left(connection: Connection): void {
    this.#staying.get(connection)?.()
    this.#staying.delete(connection)
    this.#checkDone()
  }

  #checkDone(): void {
    if (this.#staying.size === 0) this.#finish()
  }

  #finish(): void {
    if (this.#next !== null) clock.clearTimeout(this.#next)
    this.#limit.clear()
    for (const unwatch of this.#staying.values()) unwatch()
    this.#resolve(this.#staying.size)
  }
}
