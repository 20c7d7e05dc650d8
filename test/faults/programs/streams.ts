import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import {
  type Connection,
  type IncomingToken,
  TokenClient,
  type TokenClientOptions,
  type TokenError,
  TokenServer,
  type TokenServerOptions
} from '../../../lib'
import { answerParent } from '../../helpers/fault-program'

/** Sends tokens from streams that it makes up, or reads them as they come and keeps nothing. */

export type StreamsQuestion =
  /** A reader; `pause`: milliseconds after each piece. It delivers empty tokens to its client all the time. */
  | { ask: 'listen'; options: TokenServerOptions; pause: number }
  /** Resolves when it has read that many bytes, of all tokens. */
  | { ask: 'awaitBytes'; bytes: number }
  /** Resolves when that many tokens have ended, whole or not. */
  | { ask: 'awaitTokens'; tokens: number }
  | { ask: 'dial'; options: Partial<TokenClientOptions> }
  /** Resolves when its fate is known. */
  | { ask: 'sendFrom'; bytes: number }
  /** By `send()` and then by `deliver()`. */
  | { ask: 'sendAndDeliver'; texts: [string, string] }
  | { ask: 'report' }

export interface ReadToken {
  bytes: number
  sha256: string
  /** Of what ended it before its end. */
  code: string | null
  /** Its bytes, if they are few. */
  text: string
}

export interface StreamsReport {
  port: number
  /** Of `sendFrom`: `handed`, or the code of the error. */
  fate: string
  sha256: string
  isDestroyed: boolean
  tokens: ReadToken[]
  connections: number
  /** Bytes that the connection held for the reader, at most. */
  maxUnread: number
  /** The longest round trip of a PING, and of an empty token and its ACK; milliseconds. */
  maxRtt: number
  maxEcho: number
  echoes: number
  events: string[]
  /** The most that was ever resident, bytes. */
  maxRss: number
  uncaught: string[]
}

const CHUNK = 64 * 1024
const report: StreamsReport = {
  port: 0,
  fate: '',
  sha256: '',
  isDestroyed: false,
  tokens: [],
  connections: 0,
  maxUnread: 0,
  maxRtt: 0,
  maxEcho: 0,
  echoes: 0,
  events: [],
  maxRss: 0,
  uncaught: []
}
let server: TokenServer | null = null
let client: TokenClient | null = null
let bytesRead = 0
process.on('uncaughtException', error => report.uncaught.push(String(error.stack)))
process.on('unhandledRejection', error => report.uncaught.push(String(error)))

answerParent(async (question: StreamsQuestion, credentials): Promise<StreamsReport> => {
  if (question.ask === 'listen') {
    const { ca, server: pair } = credentials
    server = new TokenServer({ host: '127.0.0.1', port: 0, ca, ...pair, ...question.options })
    server.on('connection', connection => {
      report.connections++
      watch(connection)
      void read(connection, question.pause).catch(error => report.events.push(`read ${error.code}`))
      void echo(connection)
    })
    await once(server, 'connect')
    report.port = (server.address() as AddressInfo).port
  } else if (question.ask === 'awaitBytes') {
    while (bytesRead < question.bytes) await wait(5)
  } else if (question.ask === 'awaitTokens') {
    while (report.tokens.length < question.tokens) await wait(5)
  } else if (question.ask === 'dial') {
    const { ca, client: pair } = credentials
    client = new TokenClient({ host: '127.0.0.1', ca, ...pair, ...question.options })
    client.on('token', () => {})
    client.on('error', error => report.events.push(`error ${error.code}`))
    await once(client, 'connect')
    report.connections++
    watch(client.connection as Connection)
  } else if (question.ask === 'sendFrom') {
    await sendFrom(client?.connection as Connection, question.bytes)
  } else if (question.ask === 'sendAndDeliver') {
    const [first, second] = question.texts
    client?.send(Buffer.from(first))
    await client?.deliver(Buffer.from(second))
  }
  return { ...report, maxRss: process.resourceUsage().maxRSS * 1024 }
})

function watch(connection: Connection): void {
  for (const name of ['detached', 'resumed', 'session-lost', 'close'] as const) {
    connection.on(name, () => report.events.push(name))
  }
  const timer = setInterval(() => {
    report.maxRtt = Math.max(report.maxRtt, connection.rtt ?? 0)
    report.maxUnread = Math.max(report.maxUnread, connection.unreadBytes)
  }, 10)
  void connection.closed.then(() => clearInterval(timer))
}

/** How long control frames take while the other direction is full: each of these is answered by an ACK between parts. */
async function echo(connection: Connection): Promise<void> {
  while (!connection.isDead) {
    const begin = performance.now()
    try {
      await connection.deliver(Buffer.alloc(0))
    } catch {
      return
    }
    report.maxEcho = Math.max(report.maxEcho, performance.now() - begin)
    report.echoes++
    await wait(50)
  }
}

async function read(connection: Connection, pause: number): Promise<void> {
  for await (const token of connection.incomingTokens())
    report.tokens.push(await readOne(token, connection, pause))
}

async function readOne(token: IncomingToken, connection: Connection, pause: number): Promise<ReadToken> {
  const hash = createHash('sha256')
  let bytes = 0
  let text = ''
  let code: string | null = null
  try {
    for await (const piece of token) {
      hash.update(piece)
      bytes += piece.length
      bytesRead += piece.length
      if (bytes < 100) text += String(piece)
      report.maxUnread = Math.max(report.maxUnread, connection.unreadBytes)
      if (pause > 0) await wait(pause)
    }
  } catch (error) {
    code = (error as TokenError).code
  }
  return { bytes, sha256: hash.digest('hex'), code, text }
}

async function sendFrom(connection: Connection, bytes: number): Promise<void> {
  const hash = createHash('sha256')
  function* chunks() {
    for (let left = bytes; left > 0; left -= CHUNK) {
      const chunk = Buffer.alloc(Math.min(CHUNK, left), `${left}·`)
      hash.update(chunk)
      yield chunk
    }
  }
  const stream = Readable.from(chunks(), { highWaterMark: 1 })
  try {
    await connection.sendFrom(stream, bytes)
    report.fate = 'handed'
  } catch (error) {
    report.fate = (error as TokenError).code
  }
  report.isDestroyed = stream.destroyed
  report.sha256 = hash.digest('hex')
}
