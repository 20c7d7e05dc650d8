import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import type { PeerSetup } from './peer-process'

/** A bare port on loopback, TLS 1.3 or none. @returns its number */
export async function listen(tls: PeerSetup['tls'], handle: (socket: Duplex) => void): Promise<number> {
  const server: Server =
    tls === undefined
      ? createServer({ noDelay: true }, handle)
      : createTlsServer(
          { key: readFileSync(tls.key), cert: readFileSync(tls.cert), minVersion: 'TLSv1.3', noDelay: true },
          handle
        )
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
