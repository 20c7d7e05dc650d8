import { BaseBus, type BaseBusOptions, closedError, withResolvers } from './base-bus'
import { type Batch, BatchWriter, markDropped, readFrames, readHeader } from './batch'
import { RedisLink } from './redis-link'

/** Milliseconds for which messages are gathered while others are on their way; the first one leaves at the end of its turn. */
const BATCH_TIME = 1

/** A batch of so many bytes is not waited for any longer. */
const BATCH_BYTES = 256 * 1024

/** Batches whose answer is awaited. */
const MAX_IN_FLIGHT = 16

/** Milliseconds between heartbeats, which come back to their sender. */
const HEARTBEAT_INTERVAL = 1_000

/** Without its own heartbeat for so long a link is dead, milliseconds. */
const SILENCE = 3_000

/** The longest wait before the next link, milliseconds. */
const MAX_BACKOFF = 1_000

/** For so long a bus that closes tries to send what waits, milliseconds. */
const CLOSE_TIME = 2_000

/** A bus that was not heard of for so long is forgotten, milliseconds. */
const FORGET_TIME = 600_000

export interface RedisBusOptions extends BaseBusOptions {
  readonly url: string
  readonly channel: string
}

interface PeerState {
  /** The number of its next message. */
  next: number
  heardAt: number
}

/**
 * A bus over one channel of Redis.
 *
 * ```
 *  publish ─▶ own listeners                                  Redis ─▶ own batch: a heartbeat that lives, else nothing
 *     └─▶ BatchWriter ─ ≤ 1 ms ─▶ queue ─▶ in flight ─▶ Redis  └─▶ another's: numbers known? ─▶ listeners, gap, or twice: nothing
 *                                  ▲         │ the link is lost: sent again with the same numbers
 *                                  └─────────┘
 * ```
 */
export class RedisBus extends BaseBus {
  readonly #options: RedisBusOptions
  readonly #writer: BatchWriter
  /** Batches that Redis has not taken yet, the oldest first; the first `#inFlight` were given to the link. */
  readonly #queue: Batch[] = []
  #queueBytes = 0
  #inFlight = 0
  #gather: NodeJS.Timeout | NodeJS.Immediate | null = null
  #link: RedisLink | null = null
  #retry: NodeJS.Timeout | null = null
  #attempts = 0
  #wasUp = false
  readonly #heartbeat: NodeJS.Timeout
  #heardAt = 0
  #beatAt = 0
  readonly #peers = new Map<string, PeerState>()
  /** Who waits until all before a number is taken, the least first. */
  #flushes: { readonly next: number; readonly done: ReturnType<typeof withResolvers<void>> }[] = []

