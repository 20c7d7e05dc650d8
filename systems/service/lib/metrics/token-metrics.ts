import { Counter, Gauge, type Registry } from 'prom-client'
import type { TokenServer } from 'token-server'

/** What a `TokenServer` counts, read when somebody asks for it: nothing is done for a token. */
export function tokenMetrics(server: TokenServer, register: Registry): void {
  const registers = [register]
  const gauge = (name: string, help: string, value: () => number) => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      }
    })
  }
  const counter = (name: string, help: string, value: () => number) => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(value())
      }
    })
  }
  const byCode = (name: string, help: string, values: () => Readonly<Record<string, number>>) => {
    new Counter({
      name,
      help,
      registers,
      labelNames: ['code'],
      collect() {
        this.reset()
        for (const [code, count] of Object.entries(values())) this.inc({ code }, count)
      }
    })
  }
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
  gauge('tokens_connections', 'Connections of token/* that are open', () => stats().open)
  gauge('tokens_sessions_waiting', 'Sessions that wait for their client', () => stats().detached)
  gauge('tokens_handshakes', 'Clients between accept and acceptance, of all protocols', () => stats().pending)
  gauge('tokens_queued_bytes', 'Bytes in the queues of all connections', () => stats().queuedBytes)
  counter('tokens_accepted_total', 'Connections of token/* that were accepted', () => stats().accepted)
  counter('tokens_sent_total', 'Tokens sent', () => stats().tokensSent)
  counter('tokens_received_total', 'Tokens received', () => stats().tokensReceived)
  counter('tokens_sent_bytes_total', 'Bytes sent, before TLS', () => stats().bytesSent)
  counter('tokens_received_bytes_total', 'Bytes received, after TLS', () => stats().bytesReceived)
  byCode('port_refused_total', 'Clients of all protocols that got no connection', () => stats().refused)
  byCode('tokens_closed_total', 'Connections of token/* that have closed', () => stats().closed)
}
