import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onCleanUp } from './loopback'

/** A TCP proxy on loopback that can cut what goes through it. */
export class TcpProxy {
  /** Connections that came. */
  dials = 0
  /** Connections that were cut. */
  cuts = 0
  /** Called for each connection that comes, before a byte of it has passed. */
  onPassage: (passage: Passage) => void = () => {}
  readonly #server: Server
  readonly #passages = new Set<Passage>()
  #bytesUntilCut: () => number = () => Number.POSITIVE_INFINITY
  #target: number

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, socket => this.#through(socket))
  }

  static async to(port: number): Promise<TcpProxy> {
    const proxy = await TcpProxy.open(port)
    onCleanUp(() => proxy.close())
    return proxy
  }

  /** One that lasts until `close()`. */
  static async open(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  async close(): Promise<void> {
    this.cutAll()
    this.#server.close()
    await once(this.#server, 'close')
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Those that go through it now, the oldest first. */
  get passages(): readonly Passage[] {
    return [...this.#passages]
  }

  /** Later connections go there. */
  set target(port: number) {
    this.#target = port
  }

  /** Each connection from now on is cut after so many bytes, both directions together, in the middle of whatever. */
  cutAfter(bytes: () => number): void {
    this.#bytesUntilCut = bytes
  }

  cutAll(): void {
    for (const passage of this.#passages) passage.cut()
  }

  #through(near: Socket): void {
    this.dials++
    const passage = new Passage(
      near,
      connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true }),
      {
        onCut: () => {
          this.#passages.delete(passage)
          this.cuts++
        },
        onClose: () => this.#passages.delete(passage)
      }
    )
    this.#passages.add(passage)
    passage.cutAfter(this.#bytesUntilCut())
    this.onPassage(passage)
  }
}

/** How the bytes of one connection pass. */
export interface Manner {
  /** Milliseconds that each piece is late. */
  readonly delay: number
  /** Bytes of the longest piece that passes in one turn of the event loop. */
  readonly piece: number
}

const AT_ONCE: Manner = { delay: 0, piece: Number.POSITIVE_INFINITY }

/** One connection through a proxy, which may be treated badly. */
export class Passage {
  readonly #near: Socket
  readonly #far: Socket
  readonly #events: { onCut(): void; onClose(): void }
  readonly #lanes: readonly [Lane, Lane]
  #left = Number.POSITIVE_INFINITY
  #isOver = false

  constructor(near: Socket, far: Socket, events: { onCut(): void; onClose(): void }) {
    this.#near = near
    this.#far = far
    this.#events = events
    const count = (bytes: number) => this.#count(bytes)
    this.#lanes = [new Lane(near, far, count), new Lane(far, near, count)]
    for (const [index, socket] of [near, far].entries()) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', hadError => {
        this.#isOver = true
        if (near.closed && far.closed) this.#events.onClose()
        const lane = this.#lanes[index] as Lane
        if (hadError) lane.drop()
        else lane.close()
      })
    }
  }

  /** Cut after so many bytes more, both directions together. */
  cutAfter(bytes: number): void {
    this.#left = bytes
  }

  /** Both sides see an end, in the middle of whatever. */
  cut(): void {
    this.#end(socket => socket.destroy())
  }

  /** Both sides see a reset. */
  reset(): void {
    this.#end(socket => socket.resetAndDestroy())
  }

  /** One side sees an end; the other direction goes on. */
  endOne(toServer: boolean): void {
    this.#lanes[toServer ? 0 : 1].end()
  }

  /** From now on bytes pass so, for as many bytes in each direction. */
  slow(manner: Manner, bytes = Number.POSITIVE_INFINITY): void {
    for (const lane of this.#lanes) lane.slow(manner, bytes)
  }

  /** Nothing passes any more, as behind a pulled cable, and nobody is told. */
  freeze(): void {
    for (const lane of this.#lanes) lane.freeze()
  }

  /** What was held passes, and all that follows. */
  thaw(): void {
    for (const lane of this.#lanes) lane.thaw()
  }

  #end(by: (socket: Socket) => void): void {
    if (!this.#isOver) this.#events.onCut()
    this.#isOver = true
    for (const socket of [this.#near, this.#far]) setImmediate(() => by(socket))
  }

  /** @returns how many of these bytes still pass */
  #count(bytes: number): number {
    if (this.#isOver) return 0
    this.#left -= bytes
    if (this.#left > 0) return bytes
    // What is before the cut still leaves, and may arrive.
    setImmediate(() => this.cut())
    return bytes + this.#left
  }
}

/** One direction of a passage. */
class Lane {
  #manner = AT_ONCE
  /** Bytes that it holds for. */
  #slowed = 0
  readonly #from: Socket
  readonly #to: Socket
  readonly #count: (bytes: number) => number
  readonly #waiting: Buffer[] = []
  #hasEnded = false
  #isClosed = false
  #isFrozen = false
  #isBusy = false

  constructor(from: Socket, to: Socket, count: (bytes: number) => number) {
    this.#from = from
    this.#to = to
    this.#count = count
    from.on('data', chunk => {
      const passes = this.#count(chunk.length)
      if (passes > 0) this.#waiting.push(chunk.subarray(0, passes))
      this.#pass()
    })
    from.on('end', () => {
      this.#hasEnded = true
      this.#pass()
    })
  }

  slow(manner: Manner, bytes: number): void {
    this.#manner = manner
    this.#slowed = bytes
  }

  end(): void {
    this.#waiting.length = 0
    this.#hasEnded = true
    this.#pass()
  }

  /** What waits passes, then the other side is closed too. */
  close(): void {
    this.#isClosed = true
    this.#pass()
  }

  drop(): void {
    this.#waiting.length = 0
    this.#to.destroy()
  }

  freeze(): void {
    this.#isFrozen = true
    this.#from.pause()
  }

  thaw(): void {
    this.#isFrozen = false
    this.#from.resume()
    this.#pass()
  }

  #pass(): void {
    while (!this.#isFrozen && !this.#isBusy) {
      const chunk = this.#waiting.shift()
      if (chunk === undefined) {
        if (this.#hasEnded && this.#to.writable) this.#to.end()
        if (this.#isClosed) this.#to.destroySoon()
        return
      }
      const { delay, piece } = this.#slowed > 0 ? this.#manner : AT_ONCE
      this.#slowed -= Math.min(chunk.length, piece)
      if (chunk.length > piece) this.#waiting.unshift(chunk.subarray(piece))
      if (delay > 0)
        this.#later(
          next => setTimeout(next, delay),
          () => this.#write(chunk.subarray(0, piece))
        )
      else {
        this.#write(chunk.subarray(0, piece))
        if (chunk.length > piece && !this.#isBusy) this.#later(setImmediate, () => {})
      }
    }
  }

  #write(bytes: Buffer): void {
    if (!this.#to.writable || this.#to.write(bytes)) return
    this.#later(
      next => this.#to.once('drain', next),
      () => {}
    )
  }

  /** Nothing else passes before. */
  #later(when: (next: () => void) => unknown, then: () => void): void {
    this.#isBusy = true
    this.#from.pause()
    when(() => {
      this.#isBusy = false
      if (!this.#isFrozen) this.#from.resume()
      then()
      this.#pass()
    })
  }
}
