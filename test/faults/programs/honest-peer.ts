import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import {
  type Connection,
  TokenClient,
  type TokenClientOptions,
  type TokenError,
  type TokenErrorCode,
  TokenServer,
  type TokenServerOptions
} from '../../../lib'
import type { Credentials } from '../../helpers/fault-program'
import { monotonic, type Note } from '../../helpers/live-program'
import { numberedToken } from '../../helpers/numbered-token'

/** A server or a client of token/2 that tells what happens to it. */

export type PeerOrder =
  /** With a journal the id of each token is in that file before the token's listener returns. */
  | { do: 'listen'; options: TokenServerOptions; journal?: string; echoes?: boolean }
  /** Dials again after `again` milliseconds, each time. */
  | { do: 'dial'; options: Partial<TokenClientOptions>; again: number }
  /** Delivers numbered tokens, `outstanding` at once, on the client or on each connection of the server. */
  | { do: 'stream'; length: number; outstanding: number; pause?: number }
  /** Delivers nothing new, and tells `idle` when all is settled. */
  | { do: 'rest' }
  | { do: 'report' }
  | { do: 'close' }

export type PeerNote = Note &
  (
    | { what: 'ready' }
    | { what: 'listening'; port: number }
    /** On the client as on the server: accepted. `port` is the client's. */
    | { what: 'open'; port: number }
    | { what: 'lost'; port: number; code: string; cause: string }
    | { what: 'disconnect'; code: string; isConnection: boolean }
    | { what: 'closed'; code: string }
    | { what: 'rejected'; id: number; code: TokenErrorCode; port: number }
    | { what: 'idle' }
    | Report
  )

export interface Report extends Note {
  what: 'report'
  delivered: number
  pending: number
  /** How often each connection closed; each must be 1. */
  closes: number[]
  connections: number
  /** The tokens received on each connection, by the client's port. */
  received: Received[]
  /** The ids that `deliver()` gave to each connection, in order. */
  sent: { port: number; ids: number[] }[]
  /** What the calendar shows, milliseconds. */
  date: number
  uncaught: string[]
}

export interface Received {
  port: number
  count: number
  /** Over all tokens, each with its length before it. */
  sha256: string
}

let server: TokenServer | null = null
let client: TokenClient | null = null
let journal: number | null = null
const closes: number[] = []
const uncaught: string[] = []
const received = new Map<Connection, { port: number; count: number; hash: Hash }>()
const sent = new Map<Connection, { port: number; ids: number[] }>()
/** What the next connection will send first. */
const waiting = new Set<number>()
let stream: { length: number; outstanding: number; pause: number } | null = null
let delivered = 0
let pending = 0
let nextId = 1

process.on('uncaughtException', error => uncaught.push(String(error.stack)))
process.on('unhandledRejection', error => uncaught.push(String(error)))
process.on('disconnect', () => process.exit(0))

let credentials: Credentials | null = null
process.on('message', message => {
  if (credentials === null) {
    credentials = message as Credentials
    note({ what: 'ready' })
  } else {
    void obey(message as PeerOrder, credentials)
  }
})

type Untimed<T> = T extends unknown ? Omit<T, 'at'> : never

function note(what: Untimed<PeerNote>): void {
  process.send?.({ ...what, at: monotonic() })
}

