import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { type Goaway, TokenServer, type TokenServerOptions } from '../../../lib'
import type { DrainOptions } from '../../../lib/server/drain'
import { answerParent } from '../../helpers/fault-program'
import { monotonic } from '../../helpers/live-program'

/** A server that is drained and closed, and writes down whose tokens it was given, and when. */

export type RollingServerQuestion =
  | { ask: 'listen'; options: TokenServerOptions }
  /** Resolves when that many clients are connected. */
  | { ask: 'await'; connections: number }
  | { ask: 'drain'; goaway: Partial<Goaway> & DrainOptions }
  /** Closes, and writes the journal. */
  | { ask: 'close'; journal: string }

export interface RollingServerReport {
  port: number
  connections: number
  /** What `drain()` said: how many had not left. */
  left: number
  /** When it was called last, by the same clock as `accepted`. */
  drainedAt: number
  /** When clients were accepted, milliseconds of the clock that all processes share. */
  accepted: number[]
  codes: Record<string, number>
  uncaught: string[]
}

/** Bytes of an entry: nanoseconds (u64), client (u32), number (u32). */
export const ENTRY_LENGTH = 16

let server: TokenServer | null = null
let left = 0
let drainedAt = 0
let accepted: number[] = []
const codes: Record<string, number> = {}
const uncaught: string[] = []
const entries: Buffer[] = []
process.on('uncaughtException', error => uncaught.push(String(error.stack)))
process.on('unhandledRejection', error => uncaught.push(String(error)))

answerParent(async (question: RollingServerQuestion, credentials): Promise<RollingServerReport> => {
  if (question.ask === 'listen') {
    const { ca, server: pair } = credentials
    server = new TokenServer({ host: '127.0.0.1', ca, ...pair, ...question.options })
    server.on('connection', () => accepted.push(monotonic()))
    server.on('token', token => {
      const entry = Buffer.alloc(ENTRY_LENGTH)
      entry.writeBigUInt64BE(process.hrtime.bigint())
      token.copy(entry, 8, 0, 8)
      entries.push(entry)
    })
    const count = (code: string) => {
      codes[code] = (codes[code] ?? 0) + 1
    }
    server.on('refused', refusal => count(`refused ${refusal.code}`))
    server.on('connectionError', error => count(error.code))
    server.on('session-lost', loss => count(`session-lost ${loss.reason}`))
    await once(server, 'connect')
  } else if (question.ask === 'await') {
    while ((server?.connections.size ?? 0) < question.connections) await wait(5)
  } else if (question.ask === 'drain') {
    drainedAt = monotonic()
    left = (await server?.drain(question.goaway)) ?? 0
  } else {
    server?.close()
    await server?.closed
    writeFileSync(question.journal, Buffer.concat(entries))
  }
  const report: RollingServerReport = {
    port: (server?.address() as AddressInfo | null)?.port ?? 0,
    connections: server?.connections.size ?? 0,
    left,
    drainedAt,
    accepted,
    codes,
    uncaught
  }
  accepted = []
  return report
})
