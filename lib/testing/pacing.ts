/** Decides in what pieces and when bytes come out of a lane. It knows no bytes, no stream and no timer. */
export class Pacing {
  readonly #random: () => number
  #maxChop = Infinity
  #maxDribble = Infinity
  #dribbleInterval = 0
  #delay = 0
  #jitter = 0
  #lastDue = -Infinity
  /** Time before which nothing comes out. */
  #notBefore = -Infinity

  /** @param random a number from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random
  }

  /** True while pieces are cut without regard to the writes. */
  get isChopping(): boolean {
    return this.#maxChop !== Infinity
  }

  chop(maxBytes: number): void {
    this.#maxChop = atLeast(1, 'maxBytes', maxBytes)
  }

  dribble(bytes: number, interval: number): void {
    this.#maxDribble = atLeast(1, 'bytes', bytes)
    this.#dribbleInterval = atLeast(1, 'interval', interval)
    this.#notBefore = -Infinity
  }

  delay(milliseconds: number, jitter: number): void {
    this.#delay = atLeast(0, 'milliseconds', milliseconds)
    this.#jitter = atLeast(0, 'jitter', jitter)
  }

  /** When something written at `now` is due; never before what was written earlier. */
  due(now: number): number {
    this.#lastDue = Math.max(this.#lastDue, now + this.#delay + this.#random() * this.#jitter)
    return this.#lastDue
  }

  /** Milliseconds from `now` until something due at `due` may come out. */
  wait(due: number, now: number): number {
    return Math.max(due, this.#notBefore) - now
  }

  /** The length of the piece that comes out at `now`, of `written` bytes of one write. */
  piece(written: number, now: number): number {
    const whole = this.isChopping ? 1 + Math.floor(this.#random() * this.#maxChop) : written
    if (this.#maxDribble === Infinity) return whole
    this.#notBefore = now + this.#dribbleInterval
    return Math.min(whole, this.#maxDribble)
  }
}

function atLeast(least: number, name: string, value: number): number {
  if (value >= least) return value
  throw new RangeError(`Cannot use ${name} ${value}: it must be at least ${least}`)
}
