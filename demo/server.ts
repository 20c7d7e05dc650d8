import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { TokenServer } from 'token-server'
import { connectionSeen } from './connection-seen'
import { runAsChild, tell } from './parent'

/** The server program: sends every token back, and closes when its parent says so. */
void runAsChild(async () => {
  const server = new TokenServer({
    host: 'localhost',
    port: 0,
    key: readFileSync('certs/server/server.key'),
    cert: readFileSync('certs/server/server.crt'),
    ca: readFileSync('certs/ca/ca.crt')
  })

  server.on('connection', connection => {
    tell({ kind: 'connected', seen: connectionSeen(connection) })
    const tokens = connection.stream()
    // A client that can't be written to is not read from: that is the whole backpressure.
    pipeline(tokens, tokens).catch((error: Error) => tell({ kind: 'failed', message: error.message }))
  })
  server.on('refused', ({ code, error }) => {
    // The client itself is not told why: to it, the connection just breaks.
    if (code === 'ERR_CERTIFICATE') tell({ kind: 'failed', message: error.message })
  })

  await once(server, 'connect')
  tell({ kind: 'listening', port: (server.address() as AddressInfo).port })

  await once(process, 'message')
  server.close()
  await server.closed
})
