import {
  type CloseInfo,
  type Connection,
  fullJitter,
  type ReconnectPolicy,
  TokenClient,
  type TokenError
} from '../../../lib'
import { expectHonest } from '../../worlds/honest'
import type { Ledger } from '../../worlds/ledger'
import type { Chance } from '../../worlds/random'
import { Talker } from '../../worlds/talker'
import { nameOfClient } from './credentials'
import { Lives } from './lives'
import type { Monkey } from './monkey'
import { type ClientPlan, clientPlan } from './plans'
import { PlayedConnection } from './played-connection'

/** A TokenClient with which the monkey does whatever chance picks. */
export class MonkeyClient {
  readonly client: TokenClient
  readonly index: number
  readonly ledger: Ledger
  readonly talker: Talker
  readonly #monkey: Monkey
  readonly #plan: ClientPlan
  readonly #name: string
  readonly #played = new Map<Connection, PlayedConnection>()
  readonly #lives: Lives
  /** Told 'connect', and nothing since that says that it is over. */
  #isConnected = false
  #isWanting = true
  /** Which of its two certificates it shows. */
  #pair = 0
  #throwsNext = false
  /** A function of the application has thrown, or given a wrong answer. */
  #isOdd = false
  readonly #listener = (token: Buffer, connection: Connection) => {
    this.#lives.expectAlive('token')
    const { taker } = this.#playedOf(connection)
    if (!taker.isListening) taker.give(token)
    this.#monkey.inListener('token', this.talker)
  }

  constructor(monkey: Monkey, index: number, chance: Chance) {
    this.#monkey = monkey
    this.index = index
    this.#name = nameOfClient(index)
    this.#plan = clientPlan(chance, monkey.plan, index)
    const abort = chance.oneIn(3) ? new AbortController() : null
    const receiving = {
      handles: monkey.plan.server.handles,
      longestAnswer: monkey.plan.lengths.client.maxTokenLength
    }
    this.ledger = monkey.newLedger(`${this.#plan.kind} ${this.#name}`, receiving, () =>
      monkey.seatsOfServers(index)
    )
    const { credentials } = monkey
    const pair = () => credentials.clients[index]?.[this.#pair]
    this.client = new TokenClient({
      ...this.#plan.options,
      ca: () => [...credentials.trust],
      cert: () => pair()?.cert as string,
      key: () => this.#key(pair()?.key as string),
      servername: this.#name,
      servers: monkey.portsFor(index).map(port => ({ host: '127.0.0.1', port })),
      reconnect: this.#plan.reconnects ? this.#policy(chance) : undefined,
      signal: abort?.signal
    })
    monkey.remember(this.client)
    this.talker = new Talker(monkey, this.ledger, this.client, {
      connection: () => this.#direct,
      isDead: () => this.isClosed,
      stream: () => this.#current?.taker.stream ?? null
    })
    const { closeTimeout } = this.#plan
    this.#lives = new Lives(monkey, this.client, { name: this.#name, closeTimeout, abort })
    this.#listen()
    this.client.on('token', this.#listener)
  }

  get isClosed(): boolean {
    return this.#lives.isClosed
  }

  /** It can't connect any more. */
  get isSpent(): boolean {
    return this.#lives.isSpent
  }

  get connections(): Iterable<PlayedConnection> {
    return this.#played.values()
  }

  say(): void {
    this.talker.say()
  }

  act(chance: Chance): void {
    const dice = chance.below(100)
    if (this.isClosed) {
      if (dice < 30) this.#lives.connect(0)
      else if (dice < 40) this.#lives.connect(1 + chance.below(100))
      else if (dice < 55) this.#monkey.replaceClient(this)
    } else if (dice < 3) this.close()
    else if (dice < 6) this.close({ timeout: chance.pick([0, 50, 300, 2_000]) })
    else if (dice < 7) this.#monkey.track('dispose of a client', this.dispose())
    else if (dice < 8) this.#lives.abort()
    else if (dice < 12) this.#lives.expectNoConnect()
    else if (dice < 25) this.#toggleForward()
    else if (dice < 30) this.#pair = 1 - this.#pair
    else if (dice < 31) this.#throwsNext = !this.#monkey.isHealing
    else if (dice < 35) this.#callWrongly(chance)
    else this.#current?.act(chance)
  }

  close(options?: { timeout: number }): void {
    const due = this.#lives.dueAfter(options?.timeout)
    // One that closes already takes a shorter timeout.
    if (this.client.close(options) || this.#lives.isClosing) this.#lives.closesBy(due)
  }

  dispose(): Promise<void> {
    return this.#lives.dispose()
  }

  heal(): void {
    if (this.isClosed && !this.isSpent) this.#lives.connect(0)
    if (!this.#isWanting) this.#toggleForward()
    this.#pair = 0
    this.#throwsNext = false
    this.healConnections()
  }

  healConnections(): void {
    for (const played of this.#played.values()) played.heal()
  }

  /** What it still waits for; null when nothing. */
  get unrest(): string | null {
    const { client } = this
    if (this.isClosed) return this.#plan.reconnects ? `${this.#name} is closed` : null
    const { connection } = client
    if (connection === null || connection.isDetached) return `${this.#name} is not connected`
    if (connection.bufferedAmount > 0 || connection.retainedBytes > 0)
      return `${this.#name} waits with ${connection.bufferedAmount} bytes and ${connection.retainedBytes} kept`
    // Half-closed: what comes now waits for the next connection, and the other side may take its time.
    if (connection.isDead) return null
    if (client.bufferedAmount > 0) return `the outbox of ${this.#name} has ${client.bufferedAmount} bytes`
    if (this.ledger.hasPending) return `${this.#name} waits for a promise`
    return null
  }

  check(): void {
    this.#lives.check()
  }

  checkRest(): void {
    const { client } = this
    if (this.isClosed || client.connection?.isOpen !== true) return
    if (client.bufferedAmount === 0 && (this.talker.owesDrain || client.writableNeedDrain))
      this.#monkey.fail(`${this.#name} waits for drain for ever`)
  }

  checkEnd(): void {
    const { client } = this
    this.#lives.checkEnd()
    if (client.connection !== null || client.bufferedAmount !== 0)
      this.#monkey.fail(`${this.#name} has closed, and has ${client.bufferedAmount} bytes`)
    for (const played of this.#played.values()) played.checkEnd()
    this.ledger.checkUnsent(Number.POSITIVE_INFINITY)
  }

  get #current(): PlayedConnection | undefined {
    const { connection } = this.client
    return connection === null ? undefined : this.#played.get(connection)
  }

  /** The connection, when what is sent by it directly overtakes nothing. */
  get #direct(): Connection | null {
    const { connection, bufferedAmount } = this.client
    return connection?.isOpen && bufferedAmount === connection.bufferedAmount ? connection : null
  }

  #key(key: string): string {
    if (this.#throwsNext) {
      this.#throwsNext = false
      this.#isOdd = true
      throw new Error('the key can not be read')
    }
    return key
  }

  #policy(chance: Chance): ReconnectPolicy {
    const jitter = fullJitter({ initialDelay: 20, maxDelay: 400, hopelessDelay: 100, maxHopelessDelay: 400 })
    const usesJitter = chance.oneIn(3)
    return (attempt, cause) => {
      const monkey = this.#monkey
      if (!monkey.isHealing) {
        const dice = monkey.chance.below(1_000)
        if (dice < 8) return false
        if (dice < 12) {
          this.#isOdd = true
          if (dice < 10) throw new Error('of the policy')
          return Number.NaN
        }
      }
      return usesJitter ? jitter(attempt, cause) : 1 + monkey.chance.below(200)
    }
  }

  #toggleForward(): void {
    this.#isWanting = !this.#isWanting
    if (this.#isWanting) this.client.on('token', this.#listener)
    else this.client.removeListener('token', this.#listener)
  }

  #callWrongly(chance: Chance): void {
    const { client } = this
    const wrong: readonly (() => unknown)[] = [
      () => client.close({ timeout: -1 }),
      () => client.connect(-1),
      () => client.send('text' as unknown as Buffer),
      () => client.send(Buffer.alloc(500 * 1024))
    ]
    this.#monkey.expectThrown(chance.pick(wrong))
  }

  #playedOf(connection: Connection): PlayedConnection {
    const known = this.#played.get(connection)
    if (known !== undefined) return known
    const made = new PlayedConnection(this.#monkey, connection, {
      name: this.#name,
      ledger: this.ledger,
      seat: this.#monkey.newSeat('client', this.index),
      receivers: () => this.#monkey.seatsOfServers(this.index),
      handles: this.#plan.handles,
      takesLong: false,
      asks: this.#monkey.plan.asks === 'client',
      talker: () => this.talker
    })
    this.#played.set(connection, made)
    return made
  }

  #attached(): void {
    const { connection } = this.client
    if (connection === null) this.#monkey.fail('connect or resumed came without a connection')
    else this.#playedOf(connection).attached()
  }

  #listen(): void {
    const { client, talker } = this
    const monkey = this.#monkey
    client.on('connect', () => {
      this.#lives.expectAlive('connect')
      if (this.#isConnected) monkey.fail(`${this.#name} told connect twice, and no end between`)
      this.#isConnected = true
      monkey.counts.connects++
      this.#attached()
      monkey.inListener('connect', talker)
    })
    client.on('resumed', () => {
      this.#lives.expectAlive('resumed')
      this.#isConnected = true
      monkey.counts.resumed++
      this.#attached()
      monkey.inListener('resumed', talker)
    })
    client.on('disconnect', () => {
      this.#lives.expectAlive('disconnect')
      this.#isConnected = false
      monkey.inListener('disconnect', talker)
    })
    client.on('drain', () => {
      this.#lives.expectAlive('drain')
      talker.owesDrain = false
      monkey.inListener('drain', talker)
    })
    client.on('undeliverable', token => {
      this.#lives.expectAlive('undeliverable')
      monkey.entryOf(token).isRefused = true
      monkey.inListener('undeliverable', talker)
    })
    client.on('session-lost', () => {
      this.#lives.expectAlive('session-lost')
      this.#isConnected = false
      monkey.counts.lost++
      monkey.inListener('session-lost', talker)
    })
    for (const name of ['reconnecting', 'goaway'] as const) {
      client.on(name, () => {
        this.#lives.expectAlive(name)
        monkey.inListener(name, talker)
      })
    }
    client.on('error', error => {
      this.#lives.expectAlive('error')
      if (this.#plan.kind !== 'token/1' && !(this.#isOdd && error.code === 'ERR_OPTION'))
        expectHonest(monkey, error, this.#name)
      monkey.inListener('error', talker)
    })
    client.on('close', (_hadError, info) => this.#closed(info))
  }

  #closed(info: CloseInfo): void {
    this.#lives.end(info)
    this.#isConnected = false
    this.talker.owesDrain = false
    this.ledger.unsent += info.unsent
    // What still waits when the servers are gone can't be sent.
    if (this.#monkey.isServing && info.error !== null)
      this.#monkey.broke(
        info.error as TokenError,
        this.#name,
        this.#plan.kind === 'token/1' ? 'token/1' : 'token/2'
      )
    this.#monkey.inListener('close', this.talker)
  }
}
