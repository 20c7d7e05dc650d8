import { ClassicLevel } from 'classic-level'
import { MemoryLevel } from 'memory-level'
import { BrokerError, wrongOption } from '../errors/broker-error'
import type { Database } from './commit-queue'
import { LevelStore } from './level-store'
import type { Store, StoreOptions } from './store'

/** Where a broker keeps what it stores: in Redis, in a folder, or, without both, in memory. */
export interface StoreLocation {
  readonly folder?: string
  /** Each commit of a folder waits until the disk has it. Default false. */
  readonly sync?: boolean
  readonly redisUrl?: string
  /** Default `token-broker`. */
  readonly redisPrefix?: string
  /** Milliseconds. Default 5,000. */
  readonly redisTimeout?: number
  /** Milliseconds. Default 7 days. */
  readonly sessionTtl?: number
}

const DAY = 86_400_000

/**
 * @throws BrokerError `ERR_BROKER_OPTION`; `ERR_BROKER_STORE`: the folder can't be written, or another process has it open
 */
export async function openStore(location: StoreLocation, options: StoreOptions): Promise<Store> {
  const { folder, redisUrl, sync = false } = location
  if (redisUrl === undefined) return await openLevel(folder, sync, options)
  if (folder !== undefined) throw wrongOption('redisUrl', 'there is a folder as well')
  if (!isRedisUrl(redisUrl)) throw wrongOption('redisUrl', 'it must begin with redis:// or rediss://')
  const { redisPrefix: prefix = 'token-broker' } = location
  if (prefix === '') throw wrongOption('redisPrefix', 'it is empty')
  const timeout = timeOf('redisTimeout', location.redisTimeout ?? 5_000, 100, 60_000)
  const sessionTtl = timeOf('sessionTtl', location.sessionTtl ?? 7 * DAY, 1_000, 3_650 * DAY)
  // The client of Redis is 500 files.
  const { RedisStore } = require('./redis/redis-store') as typeof import('./redis/redis-store.js')
  return new RedisStore({ ...options, url: redisUrl, prefix, timeout, sessionTtl })
}

async function openLevel(folder: string | undefined, sync: boolean, options: StoreOptions): Promise<Store> {
  const encoding = { keyEncoding: 'utf8', valueEncoding: 'buffer' } as const
  const db: Database =
    folder === undefined
      ? new MemoryLevel<string, Buffer>(encoding)
      : (new ClassicLevel<string, Buffer>(folder, encoding) as Database)
  try {
    await db.open()
  } catch (error) {
    const cause = (error as Error).cause as { code?: string } | undefined
    const why = cause?.code === 'LEVEL_LOCKED' ? 'another process has it open' : 'it cannot be opened'
    throw new BrokerError('ERR_BROKER_STORE', `Cannot use the folder ${folder}: because ${why}`, {
      cause: error
    })
  }
  return new LevelStore(db, { ...options, sync })
}

/** An error of `URL` itself would quote it, with its password. */
function isRedisUrl(url: string): boolean {
  return URL.canParse(url) && ['redis:', 'rediss:'].includes(new URL(url).protocol)
}

function timeOf(name: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value
  throw wrongOption(name, `it must be a number from ${least} to ${most}`)
}
