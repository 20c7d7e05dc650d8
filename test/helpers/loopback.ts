import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import {
  type Connection,
  TokenClient,
  type TokenClientOptions,
  TokenServer,
  type TokenServerOptions
} from '../../lib'
import { certificates } from './certificates'

const opened: (() => unknown)[] = []

/** Has everything opened through this file closed after each test, also when the test failed. */
export function closesWhatItOpened(): void {
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close()
  })
}

export function onCleanUp(close: () => unknown): void {
  opened.push(close)
}

/** Options of a server on a port of the system's choice. */
export async function serverOptions(over: TokenServerOptions = {}): Promise<TokenServerOptions> {
  const { ca, server } = await certificates()
  return { ...(over.path === undefined && { host: '127.0.0.1', port: 0 }), ca, ...server, ...over }
}

export async function clientOptions(
  port: number,
  over: Partial<TokenClientOptions> = {}
): Promise<TokenClientOptions> {
  const { ca, client } = await certificates()
  const isElsewhere = over.path !== undefined || over.servers !== undefined
  return { ...(!isElsewhere && { host: '127.0.0.1', port }), ca, ...client, ...over }
}

/** The same, for `tls.connect` itself. */
export async function tlsOptions(port: number): Promise<ConnectionOptions> {
  return (await clientOptions(port)) as ConnectionOptions
}

/** A server that was closed again after the test; it need not listen yet. */
export async function makeServer(over: TokenServerOptions = {}): Promise<TokenServer> {
  const server = new TokenServer(await serverOptions(over))
  onCleanUp(() => {
    server.close({ timeout: 0 })
    return server.closed
  })
  return server
}

/** A server that listens. */
export async function startServer(
  over: TokenServerOptions = {}
): Promise<{ server: TokenServer; port: number }> {
  const server = await makeServer(over)
  await once(server, 'connect')
  return { server, port: portOf(server) }
}

export function portOf(server: TokenServer): number {
  return (server.address() as AddressInfo).port
}

/** A client that dials; its errors are the test's to look for. */
export async function makeClient(port: number, over: Partial<TokenClientOptions> = {}): Promise<TokenClient> {
  const client = new TokenClient(await clientOptions(port, over))
  client.on('error', () => {})
  // Without one the process would print a warning of a client that dials in vain.
  client.on('disconnect', () => {})
  onCleanUp(() => {
    client.close({ timeout: 0 })
    return client.closed
  })
  return client
}

/** A connected client and the server's end of its connection. */
export async function connectPair(
  server: TokenServer,
  over: Partial<TokenClientOptions> = {}
): Promise<{ client: TokenClient; connection: Connection }> {
  const accepted = once(server, 'connection')
  const client = await makeClient(portOf(server), over)
  const [connection] = (await accepted) as [Connection]
  if (client.connection === null) await once(client, 'connect')
  return { client, connection }
}

/** A port that was free a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A plain TCP server; what connects to it is destroyed after the test. */
export async function plainServer(onSocket: (socket: Socket) => void = () => {}): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onCleanUp(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

interface Emits {
  on(event: string, listener: (...args: never[]) => void): unknown
}

/** The names of the events that came, in order; of `close` with its argument. */
export function eventsOf(emitter: Emits, names = ['connect', 'error', 'close']): string[] {
  const seen: string[] = []
  for (const name of names) {
    emitter.on(name, (first: unknown) => {
      seen.push(name === 'close' ? `close(${String(first)})` : name)
    })
  }
  return seen
}

/** Resolves once `condition` holds: for what has no event. */
export async function until(condition: () => boolean, milliseconds = 30_000): Promise<void> {
  const end = performance.now() + milliseconds
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Waited ${milliseconds} ms in vain for ${condition}`)
    await wait(2)
  }
}
