import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { bytesOf, connectBytes, ended, logIn } from '../helpers/packets'
import { handlerToken, inbox, TestBroker, until } from '../helpers/test-broker'

const RETAINED = process.env.LONG === '1' ? 100_000 : 10_000

describe('B20: much of everything', () => {
  it('answers each subscription beyond the bound by SUBACK 0x80, with the reason in the log', async () => {
    const test = await TestBroker.start({ limits: { maxSubscriptionsPerHandler: 100 } })
    try {
      for (const clean of [true, false]) {
        const socket = await test.socket()
        await logIn(socket, connectBytes(await handlerToken('h'), { clientId: 'many', clean }))
        const subscriptions = Array.from({ length: 10_000 }, (_, i) => ({ topic: `t/${i}`, qos: 1 as const }))
        const received: Buffer[] = []
        socket.on('data', chunk => received.push(chunk))
        socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions }))
        await until('SUBACK comes', () => Buffer.concat(received).length >= 10_005)
        const codes = [...Buffer.concat(received).subarray(5)]
        expect(codes.filter(code => code === 1)).to.have.length(100)
        expect(codes.filter(code => code === 128)).to.have.length(9_900)
        socket.destroy()
      }
      expect(test.broker.refusals().at(-1)?.why).to.include('bound 100')
      expect(test.broker.counters.refusedSubscriptions).to.equal(2 * 9_900)
      expect(test.lines.length, 'a packet does not flood the log').to.be.lessThan(500)
    } finally {
      await test.stop()
    }
  })

  it('refuses topics of 1,000 levels and of 64 KiB, with the reason in the log', async () => {
    const test = await TestBroker.start()
    try {
      const deep = Array.from({ length: 1_000 }, () => 'a').join('/')
      const cases = [
        bytesOf({ cmd: 'publish', topic: deep, payload: '', qos: 0, dup: false, retain: false }),
        bytesOf({
          cmd: 'publish',
          topic: 'a'.repeat(65_535),
          payload: '',
          qos: 1,
          messageId: 1,
          dup: false,
          retain: true
        }),
        bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: deep, qos: 0 }] })
      ]
      for (const bytes of cases) {
        const socket = await test.socket()
        await logIn(socket, connectBytes(await handlerToken('h')))
        socket.write(bytes)
        await ended(socket)
      }
      const handler = await test.handler('h')
      const granted = await handler.subscribeAsync('a/'.repeat(50)).catch(() => 'refused')
      expect(granted).to.equal('refused')
      const reasons = test.lines.map(({ message, fields }) => `${message} ${fields.reason ?? ''}`).join('\n')
      expect(reasons).to.include('refused publish: it is longer than 1024 characters')
      expect(reasons).to.include('too many levels')
      expect(reasons).to.include('refused subscribe: it has more than 16 levels')
    } finally {
      await test.stop()
    }
  })

  it(`publishes in time beside ${RETAINED} retained messages, while a handler asks for all of them`, async function () {
    this.timeout(120_000)
    const folder = mkdtempSync(join(tmpdir(), 'broker-retained-'))
    const test = await TestBroker.start({ folder, limits: { maxRetainedMessages: RETAINED + 1 } })
    try {
      const wave = 1_000
      for (let at = 0; at < RETAINED; at += wave) {
        const topics = Array.from({ length: wave }, (_, i) => `r/${at + i}/state`)
        await Promise.all(topics.map(topic => test.broker.publish({ topic, payload: 'on', retain: true })))
      }
      const handler = await test.handler('h')
      await handler.subscribeAsync('tick')
      const late: number[] = []
      handler.on('message', (_topic, payload) => late.push(performance.now() - Number(payload)))
      const seeker = await test.handler('seeker')
      const device = await test.device('1')
      await test.broker.publish({ topic: '1_state', payload: 'x', retain: true })
      const own = inbox(device)
      let isOver = false
      const searches = (async () => {
        for (let i = 0; i < 5; i++) await seeker.subscribeAsync(`+/${i}/state`)
        isOver = true
      })()
      while (!isOver || late.length < 200) {
        await test.broker.publish({ topic: 'tick', payload: String(performance.now()) })
        await new Promise(resolve => setTimeout(resolve, 3))
      }
      await searches
      const begun = performance.now()
      await device.subscribeAsync('1_state')
      await until('its own retained message comes', () => own.length === 1)
      expect(performance.now() - begun, 'an exact filter reads one').to.be.lessThan(500)
      late.sort((a, b) => a - b)
      // `dist/test/programs/latencies.js retained` measures it, with the broker in a process of its own.
      expect(late[Math.floor(late.length * 0.9)]).to.be.lessThan(process.env.LONG === '1' ? 20 : 50)
    } finally {
      await test.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
