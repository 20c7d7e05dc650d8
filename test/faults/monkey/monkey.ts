import { X509Certificate } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { type ProtocolName, TokenError, type TokenErrorCode } from '../../../lib'
import type { Passage, TcpProxy } from '../../helpers/tcp-proxy'
import { type Entry, Ledger, type Receiving } from '../../worlds/ledger'
import type { Play } from '../../worlds/play'
import { Chance } from '../../worlds/random'
import type { Talker } from '../../worlds/talker'
import { tokenId } from '../../worlds/token'
import { CLIENTS, type MonkeyCredentials } from './credentials'
import { MonkeyClient } from './monkey-client'
import { MonkeyServer } from './monkey-server'
import { type RoundPlan, roundPlan } from './plans'
import { Seat } from './seat'
import { TimerCount } from './timers'
import { Wire } from './wire'

/** What is counted, to be printed. */
export interface Counts {
  acts: number
  handed: number
  answered: number
  connects: number
  resumed: number
  lost: number
  refused: number
  reloads: number
  cuts: number
  thrown: number
}

export function noCounts(): Counts {
  return {
    acts: 0,
    handed: 0,
    answered: 0,
    connects: 0,
    resumed: 0,
    lost: 0,
    refused: 0,
    reloads: 0,
    cuts: 0,
    thrown: 0
  }
}

/** What a listener throws. */
class Planted extends Error {}

/** Milliseconds, beyond its own timeout, in which whatever is owed must have come: the machine may be busy. */
const PATIENCE = 10_000

/** Bytes that pass in small pieces, before all pass at once: else nothing comes to pass but them. */
const SPLIT = 3_000

/** Errors that time alone can bring. */
const TIMEOUTS: readonly TokenErrorCode[] = [
  'ERR_CLOSE_TIMEOUT',
  'ERR_CONNECT_TIMEOUT',
  'ERR_FRAME_TIMEOUT',
  'ERR_HANDSHAKE_TIMEOUT',
  'ERR_HEARTBEAT_TIMEOUT',
  'ERR_WRITE_TIMEOUT'
]

/** How much happens, in which part of the time. */
const MOODS = [
  { name: 'calm', disturbs: 0, acts: 300 },
  { name: 'busy', disturbs: 60, acts: 700 },
  { name: 'storm', disturbs: 300, acts: 2_000 }
] as const

/**
 * Two servers and eight clients over TLS on loopback, each client behind a proxy of its server, and chance calls whatever can be called
 * and cuts whatever can be cut. What it does follows from the seed; what comes of it does not, for the network is real.
 */
export class Monkey implements Play {
  readonly counts = noCounts()
  readonly plan: RoundPlan
  readonly credentials: MonkeyCredentials
  readonly wire = new Wire(id => this.entry(id))
  readonly aborts: AbortController[] = []
  isHealing = false
  isClean = false
  /** Objects of the library, to see whether they are given back. */
  readonly remembered: WeakRef<object>[] = []
  readonly #ports: readonly number[]
  readonly #proxies: readonly TcpProxy[]
  /** Decides what is done. */
  readonly #plan: Chance
  /** Decides in what comes by itself: listeners, policies. */
  readonly #loose: Chance
  #step: Chance | null = null
  readonly #ledgers: Ledger[] = []
  readonly #seats = new Map<string, Seat[]>()
  readonly #clients: MonkeyClient[] = []
  readonly #servers: MonkeyServer[] = []
  readonly #retired: (MonkeyClient | MonkeyServer)[] = []
  readonly #strangers = new Set<Socket>()
  /** Promises that are not settled yet, by what they are. */
  readonly #open = new Map<object, string>()
  readonly #timers = new TimerCount()
  readonly #paused = new Set<() => void>()
  readonly #unseen = new Set<unknown>()
  /** Nothing new is begun. */
  #isEnding = false
  /** Milliseconds as a process counts them that is not always given its turn. */
  #felt = 0
  #failure: Error | null = null
  readonly #begin = performance.now()

