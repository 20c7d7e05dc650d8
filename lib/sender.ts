import type { Duplex } from 'node:stream'
import type { ConnectionLimits } from './connection-options'
import { nextTick } from './event-loop'
import { FrameWriter, NO_CONTROL } from './frame-writer'
import type { SenderEvents } from './sender-events'
import { type QueuedToken, TokenQueue } from './token-queue'
import type { TokenSource } from './token-source'
import { costOf, HEADER_LENGTH } from './wire'
import { WriteLoop, type WriteLoopEvents } from './write-loop'

/**
 * The sending half of a connection: takes tokens within the limits, and outlives the sockets that they leave by.
 *
 * ```
 *   send() ──▶ TokenQueue ──▶ FrameWriter ──▶ WriteLoop ──▶ socket
 *                  ▲               ▲              ▲
 *    acknowledge(), rewind()   addCredit()   attach(), detach()
 * ```
 *
 * Between two sockets tokens are taken and wait. `tokensSent` counts those whose last byte was ever given to one of
 * them: only the rest is unsent, can be taken back or dropped, and may be told to be not sent.
 */
export class Sender {
  readonly #limits: ConnectionLimits
  readonly #events: SenderEvents
  readonly #queue = new TokenQueue()
  readonly #writer: FrameWriter
  readonly #loop: WriteLoop
  #needsDrain = false
  #isDrainDue = false
  #isStopped = false
  #isEnding = false

  constructor(limits: ConnectionLimits, events: SenderEvents) {
    this.#limits = limits
    this.#events = events
    this.#writer = new FrameWriter(this.#queue)
    this.#loop = new WriteLoop(this.#queue, this.#writer, limits.writeTimeout, new Sender.#Writes(this))
  }

  /** A class, for a literal of closures costs each connection 300 bytes. */
  static readonly #Writes = class implements WriteLoopEvents {
    readonly #sender: Sender

    constructor(sender: Sender) {
      this.#sender = sender
    }

    onWritten(hadTokens: boolean): void {
      this.#sender.#events.onActivity(hadTokens)
    }

    onSettled(): void {
      this.#sender.#checkDrain()
    }

    onFlush(): void {
      this.#sender.#checkFlushed()
    }

