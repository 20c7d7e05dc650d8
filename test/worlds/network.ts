import { Duplex } from 'node:stream'
import type { FrameTap } from './frame-tap'
import type { Chance } from './random'

/** What is on its way from one end to the other, in order. */
class Lane {
  readonly items: (Buffer | 'secured' | 'end' | 'reset')[] = []
  /** Nothing arrives any more, and nobody is told. */
  isSilent = false
  /** The end has arrived: what follows it is lost. */
  hasEnded = false
  /** Bytes above which a write waits. */
  room = Number.POSITIVE_INFINITY
  #bytes = 0
  #waiting: ((error?: Error | null) => void) | null = null

  constructor(
    readonly from: SimulatedSocket,
    readonly to: SimulatedSocket
  ) {}

  get isBusy(): boolean {
    return this.items.length > 0 && !this.isSilent && !this.to.destroyed && !this.to.isHeld
  }

  write(bytes: Buffer, done: (error?: Error | null) => void): void {
    // A copy, as the wire makes one: what the writer does with its memory later is its own matter.
    this.items.push(Buffer.from(bytes))
    this.#bytes += bytes.length
    this.#waiting = done
    this.#release()
  }

  /** A piece of it has arrived, or is lost. */
  passed(bytes: number): void {
    this.#bytes -= bytes
    this.#release()
  }

  lose(): void {
    this.items.length = 0
    this.passed(this.#bytes)
  }

  abandon(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.(error)
  }

  #release(): void {
    if (this.#bytes > this.room || this.#waiting === null) return
    const done = this.#waiting
    this.#waiting = null
    done()
  }
}

/** Memory that a socket is read into, Node's option `onread`. */
export interface OnRead {
  readonly buffer: Buffer
  callback(bytes: number, buffer: Buffer): boolean
}

/** One end of a simulated transport: what is written waits until the network delivers it. */
export class SimulatedSocket extends Duplex {
  out!: Lane
  /** Reads what is written, and what arrives. */
  readonly written: FrameTap[] = []
  readonly arrived: FrameTap[] = []
  onread: OnRead | null = null
  /** Whoever reads by `onread` wants nothing until the socket is resumed. */
  isHeld = false
  onSecured: () => void = () => {}
  /** Where a client's end leads to. */
  port = 0

  constructor() {
    super({ highWaterMark: 1 << 20 })
    this.on('error', () => {})
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.out.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.out.items.push('end')
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.out.abandon(error ?? new Error('Cannot write: this end was destroyed'))
    if (!this.writableFinished || !this.readableEnded) this.out.items.push('reset')
    done(error)
  }

  /** Read along here, and not where the stream gives it on: what was taken by the stream has left its sender. */
  override write(chunk: Buffer, ...rest: unknown[]): boolean {
    for (const tap of this.written) tap.push(chunk)
    return super.write(chunk, ...(rest as []))
  }

  override resume(): this {
    this.isHeld = false
    return super.resume()
  }

  arrive(bytes: Buffer): void {
    for (const tap of this.arrived) tap.push(bytes)
    if (this.onread === null) {
      this.push(bytes)
      return
    }
    const { buffer } = this.onread
    for (let at = 0; at < bytes.length; at += buffer.length) {
      const read = bytes.copy(buffer, 0, at, at + buffer.length)
      if (!this.onread.callback(read, buffer)) this.isHeld = true
    }
  }
}

type Transport = readonly [client: SimulatedSocket, server: SimulatedSocket]

interface Dialled {
  readonly port: number
  readonly client: SimulatedSocket
}

/**
 * Transports in memory. Nothing arrives by itself: each `step` delivers one piece of one of them, whichever chance
 * picks, so that connections overtake each other and each arrives in pieces of any size.
 */
export class Network {
  readonly #chance: Chance
  readonly #createEnd: () => SimulatedSocket
  readonly #listeners = new Map<number, (socket: SimulatedSocket) => void>()
  readonly #dials: Dialled[] = []
  #lanes: Lane[] = []
  #transports: Transport[] = []
  /** Bytes that each direction holds before a write waits. */
  room = Number.POSITIVE_INFINITY

  /** @param createEnd makes the server's end of a transport */
  constructor(chance: Chance, createEnd: () => SimulatedSocket) {
    this.#chance = chance
    this.#createEnd = createEnd
  }

  get isBusy(): boolean {
    return this.#dials.length > 0 || this.#lanes.some(lane => lane.isBusy)
  }

