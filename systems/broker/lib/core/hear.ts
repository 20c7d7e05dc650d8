import { checkOption, isFunction, isText } from '@token-server/service/options'
import type { LocalBus } from '../bus/local-bus'
import { wrongOption } from '../errors/broker-error'
import { isTopicFilter } from '../wire/topics'
import { type AedesPacket, senderOf } from './aedes-packet'
import type { Message } from './broker-options'
import { type Log, wordsOf } from './log'

export type MessageListener = (message: Message) => unknown

/**
 * Tells a listener of this process of the messages that match a filter. What it throws, or rejects with, is logged.
 *
 * @returns ends it
 * @throws BrokerError `ERR_BROKER_OPTION`
 */
export function hear(bus: LocalBus, filter: string, listener: MessageListener, log: Log): () => void {
  checkOption('filter', filter, isText, wrongOption)
  if (!isTopicFilter(filter)) throw wrongOption('filter', 'it is no topic filter of MQTT')
  checkOption('listener', listener, isFunction, wrongOption)
  const notify = ({ topic, payload, qos, properties }: AedesPacket) => {
    if (topic.startsWith('$') && !filter.startsWith('$')) return // [MQTT-4.7.2-1]
    const failed = (error: unknown) =>
      log.error({ topic, error: wordsOf(error) }, 'a listener of this process threw')
    try {
      const result = listener({ topic, payload, qos, sender: senderOf(properties) })
      void Promise.resolve(result).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
  bus.on(filter, notify)
  return () => void bus.removeListener(filter, notify)
}
