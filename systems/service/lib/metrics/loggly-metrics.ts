import type { Registry } from 'prom-client'
import type { Loggly } from '../logging/loggly'
import { ReadMetrics } from './read-metrics'

/** How much of the log does not get to Loggly, read when somebody asks for it. */
export function logglyMetrics(loggly: Loggly, register: Registry): void {
  const metrics = new ReadMetrics(register)
  const dropped = 'Lines that were dropped: the queue was full, or Loggly did not take them'
  metrics.counter('loggly_dropped_lines_total', dropped, () => loggly.dropped)
  metrics.gauge('loggly_queue_length', 'Characters that wait to be sent', () => loggly.queueLength)
}
