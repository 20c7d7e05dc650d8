import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { clock } from '../runtime/clock'
import { Deadline } from '../runtime/deadline'
import { nextTick, setImmediate } from '../runtime/event-loop'
import type { FrameWriter } from './frame-writer'
import type { TokenQueue } from './token-queue'

/** What a write loop tells its sender. */
export interface WriteLoopEvents {
  /** A write is completed. */
  onWritten(hadTokens: boolean): void
  /** What could follow it was given to the socket. */
  onSettled(): void
  /** All that may go out at this moment was given to the socket. */
  onFlush(): void
  /** The peer took nothing of a write for `writeTimeout`. */
  onStall(): void
  /** There is nothing that could be written next: a token has lost its memory. */
  onFault(error: unknown): void
}

/**
 * Bytes after which the event loop gets a turn: completed TLS writes are handed over in one native loop, and a
 * sender that goes on from each would never let a timer or another socket have its turn.
 */
const YIELD_AFTER_BYTES = 512 * 1024

/** So many milliseconds are enough for them, as soon as that many bytes are out: small tokens take long. */
const YIELD_AFTER_MS = 0.9
const YIELD_LEAST_BYTES = 64 * 1024

/** Answers to one chunk that leave before all of it is read: the peer then works on them while this side goes on. */
const OVERLAP_TOKENS = 32

/** A connection is alone that has read so many chunks in a row: of several, one may read some in the same turn. */
const ALONE_AFTER_CHUNKS = 8

/** The one that was corked last, of all in this process, and how often it was in a row. */
let lastCorked: WriteLoop | null = null
let timesInARow = 0

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
 * one waits for the end of the tick and carries all that came in it. While corked nothing leaves: answers to one
 * chunk of tokens leave in one write, with what control frames have to say of them. When they were split into two
 * writes nevertheless, the peer answers in two, and so on for ever: the next ones wait once for all that is read in
 * this turn. A connection that is alone gives its peer the first 32 answers at once: two processors work then, not one
 * after the other.
 */
export class WriteLoop {
  readonly #queue: TokenQueue
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
  /** Tokens that waited then; more are answers. */
  #sizeWhenCorked = 0
  #isFlushScheduled = false
  #lastFlushTokens = 1
  /** Tokens came while a write was under way that they could have left with. */
  #isSplitting = false
  #isGathering = false
  /** The write under way left while the chunk it answers was being read. */
  #isOverlapping = false

  constructor(queue: TokenQueue, writer: FrameWriter, writeTimeout: number, events: WriteLoopEvents) {
    this.#queue = queue
    this.#writer = writer
    this.#events = events
    this.#stallDeadline = new Deadline(writeTimeout, () => events.onStall())
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
    this.#isOverlapping = false
    this.#lastFlushTokens = 1
    this.#writer.reset()
    this.stop()
  }

  stop(): void {
    if (lastCorked === this) lastCorked = null
    this.#stallDeadline.clear()
  }

  wake(): void {
    if (this.#isCorked) {
      this.#overlap()
      return
    }
    if (!this.#isIdle || this.#isFlushScheduled) return
    if (this.#lastFlushTokens <= 1) {
      this.#flush()
    } else {
      this.#isFlushScheduled = true
      nextTick(() => {
        this.#isFlushScheduled = false
        this.flush()
      })
    }
  }

  /** As `wake`, and does not wait for the end of the turn. */
  flush(): void {
    if (this.#isIdle) this.#flush()
  }

  /**
   * Nothing leaves until `uncork`, but the first of many answers over a socket. Over a Duplex in memory a write could
   * make the next bytes arrive in the middle of those that are being read.
   */
  cork(): void {
    this.#isCorked = true
    this.#sizeWhenCorked = this.#queue.size
    timesInARow = lastCorked === this ? timesInARow + 1 : 1
    lastCorked = this
  }

  uncork(): void {
    this.#isCorked = false
    if (this.#isSplitting && this.#queue.size > this.#sizeWhenCorked) this.#gather()
    else this.flush()
  }

  get #isIdle(): boolean {
    return this.#inFlight === 0 && !this.#isYielding && !this.#isCorked
  }

  #overlap(): void {
    if (timesInARow < ALONE_AFTER_CHUNKS || this.#queue.size < OVERLAP_TOKENS) return
    if (this.#inFlight > 0 || this.#isYielding || !this.#writer.reusesSlabs) return
    this.#isOverlapping = true
    this.#flush()
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
    const tokens = this.#queue.size
    let chunk: Uint8Array | null
    try {
      chunk = this.#writer.next()
    } catch (error) {
      this.#failed(socket, error)
      return
    }
    if (chunk !== null) {
      this.#hasTokensInFlight = this.#writer.hasTokens
      this.#lastFlushTokens = tokens - this.#queue.size
      this.#write(socket, chunk)
    }
    this.#events.onFlush()
  }

  /** Whoever woke this is in the middle of its work: a listener, or the steps of a resume. */
  #failed(socket: Duplex, error: unknown): void {
    this.#isFaulty = true
    nextTick(() => {
      this.#isFaulty = false
      if (socket === this.#socket) this.#events.onFault(error)
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
    this.#sinceYield += this.#inFlight
    this.#inFlight = 0
    this.#stallDeadline.disarm()
    if (error != null) return
    this.#writer.written()
    this.#events.onWritten(this.#hasTokensInFlight)
    if (this.#queue.size > 0 && !this.#isOverlapping) this.#isSplitting = true
    this.#isOverlapping = false
    if (this.#mustYield) this.#yield()
    else this.flush()
    this.#events.onSettled()
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
