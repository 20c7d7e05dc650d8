import { type ClockTimer, clock } from './clock'
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
  readonly #staying: Set<Connection>
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
    this.#waiting = [...connections]
    this.#staying = new Set(connections)
    this.#goaway = goaway
    this.#timeout = timeout
    this.#groupSize = Math.max(1, Math.ceil(connections.length / Math.max(1, spread / STEP)))
    this.#limit = new Deadline(Math.max(timeout, 1), () => this.#finish())
    this.done = new Promise(resolve => {
      this.#resolve = resolve
    })
    for (const connection of connections) this.#watch(connection)
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

  /** A session that moves to another transport has left the old one. */
  #watch(connection: Connection): void {
    const left = () => {
      connection.removeListener('resumed', left)
      connection.removeListener('detached', left)
      this.#staying.delete(connection)
      this.#checkDone()
    }
    void connection.closed.then(left)
    connection.once('resumed', left)
    connection.once('detached', left)
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