    onStall(): void {
      this.#sender.#events.onStall()
    }
  }

  /** Bytes of tokens that wait for credit or the operating system; not those that are only kept. */
  get bufferedAmount(): number {
    return this.#queue.waitingBytes + this.#loop.inFlight
  }

  /** Bytes kept until the peer's application has had them. */
  get retainedBytes(): number {
    return this.#queue.keptBytes
  }

  get needsDrain(): boolean {
    return this.#needsDrain
  }

  /** Tokens taken since the beginning. */
  get tokensTaken(): number {
    return this.#queue.taken
  }

  /** The largest number of which the last byte was given to a socket. */
  get tokensSent(): number {
    return this.#queue.sent
  }

  /** Tokens taken of which the last byte never reached a socket. */
  get tokensUnsent(): number {
    return this.#queue.taken - this.#queue.sent
  }

  /** The number of the oldest token that can still be taken back. */
  get firstWaiting(): number {
    return this.#queue.firstWaiting
  }

  /** True while the socket has the beginning of a frame without its end: no control frame may follow. */
  get isMidToken(): boolean {
    return this.#writer.isMidFrame
  }

  /** Bytes of tokens that the peer allows; set by its HELLO, added to by its WINDOW. */
  set credit(bytes: number) {
    this.#writer.credit = bytes
  }

  /** Whether PART is agreed. Where it is not, tokens from streams can't be sent: they are withdrawn. */
  set splitsTokens(splits: boolean) {
    this.#writer.splits = splits
    if (splits) return
    this.#queue.withdrawStreamed((number, { cause }) => this.#events.onWithdrawn(number, cause))
    this.#someLeft()
  }

  /** A transport begins. Its credit is without bounds until the protocol sets it, and PART is not agreed. */
  attach(socket: Duplex, control = NO_CONTROL): void {
    this.#writer.control = control
    this.#writer.credit = Number.POSITIVE_INFINITY
    this.#writer.splits = false
    this.#loop.attach(socket)
  }

  /** The transport is gone: a token begun goes back to its first byte. */
  detach(cause: unknown = null): void {
    this.#loop.detach()
    this.#writer.control = NO_CONTROL
    const voided = this.#queue.unbegin(cause)
    if (voided !== null) this.#events.onAborted(voided, cause)
  }

  /** @returns false when the outbox is full: then nothing was taken, and `onDrain` will come */
  send(token: Uint8Array): boolean {
    return this.#take(token, costOf(token.length))
  }

  /** As `send`, for a token from a stream. It leaves only where PART is agreed. */
  sendFrom(source: TokenSource): boolean {
    source.onChange = () => this.#changed(source)
    return this.#take(source, HEADER_LENGTH)
  }

  addCredit(bytes: number): void {
    this.#writer.credit += bytes
    this.wake()
  }

  /** Keeps tokens until they are acknowledged, and begins none that would make that more than `windowBytes`. */
  retain(windowBytes: number | null): void {
    this.#queue.keep(windowBytes)
  }

  acknowledge(count: number): void {
    this.#queue.acknowledge(count)
    this.wake()
  }

  /** The peer has the tokens up to number `received`: goes on behind it. @throws RangeError when it is not kept */
  rewind(received: number): void {
    for (const number of this.#queue.rewind(received)) this.#events.onAborted(number, null)
    this.wake()
  }

  /** There is something to write: a token, a control frame, credit. */
  wake(): void {
    this.#loop.wake()
  }

  /** Holds everything back until `uncork`, while bytes are read: what is to be said of them leaves together. */
  cork(): void {
    this.#loop.cork()
  }

  uncork(): void {
    this.#loop.uncork()
  }

  /** Takes the token with that number back. @returns false when bytes of it are out already */
  withdraw(number: number): boolean {
    if (!this.#queue.withdraw(number)) return false
    this.#someLeft()
    return true
  }

  /** Drops up to `count` of the oldest tokens of which no byte is out. @returns how many */
  dropOldest(count: number): number {
    const dropped = this.#queue.dropOldest(count)
    if (dropped > 0) this.#someLeft()
    return dropped
  }

  /** Gives up the tokens of which no byte is out, and the next parts of one that is in parts: they count as unsent. */
  abandon(): void {
    this.#queue.abandon()
    if (this.#queue.isBegun) this.#writer.abandonParts()
  }

  /** The tokens of which the last byte never reached a socket, in order, null for a stream's; they are given up. */
  takeUnsent(): (Uint8Array | null)[] {
    return this.#queue.takeUnsent()
  }

  /** Takes out the tokens longer than `length` bytes. `onLonger` is given the number of each at that moment. */
  withdrawLonger(length: number, onLonger: (number: number, token: Uint8Array | TokenSource) => void): void {
    this.#queue.withdrawLonger(length, onLonger)
    this.#someLeft()
  }

  /** Calls `onFlushed` as soon as all tokens are out. */
  end(): void {
    this.#isEnding = true
    this.#loop.flush()
  }

  stop(): void {
    this.#isStopped = true
    this.#loop.stop()
  }

  release(): void {
    this.#queue.clear()
  }

  #take(token: QueuedToken, cost: number): boolean {
    const buffered = this.bufferedAmount + cost
    const isTaken = buffered <= this.#limits.outboxBytes
    if (!isTaken || buffered >= this.#limits.highWaterMark) this.#needsDrain = true
    if (!isTaken) return false
    this.#queue.push(token, cost)
    this.wake()
    return true
  }

  #changed(source: TokenSource): void {
    const number = source.isVoid ? this.#queue.numberOf(source) : null
    if (number !== null) {
      if (this.#queue.withdraw(number)) this.#events.onWithdrawn(number, source.cause)
      else this.#events.onAborted(number, source.cause)
    }
    this.#someLeft()
  }

  /**
   * Tokens left the queue by another way than the socket: others may go, the end may be due, there may be room. Not
   * yet: whoever took them out is in the middle of a change, and an answer can come while this writes.
   */
  #someLeft(): void {
    nextTick(() => this.wake())
    this.#checkDrain()
  }

  #checkFlushed(): void {
    if (!this.#isEnding || this.#queue.size > 0) return
    this.#isEnding = false
    this.#events.onFlushed()
  }

  /** Its listeners may send: they run when the change that made room is complete, and only if there is still room. */
  #checkDrain(): void {
    if (this.#isDrainDue || !this.#hasRoom) return
    this.#isDrainDue = true
    nextTick(() => {
      this.#isDrainDue = false
      if (!this.#hasRoom || this.#isStopped) return
      this.#needsDrain = false
      this.#events.onDrain()
    })
  }

  get #hasRoom(): boolean {
    return this.#needsDrain && this.bufferedAmount * 2 <= this.#limits.highWaterMark
  }
}
