import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { loadCertificates } from '@token-server/certs'
import { onCleanUp } from '@token-server/test-helpers'
import { certificateFolder } from './services'

/** Stands in for Loggly, on loopback. */
export class LogglyStandIn {
  readonly requests: { readonly path: string; readonly body: string }[] = []
  /** The status of each answer, the last for all that follow; 0 gives none. */
  statuses = [200]
  port = 0

  get events(): Record<string, unknown>[] {
    return this.requests.flatMap(({ body }) =>
      body
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as Record<string, unknown>)
    )
  }

  static async start(port = 0): Promise<LogglyStandIn> {
    const standIn = new LogglyStandIn()
    const { key, cert } = loadCertificates(await certificateFolder(), 'server')
    const server = createServer({ key: key(), cert: cert() }, (request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', part => {
        body += part
      })
      request.on('end', () => {
        const status = standIn.statuses.length > 1 ? standIn.statuses.shift() : standIn.statuses[0]
        if (status === 200) standIn.requests.push({ path: request.url ?? '', body })
        if (status !== 0) response.writeHead(status ?? 500).end('{"response" : "ok"}')
      })
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    onCleanUp(async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    })
    standIn.port = (server.address() as AddressInfo).port
    return standIn
  }
}
