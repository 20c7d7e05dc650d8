import type { Duplex } from 'node:stream'
import type { Claim, Consumer } from './consumer'
import { Deadline } from './deadline'
import { TokenError } from './errors'
import { FrameReader } from './frame-reader'
import type { ConnectionLimits } from './options'
import { socketError } from './socket-error'

/** What a receiver tells its connection. */
export interface ReceiverEvents {
  /** True while there are listeners to hand tokens to. */
  readonly hasListeners: boolean
  onToken(token: Buffer): void
  /** Bytes came in, or reading began or ceased: the connection is not idle. */
  onActivity(): void
  /** The bytes are no frames, or a frame was begun and not continued. */
  onBroken(error: TokenError): void
  /** The peer has ended and everything was handed over. `holdsOpen`: a consumer may still answer. */
  onEnd(holdsOpen: boolean): void
  /** The peer has ended, tokens are left, and nobody is there to take them. */
  onAbandoned(): void
}

/** Bytes that are read ahead of the consumer before the socket is paused, so that an end is noticed. */
const READ_AHEAD_BYTES = 64 * 1024

/** Chunks that are read ahead: each costs about 225 bytes, however small it is. */
const READ_AHEAD_CHUNKS = 64

/** Bytes in one `frameTimeout` that count as progress although no frame was completed. */
const FRAME_PROGRESS_BYTES = 4096

/**
 * Reads tokens from a Duplex and hands them over, one kind of consumer at a time: listeners, an iterator or a
 * stream.
 *
 * Without a consumer that wants, it reads 64 KiB ahead and then pauses the socket, so that the rest stays with
 * the peer. A paused socket with bytes queued notices neither the peer's end nor its reset: that is a limit of
 * token/1, and shows at the next write.
 */
export class Receiver {
  readonly #socket: Duplex
  readonly #events: ReceiverEvents
  readonly #reader: FrameReader
  readonly #frameDeadline: Deadline
  #consumer: Consumer | null = null
  #isDelivering = false
  #isPaused = false
  #isDiscarding = false
  /** The connection is closing: what nobody takes is thrown away. */
  #isClosing = false
  /** Told once; nothing that comes after broken bytes is read. */
  #isBroken = false
  /** No byte comes any more: the peer has ended, or the socket is gone. */
  #hasEnded = false
  #isStopped = false
  #isEndTold = false
  #error: TokenError | null = null
  #tokens = 0
  #bytes = 0
  #discardedBytes = 0
  #tokensAtDeadline = 0
  #bytesAtDeadline = 0

