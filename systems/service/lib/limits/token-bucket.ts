/** Lets a burst pass at once and a rate from then on. It holds two numbers and no timer. */
export class TokenBucket {
  readonly #perMillisecond: number
  readonly #burst: number
  #left: number
  #at: number

  constructor(perSecond: number, burst: number, now: number) {
    this.#perMillisecond = perSecond / 1_000
    this.#burst = burst
    this.#left = burst
    this.#at = now
  }

  /** Takes one, or several. @returns how long whoever takes them has to wait, in milliseconds; 0: it may go on at once */
  take(now: number, count = 1): number {
    this.#fill(now)
    this.#left -= count
    return this.#left >= 0 ? 0 : -this.#left / this.#perMillisecond
  }

  /** Takes one, or none. */
  tryTake(now: number): boolean {
    this.#fill(now)
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  #fill(now: number): void {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMillisecond)
    this.#at = now
  }
}
