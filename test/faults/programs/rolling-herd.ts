import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { TokenClient, type TokenClientOptions, type TokenError } from '../../../lib'
import { answerParent } from '../../helpers/fault-program'

/** Clients that send numbered tokens without end, by `send()` and `deliver()` in turn. */

export type RollingHerdQuestion =
  /** Resolves when all are connected and each has delivered one. */
  | { ask: 'start'; count: number; pause: number; options: Partial<TokenClientOptions> }
  /** Resolves when each client has delivered `tokens` more. */
  | { ask: 'more'; tokens: number }
  /** Sends no more, and resolves when all promises are settled and all clients have closed. */
  | { ask: 'stop' }

export interface RollingHerdReport {
  /** The number of the last token of each client. */
  sent: number[]
  /** What went wrong: `deliver ERR_…`, `send false`. */
  failures: Record<string, number>
  /** How often each event came, with its code. */
  events: Record<string, number>
  /** When dials were due, milliseconds of the clock that all processes share. */
  dials: number[]
  uncaught: string[]
}

interface Member {
  readonly client: TokenClient
  sent: number
  delivered: number
}

const members: Member[] = []
const loops: Promise<void>[] = []
const failures: Record<string, number> = {}
const events: Record<string, number> = {}
let dials: number[] = []
const uncaught: string[] = []
let isOver = false
process.on('uncaughtException', error => uncaught.push(String(error.stack)))
process.on('unhandledRejection', error => uncaught.push(String(error)))

answerParent(async (question: RollingHerdQuestion, credentials): Promise<RollingHerdReport> => {
  if (question.ask === 'start') {
    for (let i = 0; i < question.count; i++) {
      const pair = { ca: credentials.ca, ...credentials.client }
      members.push(watched(new TokenClient({ ...pair, ...question.options })))
      // Not all in one moment, which is another test.
      if (i % 20 === 19) await delivered(1)
    }
    await delivered(1)
    function watched(client: TokenClient): Member {
      const member: Member = { client, sent: 0, delivered: 0 }
      watch(client)
      loops.push(stream(member, members.length, question.ask === 'start' ? question.pause : 0))
      return member
    }
    dials = []
  } else if (question.ask === 'more') {
    await delivered(question.tokens)
  } else {
    isOver = true
    await Promise.all(loops)
    for (const { client } of members) client.close()
    await Promise.all(members.map(({ client }) => client.closed))
  }
  const report = { sent: members.map(({ sent }) => sent), failures, events, dials, uncaught }
  dials = []
  return report
})

async function delivered(more: number): Promise<void> {
  const goals = members.map(({ delivered }) => delivered + more)
  while (members.some((member, i) => member.delivered < (goals[i] as number))) await wait(5)
}

function watch(client: TokenClient): void {
  client.on('goaway', ({ code }) => {
    count(events, `goaway ${code}`)
    dials.push(now())
  })
  client.on('reconnecting', ({ delay }) => {
    count(events, 'reconnecting')
    dials.push(now() + delay)
  })
  client.on('connect', () => count(events, 'connect'))
  client.on('disconnect', ({ code }) => count(events, `disconnect ${code}`))
  client.on('session-lost', ({ reason }) => count(events, `session-lost ${reason}`))
  client.on('error', ({ code }) => count(events, `error ${code}`))
}

async function stream(member: Member, index: number, pause: number): Promise<void> {
  const { client } = member
  const token = () => {
    const bytes = Buffer.alloc(8 + ((member.sent * 37) % 200))
    bytes.writeUInt32BE(index)
    bytes.writeUInt32BE(++member.sent, 4)
    return bytes
  }
  await once(client, 'connect')
  while (!isOver) {
    if (!client.send(token())) count(failures, 'send false')
    const fate = client.deliver(token())
    if (!client.send(token())) count(failures, 'send false')
    try {
      await fate
      member.delivered++
    } catch (error) {
      count(failures, `deliver ${(error as TokenError).code}`)
    }
    await wait(pause)
  }
  await client.deliver(token()).catch((error: TokenError) => count(failures, `deliver ${error.code}`))
}

function count(where: Record<string, number>, what: string): void {
  where[what] = (where[what] ?? 0) + 1
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
