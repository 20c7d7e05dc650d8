import type { Logger } from 'pino'
import { ServiceError, wrongOption } from '../errors/service-error'
import {
  type Checks,
  checkOptions,
  has,
  isAnything,
  isText,
  needed,
  wholeNumber
} from '../options/check-options'
import { BUS_LIMITS, type Bus, type BusLimits } from './bus'
import { MemoryBus, MemoryHub } from './memory-bus'

export interface BusOptions extends Partial<BusLimits> {
  /** Buses of one name hear each other. */
  readonly name: string
  /** `redis://…` or `rediss://…`; without it the bus is within this process. */
  readonly url?: string | undefined
  /** Without `url`: buses of one hub hear each other. Default: a hub of its own. */
  readonly hub?: MemoryHub | undefined
  readonly log?: Pick<Logger, 'info' | 'warn' | 'error'> | undefined
}

const CHECKS: Checks<BusOptions> = {
  name: needed(isText),
  url: isAnything,
  hub: value => (value instanceof MemoryHub ? undefined : 'no MemoryHub'),
  log: has('info', 'warn', 'error'),
  maxMessageBytes: wholeNumber(1),
  maxQueueBytes: wholeNumber(1)
}

/**
 * Makes a bus. One over Redis dials at once and until it is closed; it never fails for a Redis that is away.
 *
 * @throws ServiceError `ERR_OPTION`
 */
export function createBus(options: BusOptions): Bus {
  checkOptions(options, CHECKS, wrongOption)
  const { name, url, log } = options
  const limits = {
    maxMessageBytes: options.maxMessageBytes ?? BUS_LIMITS.maxMessageBytes,
    maxQueueBytes: options.maxQueueBytes ?? BUS_LIMITS.maxQueueBytes
  }
  if (limits.maxQueueBytes < limits.maxMessageBytes) {
    const { maxQueueBytes, maxMessageBytes } = limits
    const message = `Cannot make a bus: maxQueueBytes is ${maxQueueBytes}, less than maxMessageBytes, ${maxMessageBytes}`
    throw new ServiceError('ERR_OPTION', message)
  }
  const onListenerError = (error: unknown) => log?.error({ err: error }, 'A listener of the bus failed')
  if (url === undefined) return new MemoryBus({ ...limits, onListenerError }, options.hub ?? new MemoryHub())
  if (!isRedisUrl(url))
    throw new ServiceError('ERR_OPTION', 'Cannot make a bus: url must begin with redis:// or rediss://')
  // The client of Redis is 500 files: half of the time in which this package loads.
  const { RedisBus } = require('./redis-bus') as typeof import('./redis-bus.js')
  const bus = new RedisBus({ ...limits, onListenerError, url, channel: `token-server:bus:${name}` })
  bus.on('up', () => log?.info('The bus is connected to Redis'))
  bus.on('down', ({ why }) => log?.warn({ why }, 'The bus has lost Redis: what is published waits'))
  bus.on('gap', ({ from, why }) => log?.warn({ from, why }, 'The bus may have missed messages of others'))
  return bus
}

/** An error of `URL` itself would quote it, with its password. */
function isRedisUrl(url: string): boolean {
  return URL.canParse(url) && ['redis:', 'rediss:'].includes(new URL(url).protocol)
}
