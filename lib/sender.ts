import type { Duplex } from 'node:stream'
import { Deadline } from './deadline'
import { type ControlSource, FrameWriter } from './frame-writer'
import type { ConnectionLimits } from './options'
import { costOf } from './wire'

/** What a sender tells its connection. */
export interface SenderEvents {
  onDrain(): void
  /** Bytes went out: the connection is not idle. */
  onActivity(hasTokens: boolean): void
  /** The peer took nothing of a write for `writeTimeout`. */
  onStall(): void
  /** Everything that may be sent was given to the socket, after `end`. */
  onFlushed(): void
}

/**
 * Bytes after which the event loop gets a turn: completed TLS writes are handed over in one native loop, and a
 * sender that goes on from each would never let a timer or another socket have its turn.
 */
const YIELD_AFTER_BYTES = 512 * 1024

/**
 * Writes queued tokens to a Duplex, one write at a time: what is queued meanwhile leaves together on its
 * completion, in as few writes as possible, and no timer delays it.
 *
 * A token alone in its turn of the event loop is written at once; when the last flush carried several, the next
 * one waits for the end of the turn and carries all that came in it. While corked nothing leaves: answers to one
 * chunk of tokens leave in one write, with what control frames have to say of them.
 */
export class Sender {
  readonly #socket: Duplex
  readonly #limits: ConnectionLimits
  readonly #events: SenderEvents
  readonly #writer: FrameWriter
  readonly #stallDeadline: Deadline
  #abandoned: Uint8Array[] = []
  #tokensTaken = 0
  /** Bytes of the write under way; 0 when there is none. */
  #inFlight = 0
  #hasTokensInFlight = false
  /** Bytes written since the event loop had its turn. */
  #sinceYield = 0
  #isYielding = false
  #isCorked = false
  #isFlushScheduled = false
  #lastFlushTokens = 1
  #needsDrain = false
  #isEnding = false

  constructor(socket: Duplex, limits: ConnectionLimits, events: SenderEvents, control?: ControlSource) {
    this.#socket = socket
    this.#limits = limits
    this.#events = events
    this.#writer = new FrameWriter(control)
    this.#stallDeadline = new Deadline(limits.writeTimeout, () => events.onStall())
  }

  /** Bytes of tokens that wait for the peer's credit or the operating system. */
  get bufferedAmount(): number {
    return this.#writer.queuedBytes + this.#inFlight
  }

  get needsDrain(): boolean {
    return this.#needsDrain
  }

  /** Tokens taken since the beginning. */
  get tokensTaken(): number {
    return this.#tokensTaken
  }

  /** Tokens taken of which the last byte never reached the socket. */
  get tokensUnsent(): number {
    return this.#writer.queuedTokens + this.#abandoned.length
  }

  /** True while the socket has the beginning of a token without its end. */
  get isMidToken(): boolean {
    return this.#writer.isMidToken
  }

  /** Bytes of tokens that the peer allows; set by its HELLO, added to by its WINDOW. */
  set credit(bytes: number) {
    this.#writer.credit = bytes
  }

