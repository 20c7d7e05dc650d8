import type { Duplex } from 'node:stream'
import { Deadline } from './deadline'
import { FrameWriter } from './frame-writer'
import type { ConnectionLimits } from './options'
import { HEADER_LENGTH } from './wire'

/** What a sender tells its connection. */
export interface SenderEvents {
  onDrain(): void
  /** Bytes went out: the connection is not idle. */
  onActivity(): void
  /** The peer took nothing of a write for `writeTimeout`. */
  onStall(): void
}

/**
 * Writes queued tokens to a Duplex, one write at a time: what is queued meanwhile leaves together on its
 * completion, in as few writes as possible, and no timer delays it.
 *
 * A token alone in its turn of the event loop is written at once; when the last flush carried several, the next
 * one waits for the end of the turn and carries all that came in it.
 */
export class Sender {
  readonly #socket: Duplex
  readonly #limits: ConnectionLimits
  readonly #events: SenderEvents
  readonly #writer = new FrameWriter()
  readonly #stallDeadline: Deadline
  #tokensTaken = 0
  /** Bytes of the write under way; 0 when there is none. */
  #inFlight = 0
  #isFlushScheduled = false
  #lastFlushTokens = 1
  #needsDrain = false
  #isEnding = false

  constructor(socket: Duplex, limits: ConnectionLimits, events: SenderEvents) {
    this.#socket = socket
    this.#limits = limits
    this.#events = events
    this.#stallDeadline = new Deadline(limits.writeTimeout, () => events.onStall())
  }

  /** Bytes taken that the operating system has not taken yet. */
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
    return this.#writer.queuedTokens
  }

  /** @returns false when the outbox is full: then nothing was taken, and `onDrain` will come */
  send(token: Uint8Array): boolean {
    const buffered = this.bufferedAmount + HEADER_LENGTH + token.byteLength
    if (buffered > this.#limits.outboxBytes) {
      this.#needsDrain = true
      return false
    }
    this.#writer.push(token)
    this.#tokensTaken++
    if (buffered >= this.#limits.highWaterMark) this.#needsDrain = true
    if (this.#inFlight === 0 && !this.#isFlushScheduled) this.#scheduleFlush()
    return true
  }

  /** Flushes what was taken, then ends the writable side of the socket. */
  end(): void {
    this.#isEnding = true
    if (this.#inFlight === 0) this.#flush()
  }

  /** The socket is gone: lets go of the timer. */
  stop(): void {
    this.#stallDeadline.clear()
  }

  #scheduleFlush(): void {
    if (this.#lastFlushTokens <= 1) {
      this.#flush()
    } else {
      this.#isFlushScheduled = true
      process.nextTick(() => this.#flushScheduled())
    }
  }

  #flushScheduled(): void {
    this.#isFlushScheduled = false
    if (this.#inFlight === 0) this.#flush()
  }

  #flush(): void {
    if (!this.#socket.writable) return
    const tokensBefore = this.#writer.queuedTokens
    const chunk = this.#writer.next()
    try {
      if (chunk !== null) {
        this.#lastFlushTokens = tokensBefore - this.#writer.queuedTokens
        this.#inFlight = chunk.byteLength
        this.#stallDeadline.arm()
        this.#socket.write(chunk, error => this.#written(error))
      }
      if (this.#isEnding && this.#writer.queuedBytes === 0) this.#socket.end()
    } catch (error) {
      // A Duplex that throws is as broken as one that fails, and whoever sends has no part in it.
      this.#socket.destroy(error as Error)
    }
  }

  /** A failed write is told by the socket's own `error` and `close`. */
  #written(error: Error | null | undefined): void {
    this.#inFlight = 0
    this.#stallDeadline.disarm()
    if (error != null) return
    this.#events.onActivity()
    if (this.#writer.queuedBytes > 0 || this.#isEnding) this.#flush()
    if (this.#needsDrain && this.bufferedAmount * 2 <= this.#limits.highWaterMark) {
      this.#needsDrain = false
      this.#events.onDrain()
    }
  }
}
