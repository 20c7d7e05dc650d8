import { expect } from 'chai'
import {
  adminToken,
  closed,
  connack,
  deviceToken,
  inbox,
  returnCode,
  TestBroker,
  until
} from '../helpers/test-broker'

describe('A broker that authorizes', () => {
  let test: TestBroker

  beforeEach(async () => {
    test = await TestBroker.start()
  })
  afterEach(() => test.stop())

  it('B9: answers a refused subscription by SUBACK 0x80, beside granted ones of the same packet', async () => {
    const device = await test.device('6894', { clientId: 'x', clean: false })
    const filters = [
      '6894_a',
      '68946_a',
      '#',
      '6894/#',
      '+/a',
      '$SYS/#',
      '$share/g/6894/a',
      'request_contact'
    ]
    const granted = await new Promise<number[]>(resolve => {
      device.once('packetreceive', packet => {
        if (packet.cmd === 'suback') resolve(packet.granted as number[])
      })
      device.subscribe(filters, { qos: 1 }, () => undefined)
    })
    expect(granted).to.deep.equal([1, 128, 128, 1, 128, 128, 128, 128])
    expect(device.connected).to.equal(true)
    const refusals = test.broker.refusals()
    expect(refusals.map(({ what, topic }) => `${what} ${topic}`)).to.deep.equal(
      ['68946_a', '#', '+/a', '$SYS/#', '$share/g/6894/a', 'request_contact'].map(
        topic => `subscribe ${topic}`
      )
    )
    for (const { id } of refusals) {
      expect(test.lines.filter(({ fields }) => fields.refusal === id)).to.have.length(1)
    }
  })

  it('closes the connection of a device whose payload is no JSON and names a sender, by MQTT and in a will', async () => {
    const claim = Buffer.from('\ufeff{"user_id":"1"}')
    const device = await test.device('6894')
    const gone = closed(device)
    device.publish('request_contact', claim)
    await gone
    const will = { topic: 'request_contact', payload: claim, qos: 0 as const, retain: false }
    expect(await returnCode(test.dial(await deviceToken('6894'), { will }))).to.equal(5)
    expect(test.broker.refusals().map(({ why }) => why)).to.have.length(2)
    for (const { why } of test.broker.refusals()) expect(why).to.include('names a user_id')
    const handler = await test.handler('h')
    await handler.publishAsync('6894_x', claim, { qos: 1 })
  })

  it('B9: queues nothing for a session by a subscription that was refused beside a granted one', async () => {
    const options = { clientId: 'x', clean: false }
    const before = await test.device('1', options)
    await before.subscribeAsync(['1_a', '2_a', '#'], { qos: 1 }).catch(() => undefined)
    await before.endAsync()
    await test.broker.publish({ topic: '2_a', payload: 'secret', qos: 1 })
    await test.broker.publish({ topic: '1_a', payload: 'mine', qos: 1 })
    const after = test.dial(await deviceToken('1'), options)
    const received = inbox(after)
    await connack(after)
    await until('the granted one comes', () => received.length > 0)
    expect(received.map(({ payload }) => payload)).to.deep.equal(['mine'])
  })

  it('B9: gives a stored session nothing that a later token does not grant', async () => {
    const options = { clientId: 'x', clean: false }
    const before = await test.client(await deviceToken('1', { subscribe: ['room/4', '1/#'] }), options)
    await before.subscribeAsync(['room/4', '1/a'], { qos: 1 })
    await before.endAsync()
    await test.broker.publish({ topic: 'room/4', payload: 'secret', qos: 1 })
    await test.broker.publish({ topic: '1/a', payload: 'mine', qos: 1 })
    const after = test.dial(await deviceToken('1'), options)
    const received = inbox(after)
    await connack(after)
    await until('the granted one comes', () => received.length > 0)
    await test.broker.publish({ topic: 'room/4', payload: 'secret', qos: 1 })
    await test.broker.publish({ topic: '1/a', payload: 'end', qos: 1 })
    await until('the end comes', () => received.length > 1)
    expect(received.map(({ payload }) => payload)).to.deep.equal(['mine', 'end'])
  })

  it('B10: closes a device that publishes to a user, clears what is retained there, or to "$"; logs it with an id', async () => {
    await test.broker.publish({ topic: '23412_state', payload: 'kept', retain: true })
    const handler = await test.handler('h')
    await handler.subscribeAsync('#')
    const received = inbox(handler)
    await until('the retained message comes', () => received.length === 1)
    const topics = ['23412_x', '23412/x', '23412', '1_x', '1/x', '$SYS/x', '23412_state']
    for (const topic of topics) {
      for (const qos of [0, 1, 2] as const) {
        const device = await test.device('1')
        const end = closed(device)
        device.publish(topic, topic === '23412_state' ? '' : 'x', { qos, retain: true })
        await end
      }
    }
    await handler.publishAsync('end', '', { qos: 1 })
    await until('the end comes', () => received.length > 1)
    expect(received.map(({ topic }) => topic)).to.deep.equal(['23412_state', 'end'])
    const victim = await test.device('23412')
    const kept = inbox(victim)
    await victim.subscribeAsync('23412_state')
    await until('it is still retained', () => kept.length === 1)
    const refusals = test.broker.refusals()
    expect(refusals).to.have.length(3 * topics.length)
    for (const { id, why, user } of refusals) {
      expect({ why, user }).to.deep.include({ user: 'user:1' })
      const line = test.lines.find(({ fields }) => fields.refusal === id)
      expect(line?.message).to.equal(`refused publish: ${why}`)
    }
  })

  it('B10: refuses a will to a user by CONNACK 5', async () => {
    for (const topic of ['23412_x', '23412/x', '1_x', '$SYS/x', '$token']) {
      const will = { topic, payload: Buffer.from('x'), qos: 0 as const, retain: true }
      expect(await returnCode(test.dial(await deviceToken('1'), { will })), topic).to.equal(5)
    }
  })

  it('lets an admin read $SYS, and nobody else', async () => {
    const admin = await test.client(await adminToken())
    await admin.subscribeAsync('$SYS/#')
    const received = inbox(admin)
    const handler = await test.handler('h')
    await until('it hears of the client', () => received.some(({ topic }) => topic.endsWith('/new/clients')))
    const refused = await handler.subscribeAsync('$SYS/#').catch((error: Error) => error.message)
    expect(refused).to.be.a('string')
    // What the broker publishes to nobody instead of an acknowledged message is not heard either.
    await handler.publishAsync('x', 'y', { qos: 1 })
    await test.broker.publish({ topic: '$SYS/end', payload: '' })
    await until('the end comes', () => received.some(({ topic }) => topic === '$SYS/end'))
    expect(received.some(({ topic }) => topic === '$SYS/void')).to.equal(false)
  })

  it('tells handlers who sent a JSON command, whatever the payload says', async () => {
    const handler = await test.handler('h')
    await handler.subscribeAsync('request_contact')
    const received = inbox(handler)
    const device = await test.device(139871238127389)
    for (const payload of [
      '{"user_id":"23412","contact":7}',
      '{"user_id":139871238127389}',
      '{}',
      'no json'
    ]) {
      await device.publishAsync('request_contact', payload, { qos: 1 })
    }
    await until('all come', () => received.length === 4)
    expect(received.map(({ payload }) => payload)).to.deep.equal([
      '{"user_id":"139871238127389","contact":7}',
      '{"user_id":139871238127389}',
      '{"user_id":"139871238127389"}',
      'no json'
    ])
  })

  it('leaves the payload of handlers alone', async () => {
    const device = await test.device('7')
    await device.subscribeAsync('7_x')
    const received = inbox(device)
    const handler = await test.handler('h')
    await handler.publishAsync('7_x', '{"user_id":"8"}')
    await until('it comes', () => received.length === 1)
    expect(received[0]?.payload).to.equal('{"user_id":"8"}')
  })
})
