import { randomBytes } from 'node:crypto'
import type { Counters } from './counters'
import type { Log } from './log'

export type RefusedWhat = 'connect' | 'publish' | 'subscribe' | 'packet'

/** Something that a client was refused. The client is told no reason; its id finds the reason here and in the log. */
export interface Refusal {
  /** Eight hex digits, by chance. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly what: RefusedWhat
  /** In words, without what the client sent as a secret. */
  readonly why: string
  readonly connection: string
  readonly address?: string
  readonly user?: string
  readonly clientId?: string
  readonly topic?: string
}

const MOST_KEPT = 100

/** The longest text of a client that goes into a log line. */
const LONGEST = 128

const COUNTED = {
  connect: 'refusedConnects',
  publish: 'refusedPublishes',
  subscribe: 'refusedSubscriptions',
  packet: 'violations'
} as const

/** The last refusals, each logged once with its reason and its id. */
export class Refusals {
  readonly #log: Log
  readonly #counters: Counters
  readonly #kept: Refusal[] = []

  constructor(log: Log, counters: Counters) {
    this.#log = log
    this.#counters = counters
  }

  add(refusal: Omit<Refusal, 'id' | 'at'>): Refusal {
    const shortened = Object.entries(refusal).map(([name, value]) => [name, value.slice(0, LONGEST)])
    const complete = { id: randomBytes(4).toString('hex'), at: Date.now(), ...Object.fromEntries(shortened) }
    if (this.#kept.length === MOST_KEPT) this.#kept.shift()
    this.#kept.push(complete)
    this.#counters[COUNTED[refusal.what]]++
    const { id, what, why, ...rest } = complete
    this.#log.warn({ refusal: id, ...rest }, `refused ${what}: ${why}`)
    return complete
  }

  /** The newest last. */
  recent(): readonly Refusal[] {
    return [...this.#kept]
  }
}

/** Handed to aedes, which closes the connection. It was logged when it was made. */
export class RefusedError extends Error {
  readonly returnCode: number | undefined

  constructor(refusal: Refusal, returnCode?: number) {
    super(`refused ${refusal.what}: ${refusal.why} (${refusal.id})`)
    this.returnCode = returnCode
  }
}
