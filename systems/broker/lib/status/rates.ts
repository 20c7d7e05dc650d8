import type { Counters } from '../core/counters'

/** What happened in one second, each but `cpu` a second. */
export interface Second {
  readonly published: number
  readonly delivered: number
  readonly dropped: number
  readonly refused: number
  readonly storeErrors: number
  /** Of one core: 0.4 is 40 %. */
  readonly cpu: number
}

export const SECONDS_KEPT = 120

const INTERVAL = 1_000

/** Seconds: a figure that is shown as one number is the mean of so many. */
const MEAN_OF = 5

const MINUTE = 60

/** Reads the counters each second, and keeps two minutes. */
export class Rates {
  readonly #counters: Counters
  readonly #seconds: Second[] = []
  readonly #timer: NodeJS.Timeout
  #at = performance.now()
  #totals: Second

  constructor(counters: Counters) {
    this.#counters = counters
    this.#totals = totalsOf(counters)
    this.#timer = setInterval(() => this.#look(), INTERVAL).unref()
  }

  /** The newest last. */
  get seconds(): readonly Second[] {
    return this.#seconds
  }

  /** The mean of the last few seconds. */
  mean(name: keyof Second): number {
    const values = this.#seconds.slice(-MEAN_OF).map(second => second[name])
    return sum(values) / Math.max(1, values.length)
  }

  /** How many there were in the last minute. */
  lastMinute(name: keyof Second): number {
    return Math.round(sum(this.#seconds.slice(-MINUTE).map(second => second[name])))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    const totals = totalsOf(this.#counters)
    const perSecond = (name: keyof Second) =>
      (1_000 * (totals[name] - this.#totals[name])) / Math.max(1, now - this.#at)
    this.#seconds.push({
      published: perSecond('published'),
      delivered: perSecond('delivered'),
      dropped: perSecond('dropped'),
      refused: perSecond('refused'),
      storeErrors: perSecond('storeErrors'),
      cpu: perSecond('cpu')
    })
    if (this.#seconds.length > SECONDS_KEPT) this.#seconds.shift()
    this.#at = now
    this.#totals = totals
  }
}

/** All that was counted since the start; `cpu` in seconds. */
export function totalsOf(counters: Counters): Second {
  const { published, delivered, storeErrors } = counters
  const { user, system } = process.cpuUsage()
  return {
    published,
    delivered,
    // Messages that a subscriber did not get, or that were not kept.
    dropped: counters.droppedSlow + counters.droppedQueued + counters.droppedRetained,
    refused:
      counters.refusedConnects +
      counters.refusedSubscriptions +
      counters.refusedPublishes +
      counters.violations,
    storeErrors,
    cpu: (user + system) / 1e6
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
