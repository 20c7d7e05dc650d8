import { Duplex } from 'node:stream'
import { type Clock, clock as libraryClock } from '../runtime/clock'
import { connectionReset, Lane } from './lane'
import type { Link } from './link'
import { seededRandom } from './seeded-random'

/** Options of {@link memoryPair}. */
export interface MemoryPairOptions {
  /** The same seed cuts the same bytes in the same places. Default 1. */
  seed?: number | undefined
  /** The source of time. Default: the library's: Node's own, or an installed `FakeClock`. */
  clock?: Clock | undefined
  /**
   * Bytes that each end buffers to write and to read, and that the link holds in each direction before a write
   * waits. Default 65,536.
   */
  highWaterMark?: number | undefined
}

/** Two ends that are connected, and the link between them. */
export interface MemoryPair {
  readonly a: Duplex
  readonly b: Duplex
  readonly link: Link
}

/**
 * Two Duplexes of which each reads what the other writes, over a link that can be made bad: a socket pair without
 * sockets, in which nothing depends on the machine.
 *
 * As with TCP the directions end one by one; an end that is destroyed says so behind the bytes that the link took,
 * and one that leaves bytes unread, or is written to later, answers with ECONNRESET.
 */
export function memoryPair(options: MemoryPairOptions = {}): MemoryPair {
  const { seed = 1, clock = libraryClock, highWaterMark = 65_536 } = options
  const a = new MemoryEnd(highWaterMark)
  const b = new MemoryEnd(highWaterMark)
  const world = { clock, highWaterMark }
  const aToB: Lane = new Lane({
    ...world,
    random: seededRandom(seed),
    destination: b,
    onUnwanted: () => bToA.reset()
  })
  const bToA: Lane = new Lane({
    ...world,
    random: seededRandom(~seed),
    destination: a,
    onUnwanted: () => aToB.reset()
  })
  a.attach(aToB, bToA)
  b.attach(bToA, aToB)
  return { a, b, link: linkOf(a, b, aToB, bToA) }
}

class MemoryEnd extends Duplex {
  #outgoing!: Lane
  #incoming!: Lane

  constructor(highWaterMark: number) {
    super({ highWaterMark })
  }

  attach(outgoing: Lane, incoming: Lane): void {
    this.#outgoing = outgoing
    this.#incoming = incoming
  }

  override _read(): void {
    this.#incoming.want()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#outgoing.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#outgoing.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#outgoing.abandon(error ?? new Error('Cannot write: this end was destroyed'))
    if (this.readableLength > 0) this.#outgoing.reset()
    else this.#outgoing.end()
    this.#incoming.want()
    done(error)
  }
}

function linkOf(a: Duplex, b: Duplex, aToB: Lane, bToA: Lane): Link {
  const each = (act: (lane: Lane) => void) => {
    act(aToB)
    act(bToA)
  }
  return {
    aToB,
    bToA,
    chop: maxBytes => each(lane => lane.chop(maxBytes)),
    dribble: (bytes, interval) => each(lane => lane.dribble(bytes, interval)),
    delay: (milliseconds, jitter) => each(lane => lane.delay(milliseconds, jitter)),
    stall: () => each(lane => lane.stall()),
    resume: () => each(lane => lane.resume()),
    halfOpen: () => each(lane => lane.halfOpen()),
    cut: () => {
      for (const end of [a, b]) if (!end.destroyed) end.destroy(connectionReset())
      each(lane => lane.drop())
    }
  }
}
