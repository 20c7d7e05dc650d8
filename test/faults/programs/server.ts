import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { TokenServer, type TokenServerOptions } from '../../../lib'
import { clock, useClock } from '../../../lib/runtime/clock'
import { answerParent, memory } from '../../helpers/fault-program'

/** A server that echoes, and reports on itself. */

export type ServerQuestion =
  | { ask: 'listen'; options: TokenServerOptions }
  | { ask: 'report' }
  /** Sends tokens of `length` bytes to each connection from `skip` on, until it takes no more. Meanwhile nothing that waits grows older. */
  | { ask: 'flood'; length: number; skip: number }
  | { ask: 'close'; timeout?: number }

export interface ServerReport {
  port: number
  connections: number
  pendingHandshakes: number
  /** Bytes in the queues of all connections. */
  queuedBytes: number
  /** Milliseconds that the process has computed: on a busy machine less than what has passed. */
  processorTime: number
  /** Resident memory after a collection, bytes. */
  rss: number
  /** Bytes of the heap and outside of it that are in use after a collection: what a leak would show in. */
  used: number
  /** How often each code was told by `refused` or `connectionError`; `dropped`: tokens. */
  codes: Record<string, number>
  uncaught: string[]
  descriptors: number
}

let server: TokenServer | null = null
const codes: Record<string, number> = {}
const uncaught: string[] = []
process.on('uncaughtException', error => uncaught.push(String(error)))
process.on('unhandledRejection', error => uncaught.push(String(error)))

answerParent(async (question: ServerQuestion, credentials) => {
  if (question.ask === 'listen') {
    const { ca, server: pair } = credentials
    server = new TokenServer({ host: '127.0.0.1', port: 0, ca, ...pair, ...question.options })
    const count = (code: string, times = 1) => {
      codes[code] = (codes[code] ?? 0) + times
    }
    server.on('refused', refusal => count(refusal.code))
    server.on('connectionError', error => count(error.code))
    server.on('dropped', times => count('dropped', times))
    server.on('token', (token, connection) => connection.send(token))
    await once(server, 'connect')
  } else if (question.ask === 'flood') {
    const goOn = stopTheClock()
    // The kernel takes some MiB for each reader before anything waits here: in small steps, which leave no garbage.
    for (let before = -1, taken = 0; taken !== before; await wait(20)) {
      before = taken
      for (const connection of [...(server?.connections ?? [])].slice(question.skip)) {
        for (let i = 0; i < 2 && connection.send(Buffer.alloc(question.length, 1)); i++) taken++
      }
      memory()
    }
    goOn()
  } else if (question.ask === 'close') {
    server?.close({ timeout: question.timeout })
    await server?.closed
  }
  return report()
})

/** The monotonic time of the library stands still until the function is called that it gives; timers go on. */
function stopTheClock(): () => void {
  const running = { ...clock }
  const stoppedAt = running.now()
  const restore = useClock({ ...running, now: () => stoppedAt })
  return () => {
    restore()
    const lost = running.now() - stoppedAt
    useClock({ ...running, now: () => running.now() - lost })
  }
}

function report(): ServerReport {
  const { user, system } = process.cpuUsage()
  return {
    processorTime: (user + system) / 1000,
    port: (server?.address() as AddressInfo | null)?.port ?? 0,
    connections: server?.connections.size ?? 0,
    pendingHandshakes: server?.pendingHandshakes ?? 0,
    queuedBytes: server?.queuedBytes ?? 0,
    ...memory(),
    codes,
    uncaught,
    descriptors: process.getActiveResourcesInfo().filter(name => name.startsWith('TCP')).length
  }
}
