import { ReadMetrics } from '@token-server/service'
import type { Registry } from 'prom-client'
import type { Broker } from '../core/broker'
import { COUNTER_MEANINGS, type CounterName } from '../core/counters'

/** Shows the counters of a broker: read when somebody asks, so that counting costs nothing. */
export function brokerMetrics({ counters }: Broker, registry: Registry): void {
  const metrics = new ReadMetrics(registry)
  metrics.gauge('mqtt_connections', 'Authenticated MQTT connections', () => counters.connections)
  for (const [name, help] of Object.entries(COUNTER_MEANINGS) as [CounterName, string][]) {
    const shown = `mqtt_${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}_total`
    metrics.counter(shown, help, () => counters[name])
  }
}
