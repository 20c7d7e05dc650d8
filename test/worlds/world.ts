import type { Connection, TokenError, TokenStream } from '../../lib'
import { FakeClock } from '../../lib/testing'
import type { Certificates } from '../helpers/certificates'
import { SimulatedClient } from './client'
import { noCounts } from './counts'
import { FrameTap } from './frame-tap'
import { expectHonest } from './honest'
import { type Departed, type Entry, Ledger, type Receiving } from './ledger'
import { MemoryTls } from './memory-tls'
import type { Network, SimulatedSocket } from './network'
import type { TakingPlay } from './play'
import { Chance } from './random'
import { SimulatedServer } from './server'
import { RESUME_TIMEOUT, type SetUp, setUpOf } from './set-up'
import type { Talker } from './talker'
import { tokenId } from './token'

/** Which events of a world are left out, to find out whose fault it is. */
export interface WorldOptions {
  readonly without?: readonly string[]
}

/** What a listener throws. */
class Planted extends Error {}

/**
 * Clients and servers over a network of which chance decides everything, and the promises that must hold at each
 * step: TokenClient and TokenServer themselves, by their public calls, with TLS and time in memory.
 *
 * ```
 *  step() ──▶ a piece arrives │ time passes │ a call │ a cut, a silence, a half-close │ a kill
 *  heal() ──▶ nothing bad any more: everything arrives
 *  end()  ──▶ both sides end in order: each fate is known
 * ```
 */
export class World implements TakingPlay {
  readonly counts = noCounts()
  readonly chance: Chance
  readonly clock = new FakeClock({ date: Date.now() })
  readonly setUp: SetUp
  readonly network: Network
  readonly clientCredentials
  readonly serverCredentials
  /** Of deliveries that may still be given up. */
  readonly aborts: AbortController[] = []
  /** Milliseconds that an end may take beyond its timeout. */
  readonly slack = 2_500
  readonly streams = new Set<TokenStream>()
  /** Tokens that an application threw away unread with a stream. */
  lostInStreams = 0
  isHealing = false
  /** What takes tokens from now on does it by a stream, where it can. */
  takesByStreams = false
  /** Both sides end in order, and nothing disturbs them. */
  isClean = false
  readonly #without: ReadonlySet<string>
  readonly #restoreClock = this.clock.install()
  readonly #tls: MemoryTls
  readonly #ledgers = new Map<number, Ledger>()
  readonly #whole = new WeakMap<SimulatedSocket, Entry[]>()
  readonly #departed = new WeakMap<SimulatedSocket, Departed>()
  readonly #closeCodes = new WeakMap<SimulatedSocket, number>()
  readonly #clients: SimulatedClient[] = []
  readonly #servers: SimulatedServer[] = []
  readonly #killed: SimulatedServer[] = []
  #paused: (() => void)[] = []
  /** Turns in which nothing was on its way. */
  #idleTurns = 0
  /** Milliseconds in which nothing comes to pass but timeouts. */
  #timeAhead = 0
  #failure: Error | null = null
  /** Exceptions of listeners that nobody has seen yet. */
  #unseen = 0

  constructor(seed: number, certificates: Certificates, { without = [] }: WorldOptions = {}) {
    this.#without = new Set(without)
    this.chance = new Chance(seed)
    this.setUp = setUpOf(this.chance)
    const { ca, client, server } = certificates
    this.clientCredentials = { ca, ...client }
    this.serverCredentials = { ca, ...server }
    this.#tls = new MemoryTls(this.chance, certificates, socket => this.#tap(socket))
    this.network = this.#tls.network
    this.network.room = this.setUp.room
    this.#tls.onDial = (name, port) => {
      for (const client of this.#clients) client.dialled(name, port)
    }
    const ports = Array.from({ length: this.setUp.servers }, (_, index) => index + 1)
    for (const port of ports) this.#servers.push(new SimulatedServer(this, port))
    for (let index = 0; index < this.setUp.clients; index++)
      this.#clients.push(new SimulatedClient(this, index, ports))
  }

