import { clock } from '../runtime/clock'

/** What a schedule asks of and tells the queue of the counts. */
export interface AckScheduleEvents {
  /** True when a count has moved since the peer was told. */
  hasNews(): boolean
  /** True when the peer may have to stop for want of a WINDOW, or waits for many counts. */
  isPressing(): boolean
  /** The counts are due now, by themselves. */
  onDue(): void
}

/** Bytes read after which the counts are told although more keeps coming. */
const TELL_AFTER_BYTES = 1024 * 1024

/**
 * When ACK and WINDOW are written by themselves, without data that they can go with. A write costs both sides more
 * than many tokens, and one of each says everything: so they wait while more comes, up to 1 MiB, and for the end of
 * the turn of the event loop. A WINDOW that the peer may need does not wait: one turn can read 2 MiB.
 *
 * ```
 *  read  read      read  read      read │ quiet                read … 1 MiB
 *        └─ turn ──┴─── turn ──────┴────┴─▶ due                      └─▶ due
 * ```
 */
export class AckSchedule {
  /** True when the counts shall be written now. */
  isDue = false
  readonly #events: AckScheduleEvents
  #isReading = false
  #isScheduled = false
  #isStopped = false
  #readInTurn = 0
  #readSinceTold = 0

  constructor(events: AckScheduleEvents) {
    this.#events = events
  }

  /** A chunk is being read: what is written meanwhile takes the counts with it. */
  reading(bytes: number): void {
    this.#isReading = true
    this.#readInTurn += bytes
    this.#readSinceTold += bytes
  }

  /** The chunk has been read, and what it caused was written. */
  read(): void {
    this.#isReading = false
    if (this.#events.isPressing()) this.#tell()
    else if (this.#events.hasNews()) this.moved()
  }

  /** A count has moved. */
  moved(): void {
    if (this.#isScheduled || this.#isReading) return
    this.#isScheduled = true
    clock.setImmediate(() => this.#turnEnds())
  }

  /** The counts were written. */
  told(): void {
    this.isDue = false
    this.#readSinceTold = 0
  }

  stop(): void {
    this.#isStopped = true
  }

  #turnEnds(): void {
    this.#isScheduled = false
    const wasBusy = this.#readInTurn > 0
    this.#readInTurn = 0
    if (this.#isStopped || !this.#events.hasNews()) return
    if (wasBusy && this.#readSinceTold < TELL_AFTER_BYTES && !this.#events.isPressing()) {
      this.moved()
    } else {
      this.#tell()
    }
  }

  #tell(): void {
    this.isDue = true
    this.#events.onDue()
  }
}
