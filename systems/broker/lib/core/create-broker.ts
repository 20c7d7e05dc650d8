import {
  type Checks,
  checkOptions,
  has,
  isAnything,
  isFlag,
  isFunction,
  isObject,
  isText,
  listOf,
  needed
} from '@token-server/service/options'
import { wrongOption } from '../errors/broker-error'
import { completeLimits } from '../limits/limits'
import { Broker } from './broker'
import { type BrokerOptions, checkCommands } from './broker-options'
import { isLog } from './log'

export const isVerifier = needed(has('verify', 'watch'))

const CHECKS: Checks<BrokerOptions> = {
  verifier: isVerifier,
  authenticate: isFunction,
  folder: isText,
  redisUrl: isText,
  redisPrefix: isText,
  redisTimeout: isAnything,
  sessionTtl: isAnything,
  sync: isFlag,
  bus: has('publish', 'subscribe', 'on', 'off'),
  commands: listOf(isText),
  limits: isObject,
  log: isLog
}

/** Without a Redis they would be nobody's. */
const OF_REDIS = ['redisPrefix', 'redisTimeout', 'sessionTtl'] as const

/**
 * An MQTT broker: 3.1 and 3.1.1, QoS 0 to 2, retained messages, wills and sessions. It listens nowhere: whoever accepts connections hands
 * them to {@link Broker.handle}.
 *
 * @throws BrokerError `ERR_BROKER_OPTION`, `ERR_BROKER_STORE`
 */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  checkOptions(options, CHECKS, wrongOption)
  for (const name of options.redisUrl === undefined ? OF_REDIS : [])
    if (options[name] !== undefined) throw wrongOption(name, 'there is no redisUrl')
  const limits = completeLimits(options.limits)
  checkCommands(options.commands)
  const broker = new Broker(options, limits)
  await broker.open()
  return broker
}
