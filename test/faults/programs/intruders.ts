import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { connect, createSecureContext } from 'node:tls'
import { encodeControl } from '../../../lib/wire/control-frame'
import { answerParent } from '../../helpers/fault-program'

/** Peers that flood a server with handshakes, or that are accepted and then read nothing. */

export type IntrudersQuestion =
  /**
   * Dials from 127.0.0.1 as often as `seconds` at `rate` a second are, on a busy machine for longer, in turn: a handshake
   * without certificate, the beginning of one, none.
   */
  | { ask: 'flood'; port: number; rate: number; seconds: number }
  /** `count` clients of token/2 that are accepted with this window and never read again. */
  | { ask: 'ignore'; port: number; count: number; window: number }
  | { ask: 'leave' }

export interface IntrudersReport {
  dials: number
  open: number
  /** Sockets that the server has closed; who reads nothing learns it only from a reset. */
  closed: number
}

const HELLO_BEGINS = Buffer.from(`16030100ff010000fb0303${'00'.repeat(40)}`, 'hex')

const open = new Set<Socket>()
let dials = 0
let closed = 0

answerParent(async (question: IntrudersQuestion, { ca, client }): Promise<IntrudersReport> => {
  const secureContext = createSecureContext({ ca, ...client })
  const nobody = createSecureContext({ ca })
  if (question.ask === 'flood') {
    const { port, rate, seconds } = question
    const begin = performance.now()
    while (dials < rate * seconds) {
      await wait(5)
      const due = ((performance.now() - begin) / 1000) * rate
      while (dials < Math.min(due, rate * seconds)) flood(dials++, port)
    }
  } else if (question.ask === 'ignore') {
    const { port, count, window } = question
    for (let i = 0; i < count; i++) await ignore(port, window)
  } else {
    for (const socket of open) socket.destroy()
  }
  return { dials, open: open.size, closed }

  function flood(turn: number, port: number): void {
    const where = { host: '127.0.0.1', port }
    const isWhole = turn % 3 === 0
    const socket = isWhole ? connect({ ...where, secureContext: nobody }) : connectTcp(where)
    watch(socket)
    socket.resume()
    if (turn % 3 === 1) socket.write(HELLO_BEGINS)
  }

  async function ignore(port: number, receiveWindow: number): Promise<void> {
    const socket = connect({
      host: '127.0.0.1',
      port,
      secureContext,
      servername: 'localhost',
      ALPNProtocols: ['token/2']
    })
    watch(socket)
    dials++
    await new Promise(resolve => socket.once('secureConnect', resolve).once('close', resolve))
    const fingerprint = Buffer.from(socket.getPeerCertificate().fingerprint256.replaceAll(':', ''), 'hex')
    const hello = {
      role: 'client',
      features: 2,
      maxTokenLength: 8 << 20,
      heartbeat: 0,
      session: null
    } as const
    socket.write(encodeControl({ type: 'hello', ...hello, receiveWindow, fingerprint }))
    // The HELLO of the server is the last that it reads.
    await new Promise(resolve => socket.once('readable', resolve))
  }
})

function watch(socket: Socket): void {
  open.add(socket)
  socket.on('error', () => {})
  socket.on('close', () => {
    open.delete(socket)
    closed++
  })
}
