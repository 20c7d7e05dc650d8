import { type Connection, controlOf } from '../connection/connection'
import { TokenError } from '../errors/token-error'
import { clock } from '../runtime/clock'
import { Deadline } from '../runtime/deadline'
import { limitError } from './pending-clients'
import type { ServerSettings } from './server-options'

export type Queues = Pick<
  Connection,
  'bufferedAmount' | 'unreadBytes' | 'retainedBytes' | 'isDetached' | 'tokensSent' | 'tokensUnsent'
>

/** Number of tokens that a connection had taken at a moment. */
interface Mark {
  tokens: number
  readonly at: number
}

interface Measured<C> {
  readonly connection: C
  readonly bytes: number
  readonly mayDrop: boolean
}

/** The connections that a budget watches. */
export interface Watched<C> {
  readonly connections: ReadonlySet<C>
  /** The connections of clients that are not accepted yet, the oldest first. */
  candidates(): Iterable<C>
  /** The connections whose session waits for its client, the one that has waited longest first. */
  waiting(): Iterable<C>
}

/** What a budget asks for. */
export interface BudgetEvents<C> {
  /** Number of tokens that have waited for longer than `maxQueueAge`. */
  onTooOld(connection: C, tokens: number): void
  /** The queues are over the budget: rejects a client that is not accepted yet. */
  onReject(candidate: C): void
  /** Still over: ends a session that waits for its client. */
  onEvict(connection: C): void
  /** Still over, and this connection has the fullest queues: drops what waits in its outbox, if the policy allows. */
  onDrop(connection: C): void
  /** Still over, and it has the fullest queues with nothing left to drop: ends the connection. */
  onOverBudget(connection: C): void
}

/** Milliseconds between two looks. */
const INTERVAL = 1000

/**
 * Watches the queues of all connections of a server together: their bytes, what sessions keep included, and the age
 * of what waits.
 *
 * It looks once a second, so a token is found too old up to a second late, and what comes in within a second is
 * bounded by the limits of each connection alone.
 */
export class MemoryBudget<C extends Queues> {
  readonly #watched: Watched<C>
  readonly #budget: number
  readonly #maxAge: number
  readonly #events: BudgetEvents<C>
  readonly #timer: Deadline
  #marks = new WeakMap<C, Mark[]>()

  /**
   * @param budget bytes of all queues
   * @param maxAge milliseconds; 0 and Infinity: none
   */
  constructor(watched: Watched<C>, budget: number, maxAge: number, events: BudgetEvents<C>) {
    this.#watched = watched
    this.#budget = budget
    this.#maxAge = maxAge === 0 ? Number.POSITIVE_INFINITY : maxAge
    this.#events = events
    this.#timer = new Deadline(INTERVAL, () => this.#look())
  }

  start(): void {
    this.#timer.arm()
  }

  stop(): void {
    this.#timer.clear()
  }

