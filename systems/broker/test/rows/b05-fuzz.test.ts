import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Packet } from 'mqtt-packet'
import { SILENT } from '../../lib/core/log'
import { bytesOf, connectBytes, ended, residentMiB } from '../helpers/packets'
import { handlerToken, inbox, TestBroker, until } from '../helpers/test-broker'

/** LONG=1: 20,000 streams. */
const STREAMS = process.env.LONG === '1' ? 20_000 : 600
const AT_ONCE = 50

const PACKETS: Packet[] = [
  { cmd: 'publish', topic: 'a/b', payload: 'x'.repeat(50), qos: 0, dup: false, retain: false },
  { cmd: 'publish', topic: 'a/b', payload: '{"user_id":1}', qos: 1, messageId: 1, dup: false, retain: true },
  { cmd: 'publish', topic: 'ä', payload: '', qos: 2, messageId: 2, dup: false, retain: false },
  { cmd: 'pubrel', messageId: 2 },
  { cmd: 'pubrec', messageId: 3 },
  { cmd: 'puback', messageId: 4 },
  { cmd: 'pubcomp', messageId: 5 },
  {
    cmd: 'subscribe',
    messageId: 6,
    subscriptions: [
      { topic: 'a/+', qos: 1 },
      { topic: '#', qos: 2 }
    ]
  },
  { cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['a/+'] },
  { cmd: 'pingreq' },
  { cmd: 'disconnect' }
]

/** mulberry32: numbers from 0 up to `below`, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

describe('B5: streams of packets that were changed', () => {
  it(`leave the broker alive and its memory flat, ${STREAMS} of them, with and without login`, async function () {
    this.timeout(600_000)
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
    const random = generator(seed)
    // On the disk: what the streams leave in queues is no leak.
    const folder = mkdtempSync(join(tmpdir(), 'broker-fuzz-'))
    const test = await TestBroker.start({ folder, limits: { connectTimeout: 2_000 }, log: SILENT })
    const token = await handlerToken('fuzz')
    const one = async () => {
      const socket = await test.socket()
      const parts =
        random(4) > 0 ? [connectBytes(token, { clientId: `f${random(9)}`, clean: random(2) > 0 })] : []
      for (let i = random(8); i >= 0; i--) parts.push(bytesOf(PACKETS[random(PACKETS.length)] as Packet))
      const bytes = Buffer.concat(parts)
      const login = parts.length > 1 && random(8) > 0 ? (parts[0] as Buffer).length : 0
      for (let i = random(4); i > 0 && bytes.length > login; i--) {
        bytes[login + random(bytes.length - login)] = random(256)
      }
      const end = ended(socket)
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + random(bytes.length)
        socket.write(bytes.subarray(at, next))
        at = next
        if (random(3) === 0) await new Promise(resolve => setImmediate(resolve))
      }
      socket.end()
      await end
    }
    try {
      const round = (count: number) => Promise.all(Array.from({ length: count }, one))
      for (let done = 0; done < STREAMS / 4; done += AT_ONCE) await round(AT_ONCE)
      const before = residentMiB()
      for (let done = 0; done < STREAMS; done += AT_ONCE) await round(AT_ONCE)
      expect(residentMiB() - before).to.be.lessThan(50)
      const handler = await test.handler('alive')
      await handler.subscribeAsync('alive', { qos: 1 })
      const received = inbox(handler)
      await handler.publishAsync('alive', '', { qos: 1 })
      await until('it answers', () => received.length === 1)
      expect(test.broker.counters.violations).to.be.greaterThan(0)
    } catch (error) {
      console.log(`SEED=${seed}`)
      throw error
    } finally {
      await test.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
