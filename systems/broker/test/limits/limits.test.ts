import { expect } from 'chai'
import { completeLimits, DEFAULT_LIMITS } from '../../lib/limits/limits'
import { bytesOf, connectBytes, ended, logIn } from '../helpers/packets'
import {
  closed,
  connack,
  deviceToken,
  handlerToken,
  inbox,
  returnCode,
  TestBroker,
  until
} from '../helpers/test-broker'

describe('The limits', () => {
  let test: TestBroker | undefined

  afterEach(async () => {
    await test?.stop()
    test = undefined
  })

  it('are finite by default, and refuse what they do not know or cannot hold', () => {
    for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
      expect(Number.isSafeInteger(value) && value > 0, name).to.equal(true)
    }
    for (const wrong of [
      { maxTopicLevels: 101 },
      { maxQueuedMessages: 60_001 },
      { maxConnections: 0 },
      { maxPacketBytes: 1.5 },
      { some: 1 }
    ]) {
      expect(() => completeLimits(wrong as object)).to.throw('Cannot use the option limits.')
    }
    expect(completeLimits({ maxTopicLevels: 3 })).to.deep.equal({ ...DEFAULT_LIMITS, maxTopicLevels: 3 })
  })

  it('bound the connections of a device, but not those of handlers', async () => {
    test = await TestBroker.start({ limits: { maxConnectionsPerDevice: 2 } })
    const token = await deviceToken('1')
    const first = await test.client(token)
    await test.client(token)
    expect(await returnCode(test.dial(token))).to.equal(5)
    await test.device('2')
    for (let i = 0; i < 5; i++) await test.handler('h')
    first.stream.destroy()
    await until('the first is gone', () => [...(test as TestBroker).broker.connections()].length === 7)
    await connack(test.dial(token))
  })

  it('let a client at its bound come back, and close what it left half open', async () => {
    test = await TestBroker.start({ limits: { maxConnectionsPerDevice: 1 } })
    const token = await deviceToken('1')
    const first = await test.client(token, { clientId: 'phone', clean: false })
    const isClosed = closed(first)
    await test.client(token, { clientId: 'phone', clean: false })
    await isClosed
    expect(await returnCode(test.dial(token, { clientId: 'other' })), 'the bound stays').to.equal(5)
    await test.client(token, { clientId: 'phone' })
  })

  it('bound all connections, those that have said nothing too', async () => {
    test = await TestBroker.start({ limits: { maxConnections: 3 } })
    for (let i = 0; i < 3; i++) await test.socket()
    const fourth = await test.socket()
    await ended(fourth)
    expect(test.broker.refusals().map(({ why }) => why)).to.deep.equal(['there are 3 connections, the bound'])
  })

  it('let a device publish at its rate: what is faster waits, in order, and nothing is lost', async () => {
    test = await TestBroker.start({ limits: { maxPublishRatePerDevice: 20 } })
    const handler = await test.handler('h')
    await handler.subscribeAsync('ping', { qos: 1 })
    const received = inbox(handler)
    const device = await test.device('1')
    const begun = performance.now()
    await Promise.all(
      Array.from({ length: 220 }, (_, i) => device.publishAsync('ping', String(i), { qos: 1 }))
    )
    expect(performance.now() - begun, '200 at once, 20 at 20 a second').to.be.within(900, 5_000)
    await until('all come', () => received.length === 220)
    expect(received.map(({ payload }) => Number(payload))).to.deep.equal(
      Array.from({ length: 220 }, (_, i) => i)
    )
    expect(test.broker.counters.throttled, 'fewer on a slow machine').to.be.within(1, 20)
  })

  it('keep a device whose messages wait for its rate connected, which is not read meanwhile; behind them it is silent', async () => {
    test = await TestBroker.start({ limits: { maxPublishRatePerDevice: 20 } })
    const { broker } = test
    const arrived: string[] = []
    broker.subscribe('request_x', ({ payload }) => arrived.push(payload.toString()))
    const socket = await test.socket()
    await logIn(socket, connectBytes(await deviceToken('1'), { clientId: 'x', keepalive: 1 }))
    const payloads = Array.from({ length: 280 }, (_, index) => `m${index}`)
    const publish = (payload: string, index: number) =>
      bytesOf({
        cmd: 'publish',
        topic: 'request_x',
        payload,
        qos: 1,
        messageId: index + 1,
        retain: false,
        dup: false
      })
    socket.write(Buffer.concat(payloads.map(publish)))
    // Ten seconds' worth goes at once, the rest takes four; its keep alive is one.
    await ended(socket)
    expect(arrived).to.deep.equal(payloads)
    expect(broker.counters.keepAliveTimeouts).to.equal(1)
  })

  it('count a long message for each 16 KiB begun, and keep the order of what waits at a high rate', async () => {
    test = await TestBroker.start({
      limits: { maxPublishRatePerDevice: 10, maxPublishRatePerHandler: 500 }
    })
    const long = 'x'.repeat(200_000) // thirteen times 16 KiB
    const device = await test.device('1')
    const begun = performance.now()
    for (let i = 0; i < 8; i++) await device.publishAsync('ping', long, { qos: 1 })
    expect(performance.now() - begun, '104 of 100 that may come at once').to.be.within(300, 5_000)
    const heard: number[] = []
    test.broker.subscribe('t', ({ payload }) => heard.push(Number(payload)))
    const handler = await test.handler('h')
    const many = Array.from({ length: 6_500 }, (_, i) => i)
    await Promise.all(many.map(i => handler.publishAsync('t', String(i), { qos: 0 })))
    await until('all come', () => heard.length === many.length)
    expect(heard).to.deep.equal(many)
    expect(test.broker.counters.throttled).to.be.greaterThan(100)
  })

  it('bound QoS 2 messages whose PUBREL does not come, and packets', async () => {
    test = await TestBroker.start({ limits: { maxIncomingInflight: 10, maxPacketBytes: 1_000 } })
    const socket = await test.socket()
    await logIn(socket, connectBytes(await handlerToken('h')))
    for (let messageId = 1; messageId <= 11; messageId++) {
      socket.write(
        bytesOf({ cmd: 'publish', topic: 'a', payload: '', qos: 2, messageId, dup: false, retain: false })
      )
    }
    await ended(socket)
    const handler = await test.handler('h')
    const end = closed(handler)
    handler.publish('a', 'x'.repeat(1_000))
    await end
    expect(test.broker.counters.violations).to.equal(1)
  })

  it('bound the stored sessions of a device: the oldest is forgotten', async () => {
    test = await TestBroker.start({ limits: { maxSessionsPerDevice: 2 } })
    for (const clientId of ['a', 'b', 'c']) {
      const device = await test.device('1', { clientId, clean: false })
      await device.subscribeAsync('1_x', { qos: 1 })
      await device.endAsync()
    }
    const token = await deviceToken('1')
    const isKept = async (clientId: string) => {
      const client = (test as TestBroker).dial(token, { clientId, clean: false })
      const { sessionPresent } = await connack(client)
      await client.endAsync()
      return sessionPresent
    }
    expect([await isKept('b'), await isKept('c'), await isKept('a')]).to.deep.equal([true, true, false])
  })

  it('bound the length of a client id', async () => {
    test = await TestBroker.start({ limits: { maxClientIdLength: 10 } })
    expect(await returnCode(test.dial(await deviceToken('1'), { clientId: 'x'.repeat(11) }))).to.equal(2)
    await connack(test.dial(await deviceToken('1'), { clientId: 'x'.repeat(10) }))
  })

  it('moscajs/aedes#1095: give a client without an id one of its own, if its session is clean', async () => {
    test = await TestBroker.start()
    const token = await deviceToken('1')
    const sockets = await Promise.all([test.socket(), test.socket()])
    for (const socket of sockets) await logIn(socket, connectBytes(token, { clientId: '', clean: true }))
    expect(new Set([...test.broker.connections()].map(({ clientId }) => clientId)).size).to.equal(2)
    const socket = await test.socket()
    const bytes = connectBytes(token, { clientId: 'x', clean: false })
    // "x" taken away: the client id is empty, the session is to be kept.
    const at = bytes.indexOf(Buffer.from([0, 1, 0x78]))
    const packet = Buffer.concat([bytes.subarray(0, at), Buffer.from([0, 0]), bytes.subarray(at + 3)])
    const lengthAt = 1
    packet[lengthAt] = (packet[lengthAt] as number) - 1
    const received: Buffer[] = []
    socket.on('data', chunk => received.push(chunk))
    socket.write(packet)
    await ended(socket)
    expect(Buffer.concat(received).toString('hex')).to.equal('20020002')
  })
})
