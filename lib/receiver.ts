import type { Claim, Consumer } from './consumer'
import { TokenError } from './errors'
import { FrameReader } from './frame-reader'
import { socketError } from './socket-error'

/** What a receiver tells its connection. */
export interface ReceiverEvents {
  /** True while there are listeners to hand tokens to. */
  readonly hasListeners: boolean
  onToken(token: Buffer): void
  /** The application has had a token of `length` bytes. */
  onHanded(length: number): void
  /** After each delivery that no end has followed: `isDrained` when no whole token is left. */
  onDelivered(isDrained: boolean): void
  /** Nobody takes what comes any more: it is thrown away, so that the end is seen. */
  onDiscard(): void
  /** The bytes are no frames; told once. */
  onBroken(error: TokenError): void
  /** The peer has ended and everything was handed over. `holdsOpen`: a consumer may still answer. */
  onEnd(holdsOpen: boolean): void
  /** The peer has ended, tokens are left, and nobody is there to take them. */
  onAbandoned(): void
}

/** Nothing is lent to the consumer. */
const NONE = -1

/**
 * Takes bytes of data frames and hands the tokens over, to one kind of consumer at a time: listeners, an
 * iterator or a stream. Knows no socket.
 *
 * A token is *handed* when its listeners have returned, or when the iterator or stream asks for the next one.
 */
export class Receiver {
  readonly #events: ReceiverEvents
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
  /** Length of the token that the iterator or stream has and has not asked beyond. */
  #lent = NONE
  #tokens = 0
  #discardedBytes = 0

  constructor(maxTokenLength: number, events: ReceiverEvents) {
    this.#events = events
    this.#reader = new FrameReader(maxTokenLength)
  }

  /** Tokens given to a consumer since the beginning. */
  get tokens(): number {
    return this.#tokens
  }

  /** True when a token has begun and is not complete, as far as the bytes were looked at. */
  get isMidFrame(): boolean {
    return this.#reader.isMidFrame
  }

  /** Bytes that wait for a consumer. */
  get unreadBytes(): number {
    return this.#reader.unreadBytes
  }

  /** Bytes that arrived and that nobody took. */
  get undeliveredBytes(): number {
    return this.#discardedBytes + this.#reader.unreadBytes
  }

  /** True while an iterator or a stream has the tokens. */
  get isClaimed(): boolean {
    return this.#consumer !== null
  }

  get hasConsumer(): boolean {
    return this.#consumer !== null || this.#events.hasListeners
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
    return {
      pull: () => {
        this.#settleLent()
        this.deliver()
      },
      release: () => {
        if (this.#consumer !== consumer) return
        this.#settleLent()
        this.#consumer = null
        this.deliver()
      }
    }
  }

  /** Hands over tokens for as long as someone wants them. */
  deliver(): void {
    if (this.#isDelivering || this.#isDiscarding) return
    if (!this.#isOpen) {
      this.#events.onDelivered(false)
      return
    }
    this.#isDelivering = true
    const isDrained = this.#handOver()
    this.#isDelivering = false
    if (this.#isClosing && !this.hasConsumer && !this.#isStopped) this.discard()
    else if (this.#hasEnded) this.#afterEnd(isDrained)
    else this.#events.onDelivered(isDrained)
  }

  /** Throws away what is here and what still comes. */
  discard(): void {
    if (this.#isDiscarding) return
    this.#isDiscarding = true
    this.#events.onDiscard()
    if (this.#hasEnded && !this.#isStopped) this.#tellEnd()
  }

  /** The connection is closing: what nobody takes is thrown away, now and when the last consumer leaves. */
  discardUnclaimed(): void {
    this.#isClosing = true
    if (!this.hasConsumer) this.discard()
  }

  /** The peer has ended in order: what is here is handed out, then `onEnd` is told. */
  end(): void {
    this.#hasEnded = true
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

  get #isWanting(): boolean {
    if (this.#consumer !== null) return this.#consumer.isWanting
    return this.#events.hasListeners && !this.#isStopped
  }

  /** @returns true when the reader has no whole token left */
  #handOver(): boolean {
    if (this.#isBroken) return true
    try {
      while (this.#isWanting && !this.#isDiscarding) {
        const token = this.#reader.next()
        if (token === null) return true
        this.#tokens++
        this.#hand(token)
      }
    } catch (error) {
      this.#break(socketError(error))
      return true
    }
    return this.#reader.unreadBytes === 0
  }

  #break(error: TokenError): void {
    this.#isBroken = true
    this.#events.onBroken(error)
  }

  /** An exception of the application is reported as uncaught, but never leaves through the parser. */
  #hand(token: Buffer): void {
    const consumer = this.#consumer
    try {
      if (consumer !== null) {
        this.#settleLent()
        this.#lent = token.length
        consumer.accept(token)
      } else {
        this.#events.onToken(token)
      }
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
    if (consumer === null) this.#events.onHanded(token.length)
  }

  #settleLent(): void {
    if (this.#lent === NONE) return
    const length = this.#lent
    this.#lent = NONE
    this.#events.onHanded(length)
  }

  #afterEnd(isDrained: boolean): void {
    if (this.#isStopped) {
      if (isDrained) this.#finishConsumer()
    } else if (this.#isBroken) {
      // Its connection is being broken too.
    } else if (!isDrained || this.#consumer?.isBusy === true) {
      if (!this.hasConsumer) this.#events.onAbandoned()
    } else if (this.#reader.isMidFrame) {
      this.#break(
        new TokenError(
          'ERR_TRUNCATED',
          'Cannot read a token: the peer ended the connection in the middle of it'
        )
      )
    } else {
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
    this.#events.onEnd(this.#consumer?.holdsOpen === true)
  }
}

/** The error for a second consumer. */
export function mixedConsumers(): TokenError {
  return new TokenError(
    'ERR_CONSUMER',
    'Cannot add a consumer of tokens: the connection has another one (token listeners, an iterator or a stream)'
  )
}
