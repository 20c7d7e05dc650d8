import cluster from 'node:cluster'
import { TokenServer, type TokenServerOptions } from '../../lib'

/** A worker of a cluster: serves with the options that it is sent, and answers each token with its number. */
process.once('message', ({ ticketKeys, ...options }: TokenServerOptions & { ticketKeys: string }) => {
  const server = new TokenServer({ ...options, ticketKeys: Buffer.from(ticketKeys, 'hex') })
  server.on('token', (_token, connection) => connection.send(Buffer.from(String(cluster.worker?.id))))
  server.on('connect', () => process.send?.({ address: server.address() }))
  process.once('disconnect', () => process.exit())
})
