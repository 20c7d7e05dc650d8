import { type CloseInfo, type Connection, TokenClient, type TokenError } from '../../lib'
import { expectBounded, expectNothingAsked, expectNothingLeft } from './bounds'
import { expectHonest } from './honest'
import { Departed, type Ledger } from './ledger'
import type { SimulatedSocket } from './network'
import { Taker } from './taker'
import { Talker } from './talker'
import type { World } from './world'

/** What the simulation knows of a connection of a client. */
interface Known {
  readonly connection: Connection
  readonly departed: Departed
  readonly taker: Taker
  /** Of the server that has its session. */
  port: number
  /** It was dialled again since it had its transport. */
  hasRedialled: boolean
  /** The application has closed it. */
  isClosing: boolean
  /** It has a session and no transport. */
  isDetached: boolean
  info: CloseInfo | null
}

/** An application with a TokenClient, which does whatever chance picks. */
export class SimulatedClient {
  readonly client: TokenClient
  readonly ledger: Ledger
  readonly talker: Talker
  readonly #world: World
  readonly #name: string
  readonly #known = new Map<Connection, Known>()
  /** The promise of the `close()` that is under way must be kept by then. */
  #closeDue: number | null = null
  #isClosed = false
  #isWanting = true
  /** The session has lost its transport and nothing was dialled since. */
  #mustDial: number | null = null
  readonly #listener = (token: Buffer, connection: Connection) => {
    const { taker } = this.#know(connection)
    if (!taker.isListening) taker.give(token)
    this.#world.inListener('token', this.talker)
  }

  constructor(world: World, index: number, ports: readonly number[]) {
    this.#world = world
    this.#name = `client-${index}`
    const { setUp } = world
    this.ledger = world.newLedger({
      handles: setUp.server.handles,
      longestAnswer: setUp.client.maxTokenLength
    })
    const { handles: _, ...limits } = setUp.client
    this.client = new TokenClient({
      ...world.clientCredentials,
      ...limits,
      protocol: 'token/2',
      servername: this.#name,
      servers: ports.map(port => ({ port })),
      heartbeat: setUp.heartbeat,
      outboxBytes: setUp.outboxBytes,
      writeTimeout: 0,
      maxPendingRequests: setUp.maxPendingRequests,
      connectTimeout: 3_000,
      stablePeriod: 1_000,
      refusedRetryTimeout: setUp.refusedRetryTimeout,
      session: setUp.session,
      reconnect: setUp.reconnects && (() => this.#nextDelay())
    })
    this.talker = new Talker(world, this.ledger, this.client, {
      connection: () => (this.#isDirect && this.connection?.isOpen ? this.connection : null),
      isDead: () => this.#isClosed,
      stream: () => (this.#isDirect ? (this.#taker?.stream ?? null) : null)
    })
    this.#listen()
    this.client.on('token', this.#listener)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get connection(): Connection | null {
    return this.client.connection
  }

  /** Called for each dial that goes out. */
  dialled(name: string, port: number): void {
    if (name !== this.#name) return
    const known = this.connection === null ? undefined : this.#known.get(this.connection)
    if (known?.port === port) known.hasRedialled = true
    if (this.#mustDial !== null && this.#mustDial !== port)
      this.#world.fail(`${name} looks for its session at ${port}, and had it at ${this.#mustDial}`)
    this.#mustDial = null
  }

  close(options?: { timeout: number }): void {
    const timeout = options?.timeout ?? this.#world.setUp.client.closeTimeout
    const isFirst = this.client.close(options)
    if (isFirst) this.#closeDue = this.#world.clock.now() + timeout + this.#world.slack
  }

  /** Whatever else an application may call. */
  act(): void {
    const { chance } = this.#world
    const dice = chance.below(100)
    if (this.#isClosed) {
      if (dice < 30) this.#connect()
    } else if (dice < 4) this.close()
    else if (dice < 6) this.close({ timeout: chance.pick([0, 50, 300]) })
    else if (dice < 9) this.#closeConnection()
    else if (dice < 12) this.connection?.destroy()
    else if (dice < 30) this.#taker?.stream?.end()
    else if (dice < 50) this.#toggleForward()
    else if (dice < 80) this.#taker?.change()
    else this.#taker?.toggle()
  }

  /** Some of its streams end. */
  halfClose(): void {
    this.#taker?.halfClose()
  }

  settle(): void {
    this.#taker?.settle(1 + this.#world.chance.below(4))
  }

  /** From now on it takes all and stays connected. */
  heal(): void {
    if (this.#isClosed) this.#connect()
    if (!this.#isWanting) this.#toggleForward()
    for (const { taker } of this.#known.values()) taker.heal()
  }

  /** What it still waits for; null when nothing. */
  get unrest(): string | null {
    if (this.#isClosed) return this.#world.setUp.reconnects ? `${this.#name} is closed` : null
    const { connection } = this
    if (connection === null || connection.isDetached) return `${this.#name} is not connected`
    if (connection.bufferedAmount > 0 || connection.retainedBytes > 0)
      return `${this.#name} waits with ${connection.bufferedAmount} bytes and ${connection.retainedBytes} kept`
    // Half-closed: what comes now waits for the next connection, and the other side may take its time.
    if (connection.isDead) return null
    if (this.client.bufferedAmount > 0)
      return `the outbox of ${this.#name} has ${this.client.bufferedAmount} bytes`
    if (this.ledger.hasPending) return `${this.#name} waits for a promise`
    return null
  }

  check(): void {
    const now = this.#world.clock.now()
    if (this.#closeDue !== null && now > this.#closeDue)
      this.#world.fail(`close() of ${this.#name} does not settle`)
    const { connection } = this
    const taker = this.#taker
    if (connection !== null && taker !== undefined)
      expectBounded(this.#world, connection, 'client', taker, this.#name)
  }

  /** Nothing is on its way. */
  checkRest(): void {
    const { client } = this
    const { connection } = this
    // Half-closed: `drain` comes with the next connection, and the other side may take its time.
    if (this.#isClosed || connection?.isOpen !== true || connection.isDead) return
    expectNothingAsked(this.#world, connection, this.#know(connection).taker, this.#name)
    if (client.bufferedAmount === 0 && (this.talker.owesDrain || client.writableNeedDrain))
      this.#world.fail(`${this.#name} waits for drain for ever`)
  }

  checkEnd(): void {
    if (!this.#isClosed) this.#world.fail(`${this.#name} never closed`)
    for (const { connection, departed, info, taker } of this.#known.values()) {
      expectNothingLeft(this.#world, connection, taker, `a connection of ${this.#name}`)
      if (info === null) this.#world.fail(`a connection of ${this.#name} never closed`)
      else this.#checkCounts(departed, info)
    }
    this.ledger.checkUnsent(this.#world.lostInStreams)
  }

  #checkCounts(departed: Departed, info: CloseInfo): void {
    const fault = departed.faultOf(info, this.#world.lostInStreams)
    if (fault !== null) this.#world.fail(`${this.#name}, ${info.code}: ${fault}`)
  }

  /** Where both sides end in order, what waits for the next connection must leave within the timeout of `close()`. */
  #nextDelay(): number | false {
    const { chance, isClean, isHealing } = this.#world
    if (!isHealing && chance.oneIn(100)) return false
    return 1 + chance.below(isClean ? 20 : 400)
  }

  get #taker(): Taker | undefined {
    return this.connection === null ? undefined : this.#known.get(this.connection)?.taker
  }

  /** True when nothing waits in the outbox, which what is sent by the connection directly would overtake. */
  get #isDirect(): boolean {
    return this.client.bufferedAmount === this.connection?.bufferedAmount
  }

  #closeConnection(): void {
    const { connection } = this
    if (connection?.close()) this.#know(connection).isClosing = true
  }

  #connect(): void {
    this.#isClosed = false
    if (!this.client.connect()) this.#world.fail(`connect() of ${this.#name}, which had closed, says false`)
    void this.client.closed.then(info => {
      if (info === undefined) this.#world.fail('closed resolves without info')
    })
  }

  #toggleForward(): void {
    this.#isWanting = !this.#isWanting
    if (this.#isWanting) this.client.on('token', this.#listener)
    else this.client.removeListener('token', this.#listener)
  }

  #know(connection: Connection): Known {
    const known = this.#known.get(connection)
    if (known !== undefined) return known
    const world = this.#world
    const taker = new Taker(world, connection, {
      handles: world.setUp.client.handles,
      takesLong: false,
      ask: world.setUp.asks === 'client' ? () => this.talker.ask() : null
    })
    const made: Known = {
      connection,
      departed: new Departed(this.ledger),
      taker,
      port: 0,
      hasRedialled: false,
      isClosing: false,
      isDetached: false,
      info: null
    }
    this.#known.set(connection, made)
    if (world.isHealing) taker.heal()
    connection.on('detached', error => {
      if (made.info !== null) world.fail(`a connection of ${this.#name} told detached after close`)
      made.isDetached = true
      // When a dial to its server has failed, the others are dialled.
      if (!made.hasRedialled) this.#mustDial = made.port
      world.detached(connection, error)
      world.inListener('detached', this.talker)
    })
    for (const name of ['resumed', 'session-lost'] as const)
      connection.on(name, () => {
        if (made.isClosing) world.fail(`a session of ${this.#name} told ${name} when it was closing in order`)
      })
    connection.on('error', error => world.broke(error, this.#name))
    connection.on('close', (_hadError, info) => {
      made.info = info
      // The client has told its end before: who ends it then is told here alone what it did to the session.
      if (made.isDetached && info.code !== 'ERR_SESSION_LOST') this.ledger.unconfirmed += info.unconfirmed
      this.#mustDial = null
      world.inListener('connection close', this.talker)
    })
    return made
  }

  #attached(): void {
    const { connection } = this.client
    if (connection === null) {
      this.#world.fail('connect or resumed came without a connection')
      return
    }
    const known = this.#know(connection)
    const socket = connection.socket as unknown as SimulatedSocket
    known.port = socket.port
    known.hasRedialled = false
    known.isDetached = false
    this.ledger.taps.push(...socket.written)
    this.#world.carries(socket, known.departed)
  }

  #listen(): void {
    const { client, talker } = this
    const world = this.#world
    client.on('connect', () => {
      this.#attached()
      world.inListener('connect', talker)
    })
    client.on('resumed', () => {
      world.counts.resumed++
      this.#attached()
      world.inListener('resumed', talker)
    })
    client.on('drain', () => {
      this.talker.owesDrain = false
      world.inListener('drain', talker)
    })
    client.on('undeliverable', token => {
      world.entryOf(token).isRefused = true
      world.inListener('undeliverable', talker)
    })
    client.on('session-lost', loss => {
      world.counts.lost++
      this.#mustDial = null
      this.ledger.unconfirmed += loss.unknown
      if (world.isClean) world.fail(`a session was lost (${loss.reason}), and both sides ended in order`)
      world.inListener('session-lost', talker)
    })
    client.on('disconnect', info => {
      this.#disconnected(info)
      world.inListener('disconnect', talker)
    })
    client.on('reconnecting', () => world.inListener('reconnecting', talker))
    client.on('goaway', () => {
      if (!world.isHealing && world.chance.oneIn(5)) this.#closeConnection()
      world.inListener('goaway', talker)
    })
    client.on('error', error => {
      expectHonest(world, error, this.#name)
      world.inListener('error', talker)
    })
    client.on('close', (_hadError, info) => this.#closed(info))
  }

  /** What a server that has ended in order has not had goes on by the next connection, but for what can't or nobody wants. */
  #disconnected({ code, unsent, unconfirmed }: CloseInfo): void {
    this.ledger.unconfirmed += unconfirmed
    if (code !== 'shutdown') return
    // What its handlers had begun is unknown when it did not end in time.
    const { handles } = this.ledger.receiving
    const given = this.ledger.entries.filter(
      ({ call, fate, isGiven }) =>
        call === 'sendFrom' ||
        (handles && isGiven) ||
        (fate !== 'none' && fate !== 'pending' && fate !== 'handed')
    )
    if (unsent + unconfirmed > given.length)
      this.#world.fail(
        `${this.#name} counts ${unsent} tokens as unsent and ${unconfirmed} as unconfirmed, and its server has ended in order`
      )
  }

  #closed(info: CloseInfo): void {
    if (this.#isClosed) this.#world.fail(`${this.#name} told close twice`)
    this.#isClosed = true
    this.#closeDue = null
    this.#mustDial = null
    this.talker.owesDrain = false
    this.ledger.unsent += info.unsent
    this.ledger.unconfirmed += info.unconfirmed
    // What still waits when the servers are gone can't be sent.
    if (this.#world.isClean && this.#world.isServing && info.error !== null)
      this.#world.broke(info.error as TokenError, this.#name)
    this.#world.inListener('close', this.talker)
  }
}
