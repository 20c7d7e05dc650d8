import type { Duplex } from 'node:stream'
import type { Clock, ClockTimer } from '../runtime/clock'
import { Fifo } from '../runtime/fifo'
import type { LinkDirection } from './link'
import { Pacing } from './pacing'

/** What goes from one end to the other, in order. */
type Item =
  | { readonly kind: 'bytes'; readonly due: number; bytes: Buffer }
  | { readonly kind: 'end' | 'reset'; readonly due: number }

type Done = (error?: Error | null) => void

/** What a lane needs of the world. */
export interface LaneOptions {
  readonly clock: Clock
  /** A number from 0 to below 1. */
  readonly random: () => number
  /** Bytes that are taken before a write waits. */
  readonly highWaterMark: number
  /** The end at which the bytes come out. */
  readonly destination: Duplex
  /** Bytes came to a destination that is destroyed. */
  onUnwanted(): void
}

/**
 * One direction between two ends: what was written, until it is read.
 *
 * Like a kernel it copies what is written, holds `highWaterMark` bytes for which the write is done at once, and then
 * lets the writer wait.
 */
export class Lane implements LinkDirection {
  readonly #options: LaneOptions
  readonly #pacing: Pacing
  readonly #queue = new Fifo<Item>()
  #bytesTaken = 0
  #bytesPassed = 0
  #bytesLost = 0
  /** The write that is not wholly taken yet. */
  #waiting: Done | null = null
  #isWanted = false
  #isScheduled = false
  #timer: ClockTimer | null = null
  #isStalled = false
  #isHalfOpen = false
  #hasEnded = false
  #hasReset = false

  constructor(options: LaneOptions) {
    this.#options = options
    this.#pacing = new Pacing(options.random)
  }

  get bytesTaken(): number {
    return this.#bytesTaken
  }

  get bytesPassed(): number {
    return this.#bytesPassed
  }

  get bytesLost(): number {
    return this.#bytesLost
  }

  get bytesHeld(): number {
    return this.#bytesTaken - this.#bytesPassed - this.#bytesLost
  }

  chop(maxBytes: number): void {
    this.#pacing.chop(maxBytes)
  }

  dribble(bytes: number, interval = 1): void {
    this.#pacing.dribble(bytes, interval)
    this.#reconsider()
  }

  delay(milliseconds: number, jitter = 0): void {
    this.#pacing.delay(milliseconds, jitter)
  }

  stall(): void {
    this.#isStalled = true
  }

  resume(): void {
    this.#isStalled = false
    this.#schedule()
  }

  halfOpen(): void {
    this.#isHalfOpen = true
    this.drop()
  }

  /** Loses what is on the way. */
  drop(): void {
    this.#queue.clear()
    this.#bytesLost += this.bytesHeld
    this.#reconsider()
    this.#release()
  }

  write(chunk: Buffer, done: Done): void {
    this.#bytesTaken += chunk.length
    this.#waiting = done
    if (this.#isHalfOpen) this.#bytesLost += chunk.length
    // A copy: the writer may use its memory again as soon as the write is done.
    else if (chunk.length > 0) this.#push({ kind: 'bytes', bytes: Buffer.from(chunk), due: this.#due })
    this.#release()
  }

  /** The source sends no more: FIN. */
  end(): void {
    if (this.#hasEnded || this.#isHalfOpen) return
    this.#hasEnded = true
    this.#push({ kind: 'end', due: this.#due })
  }

  /** The source takes no more: RST. */
  reset(): void {
    if (this.#hasReset || this.#isHalfOpen) return
    this.#hasReset = true
    this.#push({ kind: 'reset', due: this.#due })
  }

  /** The source was destroyed: what no kernel would have taken yet is lost. */
  abandon(error: Error): void {
    const done = this.#waiting
    if (done === null) return
    this.#waiting = null
    for (let item = this.#queue.last; item?.kind === 'bytes'; item = this.#queue.last) {
      const excess = this.bytesHeld - this.#options.highWaterMark
      if (excess <= 0) break
      const cut = Math.min(excess, item.bytes.length)
      item.bytes = item.bytes.subarray(0, item.bytes.length - cut)
      if (item.bytes.length === 0) this.#queue.pop()
      this.#bytesLost += cut
    }
    done(error)
  }

  /** The destination reads, or was destroyed. */
  want(): void {
    this.#isWanted = true
    this.#schedule()
  }

  get #due(): number {
    return this.#pacing.due(this.#options.clock.now())
  }

  #push(item: Item): void {
    this.#queue.push(item)
    this.#schedule()
  }

  #release(): void {
    if (this.#waiting === null || this.bytesHeld > this.#options.highWaterMark) return
    const done = this.#waiting
    this.#waiting = null
    done()
  }

  /** Forgets how long it was to wait. */
  #reconsider(): void {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#schedule()
  }

  /** A turn later, as from a socket, so that two ends that answer each other leave room for others. */
  #schedule(): void {
    if (this.#isScheduled || this.#timer !== null || this.#queue.length === 0) return
    this.#isScheduled = true
    this.#options.clock.setImmediate(() => {
      this.#isScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    for (let item = this.#queue.first; item !== undefined && this.#mayPass(item); item = this.#queue.first) {
      const now = this.#options.clock.now()
      const wait = this.#pacing.wait(item.due, now)
      if (wait > 0) {
        this.#pumpAfter(wait)
        return
      }
      if (item.kind === 'bytes') {
        this.#passBytes(this.#take(this.#pacing.piece(item.bytes.length, now), now))
      } else {
        this.#queue.shift()
        this.#passEnd(item.kind)
      }
    }
  }

  /** An end and a reset pass although nobody reads, but not what stands before them. */
  #mayPass(item: Item): boolean {
    if (this.#isStalled) return false
    return item.kind !== 'bytes' || this.#isWanted || this.#options.destination.destroyed
  }

  #pumpAfter(wait: number): void {
    if (this.#timer !== null) return
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null
      this.#pump()
    }, Math.ceil(wait))
  }

  /** Up to `length` bytes that are due, of one write, or of several while chopping. */
  #take(length: number, now: number): Buffer {
    const pieces: Buffer[] = []
    let missing = length
    for (let item = this.#queue.first; missing > 0 && item?.kind === 'bytes'; item = this.#queue.first) {
      if (pieces.length > 0 && (item.due > now || !this.#pacing.isChopping)) break
      const piece = item.bytes.subarray(0, missing)
      item.bytes = item.bytes.subarray(piece.length)
      if (item.bytes.length === 0) this.#queue.shift()
      pieces.push(piece)
      missing -= piece.length
    }
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  #passBytes(bytes: Buffer): void {
    const { destination } = this.#options
    if (destination.destroyed) {
      this.#bytesLost += bytes.length
      this.#options.onUnwanted()
    } else {
      this.#bytesPassed += bytes.length
      this.#isWanted = destination.push(bytes)
    }
    this.#release()
  }

  #passEnd(kind: 'end' | 'reset'): void {
    const { destination } = this.#options
    if (destination.destroyed) return
    if (kind === 'end') destination.push(null)
    else destination.destroy(connectionReset())
  }
}

/** The error that a socket gives when it is reset. */
export function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { errno: -104, code: 'ECONNRESET', syscall: 'read' })
}
