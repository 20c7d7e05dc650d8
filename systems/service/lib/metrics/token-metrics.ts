import type { Registry } from 'prom-client'
import type { TokenServer } from 'token-server'
import { ReadMetrics } from './read-metrics'

/** What a `TokenServer` counts, read when somebody asks for it: nothing is done for a token. */
export function tokenMetrics(server: TokenServer, register: Registry): void {
  const metrics = new ReadMetrics(register)
  // One look at all connections does for all metrics of a scrape.
  let seen: TokenServer['stats'] | null = null
  const stats = () => {
    if (seen === null) {
      seen = server.stats
      setImmediate(() => {
        seen = null
      })
    }
    return seen
  }
  metrics.gauge('tokens_connections', 'Connections of token/* that are open', () => stats().open)
  metrics.gauge('tokens_sessions_waiting', 'Sessions that wait for their client', () => stats().detached)
  metrics.gauge(
    'tokens_handshakes',
    'Clients between accept and acceptance, of all protocols',
    () => stats().pending
  )
  metrics.gauge('tokens_queued_bytes', 'Bytes in the queues of all connections', () => stats().queuedBytes)
  metrics.counter(
    'tokens_accepted_total',
    'Connections of token/* that were accepted',
    () => stats().accepted
  )
  metrics.counter('tokens_sent_total', 'Tokens sent', () => stats().tokensSent)
  metrics.counter('tokens_received_total', 'Tokens received', () => stats().tokensReceived)
  metrics.counter('tokens_sent_bytes_total', 'Bytes sent, before TLS', () => stats().bytesSent)
  metrics.counter('tokens_received_bytes_total', 'Bytes received, after TLS', () => stats().bytesReceived)
  metrics.counterBy(
    'code',
    'port_refused_total',
    'Clients of all protocols that got no connection',
    () => stats().refused
  )
  metrics.counterBy(
    'code',
    'tokens_closed_total',
    'Connections of token/* that have closed',
    () => stats().closed
  )
}