  constructor(options: RedisBusOptions) {
    super(options)
    this.#options = options
    this.#writer = new BatchWriter(this.idBytes)
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_INTERVAL)
    this.#dial()
  }

  protected get queuedBytes(): number {
    return this.#queueBytes + this.#writer.length
  }

  flush(): Promise<void> {
    if (this.isClosed) return Promise.reject(closedError('flush'))
    return this.#flushed()
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    const timeout = withResolvers<void>()
    const timer = setTimeout(timeout.resolve, CLOSE_TIME)
    const sent = this.isUp ? this.#flushed() : Promise.resolve()
    this.isClosed = true
    await Promise.race([sent.catch(() => {}), timeout.promise])
    clearTimeout(timer)
    clearInterval(this.#heartbeat)
    this.#stopGathering()
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#link?.end()
    this.#link = null
    for (const { done } of this.#flushes.splice(0)) done.reject(closedError('flush'))
    this.closed()
  }

  protected send(topic: string, topicBytes: number, payload: Uint8Array): boolean {
    this.#writer.add(topic, topicBytes, payload)
    if (this.#writer.length >= BATCH_BYTES) this.#close()
    else
      this.#gather ??=
        this.#queue.length === 0 ? setImmediate(this.#gathered) : setTimeout(this.#gathered, BATCH_TIME)
    return this.queuedBytes <= this.limits.maxQueueBytes || this.#drop()
  }

  // --- sending

  /** While the link is down the batch is gathered on, until it is large. */
  readonly #gathered = () => {
    this.#gather = null
    if (this.isUp && this.#queue.length < MAX_IN_FLIGHT && this.#writer.length > 0) this.#close()
  }

  /** Ends the batch that is gathered. */
  #close(): void {
    this.#stopGathering()
    const batch = this.#writer.take()
    this.#queue.push(batch)
    this.#queueBytes += batch.bytes.length
    this.#sendOn()
  }

  #stopGathering(): void {
    // It is one of the two, and each ignores what is not its own.
    clearTimeout(this.#gather as NodeJS.Timeout)
    clearImmediate(this.#gather as NodeJS.Immediate)
    this.#gather = null
  }

  #sendOn(): void {
    while (this.#link !== null && this.isUp && this.#inFlight < Math.min(this.#queue.length, MAX_IN_FLIGHT))
      void this.#give(this.#link, this.#queue[this.#inFlight++] as Batch)
  }

  async #give(link: RedisLink, batch: Batch): Promise<void> {
    try {
      await link.publish(batch.bytes)
    } catch (error) {
      // It is not known whether it was taken: the next link sends it again, and its numbers tell.
      if (link === this.#link) link.fail(wordsOf(error))
      return
    }
    if (link !== this.#link) return
    this.#queue.shift()
    this.#inFlight--
    this.#queueBytes -= batch.bytes.length
    this.#settle(batch.next)
    const isGathered = this.#gather === null && this.#writer.length > 0
    if (isGathered && this.#queue.length < MAX_IN_FLIGHT) this.#close()
    else this.#sendOn()
  }

  /** Drops the oldest that nobody was given. @returns false */
  #drop(): false {
    if (this.#queue.length === this.#inFlight) this.#close()
    while (this.queuedBytes > this.limits.maxQueueBytes && this.#queue.length > this.#inFlight) {
      const [batch] = this.#queue.splice(this.#inFlight, 1) as [Batch]
      this.#queueBytes -= batch.bytes.length
      this.counts.dropped += batch.count
      const after = this.#queue[this.#inFlight]
      if (after !== undefined) markDropped(after)
      else this.#writer.dropped()
      if (this.#inFlight === 0) this.#settle(batch.next)
    }
    return false
  }

  #flushed(): Promise<void> {
    const { next } = this.#writer
    if (this.#writer.length > 0) this.#close()
    if (this.#queue.length === 0) return Promise.resolve()
    const done = withResolvers<void>()
    this.#flushes.push({ next, done })
    return done.promise
  }

  #settle(next: number): void {
    const upTo = this.#queue.length === 0 ? this.#writer.first : next
    while (this.#flushes[0] !== undefined && this.#flushes[0].next <= upTo)
      this.#flushes.shift()?.done.resolve()
  }

  // --- the link

  #dial(): void {
    this.#retry = null
    const link: RedisLink = new RedisLink(this.#options.url, this.#options.channel, {
      onUp: () => this.#linked(),
      onMessage: bytes => this.#heard(bytes),
      onDown: why => this.#unlinked(why)
    })
    this.#link = link
  }

  #linked(): void {
    this.#attempts = 0
    this.#heardAt = this.#beatAt = performance.now()
    if (this.#wasUp) this.gap(null, 'this bus was away from Redis')
    this.#wasUp = true
    this.setUp()
    if (this.#writer.length > 0) this.#close()
    this.#sendOn()
    this.#beat()
  }

  #unlinked(why: string): void {
    this.#link = null
    this.#inFlight = 0
    this.setDown(why)
    if (this.isClosed) return
    const most = Math.min(MAX_BACKOFF, 50 * 2 ** this.#attempts++)
    this.#retry = setTimeout(() => this.#dial(), most * (0.5 + Math.random() / 2))
  }

  /** It tells the others the number of the next message, and its return that the way through Redis is open. */
  #beat(): void {
    const link = this.#link
    if (link === null || !this.isUp) return
    const now = performance.now()
    // A process that stood still has heard nothing, and Redis is not to blame.
    const stoodStill = now - this.#beatAt > 2 * HEARTBEAT_INTERVAL
    this.#beatAt = now
    if (stoodStill) this.#heardAt = Math.max(this.#heardAt, now - HEARTBEAT_INTERVAL)
    if (now - this.#heardAt > SILENCE) {
      link.fail(`Redis has not answered for ${SILENCE} ms`)
      return
    }
    // While batches are on their way they do the same.
    if (this.#writer.hasDropped) this.#close()
    if (this.#queue.length === 0) void this.#sendHeartbeat(link)
    this.#forget(now)
  }

  async #sendHeartbeat(link: RedisLink): Promise<void> {
    if (this.#writer.length > 0) return
    try {
      await link.publish(this.#writer.take().bytes)
    } catch (error) {
      if (link === this.#link) link.fail(wordsOf(error))
    }
  }

  // --- receiving

  #heard(bytes: Buffer): void {
    const header = readHeader(bytes)
    if (header === null) {
      this.gap(null, 'a message was of another version')
      return
    }
    const { from, first, next, hasDropped } = header
    const now = performance.now()
    if (from === this.id) {
      this.#heardAt = now
      return
    }
    const peer = this.#peers.get(from)
    const expected = peer?.next ?? first
    if (next < expected) return
    if (first > expected || (hasDropped && first >= expected))
      this.gap(from, 'it had to drop messages, or some were lost')
    if (peer === undefined) this.#peers.set(from, { next, heardAt: now })
    else {
      peer.next = next
      peer.heardAt = now
    }
    const isWhole = readFrames(bytes, Math.max(expected - first, 0), (topic, payload) =>
      this.received(topic, payload, from)
    )
    if (!isWhole) this.gap(from, 'a message could not be read')
  }

  #forget(now: number): void {
    for (const [id, { heardAt }] of this.#peers) if (now - heardAt > FORGET_TIME) this.#peers.delete(id)
  }
}

function wordsOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  return code ?? 'Redis did not take a message'
}
