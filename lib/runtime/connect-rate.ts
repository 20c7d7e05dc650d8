import { clock } from './clock'

/** So many seconds' worth of connects may come at once. */
const BURST_SECONDS = 10

/** Below so many addresses it is not worth to look for those that can be forgotten. */
const LEAST_SWEEP = 1_024

/**
 * Bounds how often one address connects: a number of times a second in the long run, ten times as often at once (the generic
 * cell rate algorithm: one number for each address). What is refused does not count.
 *
 * An address is forgotten once it has been silent for as long as its connects were worth, so that its memory follows what
 * comes now. The addresses of one /64 of IPv6 are one: whoever has one of them mostly has all.
 */
export class ConnectRate {
  readonly #interval: number
  /** When each address will have worked off its connects: milliseconds of the monotonic clock. */
  readonly #until = new Map<string, number>()
  #sweepAt = LEAST_SWEEP

  /** @param perSecond connects of one address; Infinity bounds nothing */
  constructor(perSecond: number) {
    this.#interval = 1_000 / perSecond
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#until.size
  }

  /** @returns false when the address has come too often */
  take(address: string): boolean {
    if (this.#interval === 0) return true
    const now = clock.now()
    const network = networkOf(address)
    const until = Math.max(this.#until.get(network) ?? 0, now) + this.#interval
    if (until - now > BURST_SECONDS * 1_000) return false
    this.#until.set(network, until)
    if (this.#until.size >= this.#sweepAt) this.#sweep(now)
    return true
  }

  #sweep(now: number): void {
    for (const [network, until] of this.#until) if (until <= now) this.#until.delete(network)
    this.#sweepAt = Math.max(LEAST_SWEEP, 2 * this.#until.size)
  }
}

/** The first 64 bits of an IPv6 address; any other as it is. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    groups.push(...new Array<string>(8 - groups.length - last.length).fill('0'), ...last)
  }
  return groups.slice(0, 4).join(':')
}
