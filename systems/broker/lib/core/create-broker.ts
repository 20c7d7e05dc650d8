import { completeLimits } from '../limits/limits'
import { Broker } from './broker'
import { type BrokerOptions, checkCommands } from './broker-options'

/**
 * An MQTT broker: 3.1 and 3.1.1, QoS 0 to 2, retained messages, wills and sessions. It listens nowhere: whoever accepts connections hands
 * them to {@link Broker.handle}.
 *
 * @throws BrokerError `ERR_BROKER_OPTION`, `ERR_BROKER_STORE`
 */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  const limits = completeLimits(options.limits)
  checkCommands(options.commands)
  const broker = new Broker(options, limits)
  await broker.open()
  return broker
}
