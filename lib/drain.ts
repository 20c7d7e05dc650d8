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

/** Asks clients to leave, evenly over a time, and waits until they have. */
export class Drain {
  /** How many had not left in time. */
  readonly done: Promise<number>
  readonly #waiting: Connection[]
  /** Those that have not left, and what listens to them. */
  readonly #staying = new Map<Connection, () => void>()
  readonly #goaway: Goaway
  readonly #timeout: number
  readonly #endsSessions: boolean
  readonly #groupSize: number
  readonly #limit: Deadline
  #next: ClockTimer | null = null
  #resolve!: (left: number) => void

  /**
   * @param timeout milliseconds until those who are left are no longer waited for
   * @param spread milliseconds until the last one is asked
   */
  constructor(connections: readonly Connection[], goaway: Goaway, timeout: number, spread: number) {
    this.#waiting = [...connections]
    this.#goaway = goaway
    this.#timeout = timeout
    this.#endsSessions = !CLOSE_CODES[goaway.code].keepsSession
    this.#groupSize = Math.max(1, Math.ceil(connections.length / Math.max(1, spread / STEP)))
    this.#limit = new Deadline(Math.max(timeout, 1), () => this.#finish())
    this.done = new Promise(resolve => {
      this.#resolve = resolve
    })
    this.#limit.arm()
    for (const connection of connections) this.#watch(connection)
    this.#ask()
    this.#checkDone()
  }

  #ask(): void {
    this.#next = null
    for (const connection of this.#waiting.splice(0, this.#groupSize)) {
      if (this.#staying.has(connection)) this.#goawayTo(connection)
    }
    if (this.#waiting.length > 0) this.#next = clock.setTimeout(() => this.#ask(), STEP)
  }

  #goawayTo(connection: Connection): void {
    if (connection.protocol === 'token/2') connection.goaway(this.#goaway)
    else connection.close({ timeout: this.#timeout })
  }

  /** A session that may live on has left with its transport; one that shall end is asked again when it is back. */
  #watch(connection: Connection): void {
    const moved = () => {
      if (!this.#endsSessions) this.#left(connection)
      else if (connection.isOpen) this.#goawayTo(connection)
    }
    this.#staying.set(connection, moved)
    connection.on('resumed', moved)
    connection.on('detached', moved)
    void connection.closed.then(() => this.#left(connection))
    if (connection.isDetached) moved()
  }

  #left(connection: Connection): void {
    this.#unwatch(connection)
    this.#staying.delete(connection)
    this.#checkDone()
  }

  #unwatch(connection: Connection): void {
    const moved = this.#staying.get(connection)
    if (moved === undefined) return
    connection.removeListener('resumed', moved)
    connection.removeListener('detached', moved)
  }

  #checkDone(): void {
    if (this.#staying.size === 0) this.#finish()
  }

  #finish(): void {
    for (const connection of this.#staying.keys()) this.#unwatch(connection)
    if (this.#next !== null) clock.clearTimeout(this.#next)
    this.#limit.clear()
    this.#resolve(this.#staying.size)
  }
}
