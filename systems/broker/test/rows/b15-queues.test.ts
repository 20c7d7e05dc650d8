import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closesWhatItOpened, needProgram, onCleanUp, RedisServer } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { BrokerOptions } from '../../lib'
import { residentMiB } from '../helpers/packets'
import { connack, deviceToken, inbox, TestBroker, until } from '../helpers/test-broker'

const MANY = process.env.LONG === '1' ? 50_000 : 5_000
const OPTIONS = { clientId: 'x', clean: false }

type Place = Pick<BrokerOptions, 'folder' | 'redisUrl'>

describe('B15: the queue of a session', () => {
  closesWhatItOpened()

  describe('in a folder', () => {
    queueOf(() => {
      const folder = mkdtempSync(join(tmpdir(), 'broker-queue-'))
      onCleanUp(() => rmSync(folder, { recursive: true, force: true }))
      return Promise.resolve({ folder })
    })
  })

  describe('in Redis', () => {
    before(function () {
      needProgram(this, 'redis-server')
    })

    queueOf(async () => {
      const redis = await RedisServer.start()
      onCleanUp(() => redis.remove())
      return { redisUrl: redis.url }
    })
  })
})

function queueOf(makePlace: () => Promise<Place>): void {
  let test: TestBroker
  let place: Place

  beforeEach(async () => {
    place = await makePlace()
    test = await TestBroker.start(place)
    const device = await test.device('1', OPTIONS)
    await device.subscribeAsync(['1_a', '1_b'], { qos: 1 })
    await device.endAsync()
  })
  afterEach(() => test.stop())

  const publish = (from: number, count: number) => {
    const numbers = Array.from({ length: count }, (_, i) => from + i)
    return Promise.all(
      numbers.map(i => test.broker.publish({ topic: i % 2 ? '1_a' : '1_b', payload: String(i), qos: 1 }))
    )
  }

  it(`of ${MANY} messages is delivered whole and in order in one session`, async function () {
    this.timeout(300_000)
    await publish(0, MANY)
    const before = residentMiB()
    const device = test.dial(await deviceToken('1'), OPTIONS)
    const received = inbox(device)
    await connack(device)
    await until('all come', () => received.length >= MANY, 200_000)
    expect(received.map(({ payload }) => Number(payload))).to.deep.equal(
      Array.from({ length: MANY }, (_, i) => i)
    )
    expect(residentMiB() - before).to.be.lessThan(MANY > 5_000 ? 300 : 100)
  })

  it('is delivered before what is published meanwhile, and no message twice', async function () {
    this.timeout(60_000)
    const count = 600
    await publish(0, count)
    const device = test.dial(await deviceToken('1'), OPTIONS)
    const received = inbox(device)
    const connected = connack(device)
    // As fast as it goes, from the moment at which the client dials until it has got its queue.
    let next = count
    while (received.length < count) {
      await publish(next, 5)
      next += 5
      await new Promise(resolve => setImmediate(resolve))
    }
    await connected
    await until('all come', () => received.length >= next)
    await test.broker.publish({ topic: '1_a', payload: String(next), qos: 1 })
    await until('the last comes', () => received.length > next)
    expect(received.map(({ payload }) => Number(payload))).to.deep.equal(
      Array.from({ length: next + 1 }, (_, i) => i)
    )
    expect(next).to.be.greaterThan(count)
  })

  it('keeps its order over starts of the broker, also when the clock is set back between them', async () => {
    const { now } = Date
    try {
      for (let start = 0; start < 5; start++) {
        await publish(start * 2, 2)
        await test.stop()
        Date.now = () => now() - start * 3_600_000
        test = await TestBroker.start(place)
      }
    } finally {
      Date.now = now
    }
    const device = test.dial(await deviceToken('1'), OPTIONS)
    const received = inbox(device)
    await connack(device)
    await until('all come', () => received.length >= 10)
    expect(received.map(({ payload }) => Number(payload))).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('is bounded: what finds it full is dropped and counted', async () => {
    await test.stop()
    test = await TestBroker.start({ ...place, limits: { maxQueuedMessages: 100 } })
    await publish(0, 120)
    expect(test.broker.counters.droppedQueued).to.equal(20)
    const device = test.dial(await deviceToken('1'), OPTIONS)
    const received = inbox(device)
    await connack(device)
    await until('the first hundred come', () => received.length === 100)
    await until('they are acknowledged', () => test.broker.counters.droppedQueued === 20)
  })
}
