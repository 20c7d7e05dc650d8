import { type CloseInfo, type Connection, type DrainOptions, type Goaway, TokenServer } from '../../lib'
import { expectBounded, expectNothingAsked, expectNothingLeft } from './bounds'
import { expectHonest } from './honest'
import { Departed, type Ledger } from './ledger'
import type { SimulatedSocket } from './network'
import { Taker } from './taker'
import { Talker } from './talker'
import type { World } from './world'

/** What the simulation knows of a connection of a server. */
interface Known {
  readonly connection: Connection
  readonly ledger: Ledger
  readonly departed: Departed
  readonly talker: Talker
  readonly taker: Taker
  /** How often its session went on with another transport. */
  resumed: number
  info: CloseInfo | null
}

/** An application with a TokenServer, which does whatever chance picks. */
export class SimulatedServer {
  readonly server: TokenServer
  readonly #world: World
  readonly #name: string
  readonly #known = new Map<Connection, Known>()
  /** Those that have not closed. */
  readonly #alive = new Set<Connection>()
  #closeDue: number | null = null
  #isClosed = false
  #isWanting = true
  /** The process was killed: what it does is no matter any more. */
  #isKilled = false
  readonly #listener = (token: Buffer, connection: Connection) => {
    const taker = this.#known.get(connection)?.taker
    if (taker?.isListening === false) taker.give(token)
    this.#world.inListener('token', this.#anyTalker())
  }

  constructor(world: World, port: number) {
    this.#world = world
    this.#name = `server-${port}`
    const { setUp } = world
    const { handles: _, ...limits } = setUp.server
    this.server = new TokenServer({
      ...world.serverCredentials,
      ...limits,
      port,
      protocol: 'token/2',
      heartbeat: setUp.heartbeat,
      outboxBytes: setUp.outboxBytes,
      writeTimeout: 0,
      maxPendingRequests: setUp.maxPendingRequests,
      handshakeTimeout: 3_000,
      maxSessions: 3,
      session: setUp.session,
      slowConsumer: setUp.slowConsumer,
      maxQueueAge: setUp.maxQueueAge,
      authorize: setUp.authorizes ? () => this.#authorize() : undefined
    })
    this.#listen()
    // A listener takes tokens whole, and some may come that are too long for that.
    this.#isWanting = setUp.server.maxStreamLength > 0
    this.#toggleForward()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get isClosing(): boolean {
    return this.#isClosed || this.#closeDue !== null
  }

  get open(): Connection[] {
    return [...this.#alive].filter(connection => !connection.isDead)
  }

  /** Some of its streams end. */
  halfClose(): void {
    for (const connection of this.open) this.#known.get(connection)?.taker.halfClose()
  }

  say(): void {
    this.#anyTalker()?.say()
  }

  close(options?: { timeout: number }): void {
    const timeout = options?.timeout ?? this.#world.setUp.server.closeTimeout
    if (this.server.close(options)) this.#closeDue = this.#world.clock.now() + timeout + this.#world.slack
  }

  act(): void {
    const { chance } = this.#world
    const dice = chance.below(100)
    if (this.#isClosed) {
      if (dice < 40) this.#connect()
      return
    }
    if (dice < 2) this.close()
    else if (dice < 3) this.close({ timeout: chance.pick([0, 300]) })
    else if (dice < 4) this.#drain()
    else if (dice < 5) this.server.reload(this.#world.serverCredentials)
    else if (dice < 15) this.#toggleForward()
    else this.#actOn(this.#any())
  }

  #actOn(known: Known | null): void {
    if (known === null) return
    const { chance } = this.#world
    const { connection, taker } = known
    const dice = chance.below(100)
    if (dice < 2) connection.close(chance.oneIn(2) ? {} : { timeout: 50 })
    else if (dice < 4) connection.destroy()
    else if (dice < 12) this.#goaway(connection)
    else if (dice < 30) taker.stream?.end()
    else if (dice < 70) taker.change()
    else taker.toggle()
  }

  settle(): void {
    this.#any()?.taker.settle(1 + this.#world.chance.below(4))
  }

  heal(): void {
    if (this.#isClosed && !this.#isKilled) this.#connect()
    if (!this.#isWanting) this.#toggleForward()
    for (const { taker } of this.#known.values()) taker.heal()
  }

  /** The process ends without a word, as far as others can tell. */
  kill(): void {
    this.#isKilled = true
    this.#world.network.cutAll(socket => this.#sockets.has(socket))
    this.server.close({ timeout: 0 })
    for (const { connection } of this.#known.values()) connection.destroy()
  }

  get unrest(): string | null {
    if (this.#isClosed) return `${this.#name} is closed`
    for (const { connection, ledger } of this.#known.values()) {
      if (connection.isOpen && connection.bufferedAmount + connection.retainedBytes > 0)
        return `a connection of ${this.#name} waits with ${connection.bufferedAmount} bytes and ${connection.retainedBytes} kept`
      if (ledger.hasPending) return `a connection of ${this.#name} waits for a promise`
    }
    return null
  }

  check(): void {
    const now = this.#world.clock.now()
    if (this.#closeDue !== null && now > this.#closeDue)
      this.#world.fail(`close() of ${this.#name} does not settle`)
    for (const connection of this.#alive) {
      const known = this.#known.get(connection)
      if (known !== undefined) expectBounded(this.#world, connection, 'server', known.taker, this.#name)
    }
  }

  checkRest(): void {
    for (const { connection, talker, taker } of this.#known.values()) {
      if (!connection.isOpen || connection.bufferedAmount > 0) continue
      expectNothingAsked(this.#world, connection, taker, `a connection of ${this.#name}`)
      if (talker.owesDrain || connection.writableNeedDrain)
        this.#world.fail(`a connection of ${this.#name} waits for drain for ever`)
    }
  }

  checkEnd(): void {
    if (!this.#isClosed) this.#world.fail(`${this.#name} never closed`)
    if (this.server.connections.size > 0) this.#world.fail(`${this.#name} has closed, and has connections`)
    for (const { connection, departed, info, ledger, taker } of this.#known.values()) {
      expectNothingLeft(this.#world, connection, taker, `a connection of ${this.#name}`)
      if (info === null) {
        this.#world.fail(`a connection of ${this.#name} never closed`)
      } else {
        const fault = departed.faultOf(info, this.#world.lostInStreams)
        if (fault !== null) this.#world.fail(`${this.#name}, ${info.code}: ${fault}`)
      }
      ledger.checkUnsent(this.#world.lostInStreams)
    }
  }

  /** For the end of a world: asks all to leave, then closes. */
  async drainAndClose(): Promise<void> {
    // Those whom nobody else takes stay, and are closed.
    await this.#drained({ code: this.#world.chance.pick(['drain', 'shutdown']), spread: 0, timeout: 1_000 })
    this.close()
  }

  /** Takes its time, and says no now and then. */
  async #authorize(): Promise<boolean> {
    const { chance, isHealing } = this.#world
    if (isHealing) return true
    if (chance.oneIn(3)) await this.#world.pause()
    return !chance.oneIn(20)
  }

  #connect(): void {
    this.#isClosed = false
    if (!this.server.connect()) this.#world.fail(`connect() of ${this.#name}, which had closed, says false`)
  }

  #drain(): void {
    const { chance } = this.#world
    const code = chance.pick(['drain', 'shutdown', 'overloaded'] as const)
    const closes = chance.oneIn(2)
    this.#drained({ code, retryAfter: chance.pick([0, 100]), timeout: 2_000 }).then(
      () => closes && !this.#world.isHealing && this.close(),
      error => this.#world.fail(`drain() was rejected: ${String(error)}`)
    )
  }

  /** Those who were asked have left when nobody is said to be left. */
  async #drained(options: Partial<Goaway> & DrainOptions): Promise<void> {
    const asked = [...this.#known.values()].filter(({ connection }) => connection.isOpen)
    const before = asked.map(({ resumed }) => resumed)
    if ((await this.server.drain(options)) > 0) return
    for (const [index, { info, resumed }] of asked.entries()) {
      const hasMoved = options.code !== 'shutdown' && resumed > (before[index] as number)
      if (info === null && !hasMoved)
        this.#world.fail(`drain() of ${this.#name} says that nobody is left, and a session has not come back`)
    }
  }

  #goaway(connection: Connection): void {
    const { chance } = this.#world
    if (!connection.isOpen) return
    const code = chance.pick(['drain', 'shutdown', 'overloaded', 'certificate-expired'] as const)
    connection.goaway({ code, retryAfter: chance.pick([0, 0, 200]) })
  }

  #toggleForward(): void {
    this.#isWanting = !this.#isWanting && this.#world.setUp.server.maxStreamLength === 0
    if (this.#isWanting) this.server.on('token', this.#listener)
    else this.server.removeListener('token', this.#listener)
  }

  #any(): Known | null {
    if (this.#alive.size === 0) return null
    return this.#known.get(this.#world.chance.pick([...this.#alive])) ?? null
  }

  #anyTalker(): Talker | null {
    return this.#any()?.talker ?? null
  }

  readonly #sockets = new WeakSet<object>()

  #accepted(connection: Connection): void {
    const world = this.#world
    const ledger = world.newLedger({
      handles: world.setUp.client.handles,
      longestAnswer: world.setUp.server.maxTokenLength
    })
    const taker: Taker = new Taker(world, connection, {
      handles: world.setUp.server.handles,
      takesLong: world.setUp.server.maxStreamLength > 0,
      ask: world.setUp.asks === 'server' ? () => talker.ask() : null
    })
    const talker = new Talker(world, ledger, connection, {
      connection: () => (connection.isOpen ? connection : null),
      isDead: () => connection.isDead,
      stream: () => taker.stream
    })
    const known: Known = {
      connection,
      ledger,
      departed: new Departed(ledger),
      talker,
      taker,
      resumed: 0,
      info: null
    }
    this.#known.set(connection, known)
    this.#alive.add(connection)
    if (world.isHealing) taker.heal()
    this.#attached(known)
    connection.on('resumed', () => {
      known.resumed++
      this.#attached(known)
      world.inListener('resumed', talker)
    })
    connection.on('drain', () => {
      talker.owesDrain = false
      world.inListener('drain', talker)
    })
    connection.on('detached', error => {
      world.detached(connection, error)
      world.inListener('detached', talker)
    })
    connection.on('undeliverable', token => {
      world.entryOf(token).isRefused = true
    })
    connection.on('error', error => world.broke(error, this.#name))
    connection.on('close', (_hadError, info) => this.#connectionClosed(known, info))
  }

  #attached({ connection, departed, ledger }: Known): void {
    const socket = connection.socket as unknown as SimulatedSocket
    this.#sockets.add(socket)
    for (const tap of socket.written) ledger.taps.push(tap)
    this.#world.carries(socket, departed)
  }

  #connectionClosed(known: Known, info: CloseInfo): void {
    if (known.info !== null) this.#world.fail(`a connection of ${this.#name} told close twice`)
    known.info = info
    this.#alive.delete(known.connection)
    known.ledger.unsent += info.unsent
    known.ledger.unconfirmed += info.unconfirmed
    known.talker.owesDrain = false
    this.#world.inListener('connection close', this.#anyTalker())
  }

  #listen(): void {
    const { server } = this
    const world = this.#world
    server.on('connection', connection => {
      this.#accepted(connection)
      world.inListener('connection', this.#known.get(connection)?.talker ?? null)
    })
    server.on('dropped', (count, connection) => {
      const known = this.#known.get(connection)
      if (known === undefined) world.fail('tokens of an unknown connection were dropped')
      else known.ledger.dropped += count
      world.inListener('dropped', known?.talker ?? null)
    })
    server.on('connectionError', error => {
      expectHonest(world, error, this.#name)
      world.inListener('connectionError', this.#anyTalker())
    })
    for (const name of ['refused', 'resumed', 'session-lost'] as const) {
      server.on(name, () => world.inListener(name, this.#anyTalker()))
    }
    server.on('error', error => world.fail(`${this.#name} broke with ${error.message}`))
    server.on('close', () => {
      if (this.#isClosed) world.fail(`${this.#name} told close twice`)
      this.#isClosed = true
      this.#closeDue = null
      if (!this.#isKilled) world.inListener('close', null)
    })
  }
}
