import type { Duplex } from 'node:stream'
import type { TokenError } from '../errors/token-error'
import type { ConnectionLimits } from '../options/connection-options'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { nextTick } from '../runtime/event-loop'
import { costOf, HEADER_LENGTH } from '../wire/header'
import { type Answer, AnswerQueue } from './answer-queue'
import { FrameWriter, NO_CONTROL } from './frame-writer'
import type { Placed, QueuedToken } from './queue-places'
import { Request } from './request'
import { TokenQueue } from './token-queue'
import type { TokenSource } from './token-source'
import { WriteLoop, type WriteLoopEvents } from './write-loop'

/** Memory of answers above which no other token is begun, bytes: a peer that does not read must not fill this side's. */
const MAX_ANSWER_MEMORY = 1024 * 1024

/** The connection of a sender. */
export interface SenderHost {
  readonly events: { onDrain(): void }
  readonly delivering: {
    /** The token from a stream at that place will never be whole; it keeps its number. */
    aborted(place: number, reason: 'stream-cut' | 'stream-failed', cause: unknown): void
    /** The stream of a token has failed before its first byte was taken: it was taken back, and leaves a gap. */
    withdrawn(place: number, cause: unknown): void
  }
  /** What became of the peer's token was told, and can't be lost. */
  settled(token: UnsettledToken): void
  /** Bytes of a token went out: the connection is not idle. */
  active(): void
  /** Breaks the connection. */
  fail(error: TokenError): void
}

/** What a sender tells the protocol that is spoken at the moment. */
export interface SenderEvents {
  /** Bytes went out. */
  wrote?(): void
  /** Everything that may be sent was given to the socket, after `end`. */
  flushed?(): void
}

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
export class Sender implements WriteLoopEvents {
  readonly #limits: ConnectionLimits
  /** What is spoken at the moment. */
  protocol: SenderEvents = {}
  readonly #host: SenderHost
  readonly #queue = new TokenQueue()
  readonly #answers: AnswerQueue
  readonly #writer: FrameWriter
  readonly #loop: WriteLoop
  #needsDrain = false
  #isDrainDue = false
  #isWakeDue = false
  #isStopped = false
  #isEnding = false

  constructor(limits: ConnectionLimits, host: SenderHost) {
    this.#limits = limits
    this.#host = host
    this.#answers = new AnswerQueue(token => host.settled(token))
    this.#writer = new FrameWriter(this.#queue, this.#answers)
    this.#loop = new WriteLoop(this.#writer, limits.writeTimeout, this)
  }

  /** Bytes of tokens that wait for credit or the operating system; not those that are only kept. */
  get bufferedAmount(): number {
    return this.#queue.waitingBytes + this.#answers.waitingBytes + this.#loop.inFlight
  }

  /** Bytes kept until the peer acknowledges them. */
  get retainedBytes(): number {
    return this.#queue.keptBytes + this.#answers.keptBytes - this.#answers.waitingBytes
  }

