import { Duplex } from 'node:stream'
import type { Chance } from './random'

/** What is on its way from one end to the other, in order. */
class Lane {
  readonly chunks: (Buffer | 'end' | 'reset')[] = []
  /** Nothing arrives any more, and nobody is told. */
  isSilent = false

  constructor(readonly to: SimulatedSocket) {}

  get isBusy(): boolean {
    return this.chunks.length > 0 && !this.isSilent && !this.to.destroyed
  }
}

/** One end of a simulated transport: what is written waits until the network delivers it. */
export class SimulatedSocket extends Duplex {
  out!: Lane

  constructor() {
    super({ highWaterMark: 1 << 20 })
    this.on('error', () => {})
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // A copy, as the wire makes one: what the writer does with its memory later is its own matter.
    this.out.chunks.push(Buffer.from(chunk))
    done()
  }

  override _final(done: () => void): void {
    this.out.chunks.push('end')
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished || !this.readableEnded) this.out.chunks.push('reset')
    done(error)
  }
}

/**
 * Transports in memory. Nothing arrives by itself: each `step` delivers one piece of one of them, whichever chance
 * picks, so that connections overtake each other and each arrives in pieces of any size.
 */
export class Network {
  readonly #chance: Chance
  readonly #onConnect: (socket: SimulatedSocket) => void
  #lanes: Lane[] = []
  #transports: [SimulatedSocket, SimulatedSocket][] = []

  /** @param onConnect gets the server's end of each dial */
  constructor(chance: Chance, onConnect: (socket: SimulatedSocket) => void) {
    this.#chance = chance
    this.#onConnect = onConnect
  }

  /** @returns the client's end */
  dial(): SimulatedSocket {
    const client = new SimulatedSocket()
    const server = new SimulatedSocket()
    client.out = new Lane(server)
    server.out = new Lane(client)
    this.#lanes.push(client.out, server.out)
    this.#transports.push([client, server])
    this.#onConnect(server)
    return client
  }

  /** Delivers a piece. @returns false when nothing is on its way */
  step(): boolean {
    this.#forget()
    const busy = this.#lanes.filter(lane => lane.isBusy)
    if (busy.length === 0) return false
    this.#deliver(this.#chance.pick(busy))
    return true
  }

  /** Cuts a transport: both ends learn it at once, and what was on its way is gone. */
  cut(): void {
    const transport = this.#pickTransport()
    if (transport === null) return
    for (const end of transport) {
      end.out.chunks.length = 0
      end.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    }
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

  /** Cuts all. */
  cutAll(): void {
    for (const transport of this.#transports) {
      for (const end of transport) {
        end.out.chunks.length = 0
        end.destroy()
      }
    }
    this.#transports = []
    this.#lanes = []
  }

  #deliver(lane: Lane): void {
    const next = lane.chunks[0] as Buffer | 'end' | 'reset'
    if (next === 'end') {
      lane.chunks.shift()
      lane.to.push(null)
    } else if (next === 'reset') {
      lane.chunks.length = 0
      lane.to.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    } else if (next.length > 1 && this.#chance.oneIn(2)) {
      const cut = 1 + this.#chance.below(next.length - 1)
      lane.chunks[0] = next.subarray(cut)
      lane.to.push(next.subarray(0, cut))
    } else {
      lane.chunks.shift()
      lane.to.push(next)
    }
  }

  #pickTransport(): [SimulatedSocket, SimulatedSocket] | null {
    this.#forget()
    return this.#transports.length === 0 ? null : this.#chance.pick(this.#transports)
  }

  #forget(): void {
    if (this.#transports.every(ends => !isOver(ends))) return
    this.#transports = this.#transports.filter(ends => !isOver(ends))
    this.#lanes = this.#transports.flatMap(([client, server]) => [client.out, server.out])
  }
}

function isOver([client, server]: [SimulatedSocket, SimulatedSocket]): boolean {
  return client.destroyed && server.destroyed
}
