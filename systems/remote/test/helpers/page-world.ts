import { certificates } from '@token-server/test-helpers'

import Server = require('../../lib/index')

import { dialUrlOf } from '../../lib/wire/invitation'
import type { RelayServer } from './running-relay'

export interface PageDevice {
  readonly server: Server
  /** Where its page is. */
  readonly address: string
}

/** A device that listens itself, over HTTPS, and serves the page. */
export async function hostDevice(
  handler: Server.Handlers,
  options: Server.ServerOptions = {}
): Promise<PageDevice> {
  const server = new Server({ closeTimeout: 200, ...options })
  const { key, cert } = (await certificates()).server
  const { port } = await server.host(handler, undefined, { port: 0, tls: { key, cert } })
  return { server, address: `https://127.0.0.1:${port}` }
}

/** Dials out to a relay. @param port of what stands before it, if anything does */
export async function relayedDevice(
  relay: RelayServer,
  handler: Server.Handlers,
  options: Server.ServerOptions,
  port = relay.port
): Promise<Server> {
  const server = new Server({ closeTimeout: 200, address: relay.url('https'), ...options })
  await server.hostMiddleware(`wss://localhost:${port}`, handler, undefined, { tls: relay.tls })
  return server
}

/** Another client of the device, under its shared key. */
export async function deviceClient({ server, address }: PageDevice): Promise<Server.Client> {
  const { ca } = await certificates()
  const client = new Server.Client({ tls: { ca } })
  const { deviceId, shared } = server.keys
  await client.connect(dialUrlOf({ address, device: deviceId }), shared)
  return client
}
