import type { Registry } from 'prom-client'
import type { Bus, BusStats } from '../bus/bus'
import { ReadMetrics } from './read-metrics'

/** What a bus counts, read when somebody asks for it. */
export function busMetrics(bus: Bus, register: Registry): void {
  const metrics = new ReadMetrics(register)
  const counter = (name: string, help: string, field: keyof BusStats) =>
    metrics.counter(name, help, () => bus.stats[field])
  counter('bus_published_total', 'Messages published to the bus here', 'published')
  counter('bus_received_total', 'Messages of other processes', 'received')
  counter('bus_dropped_total', 'Messages that did not reach the others, for the queue was full', 'dropped')
  counter('bus_gaps_total', 'How often messages of others may have been missed', 'gaps')
  counter('bus_losses_total', 'How often the connection to the others was lost', 'losses')
  metrics.gauge('bus_queued_bytes', 'Bytes that wait to be sent', () => bus.stats.queuedBytes)
  metrics.gauge('bus_up', 'Whether the others are reached', () => (bus.isUp ? 1 : 0))
}
