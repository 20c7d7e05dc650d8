import { type ClockTimer, clock } from '../runtime/clock'

/** Bytes that PING carries and PONG repeats. */
const OPAQUE_LENGTH = 8

/** What a heartbeat does to its connection. */
export interface HeartbeatEvents {
  /** Says PING with these bytes. */
  ping(opaque: Uint8Array): void
  /** Not a byte came for two intervals. */
  dead(): void
}

/**
 * Notices a peer that is gone, `docs/wire-format.md` section 10.
 *
 * ```
 *  own interval H    |—— no byte for 2 × H ——| poll once | dead
 *  peer's interval P |— nothing written for P / 2 —| PING
 * ```
 *
 * Any byte read is life; the completion of a write is not. Before the verdict the event loop polls once: a
 * process that was itself stopped finds there what had arrived meanwhile. One timer serves both sides, for many
 * connections have nothing else to do.
 */
export class Heartbeat {
  readonly #own: number
  readonly #peer: number
  readonly #events: HeartbeatEvents
  #lastRead: number
  /** When something was written, or a PING asked for. */
  #lastWrite: number
  #timer: ClockTimer | null = null
  /** The event loop polls before the verdict. */
  #isJudging = false
  #isStopped = false
  #pings = 0
  #pinged = 0
  #rtt: number | null = null

  /**
   * @param own milliseconds; this side gives up after two of them; 0 is never
   * @param peer milliseconds, from the peer's HELLO; this side pings after half of one; 0 is never
   */
  constructor(own: number, peer: number, events: HeartbeatEvents) {
    this.#own = own
    this.#peer = peer
    this.#events = events
    this.#lastRead = clock.now()
    this.#lastWrite = this.#lastRead
    this.#sleep()
  }

  /** Milliseconds of the last round trip from a PING to its PONG; null before the first. */
  get rtt(): number | null {
    return this.#rtt
  }

  /** A PONG came; one that does not repeat the last PING is ignored. */
  pong(opaque: Uint8Array): void {
    const number = Buffer.from(opaque).readUInt32BE(OPAQUE_LENGTH - 4)
    if (number === this.#pings) this.#rtt = clock.now() - this.#pinged
  }

  sawRead(): void {
    this.#lastRead = clock.now()
  }

  sawWrite(): void {
    this.#lastWrite = clock.now()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) clock.clearTimeout(this.#timer)
  }

  get #untilDead(): number {
    return this.#own === 0 ? Number.POSITIVE_INFINITY : this.#lastRead + this.#own * 2 - clock.now()
  }

  get #untilPing(): number {
    return this.#peer === 0 ? Number.POSITIVE_INFINITY : this.#lastWrite + this.#peer / 2 - clock.now()
  }

  /** Until the one that is due first. */
  #sleep(): void {
    if (this.#timer !== null) clock.clearTimeout(this.#timer)
    this.#timer = null
    const delay = this.#isJudging ? this.#untilPing : Math.min(this.#untilDead, this.#untilPing)
    if (delay === Number.POSITIVE_INFINITY) return
    this.#timer = clock.setTimeout(() => this.#wake(), delay)
    this.#timer.unref()
  }

  #wake(): void {
    if (!this.#isJudging && this.#untilDead <= 0) {
      this.#isJudging = true
      clock.setImmediate(() => this.#judge())
    }
    if (this.#untilPing <= 0) this.#ping()
    if (!this.#isStopped) this.#sleep()
  }

  #ping(): void {
    this.#lastWrite = clock.now()
    this.#pinged = this.#lastWrite
    this.#pings = (this.#pings + 1) >>> 0
    const opaque = Buffer.alloc(OPAQUE_LENGTH)
    opaque.writeUInt32BE(this.#pings, OPAQUE_LENGTH - 4)
    this.#events.ping(opaque)
  }

  #judge(): void {
    if (this.#isStopped) return
    if (this.#untilDead <= 0) {
      this.#events.dead()
      return
    }
    this.#isJudging = false
    this.#sleep()
  }
}
