import type { Duplex } from 'node:stream'
import { Connection, type ConnectionContext, controlOf } from '../../lib/connection/connection'
import type { Forward } from '../../lib/connection/connection-context'
import type { TransportFacts } from '../../lib/connection/transport-facts'
import { TokenError } from '../../lib/errors/token-error'
import { ServerSessions } from '../../lib/server/server-sessions'
import { FakeClock } from '../../lib/testing'
import { Network, type SimulatedSocket } from './network'
import { Chance } from './random'
import { readSimulatedToken, simulatedToken } from './token'

const KIB = 1024

const LIMITS = {
  maxTokenLength: 400 * KIB,
  outboxBytes: 900 * KIB,
  highWaterMark: 16 * KIB,
  receiveWindow: 64 * KIB,
  heartbeat: 1_000,
  frameTimeout: 3_000,
  writeTimeout: 0,
  closeTimeout: 2_000
}
const SESSION = { windowBytes: 500 * KIB, resumeTimeout: 20_000 }

/** What a promise of `deliver` has said of a token. */
type Fate = 'pending' | 'handed' | 'ERR_NOT_SENT' | 'ERR_FATE_UNKNOWN'

/** What is counted, to be printed. */
export interface Counts {
  steps: number
  handed: number
  resumed: number
  lost: number
  restarts: number
}

/**
 * A client and a server with sessions over a network of which chance decides everything, and the promises that must
 * hold at each step.
 *
 * The client does what TokenClient does, without TLS: it dials, attaches, and sends on the next session what never
 * left on the last.
 */
export class World {
  readonly counts: Counts = { steps: 0, handed: 0, resumed: 0, lost: 0, restarts: 0 }
  readonly #chance: Chance
  readonly #forwards = new WeakMap<Connection, Forward>()
  readonly #clock = new FakeClock()
  readonly #restoreClock = this.#clock.install()
  readonly #network: Network
  #failure: Error | null = null
  #isOver = false

  // the client
  #client: Connection | null = null
  #outbox: Uint8Array[] = []
  #isDialling = false
  #clientWants = true
  #sent = 0
  #fates = new Map<number, Fate>()
  /** Tokens of the client that may be missing, because their session was lost and said so. */
  #mayMiss = 0
  #streamSeen = 0
  #streamNumber = 0

  // the server
  #sessions = this.#newSessions()
  readonly #served = new Set<Connection>()
  #serverWants = true
  #lastHanded = 0
  #streams = 0
  readonly #streamOf = new WeakMap<Connection, { stream: number; sent: number }>()
  readonly #serverFates = new Set<Promise<void>>()

  constructor(seed: number) {
    this.#chance = new Chance(seed)
    this.#network = new Network(this.#chance, socket => this.#accept(socket))
    this.#dial()
  }

  /** One thing happens, whichever chance picks. @throws Error when a promise was broken */
  async step(): Promise<void> {
    this.counts.steps++
    this.#act()
    await settled()
    this.#check()
  }