  /** Bytes of all queues now. */
  get usedBytes(): number {
    let bytes = 0
    for (const connection of this.#watched.connections) bytes += bytesOf(connection)
    for (const candidate of this.#watched.candidates()) bytes += bytesOf(candidate)
    return bytes
  }

  #look(): void {
    this.#timer.arm()
    const now = clock.now()
    for (const connection of [...this.#watched.connections]) {
      // A client whose session waits for it is not slow.
      if (connection.tokensUnsent > 0 && !connection.isDetached) this.#checkAge(connection, now)
      else this.#marks.delete(connection)
    }
    this.#checkBudget()
  }

  /**
   * Gives up clients that are not accepted yet, then sessions that wait for their client, then empties the fullest queues,
   * until all are within the budget. A connection that has dropped what it can, and is the fullest again, is ended: what a
   * session keeps, what is half sent and what was received can't be dropped.
   */
  #checkBudget(): void {
    const watched = this.#watched
    const excess = this.usedBytes - this.#budget
    if (excess <= 0) return
    const freed = giveUp(watched.candidates(), excess, candidate => this.#events.onReject(candidate))
    giveUp(watched.waiting(), excess - freed, session => this.#events.onEvict(session))
    const queues = [...watched.connections].map(connection => measured(connection, true))
    let used = this.usedBytes
    queues.sort((one, other) => one.bytes - other.bytes)
    while (used > this.#budget) {
      const fullest = queues.pop()
      if (fullest === undefined) return
      const left = this.#drop(fullest)
      used += (left?.bytes ?? 0) - fullest.bytes
      if (left === null) this.#events.onOverBudget(fullest.connection)
      else insert(queues, left)
    }
  }

  /** @returns what is left; null when nothing was freed */
  #drop({ connection, bytes, mayDrop }: Measured<C>): Measured<C> | null {
    if (!mayDrop || connection.tokensUnsent === 0) return null
    this.#act(connection, () => this.#events.onDrop(connection))
    const left = measured(connection, false)
    return left.bytes < bytes ? left : null
  }

  /** Tokens that were taken before a mark are at least as old as the mark. */
  #checkAge(connection: C, now: number): void {
    const marks = this.#marks.get(connection) ?? []
    this.#marks.set(connection, marks)
    const sent = connection.tokensSent - connection.tokensUnsent
    while (marks[0] !== undefined && marks[0].tokens <= sent) marks.shift()
    let tooOld = 0
    while (marks[0] !== undefined && now - marks[0].at >= this.#maxAge) {
      tooOld = (marks.shift() as Mark).tokens - sent
    }
    if (connection.tokensSent > (marks.at(-1)?.tokens ?? sent + tooOld)) {
      marks.push({ tokens: connection.tokensSent, at: now })
    }
    if (tooOld > 0) this.#act(connection, () => this.#events.onTooOld(connection, tooOld))
  }

  /** Runs what may drop tokens: those don't count as taken any more, and the ones behind them move up. */
  #act(connection: C, act: () => void): void {
    const before = connection.tokensSent
    act()
    const dropped = before - connection.tokensSent
    for (const mark of this.#marks.get(connection) ?? []) mark.tokens -= dropped
  }
}

/** @returns how many bytes were given up: to count all queues anew after each one would take seconds */
function giveUp<C extends Queues>(oldestFirst: Iterable<C>, excess: number, act: (one: C) => void): number {
  let freed = 0
  for (const one of oldestFirst) {
    if (freed >= excess) break
    const bytes = bytesOf(one)
    freed += bytes
    if (bytes > 0) act(one)
  }
  return freed
}

function measured<C extends Queues>(connection: C, mayDrop: boolean): Measured<C> {
  return { connection, bytes: bytesOf(connection), mayDrop }
}

/** Puts one in its place among others, which are sorted, the fullest last. */
function insert<C>(queues: Measured<C>[], one: Measured<C>): void {
  let [from, to] = [0, queues.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((queues[middle] as Measured<C>).bytes <= one.bytes) from = middle + 1
    else to = middle
  }
  queues.splice(from, 0, one)
}

function bytesOf(connection: Queues): number {
  return connection.bufferedAmount + connection.retainedBytes + connection.unreadBytes
}

/**
 * Does what a memory budget asks for, by the option `slowConsumer`: drops tokens, or breaks the connection.
 *
 * @param onDropped a connection has lost so many of its oldest tokens
 */
export function slowConsumers(
  { memoryBudgetBytes, maxQueueAge, policies }: ServerSettings,
  onDropped: (count: number, connection: Connection) => void
): BudgetEvents<Connection> {
  const drops = policies.slowConsumer === 'drop'
  const drop = (connection: Connection, tokens: number) => {
    const count = controlOf(connection).delivering.dropOldest(tokens)
    if (count > 0) onDropped(count, connection)
  }
  return {
    onTooOld: (connection, tokens) => {
      if (drops) drop(connection, tokens)
      else controlOf(connection).fail(slowError(`a token waited longer than maxQueueAge, ${maxQueueAge} ms`))
    },
    onReject: candidate => {
      controlOf(candidate).fail(
        limitError('ERR_TOO_MANY_CONNECTIONS', 'memoryBudgetBytes', memoryBudgetBytes)
      )
    },
    onEvict: connection => controlOf(connection).loseSession('evicted'),
    onDrop: connection => {
      if (drops) drop(connection, connection.tokensUnsent)
    },
    onOverBudget: connection => {
      const why = `the server is over memoryBudgetBytes, ${memoryBudgetBytes}, and its queues were the fullest`
      controlOf(connection).fail(slowError(why))
    }
  }
}

function slowError(why: string): TokenError {
  return new TokenError('ERR_SLOW_CONSUMER', `Cannot keep the connection: ${why}`)
}
