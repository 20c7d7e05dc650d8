import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { socketError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { clock } from '../runtime/clock'
import { Deadline } from '../runtime/deadline'
import { nextTick, setImmediate } from '../runtime/event-loop'
import type { FrameWriter } from './frame-writer'

/** What a write loop tells its sender. */
export interface WriteLoopEvents {
  /** A write is completed. */
  written(hadTokens: boolean): void
  /** What could follow it was given to the socket. */
  settled(): void
  /** All that may go out at this moment was given to the socket. */
  flushed(): void
  /** The peer took nothing of a write for `writeTimeout`, or a token that is to be written has lost its memory. */
  fail(error: TokenError): void
}

/**
 * Bytes after which the event loop gets a turn: completed TLS writes are handed over in one native loop, and a
 * sender that goes on from each would never let a timer or another socket have its turn.
 */
const YIELD_AFTER_BYTES = 512 * 1024

/** So many milliseconds are enough for them, as soon as that many bytes are out: small tokens take long. */
const YIELD_AFTER_MS = 0.9
const YIELD_LEAST_BYTES = 64 * 1024

/**
 * Gives the chunks of a writer to one socket after another, one write at a time: what is queued meanwhile leaves
 * together on its completion, in as few writes as possible, and no timer delays it.
 *
 * ```
 *             wake()                    chunk                written
 *   idle ───────────────────▶ flush ──────────▶ in flight ──────────────▶ flush …
 *    │  last flush had many     ▲  ▲                │    512 KiB, or 0.9 ms, since the last turn
 *    └──────────▶ end of tick ──┘  └── setImmediate ◀────────┘
 * ```
 *
 * A token alone in its turn of the event loop is written at once; when the last flush carried several, the next
 * one waits for the end of the tick and carries all that came in it; requests, and the answers of handlers that are
 * asynchronous, always do, as one chunk that is read settles many promises. While corked nothing leaves: the answers to one
 * chunk of tokens leave in one write, with the control frames about them. When they were split into two writes
 * nevertheless, the peer answers in two, and so on for ever: the next ones wait once for all that is read in this turn.
 */
export class WriteLoop {
  /** Bytes of all writes that were completed. */
  bytesWritten = 0
  readonly #writer: FrameWriter
  readonly #events: WriteLoopEvents
  readonly #stallDeadline: Deadline
  #socket: Duplex | null = null
  #onWritten: (error?: Error | null) => void = () => {}
  /** Bytes of the write under way; 0 when there is none. */
  #inFlight = 0
  #hasTokensInFlight = false
  /** Bytes written since the event loop had its turn. */
  #sinceYield = 0
  #turnBegan = 0
  #isYielding = false
  /** A fault was found and is not told yet. */
  #isFaulty = false
  #isCorked = false
  /** Tokens and answers that waited then; more are caused by what is read. */
  #sizeWhenCorked = 0
  /** Tokens came while a write was under way that they could have left with. */
  #isSplitting = false
  #isGathering = false
  #isFlushScheduled = false
  #lastFlushTokens = 1

  constructor(writer: FrameWriter, writeTimeout: number, events: WriteLoopEvents) {
    this.#writer = writer
    this.#events = events
    this.#stallDeadline = new Deadline(writeTimeout, () => events.fail(stallError(writeTimeout)))
  }

  get inFlight(): number {
    return this.#inFlight
  }

  attach(socket: Duplex): void {
    this.#socket = socket
    this.#onWritten = error => {
      if (socket === this.#socket) this.#written(error)
    }
    // Others, also those that only look like one, pass a chunk on as it is, and read it when they like.
    this.#writer.reusesSlabs = socket instanceof Socket
  }

  /** The socket is gone: what comes of its last write is no matter any more. */
  detach(): void {
    this.#socket = null
    this.#inFlight = 0
    this.#sinceYield = 0
    this.#isCorked = false
    this.#isSplitting = false
    this.#lastFlushTokens = 1
    this.#writer.reset()
    this.stop()
  }

  stop(): void {
    this.#stallDeadline.clear()
  }

  wake(): void {
    if (!this.#isIdle || this.#isFlushScheduled) return
    if (this.#lastFlushTokens <= 1) this.#flush()
    else this.#flushSoon()
  }

  /** As `wake`, for what others are likely to follow in this tick, whatever the last flush had. */
  wakeSoon(): void {
    if (this.#isIdle && !this.#isFlushScheduled) this.#flushSoon()
  }

  #flushSoon(): void {
    this.#isFlushScheduled = true
    nextTick(() => {
      this.#isFlushScheduled = false
      this.flush()
    })
  }

  /** As `wake`, and does not wait for the end of the turn. */
  flush(): void {
    if (this.#isIdle) this.#flush()
  }

  /** Nothing leaves until `uncork`. */
  cork(): void {
    this.#isCorked = true
    this.#sizeWhenCorked = this.#writer.size
  }

  uncork(): void {
    this.#isCorked = false
    if (this.#isSplitting && this.#writer.size > this.#sizeWhenCorked) this.#gather()
    else this.flush()
  }

  get #isIdle(): boolean {
    return this.#inFlight === 0 && !this.#isYielding && !this.#isCorked
  }

  /** The answers to all that this turn still reads leave in one write, so that the peer answers with one, too. */
  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    setImmediate(() => {
      this.#isGathering = false
      this.#isSplitting = false
      this.flush()
    })
  }

  #flush(): void {
    const socket = this.#socket
    if (socket === null || !socket.writable || this.#isFaulty) return
    const tokens = this.#writer.size
    let chunk: Uint8Array | null
    try {
      chunk = this.#writer.next()
    } catch (error) {
      this.#failed(socket, error)
      return
    }
    if (chunk !== null) {
      this.#hasTokensInFlight = this.#writer.hasTokens
      this.#lastFlushTokens = tokens - this.#writer.size
      this.#write(socket, chunk)
    }
    this.#events.flushed()
  }

  /** Whoever woke this is in the middle of its work: a listener, or the steps of a resume. */
  #failed(socket: Duplex, error: unknown): void {
    this.#isFaulty = true
    nextTick(() => {
      this.#isFaulty = false
      if (socket === this.#socket) this.#events.fail(socketError(error))
    })
  }

  #write(socket: Duplex, chunk: Uint8Array): void {
    this.#inFlight = chunk.length
    this.#stallDeadline.arm()
    try {
      socket.write(chunk, this.#onWritten)
    } catch (error) {
      // A Duplex that throws is as broken as one that fails, and whoever sends has no part in it.
      socket.destroy(error as Error)
    }
  }

  /** A failed write is told by the socket's own `error` and `close`, and the system may still read its memory. */
  #written(error: Error | null | undefined): void {
    const written = this.#inFlight
    this.#sinceYield += written
    this.#inFlight = 0
    this.#stallDeadline.disarm()
    if (error != null) return
    this.bytesWritten += written
    this.#writer.written()
    this.#events.written(this.#hasTokensInFlight)
    if (this.#writer.size > 0) this.#isSplitting = true
    if (this.#mustYield) this.#yield()
    else this.flush()
    this.#events.settled()
  }

  get #mustYield(): boolean {
    if (this.#sinceYield < YIELD_LEAST_BYTES) return false
    return this.#sinceYield >= YIELD_AFTER_BYTES || clock.now() - this.#turnBegan >= YIELD_AFTER_MS
  }

  #yield(): void {
    this.#sinceYield = 0
    this.#isYielding = true
    setImmediate(() => {
      this.#isYielding = false
      this.#turnBegan = clock.now()
      this.flush()
    })
  }
}

function stallError(timeout: number): TokenError {
  return new TokenError(
    'ERR_WRITE_TIMEOUT',
    `Cannot send: the peer took nothing for writeTimeout, ${timeout} ms`
  )
}