  /** @param onConnect gets the server's end of each dial to that port. @returns false when somebody listens there */
  listen(port: number, onConnect: (socket: SimulatedSocket) => void): boolean {
    if (this.#listeners.has(port)) return false
    this.#listeners.set(port, onConnect)
    return true
  }

  stopListening(port: number): void {
    this.#listeners.delete(port)
  }

  /** @param client the client's end; its `onSecured` is called when the server has answered */
  dial(port: number, client: SimulatedSocket): void {
    client.port = port
    client.out = new Lane(client, client)
    this.#dials.push({ port, client })
  }

  /** Delivers a piece. @returns false when nothing is on its way */
  step(): boolean {
    this.#forget()
    const busy = this.#lanes.filter(lane => lane.isBusy)
    if (busy.length + this.#dials.length === 0) return false
    const choice = this.#chance.below(busy.length + this.#dials.length)
    if (choice < busy.length) this.#deliver(busy[choice] as Lane)
    else this.#answer(choice - busy.length)
    return true
  }

  /** Cuts a transport: both ends learn it at once, and what was on its way is gone. */
  cut(): void {
    const transport = this.#pickTransport()
    if (transport !== null) cutEnds(transport)
  }

  /** Nothing arrives in one direction any more, or in both, and nobody is told. */
  silence(): void {
    const transport = this.#pickTransport()
    if (transport === null) return
    const [client, server] = transport
    const which = this.#chance.below(3)
    if (which !== 0) client.out.isSilent = true
    if (which !== 1) server.out.isSilent = true
  }

  /** One direction ends behind what is on its way, as by a proxy that half-closes. */
  endOneDirection(): void {
    const transport = this.#pickTransport()
    if (transport === null) return
    const { out } = this.#chance.pick(transport)
    out.items.push('end')
  }

  /** Cuts those of some servers' ends, or all. */
  cutAll(isOf: (server: SimulatedSocket) => boolean = () => true): void {
    for (const transport of this.#transports) if (isOf(transport[1])) cutEnds(transport)
    this.#forget()
  }

  /** Cuts those by which nothing comes any more. */
  cutSilent(): void {
    this.cutAll(server => server.out.isSilent || server.out.to.out.isSilent)
  }

  #answer(index: number): void {
    const [dial] = this.#dials.splice(index, 1)
    const { port, client } = dial as Dialled
    if (client.destroyed) return
    const onConnect = this.#listeners.get(port)
    if (onConnect === undefined) {
      client.destroy(failure('connect ECONNREFUSED', 'ECONNREFUSED'))
      return
    }
    const server = this.#createEnd()
    client.out = new Lane(client, server)
    server.out = new Lane(server, client)
    client.out.room = this.room
    server.out.room = this.room
    this.#lanes.push(client.out, server.out)
    this.#transports.push([client, server])
    server.out.items.push('secured')
    onConnect(server)
  }

  #deliver(lane: Lane): void {
    const next = lane.items[0] as Lane['items'][number]
    const { to } = lane
    if (Buffer.isBuffer(next)) {
      this.#deliverBytes(lane, next)
      return
    }
    lane.items.shift()
    if (next === 'reset') {
      lane.lose()
      to.destroy(reset())
    } else if (next === 'end') {
      if (!lane.hasEnded) to.push(null)
      lane.hasEnded = true
    } else {
      // The client's part of the handshake leaves before all that it sends later.
      if (this.#transports.some(([client]) => client === to)) to.out.items.unshift('secured')
      to.onSecured()
    }
  }

  #deliverBytes(lane: Lane, next: Buffer): void {
    const isCut = next.length > 1 && this.#chance.oneIn(2)
    const piece = isCut ? next.subarray(0, 1 + this.#chance.below(next.length - 1)) : next
    if (isCut) lane.items[0] = next.subarray(piece.length)
    else lane.items.shift()
    try {
      if (!lane.hasEnded) lane.to.arrive(piece)
    } finally {
      lane.passed(piece.length)
    }
  }

  #pickTransport(): Transport | null {
    this.#forget()
    return this.#transports.length === 0 ? null : this.#chance.pick(this.#transports)
  }

  #forget(): void {
    if (this.#transports.every(ends => !isOver(ends))) return
    this.#transports = this.#transports.filter(ends => !isOver(ends))
    this.#lanes = this.#transports.flatMap(([client, server]) => [client.out, server.out])
  }
}

function cutEnds(ends: Transport): void {
  for (const end of ends) {
    end.out.lose()
    end.destroy(reset())
  }
}

function isOver([client, server]: Transport): boolean {
  return client.destroyed && server.destroyed
}

function reset(): Error {
  return failure('read ECONNRESET', 'ECONNRESET')
}

function failure(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}
