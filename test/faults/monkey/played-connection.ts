import type { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { CloseInfo, Connection, ConnectionEvents, TokenError, TokenStream } from '../../../lib'
import { expectHonest } from '../../worlds/honest'
import { Departed, type Ledger } from '../../worlds/ledger'
import type { Chance } from '../../worlds/random'
import { Taker } from '../../worlds/taker'
import type { Talker } from '../../worlds/talker'
import type { Monkey } from './monkey'
import type { Seat } from './seat'

/** Whose connection it is, and what it is used for. */
export interface Owner {
  readonly name: string
  /** Of the tokens that it sends. */
  readonly ledger: Ledger
  /** Of its consumer. */
  readonly seat: Seat
  /** Of those who may get its tokens. */
  readonly receivers: () => readonly Seat[]
  readonly handles: boolean
  /** Only pieces will do. */
  readonly takesLong: boolean
  /** Its handler asks the other side from inside. */
  readonly asks: boolean
  talker(): Talker | null
  /** Before a listener throws, behind which no other is called. */
  onDrain?(): void
  onClose?(info: CloseInfo): void
}

const EVENTS = ['open', 'drain', 'undeliverable', 'goaway', 'detached', 'resumed', 'session-lost'] as const

/** A connection of a client or of a server, with which the monkey does whatever chance picks. */
export class PlayedConnection {
  readonly connection: Connection
  readonly departed: Departed
  readonly taker: Taker
  info: CloseInfo | null = null
  readonly #monkey: Monkey
  readonly #owner: Owner

  constructor(monkey: Monkey, connection: Connection, owner: Owner) {
    this.#monkey = monkey
    this.#owner = owner
    this.connection = connection
    this.departed = new Departed(owner.ledger)
    const { seat, handles, takesLong, asks } = owner
    this.taker = new Taker(seat, connection, {
      handles,
      takesLong,
      ask: asks ? async () => owner.talker()?.ask() : null
    })
    if (monkey.isHealing) this.taker.heal()
    this.#listen()
    monkey.remember(connection)
    monkey.track(
      `closed of a connection of ${owner.name}`,
      connection.closed.then(info => {
        if (info !== this.info) monkey.fail(`closed and 'close' of ${owner.name} tell of two ends`)
      })
    )
  }

  /** It has a transport, its first or another one. */
  attached(): void {
    const tap = this.#monkey.wire.carries(this.connection.socket as TLSSocket, this.departed)
    this.#owner.ledger.taps.push(tap)
  }

  /** One call of the public methods of a connection, or of its stream and socket. */
  act(chance: Chance): void {
    const { connection, taker } = this
    const dice = chance.below(100)
    if (dice < 2) connection.close()
    else if (dice < 4) connection.close({ timeout: chance.pick([0, 50, 1_000]) })
    else if (dice < 6) connection.destroy()
    else if (dice < 7) this.#monkey.track('dispose of a connection', connection[Symbol.asyncDispose]())
    else if (dice < 10) connection.socket.destroy()
    else if (dice < 14) this.#refOrUnref(chance)
    else if (dice < 18) taker.stream?.end()
    else if (dice < 20) this.#destroyStream(chance)
    else if (dice < 45) taker.toggle()
    else if (dice < 70) taker.change()
    else if (dice < 80) taker.settle(1 + chance.below(4))
    else if (dice < 85) this.#callWrongly(chance)
    else this.#look()
  }

  /** What still takes its tokens; null when nothing does. */
  get consumer(): string | null {
    const { consumer } = this.taker
    return (
      consumer &&
      `${consumer} of a connection of ${this.#owner.name} that ended with ${this.info?.code}${stateOf(this.taker.stream)}`
    )
  }

  heal(): void {
    this.taker.heal()
    // Of a connection that has closed in order, a stream that still may be written is its owner's to end.
    if (this.info !== null) this.taker.stream?.end()
  }

  checkEnd(): void {
    const { connection, info } = this
    const { name, receivers } = this.#owner
    this.taker.checkEnd()
    if (info === null) {
      this.#monkey.fail(`a connection of ${name} never closed`)
      return
    }
    const lost = receivers().reduce((sum, { lostInStreams }) => sum + lostInStreams, 0)
    const fault = this.departed.faultOf(info, lost)
    if (fault !== null) this.#monkey.fail(`${name}, ${info.code}: ${fault}`)
    // What was not read can be read still.
    const { isOpen, isDetached, isDead, bufferedAmount, retainedBytes } = connection
    const left = { isOpen, isDetached, isDead, bufferedAmount, retainedBytes }
    const none = { isOpen: false, isDetached: false, isDead: true, bufferedAmount: 0, retainedBytes: 0 }
    if (JSON.stringify(left) !== JSON.stringify(none))
      this.#monkey.fail(`a closed connection of ${name} (${info.code}) has ${JSON.stringify(left)}`)
  }

  #listen(): void {
    const { connection } = this
    for (const name of EVENTS) connection.on(name, (...values: unknown[]) => this.#heard(name, values))
    connection.on('error', error => {
      this.#heard('error', [error])
    })
    connection.on('close', (_hadError, info) => {
      if (this.info !== null) this.#monkey.fail(`a connection of ${this.#owner.name} told close twice`)
      this.info = info
      this.#owner.onClose?.(info)
      this.#monkey.inListener('connection close', this.#owner.talker())
    })
  }

  #heard(name: keyof ConnectionEvents, values: unknown[]): void {
    const { name: owner } = this.#owner
    if (this.info !== null) this.#monkey.fail(`a connection of ${owner} told ${name} after close`)
    if (name === 'undeliverable') this.#monkey.entryOf(values[0] as Uint8Array).isRefused = true
    if (name === 'drain') this.#owner.onDrain?.()
    if (name === 'error') this.#broke(values[0] as TokenError)
    this.#monkey.inListener(`connection ${name}`, this.#owner.talker())
  }

  #broke(error: TokenError): void {
    const { protocol } = this.connection
    if (protocol === 'token/2') expectHonest(this.#monkey, error, this.#owner.name)
    this.#monkey.broke(error, `a connection of ${this.#owner.name}`, protocol)
  }

  #destroyStream(chance: Chance): void {
    const { stream } = this.taker
    if (stream === null || stream.destroyed) return
    this.#owner.seat.lostInStreams += stream.readableLength
    stream.destroy(chance.oneIn(2) ? new Error('of the application') : undefined)
  }

  #refOrUnref(chance: Chance): void {
    const socket = this.connection.socket as TLSSocket
    if (chance.oneIn(2)) socket.ref()
    else socket.unref()
  }

  /** What can be asked at any time, and what it must answer. */
  #look(): void {
    const { connection } = this
    const { bufferedAmount, retainedBytes, unreadBytes, tokensSent, tokensUnsent, tokensReceived } =
      connection
    for (const count of [
      bufferedAmount,
      retainedBytes,
      unreadBytes,
      tokensSent,
      tokensUnsent,
      tokensReceived
    ])
      expect(count).to.satisfy((value: number) => Number.isInteger(value) && value >= 0)
    expect(tokensUnsent).to.be.at.most(tokensSent)
    expect([
      connection.rtt,
      connection.peer,
      connection.protocol,
      connection.writableNeedDrain
    ]).to.have.lengthOf(4)
    if (connection.isOpen) expect(connection.isDetached).to.equal(false)
  }

  #callWrongly(chance: Chance): void {
    const { connection } = this
    const wrong: readonly (() => unknown)[] = [
      () => connection.close({ timeout: -1 }),
      () => connection.send('text' as unknown as Buffer),
      () => connection.send(Buffer.alloc(500 * 1024)),
      () => connection.goaway({ code: 'wrong' as 'drain' }),
      () => connection.handle('text' as never)
    ]
    this.#monkey.expectThrown(chance.pick(wrong))
    // It is neither taken nor sent.
    const isAborted = connection.deliver(Buffer.from('never'), { signal: AbortSignal.abort() })
    const isWrong = connection.deliver(Buffer.from('never'), { timeout: -1 })
    for (const promise of [isAborted, isWrong]) {
      const refused = promise.then(
        () => this.#monkey.fail('a deliver() that was given up before it began has resolved'),
        () => {}
      )
      this.#monkey.track('a deliver() that can not be', refused)
    }
  }
}

/** What a stream still waits for. */
function stateOf(stream: TokenStream | null): string {
  if (stream === null) return ''
  const { readableLength, readableFlowing, readableEnded, writableLength, writableEnded, writableFinished } =
    stream
  return ` ${JSON.stringify({ readableLength, readableFlowing, readableEnded, writableLength, writableEnded, writableFinished })}`
}
