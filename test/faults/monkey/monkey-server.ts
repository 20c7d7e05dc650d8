import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import {
  type AuthorizeAnswer,
  type Connection,
  type Credentials,
  type Peer,
  TokenError,
  TokenServer
} from '../../../lib'
import { expectHonest } from '../../worlds/honest'
import type { Ledger } from '../../worlds/ledger'
import type { Chance } from '../../worlds/random'
import { Talker } from '../../worlds/talker'
import { indexOfClient } from './credentials'
import { Lives } from './lives'
import type { Monkey } from './monkey'
import { type ServerPlan, serverPlan } from './plans'
import { PlayedConnection } from './played-connection'

interface Played {
  readonly played: PlayedConnection
  readonly ledger: Ledger
  readonly talker: Talker
}

/** Milliseconds in which a client whose certificate was revoked must have been closed. */
const RECHECK_TIME = 5_000

/** A TokenServer with which the monkey does whatever chance picks. */
export class MonkeyServer {
  readonly server: TokenServer
  readonly index: number
  readonly #monkey: Monkey
  readonly #plan: ServerPlan
  readonly #name: string
  readonly #port: number
  readonly #played = new Map<Connection, Played>()
  /** Whom `authorize` said yes to. */
  readonly #allowed = new WeakSet<Connection>()
  readonly #lives: Lives
  #isWanting = true
  /** The certificate that the newest lists name, and until when its connections must be closed. */
  #revoked: { readonly serial: string; readonly due: number } | null = null
  readonly #listener = (token: Buffer, connection: Connection) => {
    this.#lives.expectAlive('token')
    const known = this.#played.get(connection)
    if (known?.played.taker.isListening === false) known.played.taker.give(token)
    this.#monkey.inListener('token', known?.talker ?? null)
  }

  constructor(monkey: Monkey, index: number, port: number, chance: Chance) {
    this.#monkey = monkey
    this.index = index
    this.#name = `server-${index}`
    this.#port = port
    this.#plan = serverPlan(chance, monkey.plan)
    const abort = chance.oneIn(3) ? new AbortController() : null
    const { credentials } = monkey
    this.server = new TokenServer({
      ...this.#plan.options,
      host: '127.0.0.1',
      port,
      ...chance.pick(credentials.servers),
      ca: [...credentials.trust],
      signal: abort?.signal,
      sessionIdentity: peer => this.#identityOf(peer),
      authorize: this.#plan.authorizes
        ? (_peer, connection, signal) => this.#authorize(connection, signal)
        : undefined,
      protocols: { 'monkey/1': { handler: socket => this.#visited(socket), clientCertificate: 'optional' } }
    })
    monkey.remember(this.server)
    const { closeTimeout } = this.#plan
    this.#lives = new Lives(monkey, this.server, { name: this.#name, closeTimeout, abort })
    this.#listen()
    // A listener takes tokens whole, and some may come that are too long for that.
    this.#isWanting = monkey.plan.server.takesLong
    this.#toggleForward()
  }

  get isClosed(): boolean {
    return this.#lives.isClosed
  }

  get isClosing(): boolean {
    return this.#lives.isClosing
  }

  get isSpent(): boolean {
    return this.#lives.isSpent
  }

  get connections(): PlayedConnection[] {
    return [...this.#played.values()].map(({ played }) => played)
  }

  say(): void {
    this.#any()?.talker.say()
  }

  act(chance: Chance): void {
    const dice = chance.below(100)
    if (this.isClosed) {
      if (dice < 40) this.#lives.connect(0)
      else if (dice < 50) this.#lives.connect(1 + chance.below(100))
      else if (dice < 60) this.#monkey.replaceServer(this)
    } else if (dice < 2) this.close()
    else if (dice < 4) this.close({ timeout: chance.pick([0, 50, 300]) })
    else if (dice < 5) this.#monkey.track('dispose of a server', this.dispose())
    else if (dice < 6) this.#lives.abort()
    else if (dice < 8) this.#drain(chance)
    else if (dice < 14) this.#reload(chance)
    else if (dice < 16) this.#reloadWrongly(chance)
    else if (dice < 18) this.#lives.expectNoConnect()
    else if (dice < 19) this.#listenTwice()
    else if (dice < 26) this.#toggleForward()
    else if (dice < 28) this.#callWrongly(chance)
    else if (dice < 34) this.#goaway(chance)
    else this.#any()?.played.act(chance)
  }

  close(options?: { timeout: number }): void {
    const due = this.#lives.dueAfter(options?.timeout)
    if (this.server.close(options)) this.#lives.closesBy(due)
  }

  dispose(): Promise<void> {
    return this.#lives.dispose()
  }

  async drainAndClose(chance: Chance): Promise<void> {
    await this.server.drain({ code: chance.pick(['drain', 'shutdown']), spread: 0, timeout: 1_000 })
    this.close()
  }

  heal(): void {
    if (this.isClosed && !this.isSpent) this.#lives.connect(0)
    if (!this.#isWanting) this.#toggleForward()
    if (this.#revoked !== null && !this.isClosed)
      this.#reloadWith({ crl: [...this.#monkey.credentials.noneRevoked] })
    this.healConnections()
  }

  healConnections(): void {
    for (const { played } of this.#played.values()) played.heal()
  }

  get unrest(): string | null {
    if (this.isClosed) return `${this.#name} is closed`
    for (const { played, ledger } of this.#played.values()) {
      const { isOpen, bufferedAmount, retainedBytes } = played.connection
      if (isOpen && bufferedAmount + retainedBytes > 0)
        return `a connection of ${this.#name} waits with ${bufferedAmount} bytes and ${retainedBytes} kept`
      if (ledger.hasPending) return `a connection of ${this.#name} waits for a promise`
    }
    return null
  }

  check(): void {
    const now = this.#monkey.clock.now()
    this.#lives.check()
    const { queuedBytes, pendingHandshakes, detachedSessions, connections } = this.server
    if (queuedBytes < 0 || pendingHandshakes < 0 || detachedSessions > connections.size)
      this.#monkey.fail(`${this.#name} has ${queuedBytes}, ${pendingHandshakes}, ${detachedSessions}`)
    if (this.#revoked === null || now < this.#revoked.due) return
    for (const { isOpen, peer } of connections) {
      if (isOpen && peer?.serialNumber === this.#revoked.serial)
        this.#monkey.fail(`${this.#name} keeps a connection whose certificate was revoked`)
    }
  }

  checkRest(): void {}

  checkEnd(): void {
    const { connections, pendingHandshakes, queuedBytes, detachedSessions } = this.server
    this.#lives.checkEnd()
    const left = [connections.size, pendingHandshakes, queuedBytes, detachedSessions]
    if (left.some(count => count !== 0))
      this.#monkey.fail(`${this.#name} has closed, and its counters are ${left.join(', ')}`)
    if (this.server.address() !== null) this.#monkey.fail(`${this.#name} has closed, and has an address`)
    for (const { played, ledger } of this.#played.values()) {
      played.checkEnd()
      ledger.checkUnsent(Number.POSITIVE_INFINITY)
    }
  }

  #any(): Played | null {
    const open = [...this.#played.values()].filter(({ played }) => played.info === null)
    return open.length === 0 ? null : this.#monkey.chance.pick(open)
  }

  // --- what the application answers

  #authorize(connection: Connection, signal: AbortSignal): AuthorizeAnswer | Promise<AuthorizeAnswer> {
    const { chance, isHealing } = this.#monkey
    const dice = isHealing ? 0 : chance.below(100)
    if (dice < 70) return this.#allow(connection)
    if (dice < 80) return this.#monkey.pause().then(() => this.#allow(connection))
    if (dice < 84) return false
    if (dice < 88) return { reason: 'of the application' }
    if (dice < 91) throw new Error('of the application')
    if (dice < 94) return Promise.reject(new Error('of the application'))
    if (dice < 97) return 'yes' as unknown as boolean
    return once(signal, 'abort').then(() => this.#allow(connection))
  }

  /** A wrong answer refuses the dial, and the client goes on. */
  #identityOf(peer: Peer | null): string | null {
    const { chance, isHealing } = this.#monkey
    const dice = isHealing ? 0 : chance.below(100)
    if (dice === 99) throw new Error('of the application')
    return dice === 98 ? (undefined as unknown as string) : `${peer?.issuer} ${peer?.subject}`
  }

  #allow(connection: Connection): true {
    this.#allowed.add(connection)
    return true
  }

  #visited(socket: TLSSocket): void {
    socket.on('error', () => {})
    if (this.#monkey.chance.oneIn(2)) socket.end('bye')
    else this.#monkey.inListener('handler')
  }

  // --- what it calls

  /** Somebody has the port. */
  #listenTwice(): void {
    if (this.server.address() === null) return
    const { credentials } = this.#monkey
    const second = new TokenServer({
      host: '127.0.0.1',
      port: this.#port,
      ca: [...credentials.trust],
      ...credentials.servers[0]
    })
    second.on('error', error => {
      if (error.code !== 'ERR_LISTEN') this.#monkey.fail(`a second server was told ${error.code}`)
    })
    // The first may have closed meanwhile.
    second.on('connect', () => second.close({ timeout: 0 }))
    this.#monkey.track('closed of a second server', second.closed)
  }

  #drain(chance: Chance): void {
    const code = chance.pick(['drain', 'shutdown', 'overloaded'] as const)
    const closes = chance.oneIn(2)
    const spread = chance.pick([0, 200, undefined])
    const goaway = {
      code,
      retryAfter: chance.pick([0, 100]),
      timeout: 1_000,
      ...(spread !== undefined && { spread })
    }
    const drained = this.server.drain(goaway).then(left => {
      if (!Number.isInteger(left)) this.#monkey.fail(`drain() resolved with ${left}`)
      if (closes && !this.#monkey.isHealing) this.close()
    })
    this.#monkey.track('drain()', drained)
  }

  #goaway(chance: Chance): void {
    const connection = this.#any()?.played.connection
    if (connection === undefined || !connection.isOpen || connection.protocol !== 'token/2') return
    const code = chance.pick(['drain', 'shutdown', 'overloaded', 'certificate-expired'] as const)
    connection.goaway({ code, retryAfter: chance.pick([0, 0, 200]), reason: 'of the monkey' })
  }

  #reload(chance: Chance): void {
    const { credentials } = this.#monkey
    const { trust, revoked, noneRevoked, clients } = credentials
    const index = chance.below(clients.length)
    const crl = chance.pick([[], [noneRevoked], [revoked[index] as readonly string[]]])[0]
    this.#reloadWith({
      ...chance.pick(credentials.servers),
      ca: chance.oneIn(2) ? [...trust] : [...trust].reverse(),
      ...(crl !== undefined && { crl: [...crl] })
    })
    const serial = crl === revoked[index] ? this.#monkey.serialOf(index) : null
    if (serial !== null) this.#revoked = { serial, due: this.#monkey.clock.now() + RECHECK_TIME }
  }

  #reloadWith(reloaded: Credentials): void {
    this.server.reload(reloaded)
    if (reloaded.crl !== undefined) this.#revoked = null
    this.#monkey.counts.reloads++
  }

  #reloadWrongly(chance: Chance): void {
    const { servers, stranger } = this.#monkey.credentials
    const wrong = chance.pick([
      { cert: 'no certificate' },
      { key: stranger.key },
      { ca: 'no authority' },
      { crl: '' },
      { cert: servers[0]?.cert, key: servers[1]?.key }
    ])
    try {
      this.server.reload(wrong as Parameters<TokenServer['reload']>[0])
      this.#monkey.fail(`reload(${Object.keys(wrong).join()}) took what can't be used`)
    } catch (error) {
      if ((error as TokenError).code !== 'ERR_RELOAD') throw error
    }
  }

  #callWrongly(chance: Chance): void {
    const { server } = this
    const wrong: readonly (() => unknown)[] = [() => server.close({ timeout: -1 }), () => server.connect(-1)]
    this.#monkey.expectThrown(chance.pick(wrong))
    const refused = server.drain({ timeout: -1 }).then(
      () => this.#monkey.fail('drain({ timeout: -1 }) has resolved'),
      () => {}
    )
    this.#monkey.track('drain() that can not be', refused)
  }

  #toggleForward(): void {
    this.#isWanting = !this.#isWanting && !this.#monkey.plan.server.takesLong
    if (this.#isWanting) this.server.on('token', this.#listener)
    else this.server.removeListener('token', this.#listener)
  }

  // --- what it is told

  #accepted(connection: Connection): void {
    const monkey = this.#monkey
    if (this.#plan.authorizes && !this.#allowed.has(connection))
      monkey.fail(`${this.#name} accepted a client to whom authorize had not said yes`)
    const index = indexOfClient((connection.socket as TLSSocket & { servername: string }).servername)
    const ledger = monkey.newLedger(`${this.#name} to client-${index}`, monkey.receivingAt(index), () =>
      monkey.seatsOfClients(index)
    )
    const played: PlayedConnection = new PlayedConnection(monkey, connection, {
      name: this.#name,
      ledger,
      seat: monkey.newSeat('server', index),
      receivers: () => monkey.seatsOfClients(index),
      handles: monkey.plan.server.handles,
      takesLong: monkey.plan.server.takesLong,
      asks: monkey.plan.asks === 'server',
      talker: () => talker,
      onDrain: () => {
        talker.owesDrain = false
      },
      onClose: info => {
        ledger.unsent += info.unsent
        talker.owesDrain = false
      }
    })
    const talker = new Talker(monkey, ledger, connection, {
      connection: () => (connection.isOpen ? connection : null),
      isDead: () => connection.isDead,
      stream: () => played.taker.stream
    })
    this.#played.set(connection, { played, ledger, talker })
    played.attached()
  }

  #listen(): void {
    const { server } = this
    const monkey = this.#monkey
    server.on('connection', connection => {
      this.#lives.expectAlive('connection')
      this.#accepted(connection)
      monkey.inListener('connection', this.#played.get(connection)?.talker ?? null)
    })
    server.on('resumed', connection => {
      this.#lives.expectAlive('resumed')
      this.#played.get(connection)?.played.attached()
      monkey.inListener('resumed', this.#played.get(connection)?.talker ?? null)
    })
    server.on('dropped', (count, connection) => {
      this.#lives.expectAlive('dropped')
      const known = this.#played.get(connection)
      if (known === undefined) monkey.fail('tokens of an unknown connection were dropped')
      else known.ledger.dropped += count
      monkey.inListener('dropped', known?.talker ?? null)
    })
    server.on('connectionError', (error, connection) => {
      this.#lives.expectAlive('connectionError')
      if (connection.protocol === 'token/2') expectHonest(monkey, error, this.#name)
      monkey.inListener('connectionError', this.#any()?.talker ?? null)
    })
    server.on('refused', ({ code, error }) => {
      this.#lives.expectAlive('refused')
      monkey.counts.refused++
      if (!(error instanceof TokenError) || error.code !== code) monkey.fail(`refused told ${code}, ${error}`)
      monkey.inListener('refused', this.#any()?.talker ?? null)
    })
    server.on('connect', () => {
      this.#lives.expectAlive('connect')
      monkey.inListener('connect')
    })
    server.on('session-lost', () => {
      this.#lives.expectAlive('session-lost')
      monkey.inListener('session-lost', this.#any()?.talker ?? null)
    })
    server.on('error', error => this.#broke(error))
    server.on('close', (_hadError, info) => {
      this.#lives.end(info)
      if (server.connections.size > 0) monkey.fail(`${this.#name} has closed, and has connections`)
      monkey.inListener('close')
    })
  }

  /** Between two lives of a server anyone may have taken its port. */
  #broke(error: TokenError): void {
    this.#lives.expectAlive('error')
    const { code } = (error.cause ?? {}) as { code?: string }
    if (code !== 'EADDRINUSE') this.#monkey.fail(`${this.#name} broke with ${error.message}`)
    this.#monkey.inListener('error')
  }
}
