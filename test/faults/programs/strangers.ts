import { EventEmitter } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls'
import { answerParent } from '../../helpers/fault-program'

/** Many peers that do not behave. */

export type StrangersQuestion =
  /** `count` TCP connections; the second half of them sends a byte of a TLS hello in each interval. */
  | { ask: 'stall'; port: number; count: number; interval: number }
  /** `count` TLS clients that announce a frame of 1,000 bytes; the second half sends a byte in each interval. */
  | { ask: 'announce'; port: number; count: number; interval: number }
  /** `count` TLS clients that read nothing. */
  | { ask: 'ignore'; port: number; count: number }
  /** Resolves when the server has closed all of them. */
  | { ask: 'awaitClosed' }
  | { ask: 'leave' }

export interface StrangersReport {
  open: number
  closed: number
  /** Milliseconds from a stranger's connect to its close by the server, the longest. */
  slowest: number
  /** Strangers that could not come at all. */
  failed: number
}

/** The beginning of a TLS 1.3 hello, long enough for any test that dribbles. */
const HELLO = Buffer.from(`16030100ff010000fb0303${'00'.repeat(240)}`, 'hex')

const all = new EventEmitter()
const open = new Set<Socket>()
let slowest = 0
let closed = 0
let failed = 0

answerParent(async (question: StrangersQuestion, credentials) => {
  if (question.ask === 'stall') {
    await many(question.count, i => stall(question.port, i >= question.count / 2 ? question.interval : 0))
  } else if (question.ask === 'announce' || question.ask === 'ignore') {
    const context = createSecureContext({ ca: credentials.ca, ...credentials.client })
    await many(question.count, async i => {
      const socket = await handshake(question.port, context)
      if (question.ask === 'ignore') return
      socket.write(Buffer.from('000003e8', 'hex'))
      if (i >= question.count / 2) dribble(socket, Buffer.alloc(900), question.interval)
    })
  } else if (question.ask === 'awaitClosed') {
    if (open.size > 0) await new Promise<void>(resolve => all.once('closed', resolve))
  } else {
    for (const socket of open) socket.destroy()
  }
  return { open: open.size, closed, slowest, failed } satisfies StrangersReport
})

/** At most 200 dials at a time: more would overflow the backlog, and wait a second for TCP's next try. */
async function many(count: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(count, 200) }, async () => {
      while (next < count) await one(next++)
    })
  )
}

async function stall(port: number, interval: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  watch(socket)
  socket.resume()
  await ready(socket, 'connect')
  if (interval > 0) dribble(socket, HELLO, interval)
}

async function handshake(port: number, secureContext: SecureContext): Promise<Socket> {
  const socket = tlsConnect({ host: '127.0.0.1', port, secureContext, servername: 'localhost' })
  await ready(socket, 'secureConnect')
  watch(socket)
  return socket
}

async function ready(socket: Socket, event: string): Promise<void> {
  await new Promise<void>(resolve => {
    let isThere = false
    socket.once(event, () => {
      isThere = true
      resolve()
    })
    // A stranger that is cut with a byte of it unread sees a reset: it was there all the same.
    socket.on('error', () => {
      if (!isThere) failed++
      resolve()
    })
  })
}

function watch(socket: Socket): void {
  let begin = performance.now()
  socket.once('connect', () => {
    begin = performance.now()
  })
  open.add(socket)
  socket.on('close', () => {
    open.delete(socket)
    slowest = Math.max(slowest, performance.now() - begin)
    closed++
    if (open.size === 0) all.emit('closed')
  })
}

function dribble(socket: Socket, bytes: Buffer, interval: number): void {
  let position = 0
  const timer = setInterval(() => {
    if (position < bytes.length && socket.writable) socket.write(bytes.subarray(position, ++position))
  }, interval)
  socket.on('close', () => clearInterval(timer))
}
