import { ReadMetrics } from '@token-server/service'
import type { Registry } from 'prom-client'
import type { Broker } from '../core/broker'
import type { Counters } from '../core/counters'

const HELP: Record<Exclude<keyof Counters, 'connections'>, string> = {
  accepted: 'Connections that were accepted, authenticated or not',
  published: 'Messages that clients published and that were allowed',
  delivered: 'Messages handed to the sockets of subscribers',
  deliveredBytes: 'Bytes of the payloads of delivered messages',
  droppedSlow: 'QoS 0 messages that a slow client did not get',
  cutSlow: 'Connections cut because they did not take their messages',
  droppedQueued: 'Messages that found the queue of a session full',
  droppedRetained: 'Retained messages that were not kept',
  throttled: 'Publishes that waited for the rate of their client',
  refusedConnects: 'Connections refused at CONNECT',
  refusedSubscriptions: 'Subscriptions answered by SUBACK 0x80',
  refusedPublishes: 'Publishes that closed their connection',
  violations: 'Connections closed by a packet that breaks the standard',
  tokenEnded: 'Connections ended because their token expired or was revoked',
  tokenRenewed: 'Tokens renewed on an open connection',
  keepAliveTimeouts: 'Clients that were silent for 1.5 times their keep alive',
  connectTimeouts: 'Connections that sent no CONNECT in time',
  storeErrors: 'Failures of the store',
  takenOver: 'Clients that connected to another broker while they were connected here',
  catchUps: 'Times that kept sessions were looked through, for messages of other brokers might be missing'
}

/** Shows the counters of a broker: read when somebody asks, so that counting costs nothing. */
export function brokerMetrics({ counters }: Broker, registry: Registry): void {
  const metrics = new ReadMetrics(registry)
  metrics.gauge('mqtt_connections', 'Authenticated MQTT connections', () => counters.connections)
  for (const [name, help] of Object.entries(HELP) as [keyof typeof HELP, string][]) {
    const shown = `mqtt_${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}_total`
    metrics.counter(shown, help, () => counters[name])
  }
}
