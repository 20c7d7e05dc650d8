import { Counter, Gauge, type Registry } from 'prom-client'
import type { Loggly } from '../logging/loggly'

/** How much of the log does not get to Loggly, read when somebody asks for it. */
export function logglyMetrics(loggly: Loggly, register: Registry): void {
  const registers = [register]
  new Counter({
    name: 'loggly_dropped_lines_total',
    help: 'Lines that were dropped: the queue was full, or Loggly did not take them',
    registers,
    collect() {
      this.reset()
      this.inc(loggly.dropped)
    }
  })
  new Gauge({
    name: 'loggly_queue_length',
    help: 'Characters that wait to be sent',
    registers,
    collect() {
      this.set(loggly.queueLength)
    }
  })
}