async function obey(order: PeerOrder, { ca, server: serverPair, client: clientPair }: Credentials) {
  if (order.do === 'listen') {
    if (order.journal !== undefined) journal = openSync(order.journal, 'a')
    server = new TokenServer({ ca, ...serverPair, protocol: 'token/2', ...order.options })
    server.on('connection', connection => opened(connection, portOf(connection, 'remotePort')))
    server.on('token', (token, connection) => {
      if (journal !== null) writeSync(journal, token, 0, 4)
      if (order.echoes) connection.send(token)
      count(token, connection)
    })
    await once(server, 'connect')
    note({ what: 'listening', port: (server.address() as AddressInfo).port })
  } else if (order.do === 'dial') {
    const { again } = order
    dial({ ca, ...clientPair, protocol: 'token/2', reconnect: () => again, ...order.options })
  } else if (order.do === 'stream') {
    stream = { pause: 0, ...order }
    if (client !== null) fill(client, portOfClient)
    for (const connection of server?.connections ?? []) fillConnection(connection)
  } else if (order.do === 'rest') {
    stream = null
    if (pending === 0) note({ what: 'idle' })
  } else if (order.do === 'report') {
    note(report())
  } else {
    client?.close()
    server?.close()
    await Promise.all([client?.closed, server?.closed])
    note(report())
  }
}

function dial(options: TokenClientOptions): void {
  client = new TokenClient(options)
  let isOpen = false
  client.on('connect', () => {
    isOpen = true
    const connection = client?.connection as Connection
    opened(connection, portOf(connection, 'localPort'))
  })
  client.on('token', (token, connection) => count(token, connection))
  client.on('disconnect', ({ code }) => {
    note({ what: 'disconnect', code, isConnection: isOpen })
    isOpen = false
  })
  client.on('error', () => {})
  client.on('close', (_hadError, { code }) => note({ what: 'closed', code }))
}

function opened(connection: Connection, port: number): void {
  const index = closes.push(0) - 1
  received.set(connection, { port, count: 0, hash: createHash('sha256') })
  sent.set(connection, { port, ids: [...waiting] })
  waiting.clear()
  note({ what: 'open', port })
  connection.on('close', (_hadError, { code, error }) => {
    closes[index] = (closes[index] as number) + 1
    note({ what: 'lost', port, code, cause: String((error?.cause as Error)?.message ?? '') })
  })
  if (server !== null) fillConnection(connection)
}

function portOf(connection: Connection, which: 'localPort' | 'remotePort'): number {
  return (connection.socket as Socket)[which] ?? 0
}

function portOfClient(): number {
  return client?.connection ? portOf(client.connection, 'localPort') : 0
}

function count(token: Buffer, connection: Connection): void {
  const entry = received.get(connection)
  if (entry === undefined) throw new Error('A token came before its connection')
  entry.count++
  entry.hash.update(Buffer.from(String(token.length))).update(token)
}

function fillConnection(connection: Connection): void {
  const port = portOf(connection, 'remotePort')
  fill(connection, () => port)
}

function fill(target: Connection | TokenClient, port: () => number): void {
  for (let i = 0; i < (stream?.outstanding ?? 0); i++) void deliverOn(target, port)
}

async function deliverOn(target: Connection | TokenClient, port: () => number): Promise<void> {
  const connectionOf = () => (target instanceof TokenClient ? target.connection : target)
  while (stream !== null && (target instanceof TokenClient || !target.isDead)) {
    const id = nextId++
    const from = port()
    pending++
    const connection = connectionOf()
    const before = connection?.tokensSent
    const fate = target.deliver(numberedToken(id, stream.length))
    if (connection === null || connection.tokensSent === before) waiting.add(id)
    else sent.get(connection)?.ids.push(id)
    try {
      await fate
      delivered++
    } catch (error) {
      waiting.delete(id)
      note({ what: 'rejected', id, code: (error as TokenError).code, port: from })
      // A dead client must not keep this loop from everything else.
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    pending--
    if (stream !== null && stream.pause > 0) await new Promise(resolve => setTimeout(resolve, stream?.pause))
  }
  if (stream === null && pending === 0) note({ what: 'idle' })
}

function report(): Report {
  return {
    what: 'report',
    at: monotonic(),
    delivered,
    pending,
    closes,
    connections: server?.connections.size ?? 0,
    received: [...received.values()].map(({ port, count, hash }) => {
      return { port, count, sha256: hash.copy().digest('hex') }
    }),
    sent: [...sent.values()],
    date: Date.now(),
    uncaught
  }
}
