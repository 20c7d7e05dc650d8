import { type ClockTimer, clock } from './clock'

/** What a heartbeat does to its connection. */
export interface HeartbeatEvents {
  ping(): void
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
 * process that was itself stopped finds there what had arrived meanwhile.
 */
export class Heartbeat {
  readonly #own: number
  readonly #peer: number
  readonly #events: HeartbeatEvents
  #lastRead: number
  #lastWrite: number
  #readTimer: ClockTimer | undefined
  #writeTimer: ClockTimer | undefined
  #isStopped = false

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
    if (own > 0) this.#watchReads(own * 2)
    if (peer > 0) this.#watchWrites(peer / 2)
  }

  sawRead(): void {
    this.#lastRead = clock.now()
  }

  sawWrite(): void {
    this.#lastWrite = clock.now()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#readTimer) clock.clearTimeout(this.#readTimer)
    if (this.#writeTimer) clock.clearTimeout(this.#writeTimer)
  }

  #watchReads(delay: number): void {
    this.#readTimer = clock.setTimeout(() => this.#judge(), delay)
    this.#readTimer.unref()
  }

  #judge(): void {
    const left = this.#silenceLeft()
    if (left > 0) this.#watchReads(left)
    else clock.setImmediate(() => this.#verdict())
  }

  #verdict(): void {
    if (this.#isStopped) return
    const left = this.#silenceLeft()
    if (left > 0) this.#watchReads(left)
    else this.#events.dead()
  }

  #silenceLeft(): number {
    return this.#lastRead + this.#own * 2 - clock.now()
  }

  #watchWrites(delay: number): void {
    this.#writeTimer = clock.setTimeout(() => this.#pingWhenSilent(), delay)
    this.#writeTimer.unref()
  }

  #pingWhenSilent(): void {
    const left = this.#lastWrite + this.#peer / 2 - clock.now()
    if (left <= 0) this.#events.ping()
    this.#watchWrites(left > 0 ? left : this.#peer / 2)
  }
}
