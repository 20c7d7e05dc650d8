import { Counter, Gauge, type Registry } from 'prom-client'
import type { Bus, BusStats } from '../bus/bus'

/** What a bus counts, read when somebody asks for it. */
export function busMetrics(bus: Bus, register: Registry): void {
  const registers = [register]
  const counter = (name: string, help: string, field: keyof BusStats) => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(bus.stats[field])
      }
    })
  }
  counter('bus_published_total', 'Messages published to the bus here', 'published')
  counter('bus_received_total', 'Messages of other processes', 'received')
  counter('bus_dropped_total', 'Messages that did not reach the others, for the queue was full', 'dropped')
  counter('bus_gaps_total', 'How often messages of others may have been missed', 'gaps')
  counter('bus_losses_total', 'How often the connection to the others was lost', 'losses')
  new Gauge({
    name: 'bus_queued_bytes',
    help: 'Bytes that wait to be sent',
    registers,
    collect() {
      this.set(bus.stats.queuedBytes)
    }
  })
  new Gauge({
    name: 'bus_up',
    help: 'Whether the others are reached',
    registers,
    collect() {
      this.set(bus.isUp ? 1 : 0)
    }
  })
}
