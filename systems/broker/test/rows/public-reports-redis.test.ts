import { needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { MqttClient } from 'mqtt'
import { BrokerGroup, closesWhatItOpened } from '../helpers/broker-group'
import { handlerToken, inbox, type TestBroker, until } from '../helpers/test-broker'

const CLIENTS = 1_000

describe('Public reports on brokers with Redis behind them', () => {
  closesWhatItOpened()

  before(function () {
    needProgram(this, 'redis-server')
  })

  it(`moscajs/aedes#784: ${CLIENTS} clients that come back at once all get in, at the first dial`, async function () {
    this.timeout(180_000)
    const limits = { maxSessionsPerHandler: 2 * CLIENTS }
    const group = await BrokerGroup.start(2, { limits, redisTimeout: 20_000 })
    const [one, other] = group.brokers as [TestBroker, TestBroker]
    const token = await handlerToken('fleet')
    const dials = { count: 0 }
    const connectAll = async (isFirst: boolean): Promise<MqttClient[]> => {
      const clients = Array.from({ length: CLIENTS }, (_, index) => {
        // Who comes back meets the other broker, as behind a balancer.
        const broker = (index % 2 === 0) === isFirst ? one : other
        const client = broker.dial(token, { clientId: `c${index}`, clean: false, connectTimeout: 100_000 })
        client.on('connect', ({ sessionPresent }) => {
          dials.count++
          if (!isFirst) expect(sessionPresent).to.equal(true)
        })
        return client
      })
      await until('all are in', () => clients.every(({ connected }) => connected), 60_000)
      return clients
    }
    const first = await connectAll(true)
    await Promise.all(first.map((client, index) => client.subscribeAsync(`fleet/${index}`, { qos: 1 })))
    for (const client of first) client.stream.destroy()
    const again = await connectAll(false)
    expect(dials.count).to.equal(2 * CLIENTS)
    expect(one.broker.refusals()).to.deep.equal([])
    expect(other.broker.refusals()).to.deep.equal([])
    const received = again.map(inbox)
    const publisher = await group.session(0, 'publisher')
    await Promise.all(again.map((_, index) => publisher.publishAsync(`fleet/${index}`, 'x', { qos: 1 })))
    await until('each gets its own', () => received.every(({ length }) => length === 1), 20_000)
  })

  it('moscajs/aedes#569: a SUBSCRIBE with several topics gets its SUBACK at each broker', async () => {
    const group = await BrokerGroup.start(2)
    const topics = Array.from({ length: 30 }, (_, index) => `room/${index}`)
    for (const index of [0, 1]) {
      const client = await group.session(index, `handler-${index}`)
      const granted = await client.subscribeAsync(topics, { qos: 1 })
      expect(granted.map(({ topic, qos }) => ({ topic, qos }))).to.deep.equal(
        topics.map(topic => ({ topic, qos: 1 }))
      )
    }
  })

  for (const qos of [0, 1, 2] as const) {
    it(`moscajs/aedes#569: a message above 1 MB crosses whole, QoS ${qos}`, async function () {
      this.timeout(30_000)
      const group = await BrokerGroup.start(2, {
        limits: { maxPacketBytes: 4_000_000, maxWaitingBytes: 8_000_000 }
      })
      const subscriber = await group.session(1, 'subscriber')
      await subscriber.subscribeAsync('large', { qos })
      const payloads: Buffer[] = []
      subscriber.on('message', (_topic, payload) => payloads.push(payload))
      const publisher = await group.session(0, 'publisher')
      const payload = Buffer.alloc(3_000_000, 'abcdefg')
      await publisher.publishAsync('large', payload, { qos })
      await until('it comes', () => payloads.length > 0)
      expect(payloads[0]?.equals(payload)).to.equal(true)
      expect(payloads).to.have.length(1)
    })
  }
})
