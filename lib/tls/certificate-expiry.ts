import { clock } from '../runtime/clock'
import { WallClockDeadline } from '../runtime/wall-clock-deadline'

/** Tells when the certificate of each of many holders has ended, by one timer for the earliest. */
export class CertificateExpiry<T> {
  /** The end of each, milliseconds since 1970. */
  readonly #ends = new Map<T, number>()
  readonly #onEnd: (holder: T) => void
  #next: WallClockDeadline | null = null
  #nextAt = Number.POSITIVE_INFINITY

  constructor(onEnd: (holder: T) => void) {
    this.#onEnd = onEnd
  }

  get size(): number {
    return this.#ends.size
  }

  /** Replaces the end that the holder had before. A date that can't be read has passed. */
  set(holder: T, end: Date): void {
    const at = end.getTime()
    this.#ends.set(holder, at)
    if (!(at >= this.#nextAt)) this.#arm(at)
  }

  /** The timer runs on even if it was for this holder, and then finds nothing to tell. */
  delete(holder: T): void {
    if (this.#ends.delete(holder) && this.#ends.size === 0) this.#arm(Number.POSITIVE_INFINITY)
  }

  #arm(at: number): void {
    this.#next?.clear()
    this.#nextAt = at
    const isNever = at === Number.POSITIVE_INFINITY
    this.#next = isNever ? null : new WallClockDeadline(new Date(at), () => this.#tell())
  }

  #tell(): void {
    const now = clock.date()
    this.#arm(Number.POSITIVE_INFINITY)
    for (const [holder, at] of [...this.#ends]) {
      // What was done about another one may have deleted it.
      if (!(now <= at) && this.#ends.delete(holder)) this.#onEnd(holder)
    }
    this.#arm([...this.#ends.values()].reduce((one, other) => Math.min(one, other), Number.POSITIVE_INFINITY))
  }
}
