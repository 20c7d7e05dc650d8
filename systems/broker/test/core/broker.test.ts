import { connect } from 'node:net'
import { expect } from 'chai'
import { parser as packetParser } from 'mqtt-packet'
import { bytesOf, connectBytes } from '../helpers/packets'
import {
  connack,
  deviceToken,
  handlerToken,
  inbox,
  returnCode,
  TestBroker,
  until
} from '../helpers/test-broker'

describe('A broker', () => {
  let test: TestBroker

  beforeEach(async () => {
    test = await TestBroker.start()
  })
  afterEach(() => test.stop())

  for (const qos of [0, 1, 2] as const) {
    it(`carries a command from a device to a handler and the answer back, QoS ${qos}`, async () => {
      const handler = await test.handler('contacts')
      const device = await test.device('68946')
      await handler.subscribeAsync('get_contact_list', { qos })
      await device.subscribeAsync('68946_contact_list', { qos })
      handler.on('message', (_topic, payload) => {
        const { user_id } = JSON.parse(payload.toString())
        handler.publish(`${user_id}_contact_list`, '["Ada"]', { qos })
      })
      const received = inbox(device)
      await device.publishAsync('get_contact_list', '{}', { qos })
      await until('the list comes', () => received.length > 0)
      expect(received).to.deep.equal([
        { topic: '68946_contact_list', payload: '["Ada"]', qos, retain: false }
      ])
    })
  }

  it('speaks MQTT 3.1', async () => {
    const device = await test.client(await deviceToken('1'), { protocolId: 'MQIsdp', protocolVersion: 3 })
    const handler = await test.handler('h')
    await handler.subscribeAsync('ping')
    const received = inbox(handler)
    await device.publishAsync('ping', 'x', { qos: 1 })
    await until('the command comes', () => received.length === 1)
  })

  it('refuses MQTT 5 by CONNACK 1', async () => {
    const client = test.dial(await deviceToken('1'), { protocolVersion: 5 })
    expect(await returnCode(client)).to.equal(1)
  })

  it('keeps a retained message for those who subscribe later, and forgets it when it is cleared', async () => {
    const handler = await test.handler('h')
    await handler.publishAsync('7_state', 'on', { qos: 1, retain: true })
    const device = await test.device('7')
    const received = inbox(device)
    await device.subscribeAsync('7_state', { qos: 1 })
    await until('the retained message comes', () => received.length === 1)
    expect(received[0]).to.deep.equal({ topic: '7_state', payload: 'on', qos: 1, retain: true })
    await handler.publishAsync('7_state', '', { qos: 1, retain: true })
    await until('the clearing comes', () => received.length === 2)
    const other = await test.device('7', { clientId: 'other' })
    const none = inbox(other)
    await other.subscribeAsync(['7_state', '7_end'])
    await handler.publishAsync('7_end', '', { qos: 1 })
    await until('the end comes', () => none.length > 0)
    expect(none.map(({ topic }) => topic)).to.deep.equal(['7_end'])
  })

  it('sends the will of a client that is cut, and none of one that says goodbye', async () => {
    const handler = await test.handler('h')
    await handler.subscribeAsync('gone')
    const received = inbox(handler)
    const will = (payload: string) => ({ topic: 'gone', payload, qos: 1 as const, retain: false })
    const polite = await test.device('1', { will: will('{"who":1}') })
    await polite.endAsync()
    const cut = await test.device('2', { will: will('{"who":2}') })
    cut.stream.destroy()
    await until('the will comes', () => received.length > 0)
    expect(received.map(({ payload }) => payload)).to.deep.equal(['{"user_id":"2","who":2}'])
  })

  it('keeps a session and its messages while the client is away, each once and in order', async () => {
    const options = { clientId: 'phone', clean: false }
    const before = await test.device('5', options)
    await before.subscribeAsync('5_news', { qos: 2 })
    await before.endAsync()
    const handler = await test.handler('h')
    for (let i = 0; i < 25; i++) {
      await handler.publishAsync('5_news', String(i), { qos: 1 })
      await handler.publishAsync('5_news', String(i), { qos: 2 })
    }
    const after = test.dial(await deviceToken('5'), options)
    const received = inbox(after)
    expect(await connack(after)).to.have.property('sessionPresent', true)
    await until('all have come', () => received.length >= 50)
    for (const qos of [1, 2]) {
      const payloads = received.filter(message => message.qos === qos).map(({ payload }) => payload)
      expect(payloads).to.deep.equal(Array.from({ length: 25 }, (_, i) => String(i)))
    }
  })

  it('gives no new message the identifier of one that was sent before and is not acknowledged', async () => {
    const handler = await test.handler('h')
    const login = connectBytes(await deviceToken('5'), { clientId: 'phone', clean: false })
    let last: number | undefined
    for (let connection = 0; connection < 4; connection++) {
      const device = connect(test.port, '127.0.0.1')
      device.write(login)
      const identifiers: (number | undefined)[] = []
      const parser = packetParser()
      let isSubscribed = connection > 0
      parser.on('packet', packet => {
        if (packet.cmd === 'publish') identifiers.push(packet.messageId)
        isSubscribed ||= packet.cmd === 'suback'
      })
      device.on('data', bytes => void parser.parse(bytes))
      const subscriptions = [{ topic: '5_news', qos: 1 as const }]
      if (connection === 0) device.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions }))
      await until('what was sent before comes again', () => isSubscribed && identifiers.length === connection)
      await handler.publishAsync('5_news', '', { qos: 1 })
      await until('the new one comes', () => identifiers.length === connection + 1)
      const next = identifiers.at(-1)
      if (last !== undefined) expect(next).to.equal((last % 65_535) + 1)
      last = next
      device.destroy()
    }
  })

  it('gives a client with two subscriptions that match one copy', async () => {
    const handler = await test.handler('h')
    await handler.subscribeAsync({ '#': { qos: 0 }, 'a/+': { qos: 0 }, 'a/b': { qos: 0 } })
    const received = inbox(handler)
    await handler.publishAsync('a/b', 'x')
    await handler.publishAsync('end', 'x')
    await until('the end comes', () => received.some(({ topic }) => topic === 'end'))
    expect(received.map(({ topic }) => topic)).to.deep.equal(['a/b', 'end'])
  })

  it('hears and publishes messages of its own process, with the verified sender', async () => {
    const heard: unknown[] = []
    const stop = test.broker.subscribe('ask', ({ topic, sender }) => heard.push({ topic, sender }))
    const device = await test.device('9')
    await device.subscribeAsync('9_told')
    const received = inbox(device)
    await device.publishAsync('ask', 'x', { qos: 1 })
    expect(heard).to.deep.equal([{ topic: 'ask', sender: { id: '9', kind: 'user' } }])
    stop()
    await device.publishAsync('ask', 'x', { qos: 1 })
    expect(heard).to.have.length(1)
    await test.broker.publish({ topic: '9_told', payload: 'yes' })
    await until('it comes', () => received.length === 1)
  })

  it('logs whatever a listener throws or rejects with, and acknowledges to the publisher', async () => {
    const device = await test.device('9')
    const listeners = {
      Error: () => {
        throw new Error('words')
      },
      null: () => {
        throw null
      },
      undefined: () => {
        throw undefined
      },
      text: () => {
        throw 'words'
      },
      hostile: () => {
        throw new Proxy(
          {},
          {
            get: () => {
              throw new Error('words')
            }
          }
        )
      },
      later: () => Promise.reject(new Error('words'))
    }
    for (const [name, listener] of Object.entries(listeners)) {
      const stop = test.broker.subscribe('ask', listener)
      const before = test.lines.length
      await device.publishAsync('ask', 'x', { qos: 1 })
      await test.broker.publish({ topic: 'ask', payload: 'x' })
      const logged = () => test.lines.slice(before).filter(({ message }) => message.includes('a listener'))
      await until(`${name} is logged`, () => logged().length === 2)
      stop()
    }
  })

  it('publishes to no topic that an MQTT client could not be told', async () => {
    for (const topic of ['', 'a/#', 'a\u0000', '\ud800', '\uffff', 'x'.repeat(1_025), 'a/'.repeat(20)]) {
      const error = await test.broker.publish({ topic, payload: '' }).catch((reason: unknown) => reason)
      expect(error, JSON.stringify(topic)).to.have.property('code', 'ERR_BROKER_MESSAGE')
    }
    for (const filter of ['', 'a\u0000', 'a/#/b'])
      expect(() => test.broker.subscribe(filter, () => {})).to.throw('Cannot use the option filter')
  })

  it('closes with all connections open, and refuses to publish then', async () => {
    const client = test.dial(await handlerToken('h'))
    await connack(client)
    await test.broker.close()
    const error = await test.broker.publish({ topic: 'x', payload: '' }).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'ERR_BROKER_CLOSED')
  })
})
