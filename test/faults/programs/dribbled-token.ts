import { Duplex } from 'node:stream'
import { Connection } from '../../../lib'
import { answerParent, memory } from '../../helpers/fault-program'

/** Receives one token a byte at a time, and reports the most memory that it held meanwhile. */

export interface DribbledQuestion {
  length: number
}

export interface DribbledReport {
  /** Bytes above what was held before. */
  peak: number
  isEqual: boolean
  milliseconds: number
}

answerParent(async ({ length }: DribbledQuestion): Promise<DribbledReport> => {
  await receive(64 * 1024, () => {})
  const begin = performance.now()
  const before = memory().rss
  let peak = 0
  const isEqual = await receive(length, () => {
    peak = Math.max(peak, memory().rss - before)
  })
  return { peak, isEqual, milliseconds: performance.now() - begin }
})

async function receive(length: number, measure: () => void): Promise<boolean> {
  const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const connection = new Connection(duplex, { maxTokenLength: length })
  let token: Buffer | null = null
  connection.on('token', received => {
    token = received
  })
  const header = Buffer.alloc(4)
  header.writeUInt32BE(length)
  for (const byte of header) duplex.push(Buffer.from([byte]))
  for (let i = 0; i < length; i++) {
    duplex.push(Buffer.from([i % 251]))
    if (i % 512 === 0) await new Promise(resolve => setImmediate(resolve))
    if (i % (length >> 3) === 0) measure()
  }
  await new Promise(resolve => setImmediate(resolve))
  measure()
  const received = token as Buffer | null
  connection.destroy()
  await connection.closed
  return received?.length === length && received.every((byte, i) => byte === i % 251)
}