  /** @returns false when the outbox is full: then nothing was taken, and `onDrain` will come */
  send(token: Uint8Array): boolean {
    const buffered = this.bufferedAmount + costOf(token.byteLength)
    if (buffered > this.#limits.outboxBytes) {
      this.#needsDrain = true
      return false
    }
    this.#writer.push(token)
    this.#tokensTaken++
    if (buffered >= this.#limits.highWaterMark) this.#needsDrain = true
    this.wake()
    return true
  }

  /** More credit: `bytes` more than before. */
  addCredit(bytes: number): void {
    this.#writer.credit += bytes
    this.wake()
  }

  /** There is something to write: a token, a control frame, credit. */
  wake(): void {
    if (this.#inFlight > 0 || this.#isYielding || this.#isFlushScheduled || this.#isCorked) return
    if (this.#lastFlushTokens <= 1) {
      this.#flush()
    } else {
      this.#isFlushScheduled = true
      process.nextTick(() => this.#flushScheduled())
    }
  }

  /**
   * Holds everything back until `uncork`, while bytes are read: answers leave together, and over a Duplex in memory
   * a write can't make the next bytes arrive in the middle of these.
   */
  cork(): void {
    this.#isCorked = true
  }

  uncork(): void {
    this.#isCorked = false
    if (this.#inFlight === 0 && !this.#isYielding) this.#flush()
  }

  /**
   * Takes a token back. `number` counts the tokens taken, from 1.
   *
   * @returns false when bytes of it are out already
   */
  withdraw(number: number): boolean {
    if (!this.#writer.withdraw(this.#tokensTaken - number)) return false
    this.#tokensTaken--
    this.#someLeft()
    return true
  }

  /** Drops up to `count` of the oldest tokens of which no byte is out. @returns how many */
  dropOldest(count: number): number {
    const dropped = this.#writer.dropOldest(count)
    this.#tokensTaken -= dropped
    this.#someLeft()
    return dropped
  }

  /** Gives up the tokens of which no byte is out: they count as unsent. */
  abandon(): void {
    this.#abandoned = [...this.#abandoned, ...this.#writer.clearWaiting()]
  }

  /** The tokens of which the last byte never reached the socket, in order; for use when the socket is gone. */
  takeUnsent(): Uint8Array[] {
    // What was not given up by now was before the rest: a token that had begun.
    this.#abandoned = [...this.#writer.clear(), ...this.#abandoned]
    return [...this.#abandoned]
  }

  /**
   * Takes out the tokens longer than `length` bytes, for use before the first is sent. `onLonger` is given the
   * number that the token has at that moment; those behind it move up.
   */
  withdrawLonger(length: number, onLonger: (number: number, token: Uint8Array) => void): void {
    const tokens = this.#writer.clear()
    this.#tokensTaken = 0
    for (const token of tokens) {
      if (token.byteLength > length) {
        onLonger(this.#tokensTaken + 1, token)
      } else {
        this.#writer.push(token)
        this.#tokensTaken++
      }
    }
  }

  /** Calls `onFlushed` as soon as all tokens are out. */
  end(): void {
    this.#isEnding = true
    if (this.#inFlight === 0 && !this.#isYielding && !this.#isCorked) this.#flush()
  }

  /** Lets go of the tokens that were never sent. */
  release(): void {
    this.#writer.clear()
    this.#abandoned = []
  }

  /** The socket is gone: lets go of the timer. */
  stop(): void {
    this.#stallDeadline.clear()
  }

  /** Tokens left the queue by another way than the socket: the end may be due, and there may be room. */
  #someLeft(): void {
    if (this.#isEnding) this.wake()
    this.#checkDrain()
  }

  #flushScheduled(): void {
    this.#isFlushScheduled = false
    if (this.#inFlight === 0 && !this.#isYielding && !this.#isCorked) this.#flush()
  }

  #flush(): void {
    if (!this.#socket.writable) return
    const tokensBefore = this.#writer.queuedTokens
    const bytesBefore = this.#writer.queuedBytes
    const chunk = this.#writer.next()
    if (chunk !== null) {
      this.#hasTokensInFlight = bytesBefore !== this.#writer.queuedBytes
      this.#lastFlushTokens = tokensBefore - this.#writer.queuedTokens
      this.#write(chunk)
    }
    if (this.#isEnding && this.#writer.queuedBytes === 0) {
      this.#isEnding = false
      this.#events.onFlushed()
    }
  }

  #write(chunk: Uint8Array): void {
    this.#inFlight = chunk.byteLength
    this.#stallDeadline.arm()
    try {
      this.#socket.write(chunk, error => this.#written(error))
    } catch (error) {
      // A Duplex that throws is as broken as one that fails, and whoever sends has no part in it.
      this.#socket.destroy(error as Error)
    }
  }

  /** A failed write is told by the socket's own `error` and `close`. */
  #written(error: Error | null | undefined): void {
    this.#sinceYield += this.#inFlight
    this.#inFlight = 0
    this.#stallDeadline.disarm()
    if (error != null) return
    this.#events.onActivity(this.#hasTokensInFlight)
    if (this.#sinceYield >= YIELD_AFTER_BYTES) this.#yield()
    else if (!this.#isCorked) this.#flush()
    this.#checkDrain()
  }

  #yield(): void {
    this.#sinceYield = 0
    this.#isYielding = true
    setImmediate(() => {
      this.#isYielding = false
      if (this.#inFlight === 0 && !this.#isCorked) this.#flush()
    })
  }

  #checkDrain(): void {
    if (!this.#needsDrain || this.bufferedAmount * 2 > this.#limits.highWaterMark) return
    this.#needsDrain = false
    this.#events.onDrain()
  }
}
