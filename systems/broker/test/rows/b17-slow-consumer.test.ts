import { once } from 'node:events'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { bytesOf, connectBytes, logIn, residentMiB } from '../helpers/packets'
import { connack, handlerToken, inbox, TestBroker, until } from '../helpers/test-broker'

const PAYLOAD = Buffer.alloc(16_384, 'x')

// `dist/test/programs/latencies.js slow` measures the p99 of others.
describe('B17: a subscriber that takes nothing', () => {
  let test: TestBroker

  beforeEach(async () => {
    test = await TestBroker.start({ limits: { maxWaitingBytes: 200_000, slowConsumerTimeout: 1_500 } })
  })
  afterEach(() => test.stop())

  /** A handler that subscribes and then does not read. */
  async function stuck(qos: 0 | 1, clean: boolean): Promise<Socket> {
    const socket = await test.socket()
    await logIn(socket, connectBytes(await handlerToken('stuck'), { clientId: 'stuck', clean }))
    socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos }] }))
    await once(socket, 'data')
    socket.pause()
    return socket
  }

  async function flood(isOver: () => boolean, qos: 0 | 1): Promise<number> {
    let sent = 0
    const end = performance.now() + 15_000
    while (!isOver() && performance.now() < end) {
      for (let i = 0; i < 20; i++, sent++)
        await test.broker.publish({ topic: 'flood', payload: PAYLOAD, qos })
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    return sent
  }

  it('with QoS 0 loses messages and then its connection; others get all of theirs, in time', async function () {
    this.timeout(30_000)
    const other = await test.handler('other')
    await other.subscribeAsync('tick')
    const late: number[] = []
    other.on('message', (_topic, payload) => late.push(Date.now() - Number(payload)))
    await stuck(0, true)
    const before = residentMiB()
    const timer = setInterval(
      () => void test.broker.publish({ topic: 'tick', payload: String(Date.now()) }),
      10
    )
    await flood(() => test.broker.counters.cutSlow > 0, 0)
    clearInterval(timer)
    expect(test.broker.counters).to.include({ cutSlow: 1 })
    expect(test.broker.counters.droppedSlow).to.be.greaterThan(0)
    expect(residentMiB() - before).to.be.lessThan(60)
    late.sort((a, b) => a - b)
    expect(late.length).to.be.greaterThan(20)
    expect(late[Math.floor(late.length * 0.9)]).to.be.lessThan(100)
  })

  it('at 1,000 messages/s gets what its bound holds, loses the rest, and costs others none of theirs', async function () {
    this.timeout(30_000)
    const [seconds, rate] = [5, 1_000]
    const test = await TestBroker.start({ limits: { maxWaitingBytes: 200_000 } })
    try {
      const socket = await test.socket()
      await logIn(socket, connectBytes(await handlerToken('stuck'), { clientId: 'stuck' }))
      socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos: 0 }] }))
      await once(socket, 'data')
      socket.pause()
      const other = await test.handler('other')
      await other.subscribeAsync('flood')
      const numbers: number[] = []
      other.on('message', (_topic, payload) => numbers.push(payload.readUInt32BE()))
      const [before, begin] = [residentMiB(), performance.now()]
      for (let sent = 0; sent < seconds * rate; ) {
        // After a stall of the machine no more at once than the bound holds for who reads.
        const due = Math.min(seconds * rate, sent + 50, ((performance.now() - begin) / 1_000) * rate)
        for (; sent < due; sent++) {
          const payload = Buffer.alloc(2_048)
          payload.writeUInt32BE(sent)
          await test.broker.publish({ topic: 'flood', payload })
        }
        await new Promise(resolve => setTimeout(resolve, 2))
      }
      await until('the other has all', () => numbers.length >= seconds * rate)
      expect(numbers).to.deep.equal(Array.from({ length: seconds * rate }, (_, i) => i))
      const { delivered, droppedSlow } = test.broker.counters
      expect(delivered + droppedSlow, 'each was handed over or counted as dropped').to.equal(
        2 * seconds * rate
      )
      // What the system's buffers of loopback hold is taken: some MiB.
      expect(droppedSlow).to.be.greaterThan(500)
      const stuckInfo = [...test.broker.connections()].find(({ clientId }) => clientId.endsWith('stuck'))
      expect(stuckInfo?.waitingBytes).to.be.within(1, 200_000)
      expect(residentMiB() - before).to.be.lessThan(40)
    } finally {
      await test.stop()
    }
  })

  it('with QoS 1 and a clean session is cut at the bound', async function () {
    this.timeout(30_000)
    await stuck(1, true)
    const sent = await flood(() => test.broker.counters.cutSlow > 0, 1)
    expect(test.broker.counters.cutSlow).to.equal(1)
    expect(sent).to.be.lessThan(3_000)
  })

  it('with a kept session gets nothing more, and all of it when it reads again, in order', async function () {
    this.timeout(60_000)
    const socket = await stuck(1, false)
    const before = residentMiB()
    const isCut = () => [...test.broker.connections()].length === 0
    let sent = 0
    const publish = async () => {
      for (let i = 0; i < 50; i++) {
        await test.broker.publish({ topic: 'flood', payload: `${sent++} ${'x'.repeat(8_000)}`, qos: 1 })
      }
    }
    while (!isCut() && sent < 2_000) await publish()
    expect(residentMiB() - before).to.be.lessThan(100)
    socket.destroy()
    await until('it is gone', () => [...test.broker.connections()].length === 0)
    const again = test.dial(await handlerToken('stuck'), { clientId: 'stuck', clean: false })
    const received = inbox(again)
    await connack(again)
    await until('all come', () => received.length >= sent, 30_000)
    expect(received.map(({ payload }) => Number.parseInt(payload, 10))).to.deep.equal(
      Array.from({ length: sent }, (_, i) => i)
    )
  })

  it('with a kept session that reads again in time keeps its connection and its order', async function () {
    this.timeout(60_000)
    await test.stop()
    test = await TestBroker.start({ limits: { maxWaitingBytes: 200_000 } })
    const socket = await stuck(1, false)
    const chunks: Buffer[] = []
    let sent = 0
    for (; sent < 800; sent++) {
      await test.broker.publish({ topic: 'flood', payload: `#${sent};${'x'.repeat(8_000)}`, qos: 1 })
    }
    socket.on('data', chunk => chunks.push(chunk))
    socket.resume()
    const numbers = () =>
      [
        ...Buffer.concat(chunks)
          .toString('latin1')
          .matchAll(/#(\d+);/g)
      ].map(([, n]) => Number(n))
    await until('all come', () => numbers().length >= sent, 30_000)
    expect(numbers()).to.deep.equal(Array.from({ length: sent }, (_, i) => i))
    expect(socket.destroyed).to.equal(false)
  })
})
