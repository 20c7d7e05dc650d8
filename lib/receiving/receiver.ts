import { socketError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { throwLater } from '../runtime/application-call'
import { type Claim, type Consumer, mixedConsumers, type PieceConsumer } from './consumer'
import { ABORTED, FrameReader, NOTHING } from './frame-reader'
import { GivenTokens } from './given-tokens'
import type { ReceiverEvents, ReceiverHost, ReceiverListeners } from './receiver-host'
import type { UnsettledToken } from './unsettled-token'

/**
 * Takes bytes of data frames, with PART and ABORT between them, and hands the tokens over, to one kind of consumer
 * at a time: listeners, an iterator or a stream. Knows no socket.
 *
 * ```
 *              push          deliver, while someone wants              listeners returned, more was asked for
 *  transport ───────▶ reader ─────────────────────────────▶ consumer ──────────────────────────────────────▶ handed
 *                       ▲ restart(): behind the last whole token nothing stays
 * ```
 *
 * A token is *handed* when its listeners have returned, or when the iterator or stream asks for the next one; of a
 * token in pieces, when more is asked for than its last piece.
 */
export class Receiver {
  readonly given = new GivenTokens()
  /** What is spoken at the moment. */
  protocol: ReceiverEvents = {}
  readonly #listeners: ReceiverListeners
  readonly #host: ReceiverHost
  readonly #reader: FrameReader
  #consumer: Consumer | null = null
  /** False until the connection is open: nothing is handed out before. */
  #isOpen = false
  #isDelivering = false
  #isDiscarding = false
  /** The connection is closing: what nobody takes is thrown away. */
  #isClosing = false
  /** Nothing that comes after broken bytes is read. */
  #isBroken = false
  /** No byte comes any more: the peer has ended, or the socket is gone. */
  #hasEnded = false
  #isStopped = false
  #isEndTold = false
  #error: TokenError | null = null
  /** A request that a consumer of pieces must not see is being thrown away. */
  #isSkipping = false
  #tokens = 0
  #discardedBytes = 0

  /** @param hasMarks PART and ABORT, which the protocol has judged, are pushed in their place */
  constructor(maxTokenLength: number, listeners: ReceiverListeners, host: ReceiverHost, hasMarks = false) {
    this.#listeners = listeners
    this.#host = host
    this.#reader = new FrameReader(maxTokenLength, hasMarks)
  }

  /** Tokens given to a consumer since the beginning, and those that the peer has aborted before or between them. */
  get tokens(): number {
    return this.#tokens
  }

  /** True when a token has begun and is not complete, as far as the bytes were looked at. */
  get isMidFrame(): boolean {
    return this.#reader.isMidFrame
  }

  /** Bytes that wait for a consumer, or for the rest of their token. */
  get unreadBytes(): number {
    return this.#reader.unreadBytes + this.#reader.joinedBytes
  }

  /** The memory in which the next bytes belong: those of a long token that is being joined need not be copied. Null: anywhere. */
  get memory(): Buffer | null {
    return this.#isDiscarding || this.#isBroken ? null : this.#reader.memory
  }

  /** What the whole tokens that wait cost of the credit: walks over them. */
  get heldBytes(): number {
    return this.#reader.waitingCost
  }

  /** Bytes that arrived and that nobody took. */
  get undeliveredBytes(): number {
    return this.#discardedBytes + this.unreadBytes
  }

  /** True while an iterator or a stream has the tokens. */
  get isClaimed(): boolean {
    return this.#consumer !== null
  }

  /** Hands out tokens from now on. */
  open(): void {
    this.#isOpen = true
    this.deliver()
  }

  /** Takes bytes; `deliver` hands out the tokens in them. */
  push(run: Buffer): void {
    if (this.#isDiscarding || this.#isBroken) this.#discardedBytes += run.length
    else this.#reader.push(run)
  }

  /** @throws TokenError `ERR_CONSUMER` when it is claimed already; listeners are its connection's to judge */
  claim(consumer: Consumer): Claim {
    if (this.isClaimed) throw mixedConsumers()
    this.#consumer = consumer
    // What was thrown away may have cut a frame: nothing can be read any more.
    if (this.#isDiscarding && this.#isStopped) this.#finishConsumer()
    else if (this.#isDiscarding) consumer.finish(null)
    const pull = () => {
      this.given.settleLent()
      this.deliver()
      this.#tellHanded()
    }
    return {
      pull,
      release: () => {
        if (this.#consumer !== consumer) return
        this.#consumer = null
        pull()
      }
    }
  }

  /** Hands over tokens for as long as someone wants them. */
  deliver(): void {
    if (this.#isDelivering || this.#isDiscarding) return
    if (!this.#isOpen) {
      this.protocol.delivered?.(false)
      return
    }
    this.#isDelivering = true
    const isDrained = this.#handOver()
    this.#isDelivering = false
    this.#tellHanded()
    if (this.#isClosing && !this.hasConsumer && !this.#isStopped) this.discard()
    else if (this.#hasEnded) this.#afterEnd(isDrained)
    else this.protocol.delivered?.(isDrained)
  }

  /** Throws away what is here and what still comes. */
  discard(): void {
    if (this.#isDiscarding) return
    this.#isDiscarding = true
    this.#tellHanded()
    this.protocol.discarding?.()
    if (this.#hasEnded && !this.#isStopped) this.#tellEnd()
  }

  /**
   * This side closes: a handler is given no more tokens, those that it has are waited for. What comes is thrown away, so that
   * a peer which closes, too, has credit for its last tokens.
   */
  stopHandling(): void {
    if (this.hasHandler) this.discard()
  }

  /** True while a handler has the tokens: what it was given is not settled by that. */
  get hasHandler(): boolean {
    return this.#consumer?.handle !== undefined
  }

  /**
   * This side says its last word: what a consumer was given counts, but for what a handler works on. When the connection
   * breaks, a token that a stream took and that nobody has read out of it was not given.
   */
  settleGiven(error: TokenError | null): void {
    if (error === null) this.#consumer?.keepUnread?.()
    else if (this.given.dropLent(() => this.#consumer?.dropUnread?.(error) === true)) this.#tokens--
    if (!this.hasHandler) this.given.settleLent()
    this.#tellHanded()
  }

  /** The connection is closing: what nobody takes is thrown away, now and when the last consumer leaves. */
  discardUnclaimed(): void {
    this.#isClosing = true
    if (!this.hasConsumer) this.discard()
  }

  /**
   * The peer has ended in order: what is here is handed out, then `allHanded` is told.
   *
   * @param isMidToken the peer stopped between two parts of a token: it will never be whole, and is thrown away
   */
  end(isMidToken = false): void {
    this.#hasEnded = true
    // It walks over all that waits, and END costs the peer nothing.
    if (isMidToken && !this.#reader.isDetached) {
      const before = this.unreadBytes
      this.#reader.cut()
      this.#discardedBytes += before - this.unreadBytes
    }
    if (this.#isDiscarding) this.#tellEnd()
    else this.deliver()
  }

  /**
   * The socket is gone. An iterator still gets what had arrived whole, and then the error; nobody gets anything of
   * a connection that was never open.
   */
  stop(error: TokenError | null): void {
    this.#isStopped = true
    this.#hasEnded = true
    this.#error = error
    if (!this.#isOpen) this.#isDiscarding = true
    if (this.#isDiscarding) this.#finishConsumer()
    this.deliver()
  }

  /**
   * The transport is gone and another follows: what is behind the last whole token is thrown away, and comes again.
   * The whole tokens that wait stay; of a token that is read in pieces, the bytes that were given are skipped. What
   * arrived by the old transport costs nothing of the credit of the next but `heldBytes`.
   *
   * @returns whole tokens that arrived since the beginning, aborted ones included
   */
  restart(): number {
    this.given.forgetCost()
    this.#reader.forgetCost()
    return this.#tokens + this.#reader.cut()
  }

  get hasConsumer(): boolean {
    return this.#consumer !== null || this.#listeners.hasListeners
  }

  get #isWanting(): boolean {
    if (this.#consumer !== null) return this.#consumer.isWanting
    return this.#listeners.hasListeners && !this.#isStopped
  }

  /** @returns true when the reader has no whole token left */
  #handOver(): boolean {
    if (this.#isBroken) return true
    try {
      while (this.#isWanting && !this.#isDiscarding && this.protocol.isHeldUp !== true) {
        const consumer = this.#consumer
        if (consumer === null) {
          if (!this.#toListeners()) return true
        } else if (consumer.pieces !== undefined) {
          if (!this.#toReader(consumer.pieces)) return true
        } else if (!this.#toConsumer(consumer)) {
          return true
        }
      }
    } catch (error) {
      this.#break(socketError(error))
      return true
    }
    return this.#reader.unreadBytes === 0
  }

  /** The straight path, as long as there are listeners and nobody else. @returns false when bytes are missing */
  #toListeners(): boolean {
    const reader = this.#reader
    const listeners = this.#listeners
    const given = this.given
    do {
      const token = reader.next()
      if (token === null) return this.#tokenPassed()
      this.#tokens++
      if (reader.isRequest) {
        this.#refuseRequest()
        return true
      }
      try {
        listeners.onToken(token)
      } catch (error) {
        throwLater(error)
      }
      given.had(this.#tokens, reader.cost)
    } while (listeners.hasListeners && this.#consumer === null && !this.#isStopped && !this.#isDiscarding)
    return true
  }

  #toConsumer(consumer: Consumer): boolean {
    const token = this.#reader.next()
    if (token === null) return this.#tokenPassed()
    this.#tokens++
    if (consumer.handle !== undefined) {
      consumer.handle(token, this.#open())
      return true
    }
    if (this.#reader.isRequest) {
      this.#refuseRequest()
      return true
    }
    this.given.lend(this.#tokens, this.#reader.cost)
    try {
      consumer.accept(token)
    } catch (error) {
      throwLater(error)
    }
    return true
  }

  #open(): UnsettledToken {
    return this.given.open(this.#tokens, this.#reader.cost, this.#reader.isRequest)
  }

  #toReader(pieces: PieceConsumer): boolean {
    if (this.#isSkipping) {
      this.#reader.next()
      return this.#tokenPassed()
    }
    if (pieces.wantsToken) {
      if (!this.#reader.begin()) return this.#tokenPassed()
      this.#isSkipping = this.#reader.isRequest
      if (!this.#isSkipping) pieces.begin()
      return true
    }
    const piece = this.#reader.read()
    const passed = this.#reader.takePassed()
    if (piece !== null) pieces.accept(piece)
    if (passed === NOTHING) return piece !== null
    this.#tokens++
    if (passed === ABORTED) {
      this.#tellAborted()
      pieces.abort()
    } else {
      // Its credit was given piece by piece.
      this.given.lend(this.#tokens, 0)
      if (pieces.end() || piece === null) this.given.settleLent()
    }
    return true
  }

  /** Nobody is given a token that was aborted, or was dropped by who had begun it. @returns false when none passed */
  #tokenPassed(): boolean {
    const passed = this.#reader.takePassed()
    if (passed === NOTHING) return false
    this.#tokens++
    if (passed === ABORTED) this.#tellAborted()
    else if (this.#reader.isRequest) this.#refuseRequest()
    else {
      this.given.settleLent()
      this.given.had(this.#tokens, 0)
    }
    this.#isSkipping = false
    return true
  }

  /** What came before it is told first: the numbers are in order. */
  #refuseRequest(): void {
    const token = this.#open()
    this.#tellHanded()
    this.protocol.unhandled?.(token)
  }

  #tellAborted(): void {
    this.given.settleLent()
    this.#tellHanded()
    this.protocol.tokenAborted?.(this.#tokens)
  }

  #tellHanded(): void {
    const { count, last } = this.given
    const cost = this.given.cost + this.#reader.takeFreed()
    if (count === 0 && cost === 0) return
    this.given.told()
    this.protocol.handed?.(count, last, cost)
  }

  #break(error: TokenError): void {
    this.#isBroken = true
    this.#host.fail(error)
  }

  #afterEnd(isDrained: boolean): void {
    if (this.#isStopped) {
      if (isDrained) this.#finishConsumer()
    } else if (!isDrained || this.#consumer?.isBusy === true) {
      if (!this.hasConsumer) this.#host.armClose()
    } else if (!this.#isBroken && this.#reader.isMidFrame) {
      this.#break(
        new TokenError(
          'ERR_TRUNCATED',
          'Cannot read a token: the peer ended the connection in the middle of it'
        )
      )
    } else if (!this.#isBroken) {
      this.#tellEnd()
    }
  }

  /** Lets go of it too: one that comes later is told how it ended, not that it is one too many. */
  #finishConsumer(): void {
    const consumer = this.#consumer
    this.#consumer = null
    consumer?.finish(this.#error)
  }

  #tellEnd(): void {
    if (this.#isEndTold) return
    this.#consumer?.finish(null)
    if (this.#consumer?.isBusy === true) return
    this.#isEndTold = true
    this.protocol.allHanded?.(this.#consumer?.holdsOpen === true)
  }
}