  /** One thing happens, whichever chance picks. @throws Error when a promise was broken */
  async step(): Promise<void> {
    this.counts.steps++
    this.#guard(() => (this.#timeAhead > 0 ? this.#passTime() : this.#act()))
    await settled()
    this.#check()
  }

  /** Nothing bad happens any more: everything must arrive. @throws Error when it does not */
  async heal(): Promise<void> {
    this.isHealing = true
    this.#guard(() => this.network.cutSilent())
    await this.#rest()
    if (this.setUp.session !== false) await this.#cutAtRest()
    this.#guard(() => {
      for (const side of [...this.#clients, ...this.#servers]) side.checkRest()
    })
    await this.#end()
  }

  /** Where all is at rest a cut changes nothing, of what is half-closed neither. */
  async #cutAtRest(): Promise<void> {
    this.takesByStreams = true
    this.#guard(() => {
      for (const { open } of this.#servers) for (const connection of open) connection.close()
    })
    await this.#rest()
    // A stream that was never written holds nothing open.
    await this.#talk()
    this.#guard(() => {
      for (const side of [...this.#clients, ...this.#servers]) side.halfClose()
    })
    await this.#rest()
    this.#guard(() => this.network.cutAll())
    await this.#rest()
  }

  /** Goes on until nobody waits for anything. @throws Error when that does not come */
  async #rest(): Promise<void> {
    for (let turn = 0, quiet = 0; quiet < 3; turn++) {
      const unrest = this.#unrest
      if (turn === 20_000) throw new Error(`the world does not come to rest: ${unrest}`)
      this.#guard(() => this.#heal())
      await this.#flow()
      quiet = this.#unrest === null && !this.#isMoving ? quiet + 1 : 0
    }
  }

  stop(): void {
    this.#guard(() => {
      this.network.cutAll()
      for (const { client } of this.#clients) client.close({ timeout: 0 })
      for (const { server } of this.#servers) server.close({ timeout: 0 })
    })
    this.#tls.restore()
    this.#restoreClock()
  }

  fail(why: string): void {
    this.#failure ??= new Error(`step ${this.counts.steps}: ${why}`)
  }

  has(event: string): boolean {
    return !this.#without.has(event)
  }

  /** An exception that left the library: one of a listener's, or a fault. */
  uncaught(error: unknown): void {
    if (error instanceof Planted) this.#unseen--
    else this.fail(`uncaught: ${(error as Error)?.stack}`)
  }

  newLedger(receiving: Receiving): Ledger {
    const ledger = new Ledger(
      this.#ledgers.size,
      receiving,
      why => this.fail(why),
      () => this.lostInStreams > 0 || [...this.streams].some(stream => stream.readableLength > 0)
    )
    this.#ledgers.set(ledger.stream, ledger)
    return ledger
  }

  /** @throws Error when nobody sent it */
  entry(id: string): Entry {
    const [stream, number] = id.split('/').map(Number) as [number, number]
    const entry = this.#ledgers.get(stream)?.entries[number - 1]
    if (entry === undefined) throw new Error(`token ${id} was never sent`)
    return entry
  }

  entryOf(token: Uint8Array): Entry {
    return this.entry(tokenId(Buffer.from(token)) as string)
  }

  get isServing(): boolean {
    return this.#servers.every(server => !server.isClosing)
  }

  /** The tokens that leave by a socket are those of one connection. */
  carries(socket: SimulatedSocket, departed: Departed): void {
    this.#departed.set(socket, departed)
    for (const entry of this.#whole.get(socket) ?? []) departed.add(entry)
  }

  /** An application that is slow goes on some time later. */
  pause(): Promise<void> {
    return new Promise(resolve => {
      if (this.isHealing) setImmediate(resolve)
      else this.#paused.push(resolve)
    })
  }

  detached(connection: Connection, error: TokenError): void {
    expectHonest(this, error, 'a session')
    const socket = connection.socket as unknown as SimulatedSocket
    const code = this.#closeCodes.get(socket)
    // A dial that is refused leaves the session as it is.
    if (code !== undefined && this.#departed.has(socket) && ENDING.includes(code >>> 8))
      this.fail(
        `a session that the peer has ended with CLOSE ${code.toString(16)} waits for its next transport`
      )
  }

  broke(error: TokenError, where: string): void {
    expectHonest(this, error, where)
    // A server's session whose client has given up ends at any time; the client tells its own loss.
    if (this.isClean && error.code !== 'ERR_SESSION_LOST')
      this.fail(`${where} broke with ${error.code}, and both sides ended in order: ${error.message}`)
  }

  /** What an application does in its listeners: mostly nothing. */
  inListener(name: string, talker: Talker | null = null): void {
    if (this.#failure !== null || (this.isHealing && !this.isClean)) return
    const dice = this.chance.below(100)
    if (dice < (SPEAKS[name] ?? 12)) talker?.say()
    else if (dice >= 98 && this.has('throws')) {
      this.counts.thrown++
      this.#unseen++
      throw new Planted(`a listener of ${name} has thrown`)
    }
  }

  // --- what happens

  #act(): void {
    const { chance } = this
    const dice = chance.below(10_000)
    if (dice < 5_600) this.#flowOn()
    else if (dice < 7_000) this.#api(() => chance.pick(this.#clients).talker.say())
    else if (dice < 7_900) this.#api(() => chance.pick(this.#servers).say())
    else if (dice < 8_900) this.clock.advance(chance.below(40))
    else if (dice < 9_300) this.#wakeOne()
    else if (dice < 9_450) this.#api(() => chance.pick([...this.#clients, ...this.#servers]).settle())
    else if (dice < 9_530) this.#abort()
    else if (dice < 9_760) this.#api(() => chance.pick(this.#clients).act())
    else if (dice < 9_900) this.#api(() => chance.pick(this.#servers).act())
    else this.#disturb()
  }

  #disturb(): void {
    const dice = this.chance.below(100)
    if (dice < 60) this.network.cut()
    else if (dice < 75) this.network.silence()
    else if (dice < 90) this.network.endOneDirection()
    else if (dice < 94) this.#kill()
    else this.#timeAhead = dice < 98 ? 2_000 : RESUME_TIMEOUT
  }

  /** In slices, so that what a timeout begins can end. */
  #passTime(): void {
    const slice = Math.min(this.#timeAhead, 200)
    this.#timeAhead -= slice
    this.clock.advance(slice)
  }

  #flowOn(): void {
    if (!this.network.step()) this.clock.advance(this.chance.below(60))
  }

  #abort(): void {
    if (this.aborts.length === 0) return
    const [abort] = this.aborts.splice(this.chance.below(this.aborts.length), 1)
    abort?.abort(new Error('the caller gave up'))
  }

  #wakeOne(): void {
    if (this.#paused.length === 0) return
    const [resolve] = this.#paused.splice(this.chance.below(this.#paused.length), 1)
    resolve?.()
  }

  #kill(): void {
    if (!this.has('kills')) return
    this.counts.kills++
    const index = this.chance.below(this.#servers.length)
    const dead = this.#servers[index] as SimulatedServer
    dead.kill()
    this.#killed.push(dead)
    this.#servers[index] = new SimulatedServer(this, index + 1)
  }

  #heal(): void {
    for (const resolve of this.#paused.splice(0)) resolve()
    for (const side of [...this.#clients, ...this.#servers, ...this.#killed]) side.heal()
  }

  /** Something goes on: a piece arrives, or time passes because nothing is on its way. */
  async #flow(leap = 20): Promise<void> {
    this.#guard(() => {
      // Applications have some turns to go on before time passes.
      if (this.network.step()) this.#idleTurns = 0
      else if (++this.#idleTurns % 5 === 0) this.clock.advance(this.#idleTurns > 50 ? 5 * leap : leap)
    })
    await settled()
    this.#check()
  }

  get #isMoving(): boolean {
    return this.network.isBusy
  }

  get #unrest(): string | null {
    for (const side of [...this.#clients, ...this.#servers]) {
      const { unrest } = side
      if (unrest !== null) return unrest
    }
    return null
  }

  async #end(): Promise<void> {
    this.isClean = true
    await this.#talk()
    await this.#endSides()
    // Nothing is left that could come to pass, and no timer that could expire.
    for (let turn = 0; turn < 150; turn++) await this.#flow(100)
    this.#guard(() => {
      for (const side of [...this.#clients, ...this.#servers, ...this.#killed]) side.checkEnd()
    })
    if (this.clock.pending > 0) this.fail(`${this.clock.pending} timers still run`)
    if (this.#unseen !== 0) this.fail(`${this.#unseen} exceptions of listeners vanished`)
    this.#check()
  }

  async #talk(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      this.#api(() => this.chance.pick(this.#clients).talker.say())
      this.#api(() => this.chance.pick(this.#servers).say())
      await this.#flow()
    }
  }

  async #endSides(): Promise<void> {
    const closeClients = () => {
      for (const client of this.#clients) if (!client.isClosed) this.#api(() => client.close())
    }
    const closeServers = () => {
      for (const server of this.#servers) if (!server.isClosed) this.#api(() => server.close())
    }
    const dice = this.chance.below(4)
    if (dice === 0) closeClients()
    else if (dice === 1) closeServers()
    else if (dice === 2)
      for (const server of this.#servers)
        for (const connection of server.open) this.#api(() => void connection.close())
    else await this.#until(Promise.all(this.#servers.map(server => server.drainAndClose())))
    await this.#whileOpen(
      () => (dice === 0 ? this.#clients : this.#servers).every(side => side.isClosed) || dice === 2
    )
    closeClients()
    await this.#whileOpen(() => this.#clients.every(client => client.isClosed))
    closeServers()
    await this.#whileOpen(() => this.#servers.every(server => server.isClosed))
  }

  async #until(done: Promise<unknown>): Promise<void> {
    let isDone = false
    const finish = () => {
      isDone = true
    }
    done.then(finish, finish)
    await this.#whileOpen(() => isDone)
  }

  async #whileOpen(isDone: () => boolean): Promise<void> {
    for (let turn = 0; !isDone(); turn++) {
      if (turn === 20_000) throw new Error('an end in order does not come to its end')
      await this.#flow()
    }
  }

  // --- promises

  /** A call of an application: nothing may come out of it but what is documented. */
  #api(call: () => void): void {
    try {
      call()
    } catch (error) {
      if (error instanceof Planted) this.fail(`an exception of a listener came out of a call: ${error.stack}`)
      else throw error
    }
  }

  /** What the event loop would call: an exception there is an uncaught one. */
  #guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.uncaught(error)
    }
  }

  #check(): void {
    const now = this.clock.now()
    if (this.counts.steps % 50 === 0) {
      for (const ledger of this.#ledgers.values()) this.#checkDue(ledger, now)
    }
    for (const side of [...this.#clients, ...this.#servers]) side.check()
    if (this.#failure !== null) throw this.#failure
  }

  #checkDue({ entries, stream }: Ledger, now: number): void {
    for (const { fate, due, number } of entries) {
      if (fate === 'pending' && due !== null && due < now)
        this.fail(`the timeout of token ${number} of stream ${stream} passed, and its promise is open`)
    }
  }

  #tap(socket: SimulatedSocket): void {
    const whole: Entry[] = []
    this.#whole.set(socket, whole)
    socket.written.push(
      new FrameTap({
        onBegun: id => {
          this.entry(id).isBegun = true
        },
        onWhole: id => {
          const entry = this.entry(id)
          entry.isWhole = true
          whole.push(entry)
          this.#departed.get(socket)?.add(entry)
        },
        onClose: () => {}
      })
    )
    socket.arrived.push(
      new FrameTap({
        onBegun: () => {},
        onWhole: () => {},
        onClose: code => this.#closeCodes.set(socket, code)
      })
    )
  }
}

/** Of a hundred times so many a listener of this event sends. */
const SPEAKS: Readonly<Record<string, number>> = { token: 2, drain: 50 }

/** Classes of close codes that end a session (docs/wire-format.md, section 13). */
const ENDING: readonly number[] = [0, 2, 4]

/** After what is on its way inside the process. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
