import { hostname } from 'node:os'
import type { Broker } from '../core/broker'
import type { ConnectionInfo } from '../core/broker-options'
import type { Counters } from '../core/counters'
import type { Refusal } from '../core/refusals'
import { type Rates, type Second, totalsOf } from './rates'
import type { TopTopics, TopTopicsReport } from './top-topics'

export type SlowConsumer = Omit<ConnectionInfo, 'subscriptions'>

/** What `/status` shows and `/status.json` says. What is counted is counted since the start, unless it says otherwise. */
export interface StatusReport {
  readonly host: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** Seconds since the process started. */
  readonly uptime: number
  readonly memoryBytes: number
  /** Why nothing can be stored now, in words; null: it can. */
  readonly storeDown: string | null
  readonly connections: { readonly open: number; readonly most: number }
  /** The mean of the last five seconds. */
  readonly perSecond: Second
  readonly lastMinute: Pick<Second, 'dropped' | 'refused' | 'storeErrors'>
  readonly sinceStart: Pick<Second, 'dropped' | 'refused'>
  /** The last two minutes, the newest second last. */
  readonly seconds: readonly Second[]
  readonly topTopics: TopTopicsReport
  /** Connections for which at least a tenth of `maxWaitingBytes` waits, the most first. */
  readonly slowConsumers: readonly SlowConsumer[]
  readonly maxWaitingBytes: number
  /** The newest first. */
  readonly refusals: readonly Refusal[]
  readonly counters: Readonly<Counters>
}

const MOST_SLOW = 10
const MOST_REFUSALS = 25

/** Of the bytes that may wait for a connection: above it the connection is called slow. */
const SLOW_SHARE = 0.1

export function statusReport(broker: Broker, rates: Rates, topTopics: TopTopics): StatusReport {
  const { counters, limits } = broker
  const { dropped, refused } = totalsOf(counters)
  return {
    host: hostname(),
    at: Date.now(),
    uptime: process.uptime(),
    memoryBytes: process.memoryUsage.rss(),
    storeDown: broker.whyStoreDown ?? null,
    connections: { open: counters.connections, most: limits.maxConnections },
    perSecond: {
      published: rates.mean('published'),
      delivered: rates.mean('delivered'),
      dropped: rates.mean('dropped'),
      refused: rates.mean('refused'),
      storeErrors: rates.mean('storeErrors'),
      cpu: rates.mean('cpu')
    },
    lastMinute: {
      dropped: rates.lastMinute('dropped'),
      refused: rates.lastMinute('refused'),
      storeErrors: rates.lastMinute('storeErrors')
    },
    sinceStart: { dropped, refused },
    seconds: rates.seconds,
    topTopics: topTopics.report(),
    slowConsumers: slowConsumers(broker),
    maxWaitingBytes: limits.maxWaitingBytes,
    refusals: broker.refusals().slice(-MOST_REFUSALS).reverse(),
    counters: { ...counters }
  }
}

function slowConsumers(broker: Broker): SlowConsumer[] {
  const slow = [...broker.connections(Math.max(1, SLOW_SHARE * broker.limits.maxWaitingBytes))]
  return slow
    .sort((a, b) => b.waitingBytes - a.waitingBytes)
    .slice(0, MOST_SLOW)
    .map(({ subscriptions: _, ...connection }) => connection)
}