  /** Nothing bad happens any more: everything must arrive. @throws Error when it does not */
  async heal(): Promise<void> {
    this.#clientWants = true
    this.#serverWants = true
    this.#tellWants()
    for (let turn = 0; turn < 50_000 && !this.#isDone; turn++) {
      if (!this.#network.step()) this.#clock.advance(100)
      await settled()
      this.#check()
    }
    if (!this.#isDone) throw new Error(`not everything arrived: ${this.#lastHanded} of ${this.#sent}`)
    await this.#end()
  }

  stop(): void {
    this.#network.cutAll()
    this.#client?.destroy()
    for (const connection of this.#served) connection.destroy()
    this.#restoreClock()
  }

  get #isDone(): boolean {
    const client = this.#client
    if (client === null || !client.isOpen || this.#outbox.length > 0) return false
    const isQuiet = client.bufferedAmount === 0 && client.retainedBytes === 0
    return isQuiet && [...this.#fates.values()].every(fate => fate !== 'pending') && this.#isServerDone
  }

  get #isServerDone(): boolean {
    for (const connection of this.#served) {
      if (connection.isOpen && (connection.bufferedAmount > 0 || connection.retainedBytes > 0)) return false
    }
    return true
  }

  async #end(): Promise<void> {
    // Told of the last ones, with no later one to show the gap.
    for (let number = this.#lastHanded + 1; number <= this.#sent; number++) this.#missing(number)
    let unsettled = this.#serverFates.size
    for (const fate of this.#serverFates) void fate.then(() => unsettled--)
    const client = this.#client as Connection
    this.#isOver = true
    client.close()
    for (let turn = 0; turn < 20_000 && (this.#served.size > 0 || unsettled > 0); turn++) {
      if (!this.#network.step()) this.#clock.advance(100)
      await settled()
    }
    if (this.#served.size > 0) this.#fail(`${this.#served.size} connections of the server never closed`)
    if (unsettled > 0) this.#fail(`${unsettled} promises of the server were never settled`)
    if (this.#failure !== null) throw this.#failure
  }

  // --- what happens

  #act(): void {
    const dice = this.#chance.below(10_000)
    if (dice < 6_300) {
      if (!this.#network.step()) this.#clock.advance(this.#chance.below(60))
    } else if (dice < 7_700) this.#clientSends()
    else if (dice < 8_600) this.#serverSends()
    else if (dice < 9_700) this.#clock.advance(this.#chance.below(40))
    else if (dice < 9_820) this.#toggleConsumer()
    else if (dice < 9_890) this.#network.cut()
    else if (dice < 9_920) this.#network.silence()
    else if (dice < 9_960) this.#redial()
    else if (dice < 9_964) this.#restart()
    else if (dice < 9_966) this.#clock.advance(SESSION.resumeTimeout)
  }

  #length(): number {
    const dice = this.#chance.below(1_000)
    if (dice < 900) return 8 + this.#chance.below(100)
    if (dice < 995) return this.#chance.below(20 * KIB)
    return this.#chance.below(LIMITS.maxTokenLength)
  }

  #clientSends(): void {
    const client = this.#client
    if (client === null) return
    const number = this.#sent + 1
    const token = simulatedToken(0, number, this.#length())
    if (this.#outbox.length > 0 || client.isDead) return
    const dice = this.#chance.below(20)
    if (dice < 6) {
      if (client.bufferedAmount + token.length + 4 > LIMITS.outboxBytes) return
      this.#watchFate(number, client.deliver(token))
    } else if (dice === 6 && client.isOpen) {
      this.#watchFate(number, client.sendFrom(this.#pieces(token), token.length))
    } else if (client.send(token)) {
      this.#sent = number
    }
  }

  /** One stream in ten fails before its end. */
  async *#pieces(token: Buffer): AsyncGenerator<Buffer> {
    const pieces = 1 + this.#chance.below(4)
    const failsAt = this.#chance.oneIn(10) ? this.#chance.below(pieces) : -1
    for (let index = 0; index < pieces; index++) {
      if (index === failsAt) throw new Error('the source has failed')
      const start = Math.floor((token.length * index) / pieces)
      yield token.subarray(start, Math.floor((token.length * (index + 1)) / pieces))
      await settled()
    }
  }

  #watchFate(number: number, promise: Promise<void>): void {
    this.#sent = number
    this.#fates.set(number, 'pending')
    promise.then(
      () => this.#settled(number, 'handed'),
      error => this.#settled(number, (error as TokenError).code as Fate)
    )
  }

  #settled(number: number, fate: Fate): void {
    this.#fates.set(number, fate)
    if (fate === 'handed' && number > this.#lastHanded)
      this.#fail(`token ${number} was told handed and was not`)
    if (fate === 'ERR_NOT_SENT' && this.#handedNumbers.has(number)) {
      this.#fail(`token ${number} was told not sent and was handed`)
    }
    if (fate !== 'handed' && fate !== 'ERR_NOT_SENT' && fate !== 'ERR_FATE_UNKNOWN') {
      this.#fail(`the promise of token ${number} was told ${String(fate)}`)
    }
  }

  /** Of the tokens with a promise. */
  readonly #handedNumbers = new Set<number>()

  #serverSends(): void {
    const connections = [...this.#served].filter(connection => !connection.isDead)
    if (connections.length === 0) return
    const connection = this.#chance.pick(connections)
    const stream = this.#streamOf.get(connection) as { stream: number; sent: number }
    const token = simulatedToken(stream.stream, stream.sent + 1, this.#length())
    if (connection.bufferedAmount + token.length + 4 > LIMITS.outboxBytes) return
    stream.sent++
    if (!this.#chance.oneIn(4)) {
      connection.send(token)
      return
    }
    const { sent } = stream
    const handed = () => {
      const isHanded =
        stream.stream < this.#streamSeen || (stream.stream === this.#streamSeen && sent <= this.#streamNumber)
      if (!isHanded) this.#fail(`token ${sent} of stream ${stream.stream} was told handed and was not`)
    }
    this.#serverFates.add(connection.deliver(token).then(handed, () => {}))
  }

  #toggleConsumer(): void {
    if (this.#chance.oneIn(2)) this.#clientWants = !this.#clientWants
    else this.#serverWants = !this.#serverWants
    this.#tellWants()
  }

  #tellWants(): void {
    for (const connection of [...(this.#client === null ? [] : [this.#client]), ...this.#served]) {
      const forward = this.#forwards.get(connection)
      if (forward !== undefined) controlOf(connection).forwardTo(forward)
    }
  }

  /** Another dial while the last one is under way or used: the server may see them in any order. */
  #redial(): void {
    const client = this.#client
    if (client === null || !client.hasSession || client.isDead) return
    controlOf(client).attach(this.#network.dial(), { peer: null })
  }

  #restart(): void {
    this.counts.restarts++
    const dead = [...this.#served]
    this.#served.clear()
    this.#sessions = this.#newSessions()
    for (const connection of dead) connection.destroy()
  }

  #newSessions(): ServerSessions {
    return new ServerSessions({ maxSessions: 3, maxSessionsPerIdentity: 3 })
  }

  // --- the client

  #dial(): void {
    this.#isDialling = false
    const socket = this.#network.dial()
    if (this.#client === null) this.#client = this.#createClient(socket, {})
    else controlOf(this.#client).attach(socket, { peer: null })
  }

  #dialLater(): void {
    if (this.#isDialling) return
    this.#isDialling = true
    this.#clock.setTimeout(() => this.#dial(), 1 + this.#chance.below(400))
  }

  #createClient(socket: Duplex, facts: TransportFacts): Connection {
    const context: ConnectionContext = {
      ...facts,
      session: SESSION,
      greetingTimeout: 3_000,
      forward: this.#forwardTo(
        () => this.#clientWants,
        token => this.#take(() => this.#clientHas(token))
      ),
      onOpen: connection => {
        for (const token of this.#outbox.splice(0)) connection.send(token)
      },
      onDetached: () => this.#dialLater(),
      onResumed: () => {
        this.counts.resumed++
      },
      onSessionLost: loss => {
        this.counts.lost++
        this.#mayMiss += loss.unknown
      },
      onClose: (_info, closed, successor) => {
        if (this.#isOver) return
        this.#outbox = [...controlOf(closed).delivering.takeUnsent(), ...this.#outbox]
        this.#client = null
        if (successor !== null)
          this.#client = this.#createClient(successor.socket, { greeted: successor.handshake })
        else this.#dialLater()
      }
    }
    return this.#make(socket, 'client', context)
  }

  #make(socket: Duplex, role: 'client' | 'server', context: ConnectionContext): Connection {
    const connection = new Connection(socket, { ...LIMITS, protocol: 'token/2', role }, context)
    if (context.forward !== undefined) this.#forwards.set(connection, context.forward)
    return connection
  }

  /** Each connection of the server counts from 1, without a gap. */
  #clientHas(bytes: Buffer): void {
    const { stream, number } = readSimulatedToken(bytes)
    this.counts.handed++
    if (stream < this.#streamSeen)
      this.#fail(`a token of stream ${stream} came after one of ${this.#streamSeen}`)
    const expected = stream === this.#streamSeen ? this.#streamNumber + 1 : 1
    if (number !== expected)
      this.#fail(`token ${number} of stream ${stream} came in the place of ${expected}`)
    this.#streamSeen = stream
    this.#streamNumber = number
  }

  // --- the server

  #accept(socket: SimulatedSocket): void {
    const sessions = this.#sessions
    const context: ConnectionContext = {
      session: SESSION,
      greetingTimeout: 3_000,
      forward: this.#forwardTo(
        () => this.#serverWants && sessions === this.#sessions,
        token => this.#take(() => this.#serverHas(token))
      ),
      admit: (candidate, request) => {
        if (sessions !== this.#sessions || request === null) return new TokenError('ERR_LOST', 'restarted')
        return sessions.admit(candidate, request, 'client', {
          admitTransport: () => null,
          admitConnection: () => null
        })
      },
      ...(this.#chance.oneIn(3) && { authorize: async () => true }),
      onOpen: connection => {
        this.#served.add(connection)
        this.#streamOf.set(connection, { stream: ++this.#streams, sent: 0 })
      },
      onDetached: (_error, connection) => sessions.detached(connection),
      onClose: (info, connection) => {
        this.#served.delete(connection)
        sessions.remove(connection, info.code === 'ERR_SESSION_LOST')
      }
    }
    this.#make(socket, 'server', context)
  }

  #serverHas(bytes: Buffer): void {
    const { number } = readSimulatedToken(bytes)
    this.counts.handed++
    if (number <= this.#lastHanded) this.#fail(`token ${number} came after ${this.#lastHanded}`)
    for (let gap = this.#lastHanded + 1; gap < number; gap++) this.#missing(gap)
    this.#lastHanded = number
    const fate = this.#fates.get(number)
    if (fate === undefined) return
    this.#handedNumbers.add(number)
    if (fate === 'ERR_NOT_SENT') this.#fail(`token ${number} was told not sent and was handed`)
  }

  #missing(number: number): void {
    if (this.#fates.get(number) === 'ERR_NOT_SENT') return
    if (this.#mayMiss === 0) this.#fail(`token ${number} is missing, and nobody said so`)
    else this.#mayMiss--
  }

  // --- promises

  #forwardTo(isWanting: () => boolean, take: (token: Buffer) => void): Forward {
    return {
      get isWanting() {
        return isWanting()
      },
      take
    }
  }

  #take(take: () => void): void {
    try {
      take()
    } catch (error) {
      this.#fail((error as Error).message)
    }
  }

  #fail(why: string): void {
    this.#failure ??= new Error(`step ${this.counts.steps}: ${why}`)
  }

  #check(): void {
    if (this.#client !== null) this.#checkMemory(this.#client)
    for (const connection of this.#served) this.#checkMemory(connection)
    if (this.#failure !== null) throw this.#failure
  }

  #checkMemory(connection: Connection): void {
    const { retainedBytes, bufferedAmount, unreadBytes } = connection
    if (retainedBytes > SESSION.windowBytes) this.#fail(`${retainedBytes} bytes are kept for replay`)
    if (bufferedAmount > LIMITS.outboxBytes + SESSION.windowBytes) this.#fail(`${bufferedAmount} bytes wait`)
    if (unreadBytes > LIMITS.receiveWindow + LIMITS.maxTokenLength + 4)
      this.#fail(`${unreadBytes} bytes are unread`)
  }
}

function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
