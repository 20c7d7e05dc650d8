import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { TokenClient, type TokenClientOptions } from '../../../lib'
import { answerParent, memory } from '../../helpers/fault-program'

/** Many clients that behave. */

export type HerdQuestion =
  /** Resolves when `count` more clients are connected. */
  | { ask: 'start'; count: number; options: Partial<TokenClientOptions> }
  /** Each client sends a token, and the next one some milliseconds after its echo. */
  | { ask: 'load'; pause: number }
  /** Resolves when each client that was there at the last call has connected again. */
  | { ask: 'awaitBack' }
  /** Connects `count` clients one after the other, has an echo of each, and closes them. */
  | { ask: 'visit'; count: number; options: Partial<TokenClientOptions> }
  | { ask: 'report' }
  | { ask: 'close' }

export interface HerdReport {
  connected: number
  /** `connect` events, milliseconds since 1970. */
  connects: number[]
  /** When the dials that led to them were due: a machine that is busy with all of them connects them in batches. */
  dials: number[]
  echoes: number
  /** How often each code was told by `disconnect` or `close`. */
  codes: Record<string, number>
  /** The subjects of the servers that visitors saw, and how often. */
  subjects: Record<string, number>
  used: number
  descriptors: number
}

const clients: TokenClient[] = []
const codes: Record<string, number> = {}
const subjects: Record<string, number> = {}
let connects: number[] = []
let dials: number[] = []
let echoes = 0
let isLoaded = false

answerParent(async (question: HerdQuestion, credentials): Promise<HerdReport> => {
  const dial = (options: Partial<TokenClientOptions>) =>
    new TokenClient({ host: '127.0.0.1', ca: credentials.ca, ...credentials.client, ...options })

  if (question.ask === 'start') {
    const before = clients.length
    for (let i = 0; i < question.count; i++) clients.push(watched(dial(question.options)))
    await Promise.all(clients.slice(before).map(connected))
  } else if (question.ask === 'load') {
    isLoaded = true
    for (const client of clients) {
      client.on('token', () => {
        echoes++
        setTimeout(() => isLoaded && client.send(Buffer.from('load')), question.pause)
      })
      client.send(Buffer.from('load'))
    }
  } else if (question.ask === 'awaitBack') {
    while (clients.some(client => client.connection === null) || connects.length < clients.length) {
      await wait(5)
    }
  } else if (question.ask === 'visit') {
    for (let i = 0; i < question.count; i++) await visit(dial(question.options))
  } else if (question.ask === 'close') {
    isLoaded = false
    await Promise.all(
      clients.splice(0).map(client => {
        client.close()
        return client.closed
      })
    )
  }
  const report = {
    connected: clients.filter(client => client.connection !== null).length,
    connects,
    dials,
    echoes,
    codes,
    subjects,
    used: memory().used,
    descriptors: process.getActiveResourcesInfo().filter(name => name.startsWith('TCP')).length
  }
  connects = []
  dials = []
  return report
})

function watched(client: TokenClient): TokenClient {
  let due = now()
  client.on('reconnecting', ({ delay }) => {
    due = now() + delay
  })
  client.on('connect', () => {
    connects.push(now())
    dials.push(due)
  })
  client.on('disconnect', info => count(info.code))
  client.on('close', (_hadError, info) => count(info.error?.closeCode ?? info.code))
  client.on('error', () => {})
  return client
}

async function connected(client: TokenClient): Promise<void> {
  if (client.connection === null) await once(client, 'connect')
}

async function visit(client: TokenClient): Promise<void> {
  client.on('error', () => {})
  try {
    await once(client, 'connect')
    const subject = client.connection?.peer?.subject ?? 'nobody'
    subjects[subject] = (subjects[subject] ?? 0) + 1
    client.send(Buffer.from('visit'))
    await once(client, 'token')
    client.close()
    await client.closed
  } catch (error) {
    count(`visit: ${String(error)}`)
    client.close({ timeout: 0 })
    await client.closed
  }
}

/** Milliseconds since 1970. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

function count(code: string): void {
  codes[code] = (codes[code] ?? 0) + 1
}