  /** Bytes given to sockets since the beginning. */
  get bytesWritten(): number {
    return this.#loop.bytesWritten
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

  /** The place in the queue of the token that is taken next. */
  get nextPlace(): number {
    return this.#queue.nextPlace
  }

  /** The first place of which the last byte never reached a socket. */
  get firstUnsent(): number {
    return this.#queue.firstUnsent
  }

  /** True while the socket has the beginning of a frame without its end: no control frame may follow. */
  get isMidToken(): boolean {
    return this.#writer.isMidFrame
  }

  /** Bytes of tokens that the peer allows; set by its HELLO, added to by its WINDOW. */
  set credit(bytes: number) {
    this.#writer.credit = bytes
  }

  /** Whether PART is agreed. Where it is not, tokens from streams can't be sent. */
  set splitsTokens(splits: boolean) {
    this.#writer.splits = splits
  }

  /** Bytes of the longest data frame that the peer takes. */
  set maxFrameLength(length: number) {
    this.#writer.maxFrameLength = length
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
    this.#answers.unbegin()
    const voided = this.#queue.unbegin(cause)
    if (voided !== null) this.#host.delivering.aborted(voided, 'stream-cut', cause)
  }

  /** @returns false when the outbox is full: then nothing was taken, and `onDrain` will come */
  send(token: Uint8Array): boolean {
    if (!this.#take(token, costOf(token.length))) return false
    this.wake()
    return true
  }

  /** Does as `send` for a token from a stream, which leaves only where PART is agreed. */
  sendFrom(source: TokenSource): boolean {
    source.onChange = () => this.#changed(source)
    source.place = this.#queue.nextPlace
    if (!this.#take(source, HEADER_LENGTH)) return false
    this.wake()
    return true
  }

  /** Does as `send` for a token that asks for an answer, which the peer must know. */
  request(token: Uint8Array): boolean {
    if (!this.#take(new Request(token), costOf(token.length))) return false
    this.#loop.wakeSoon()
    return true
  }

  /** Tells the peer what became of one of its tokens. It needs no credit, and the outbox has no bound for it. */
  answer(answer: Answer): void {
    // An iterator may have read on after the end: nobody can be told any more.
    if (this.#isStopped) return
    this.#answers.push(answer)
    this.#loop.wakeSoon()
  }

  /** Answers that are not out, or that a session keeps, take so much memory that none should be caused. */
  get isFullOfAnswers(): boolean {
    return this.#answers.memory >= MAX_ANSWER_MEMORY && !this.#isStopped
  }

  /** The peer has received so many answers. @throws TokenError `ERR_PROTOCOL` */
  confirmAnswers(count: number): void {
    this.#answers.confirm(count)
  }

  /** The session has ended: no transport follows on which an answer could be written again. */
  keepNoAnswers(): void {
    this.#answers.keep(false)
  }

  /** Does as `confirmAnswers`, on the next transport of a session: those behind are written again. */
  rewindAnswers(count: number): void {
    this.#answers.rewind(count)
  }

  addCredit(bytes: number): void {
    this.#writer.credit += bytes
    this.wake()
  }

  /**
   * Keeps tokens until they are acknowledged, and begins none that would make that more than `windowBytes`.
   *
   * @param keepsAnswers until the peer has confirmed them: in a session, until that ends
   */
  retain(windowBytes: number | null, keepsAnswers = false): void {
    this.#queue.keep(windowBytes)
    this.#answers.keep(keepsAnswers)
  }

  /** This side closes, and no transport follows: what is kept holds back nothing, for the peer may throw it away untold. */
  unbound(): void {
    this.#queue.keep(Number.POSITIVE_INFINITY)
  }

  acknowledge(count: number): void {
    this.#queue.acknowledge(count)
    this.wake()
  }

  /**
   * The peer has the tokens up to number `received`: goes on behind it. The gaps must be closed before.
   *
   * @throws RangeError when it is not kept
   */
  rewind(received: number): void {
    for (const place of this.#queue.rewind(received)) this.#host.delivering.aborted(place, 'stream-cut', null)
    // What the peer has processed all the same waits no longer, and perhaps nothing is left to be written.
    this.#tellDrainSoon()
    this.wake()
  }

  /** Something waits to be written: a token, a control frame, credit. */
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

  /** Takes the token at that place back, which leaves a gap. @returns false when bytes of it are out already */
  withdraw(place: number): boolean {
    if (!this.#queue.withdraw(place)) return false
    this.#someLeft()
    return true
  }

  /**
   * Takes out the first `most` of the tokens that are wanted and of which no byte was ever out; no gap is left.
   *
   * @param onTaken is given the place that each had
   * @returns all these places, in order
   */
  takeOut(
    isWanted: (token: QueuedToken) => boolean,
    most: number,
    onTaken: (place: number, token: QueuedToken) => void
  ): number[] {
    const places = this.#queue.takeOut(isWanted, most, onTaken)
    if (places.length > 0) this.#someLeft()
    return places
  }

  /** Numbers the places anew. @param withdrawn all that were taken back since the last time, but acknowledged ones */
  closeGaps(withdrawn: number): void {
    this.#queue.closeGaps(withdrawn)
  }

  /** Gives up what this transport has no byte of, and the next parts of what is in parts; there is no other transport. */
  abandon(): void {
    this.#queue.abandon()
    if (this.#queue.isBegun) this.#writer.abandonParts()
  }

  /** Does as `abandon`, for the answers. */
  abandonAnswers(): void {
    this.#answers.abandon(this.#writer.isMidAnswer)
  }

  /**
   * @param above the number above which the peer has not had any; null: that is not known
   * @returns those behind it, in order; when it is null, those of which the last byte never reached a socket
   */
  notHad(above: number | null): Placed[] {
    return this.#queue.notHad(above)
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
    this.#answers.clear()
  }

  // --- what the write loop tells

  written(hadTokens: boolean): void {
    if (hadTokens) this.#host.active()
    this.protocol.wrote?.()
  }

  /** It goes on at once: TLS tells completed writes in one native loop, and a tick later the socket would have run dry. */
  settled(): void {
    this.#tellDrain()
  }

  fail(error: TokenError): void {
    this.#host.fail(error)
  }

  flushed(): void {
    if (!this.#isEnding || this.#writer.size > 0) return
    this.#isEnding = false
    this.protocol.flushed?.()
  }

  #take(token: QueuedToken, cost: number): boolean {
    const buffered = this.bufferedAmount + cost
    const isTaken = buffered <= this.#limits.outboxBytes
    if (!isTaken || buffered >= this.#limits.highWaterMark) this.#needsDrain = true
    if (isTaken) this.#queue.push(token, cost)
    return isTaken
  }

  #changed(source: TokenSource): void {
    if (source.isVoid && this.#queue.has(source)) {
      const { place, cause } = source
      if (this.#queue.withdraw(place)) this.#host.delivering.withdrawn(place, cause)
      else this.#host.delivering.aborted(place, 'stream-failed', cause)
    }
    this.#someLeft()
  }

  /**
   * Tokens left the queue by another way than the socket: others may go, the end may be due, there may be room. Not
   * yet: whoever took them out is in the middle of a change, and an answer can come while this writes.
   */
  #someLeft(): void {
    this.#tellDrainSoon()
    if (this.#isWakeDue) return
    this.#isWakeDue = true
    nextTick(() => {
      this.#isWakeDue = false
      this.wake()
    })
  }

  /** Its listeners may send: they run when the change that made room is complete, and only if there is still room. */
  #tellDrainSoon(): void {
    if (this.#isDrainDue || !this.#hasRoom) return
    this.#isDrainDue = true
    nextTick(() => {
      this.#isDrainDue = false
      this.#tellDrain()
    })
  }

  #tellDrain(): void {
    if (!this.#hasRoom || this.#isStopped) return
    this.#needsDrain = false
    this.#host.events.onDrain()
  }

  get #hasRoom(): boolean {
    return this.#needsDrain && this.bufferedAmount * 2 <= this.#limits.highWaterMark
  }
}