  constructor(socket: Duplex, limits: ConnectionLimits, events: ReceiverEvents) {
    this.#socket = socket
    this.#events = events
    this.#reader = new FrameReader(limits.maxTokenLength)
    this.#frameDeadline = new Deadline(limits.frameTimeout, () => this.#frameExpired())
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => this.#peerEnded())
    socket.resume()
    if (socket.readableEnded) process.nextTick(() => this.#peerEnded())
  }

  /** Tokens handed over since the beginning. */
  get tokens(): number {
    return this.#tokens
  }

  /** Bytes that arrived and that nobody took. */
  get undeliveredBytes(): number {
    return this.#discardedBytes + this.#reader.unreadBytes
  }

  /** True while it does not read, so that a silent peer is not to blame. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** True while an iterator or a stream has the tokens. */
  get isClaimed(): boolean {
    return this.#consumer !== null
  }

  /** @throws TokenError `ERR_CONSUMER` when it is claimed already; listeners are its connection's to judge */
  claim(consumer: Consumer): Claim {
    if (this.isClaimed) throw mixedConsumers()
    this.#consumer = consumer
    // What was thrown away may have cut a frame: nothing can be read any more.
    if (this.#isDiscarding && this.#isStopped) this.#finishConsumer()
    else if (this.#isDiscarding) consumer.finish(null)
    return {
      pull: () => this.deliver(),
      release: () => {
        if (this.#consumer === consumer) this.#consumer = null
        this.deliver()
      }
    }
  }

  /** Hands over tokens for as long as someone wants them. */
  deliver(): void {
    if (this.#isDelivering || this.#isDiscarding) return
    this.#isDelivering = true
    const isDrained = this.#handOver()
    this.#isDelivering = false
    if (this.#isClosing && !this.#hasConsumer && !this.#isStopped) this.#discard()
    else if (this.#hasEnded) this.#afterEnd(isDrained)
    else if (isDrained) this.#readOn()
    else this.#holdBack()
  }

  /** The connection is closing: without a consumer, what still comes is thrown away so that the end is seen. */
  discardUnclaimed(): void {
    this.#isClosing = true
    if (!this.#hasConsumer) this.#discard()
  }

  /** The socket is gone. An iterator still gets what had arrived whole, and then the error. */
  stop(error: TokenError | null): void {
    this.#isStopped = true
    this.#hasEnded = true
    this.#error = error
    this.#frameDeadline.clear()
    if (this.#isDiscarding) this.#finishConsumer()
    this.deliver()
  }

  get #hasConsumer(): boolean {
    return this.#consumer !== null || this.#events.hasListeners
  }

  get #isWanting(): boolean {
    if (this.#consumer !== null) return this.#consumer.isWanting
    return this.#events.hasListeners && !this.#isStopped
  }

  #discard(): void {
    this.#isDiscarding = true
    this.#frameDeadline.disarm()
    this.#setPaused(false)
  }

  #read(chunk: Buffer): void {
    if (!Buffer.isBuffer(chunk)) {
      this.#break(
        new TokenError(
          'ERR_SOCKET',
          `Cannot read from the socket: it gives a ${typeof chunk} instead of a Buffer (setEncoding, object mode)`
        )
      )
      return
    }
    this.#bytes += chunk.length
    this.#events.onActivity()
    if (this.#isDiscarding || this.#isBroken) {
      this.#discardedBytes += chunk.length
    } else {
      this.#reader.push(chunk)
      this.deliver()
    }
  }

  /** @returns true when the reader has no whole token left */
  #handOver(): boolean {
    if (this.#isBroken) return true
    try {
      while (this.#isWanting) {
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
    if (this.#isBroken) return
    this.#isBroken = true
    this.#events.onBroken(error)
  }

  /** An exception of the application is reported as uncaught, but never leaves through the parser. */
  #hand(token: Buffer): void {
    try {
      if (this.#consumer !== null) this.#consumer.accept(token)
      else this.#events.onToken(token)
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }

  #readOn(): void {
    this.#setPaused(false)
    if (!this.#reader.isMidFrame) this.#frameDeadline.disarm()
    else if (!this.#frameDeadline.isArmed || this.#tokensAtDeadline !== this.#tokens) this.#armFrameDeadline()
  }

  #holdBack(): void {
    this.#frameDeadline.disarm()
    const { unreadBytes, unreadChunks } = this.#reader
    this.#setPaused(unreadBytes >= READ_AHEAD_BYTES || unreadChunks >= READ_AHEAD_CHUNKS)
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.#socket.pause()
    else this.#socket.resume()
    this.#events.onActivity()
  }

  #armFrameDeadline(): void {
    this.#tokensAtDeadline = this.#tokens
    this.#bytesAtDeadline = this.#bytes
    this.#frameDeadline.arm()
  }

  #frameExpired(): void {
    const bytes = this.#bytes - this.#bytesAtDeadline
    if (bytes >= FRAME_PROGRESS_BYTES) {
      this.#armFrameDeadline()
    } else {
      this.#break(
        new TokenError(
          'ERR_FRAME_TIMEOUT',
          `Cannot read a token: the peer began it and sent ${bytes} bytes in one frameTimeout, at least ${FRAME_PROGRESS_BYTES} are demanded`
        )
      )
    }
  }

  #peerEnded(): void {
    this.#hasEnded = true
    this.#frameDeadline.disarm()
    if (this.#isDiscarding) this.#tellEnd()
    else this.deliver()
  }

  #afterEnd(isDrained: boolean): void {
    if (this.#isStopped) {
      if (isDrained) this.#finishConsumer()
    } else if (this.#isBroken) {
      this.#frameDeadline.disarm()
    } else if (!isDrained || this.#consumer?.isBusy === true) {
      if (!this.#hasConsumer) this.#events.onAbandoned()
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