  constructor(
    seed: number,
    credentials: MonkeyCredentials,
    ports: readonly number[],
    proxies: readonly TcpProxy[]
  ) {
    this.#plan = new Chance(seed)
    this.#loose = new Chance(seed + 1)
    this.plan = roundPlan(this.#plan)
    this.credentials = credentials
    this.#ports = ports
    this.#proxies = proxies
  }

  /** Plays a round of so many milliseconds, and ends it. @throws Error when a promise was broken */
  async play(milliseconds: number): Promise<void> {
    const restores = [this.wire.install(), this.#timers.install(), this.#hearUncaught(), this.#feelTime()]
    try {
      this.#start()
      await this.#act(milliseconds)
      if (this.plan.ending === 'rest') await this.#rest()
      else this.#closeAll()
      await this.#end()
    } finally {
      await this.#stop()
      for (const restore of restores.reverse()) restore()
    }
    this.#throwFailure()
  }

  get chance(): Chance {
    return this.#step ?? this.#loose
  }

  readonly clock = { now: () => this.#felt }

  get setUp() {
    return this.plan.lengths
  }

  fail(why: string): void {
    const after = ((performance.now() - this.#begin) / 1_000).toFixed(1)
    this.#failure ??= new Error(`after ${after} s: ${why}`)
  }

  has(): boolean {
    return true
  }

  entry(id: string): Entry {
    const [stream, number] = id.split('/').map(Number) as [number, number]
    const entry = this.#ledgers[stream]?.entries[number - 1]
    if (entry === undefined) throw new Error(`token ${id} was never sent`)
    return entry
  }

  entryOf(token: Uint8Array): Entry {
    return this.entry(tokenId(Buffer.from(token)) as string)
  }

  pause(): Promise<void> {
    if (this.isHealing) return setImmediate()
    return new Promise(resolve => {
      const goOn = () => {
        clearTimeout(timer)
        this.#paused.delete(goOn)
        resolve()
      }
      const timer = setTimeout(goOn, this.#loose.below(this.#loose.oneIn(10) ? 1_000 : 20))
      this.#paused.add(goOn)
    })
  }

  /** What an application does in its listeners: mostly nothing. */
  inListener(name: string, talker: Talker | null = null): void {
    if (this.#failure !== null || (this.isHealing && !this.isClean)) return
    const dice = this.chance.below(1_000)
    if (dice < 100 && name !== 'token') talker?.say()
    else if (dice < 120) talker?.say()
    else if (dice < 128 && !this.#isEnding && !this.isClean)
      this.#once(new Chance(this.#loose.below(2 ** 31)), 2_000)
    else if (dice < 145) this.#plant(name)
  }

  broke(error: TokenError, where: string, protocol: ProtocolName): void {
    // On token/1 a cut looks like an end in order, and shows at the next write.
    if (!this.isClean || protocol === 'token/1' || TIMEOUTS.includes(error.code)) return
    // A server's session whose client has given up ends at any time; the client tells its own loss.
    if (error.code !== 'ERR_SESSION_LOST')
      this.fail(`${where} broke with ${error.code}, and both sides ended in order: ${error.message}`)
  }

  // --- for clients and servers

  get isServing(): boolean {
    return this.#servers.every(server => !server.isClosing)
  }

  portsFor(index: number): readonly number[] {
    const ports = this.#proxies.map(({ port }) => port)
    return index % 2 === 0 ? ports : ports.reverse()
  }

  /** How the client of a place takes what a server sends. */
  receivingAt(index: number): Receiving {
    const { maxTokenLength } = this.plan.lengths.server
    return { handles: this.plan.clients[index]?.handles === true, longestAnswer: maxTokenLength }
  }

  serialOf(index: number): string {
    return new X509Certificate(this.credentials.clients[index]?.[0]?.cert as string).serialNumber
  }

  dueAfter(timeout: number): number {
    return this.#felt + timeout + PATIENCE
  }

  /**
   * @param whose says who sends, for messages
   * @param seats of those who may get its tokens
   */
  newLedger(whose: string, receiving: Receiving, seats: () => readonly Seat[]): Ledger {
    const ledger = new Ledger(
      this.#ledgers.length,
      receiving,
      why => this.fail(`${whose}: ${why}`),
      () => seats().some(({ isBuffered }) => isBuffered)
    )
    this.#ledgers.push(ledger)
    return ledger
  }

  newSeat(side: 'client' | 'server', index: number): Seat {
    const seat = new Seat(this)
    this.#seatsOf(side, index).push(seat)
    return seat
  }

  /** Where tokens of the client of a place are taken. */
  seatsOfServers(index: number): readonly Seat[] {
    return this.#seatsOf('server', index)
  }

  /** Where tokens for the client of a place are taken. */
  seatsOfClients(index: number): readonly Seat[] {
    return this.#seatsOf('client', index)
  }

  /** A promise that must settle before the end, and that must not be rejected. */
  track(what: string, promise: Promise<unknown>): void {
    this.#open.set(promise, what)
    promise.then(
      () => this.#open.delete(promise),
      error => {
        this.#open.delete(promise)
        this.fail(`${what} was rejected: ${(error as Error)?.stack}`)
      }
    )
  }

  remember(object: object): void {
    this.remembered.push(new WeakRef(object))
  }

  /** A call that must throw a TokenError. */
  expectThrown(call: () => unknown): void {
    try {
      call()
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      return
    }
    this.fail(`no exception came of ${call}`)
  }

  replaceClient(client: MonkeyClient): void {
    if (!this.#clients.includes(client)) return
    this.#retired.push(client)
    this.#clients[this.#clients.indexOf(client)] = new MonkeyClient(this, client.index, this.chance)
  }

  replaceServer(server: MonkeyServer): void {
    if (!this.#servers.includes(server)) return
    this.#retired.push(server)
    this.#servers[this.#servers.indexOf(server)] = this.#newServer(server.index)
  }

  // --- what is done

  #start(): void {
    for (const [index, proxy] of this.#proxies.entries()) {
      proxy.onPassage = passage => this.#receive(passage)
      this.#servers.push(this.#newServer(index))
    }
    for (let index = 0; index < CLIENTS; index++)
      this.#clients.push(new MonkeyClient(this, index, this.#plan))
  }

  #newServer(index: number): MonkeyServer {
    return new MonkeyServer(this, index, this.#ports[index] as number, this.chance)
  }

  async #act(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds
    while (performance.now() < end && this.#failure === null) {
      const mood = this.#plan.pick(MOODS)
      const steps = 50 + this.#plan.below(200)
      for (let step = 0; step < steps && performance.now() < end; step++) {
        const chance = new Chance(this.#plan.below(2 ** 31))
        if (chance.below(10_000) < mood.disturbs) this.#disturb(chance)
        else this.#once(chance, mood.acts)
        const dice = chance.below(9)
        if (dice < 2) await setImmediate()
        else if (dice < 3) await wait(chance.below(8))
      }
      this.#check()
      // Never all day in one turn.
      await setImmediate()
    }
  }

  /** @param acts of 10,000 what is no sending */
  #once(chance: Chance, acts: number): void {
    const before = this.#step
    this.#step = chance
    this.counts.acts++
    try {
      const dice = chance.below(10_000)
      if (dice < acts / 2) chance.pick(this.#clients).act(chance)
      else if (dice < acts) chance.pick(this.#servers).act(chance)
      else if (dice < acts + 200) this.#giveUp(chance)
      else if (dice < acts + 220) this.#visit(chance)
      else if (dice < acts + 4_000) chance.pick(this.#servers).say()
      else chance.pick(this.#clients).say()
    } catch (error) {
      this.#escaped(error)
    } finally {
      this.#step = before
    }
  }

  #escaped(error: unknown): void {
    if (error instanceof Planted) this.fail(`an exception of a listener came out of a call: ${error.stack}`)
    else this.fail(`a call threw ${(error as Error)?.stack}`)
  }

  #giveUp(chance: Chance): void {
    if (this.aborts.length === 0) return
    const [abort] = this.aborts.splice(chance.below(this.aborts.length), 1)
    abort?.abort(new Error('the caller gave up'))
  }

  /** Somebody who is no client of this library, or none that is trusted. */
  #visit(chance: Chance): void {
    const port = chance.pick(this.#ports)
    const [pair] = [this.credentials.stranger]
    const socket = chance.oneIn(2)
      ? connectTcp(port, '127.0.0.1')
      : connectTls({
          host: '127.0.0.1',
          port,
          rejectUnauthorized: false,
          ALPNProtocols: [chance.pick(['token/1', 'token/2', 'monkey/1'])],
          ...(chance.oneIn(2) && { key: pair.key, cert: pair.cert })
        })
    this.#strangers.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#strangers.delete(socket))
    socket.resume()
    if (!('encrypted' in socket) && chance.oneIn(2))
      socket.write(Buffer.alloc(1 + chance.below(300), chance.below(256)))
    setTimeout(() => socket.destroy(), chance.below(400))
  }

  // --- what is done to the network

  #receive(passage: Passage): void {
    if (this.isHealing) return
    const dice = this.#loose.below(100)
    if (dice < 10) passage.slow({ delay: 0, piece: 1 + this.#loose.below(20) }, SPLIT)
    else if (dice < 20) passage.slow({ delay: 1 + this.#loose.below(20), piece: Number.POSITIVE_INFINITY })
    else if (dice < 30) passage.cutAfter(this.#loose.below(this.#loose.oneIn(2) ? 6_000 : 300_000))
  }

  #disturb(chance: Chance): void {
    const { passages } = chance.pick(this.#proxies)
    if (passages.length === 0) return
    this.counts.cuts++
    const passage = chance.pick(passages)
    const dice = chance.below(100)
    if (dice < 20) passage.cut()
    else if (dice < 40) passage.reset()
    else if (dice < 55) passage.endOne(chance.oneIn(2))
    else if (dice < 80) this.#freeze(passage, chance)
    else if (dice < 90) passage.slow({ delay: chance.below(50), piece: 1_400 })
    else if (dice < 95) passage.slow({ delay: 0, piece: 1 + chance.below(5) }, SPLIT)
    else passage.slow({ delay: 0, piece: Number.POSITIVE_INFINITY })
  }

  #freeze(passage: Passage, chance: Chance): void {
    passage.freeze()
    const ends = chance.pick(['thaw', 'cut', 'reset'] as const)
    const timer = setTimeout(() => passage[ends](), chance.below(2_000))
    timer.unref()
  }

  // --- how a round ends

  /** Nothing bad happens any more: everything must arrive, and then both sides end in order. */
  async #rest(): Promise<void> {
    this.isHealing = true
    for (const proxy of this.#proxies) proxy.cutAll()
    for (const goOn of [...this.#paused]) goOn()
    let unrest: string | null = 'nothing was looked at'
    let quiet = 0
    await this.#until(
      () => {
        this.#heal()
        unrest = this.#unrest
        quiet = unrest === null ? quiet + 1 : 0
        return quiet === 5
      },
      () => `it does not come to rest: ${unrest}`,
      4 * PATIENCE
    )
    for (const side of this.#all) side.checkRest()
    this.isClean = true
    for (let i = 0; i < 20 && this.#failure === null; i++) {
      this.#once(new Chance(this.#plan.below(2 ** 31)), 0)
      await setImmediate()
    }
    await this.#closeInOrder()
  }

  #heal(): void {
    for (const client of [...this.#clients]) if (client.isClosed && client.isSpent) this.replaceClient(client)
    for (const server of [...this.#servers]) if (server.isClosed && server.isSpent) this.replaceServer(server)
    for (const side of this.#all) side.heal()
    for (const one of this.#retired) one.healConnections()
  }

  async #closeInOrder(): Promise<void> {
    const chance = new Chance(this.#plan.below(2 ** 31))
    const closeClients = () => {
      for (const client of this.#clients) if (!client.isClosed) client.close()
    }
    const closeServers = () => {
      for (const server of this.#servers) if (!server.isClosed) server.close()
    }
    const areClosed = (sides: readonly (MonkeyClient | MonkeyServer)[]) =>
      this.#until(
        () => sides.every(({ isClosed }) => isClosed),
        () => 'an end in order does not come to its end'
      )
    const dice = chance.below(4)
    if (dice === 0) closeClients()
    else if (dice === 1) closeServers()
    else if (dice === 2)
      for (const server of this.#servers) for (const { connection } of server.connections) connection.close()
    else await Promise.all(this.#servers.map(server => server.drainAndClose(chance)))
    if (dice !== 2) await areClosed(dice === 0 ? this.#clients : this.#servers)
    closeClients()
    await areClosed(this.#clients)
    closeServers()
    await areClosed(this.#servers)
  }

  /** In the middle of everything, by whatever call. */
  #closeAll(): void {
    this.#isEnding = true
    const { chance } = this
    for (const side of this.#all) {
      const dice = chance.below(4)
      if (dice === 0) side.close()
      else if (dice === 1) side.close({ timeout: chance.pick([0, 50, 1_000]) })
      else if (dice === 2) this.track('dispose of one that ends', side.dispose())
      else {
        for (const { connection } of side.connections) connection.destroy()
        side.close()
      }
    }
  }

  async #end(): Promise<void> {
    this.#isEnding = true
    await this.#until(
      () => {
        // One that was made by a listener of the end.
        for (const side of this.#all) if (!side.isClosed) side.close()
        return this.#all.every(({ isClosed }) => isClosed)
      },
      () => `${this.#all.filter(({ isClosed }) => !isClosed).length} servers and clients do not close`
    )
    // A handler that waits for an answer goes on when its request is rejected: then it is done at once.
    this.isHealing = true
    for (const goOn of [...this.#paused]) goOn()
    for (const one of [...this.#all, ...this.#retired]) one.healConnections()
    for (const stranger of this.#strangers) stranger.destroy()
    await this.#until(
      () => this.#open.size === 0,
      () => `promises are open: ${[...new Set(this.#open.values())].join(', ')}`
    )
    await this.#until(
      () => this.#ledgers.every(({ hasPending }) => !hasPending),
      () => 'a deliver() is open'
    )
    await this.#until(
      () => this.#connections.every(({ consumer }) => consumer === null),
      () =>
        `consumers do not come to their end: ${this.#connections.flatMap(({ consumer }) => consumer ?? []).join(', ')}`
    )
    await this.#until(
      () => this.#timers.running === 0,
      () => `${this.#timers.running} timers still run`
    )
    for (const one of [...this.#all, ...this.#retired]) one.checkEnd()
    await this.#until(
      () => this.#unseen.size === 0,
      () => `${this.#unseen.size} exceptions of listeners vanished`
    )
  }

  /** Whatever is left, so that the process can go on to the next round. */
  async #stop(): Promise<void> {
    this.#isEnding = true
    this.isHealing = true
    for (const goOn of [...this.#paused]) goOn()
    for (const stranger of this.#strangers) stranger.destroy()
    if (this.#failure !== null) for (const side of this.#all) side.close({ timeout: 0 })
    for (const proxy of this.#proxies) {
      proxy.onPassage = () => {}
      proxy.cutAll()
    }
    for (let turn = 0; turn < 10; turn++) await setImmediate()
  }

  // --- what must be true

  get #all(): readonly (MonkeyClient | MonkeyServer)[] {
    return [...this.#clients, ...this.#servers]
  }

  get #connections() {
    return [...this.#all, ...this.#retired].flatMap(one => [...one.connections])
  }

  get #unrest(): string | null {
    for (const side of this.#all) {
      const { unrest } = side
      if (unrest !== null) return unrest
    }
    return null
  }

  #seatsOf(side: string, index: number): Seat[] {
    const key = `${side} ${index}`
    const seats = this.#seats.get(key) ?? []
    this.#seats.set(key, seats)
    return seats
  }

  #check(): void {
    for (const side of [...this.#all, ...this.#retired]) side.check()
    for (const { entries, stream } of this.#ledgers)
      for (const { fate, due, number } of entries)
        if (fate === 'pending' && due !== null && due + PATIENCE < this.#felt)
          this.fail(`the timeout of token ${number} of stream ${stream} passed, and its promise is open`)
  }

  /** @param why tells what is missing when it does not come to pass */
  async #until(isDone: () => boolean, why: () => string, patience = 2 * PATIENCE): Promise<void> {
    const due = this.#felt + patience
    while (this.#failure === null && !isDone()) {
      if (this.#felt > due) this.fail(why())
      this.#check()
      await wait(10)
    }
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }

  #plant(name: string): never {
    const error = new Planted(`a listener of ${name} has thrown`)
    this.counts.thrown++
    this.#unseen.add(error)
    throw error
  }

  /** What nobody catches: the exceptions of listeners, each once, and nothing else. */
  #hearUncaught(): () => void {
    const uncaught = (error: unknown) => {
      if (!this.#unseen.delete(error)) this.fail(`uncaught: ${(error as Error)?.stack}`)
    }
    const rejected = (error: unknown) => this.fail(`unhandled rejection: ${(error as Error)?.stack}`)
    const warned = (warning: Error) => this.fail(`warning: ${warning.stack}`)
    process.on('uncaughtException', uncaught)
    process.on('unhandledRejection', rejected)
    process.on('warning', warned)
    return () => {
      process.removeListener('uncaughtException', uncaught)
      process.removeListener('unhandledRejection', rejected)
      process.removeListener('warning', warned)
    }
  }

  /** A process that got no turn for a second has not been patient for a second. */
  #feelTime(): () => void {
    let last = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      this.#felt += Math.min(now - last, 100)
      last = now
    }, 10)
    return () => clearInterval(timer)
  }
}
