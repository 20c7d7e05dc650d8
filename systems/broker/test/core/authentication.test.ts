import { createVerifier, signToken } from '@token-server/identity'
import { forgedForSecret } from '@token-server/identity/testing'
import { expect } from 'chai'
import {
  closed,
  connack,
  deviceToken,
  handlerToken,
  inbox,
  inSeconds,
  returnCode,
  SECRET,
  TestBroker,
  until
} from '../helpers/test-broker'

const WRONG_KEY = 'another secret of at least 32 bytes, to forge with'

describe('A broker that authenticates', () => {
  let test: TestBroker

  beforeEach(async () => {
    test = await TestBroker.start()
  })
  afterEach(() => test.stop())

  it('answers CONNACK 4 for another user name, and for what is no token', async () => {
    const token = await deviceToken('1')
    for (const username of ['jwt', 'JWT ', 'admin']) {
      expect(await returnCode(test.dial(token, { username })), username).to.equal(4)
    }
    expect(await returnCode(test.dial('', { username: 'JWT' }))).to.equal(4)
    expect(await returnCode(test.dial('x', { username: 'JWT' }))).to.equal(4)
    const nobody = { username: undefined, password: undefined } as object
    expect(await returnCode(test.dial('', nobody))).to.equal(4)
  })

  it('B6: answers CONNACK 4 or 5 for each forged token, and takes the good one', async () => {
    const forged = forgedForSecret({ secret: SECRET, claims: { user_id: '1' } })
      // MQTT has no longer password.
      .filter(({ token }) => token.length <= 65_535)
    for (const { what, token, code } of forged) {
      const isForm = code === 'ERR_JWT_MALFORMED' || code === 'ERR_JWT_SIZE'
      expect(await returnCode(test.dial(token)), what).to.equal(isForm ? 4 : 5)
    }
    expect(await returnCode(test.dial(await deviceToken('1_2'))), 'an id with a separator').to.equal(5)
    const good = await deviceToken('1')
    expect((await connack(test.dial(good))).returnCode).to.equal(0)
    expect(test.broker.counters.refusedConnects).to.equal(forged.length + 1)
  })

  it('closes without an answer when the token makes CONNECT too long', async () => {
    expect(await returnCode(test.dial('A'.repeat(65_530)))).to.equal(undefined)
  })

  it('handles nothing that comes behind a CONNECT before it knows who sent it', async () => {
    const handler = await test.handler('h')
    await handler.subscribeAsync('#')
    const received = inbox(handler)
    const socket = await test.socket()
    const client = test.dial(await signToken({ user_id: '1', exp: inSeconds(60) }, { secret: WRONG_KEY }))
    client.publish('ping', 'x', { qos: 1 })
    expect(await returnCode(client)).to.equal(5)
    // In segments of their own: CONNECT with a token that is refused, then PUBLISH.
    socket.setNoDelay(true)
    const connect = Buffer.concat([
      Buffer.from([0x10, 0, 0, 4]),
      Buffer.from('MQTT'),
      Buffer.from([4, 0xc2, 0, 0, 0, 1, 0x61, 0, 3]),
      Buffer.from('JWT'),
      Buffer.from([0, 5]),
      Buffer.from('a.b.c')
    ])
    connect[1] = connect.length - 2
    socket.write(connect)
    setImmediate(() => socket.write(Buffer.from([0x30, 6, 0, 4, 0x70, 0x69, 0x6e, 0x67])))
    await new Promise<void>(resolve => socket.once('close', () => resolve()).resume())
    await handler.publishAsync('end', '', { qos: 1 })
    await until('the end comes', () => received.length > 0)
    expect(received.map(({ topic }) => topic)).to.deep.equal(['end'])
  })

  it('B11: gives a client id to each user for itself, and lets nobody else take over a session', async () => {
    const options = { clientId: 'phone', clean: false }
    const mine = await test.device('1', options)
    await mine.subscribeAsync('1_news', { qos: 1 })
    const other = test.dial(await deviceToken('2'), options)
    expect(await connack(other)).to.have.property('sessionPresent', false)
    expect(mine.connected).to.equal(true)
    // Nor an offline one, with what waits in it; nor a handler with the id of the user.
    mine.end(true)
    await until('it is gone', () => [...test.broker.connections()].length === 1)
    const handler = await test.handler('h')
    await handler.publishAsync('1_news', 'secret', { qos: 1 })
    other.end(true)
    const again = test.dial(await deviceToken('2'), options)
    const received = inbox(again)
    expect(await connack(again)).to.have.property('sessionPresent', false)
    const namesake = test.dial(await handlerToken('x', { user_id: '1' }), options)
    expect(await connack(namesake)).to.have.property('sessionPresent', false)
    const owner = test.dial(await deviceToken('1'), options)
    const own = inbox(owner)
    expect(await connack(owner)).to.have.property('sessionPresent', true)
    await until('the message comes', () => own.length === 1)
    expect(received).to.deep.equal([])
  })

  it('hands a session over to a second connection of the same user with the same client id', async () => {
    const first = await test.device('1', { clientId: 'x' })
    const gone = closed(first)
    const second = await test.device('1', { clientId: 'x' })
    await gone
    await second.publishAsync('ping', '', { qos: 1 })
  })
})

describe('A fresh token on the open connection', () => {
  let test: TestBroker

  beforeEach(async () => {
    const verifier = createVerifier({ issuers: { secret: SECRET }, clockTolerance: 0 })
    test = await TestBroker.start({ verifier })
  })
  afterEach(() => test.stop())

  it('closes the connection when it is refused, of another subject, malformed, or comes otherwise', async () => {
    const cases: [string, string, object][] = [
      ['of another user', await deviceToken('2'), { qos: 1 }],
      ['of a handler with that id', await handlerToken('h', { user_id: '1' }), { qos: 1 }],
      ['expired', await signToken({ user_id: '1', exp: inSeconds(-9) }, { secret: SECRET }), { qos: 1 }],
      [
        'of another key',
        await signToken({ user_id: '1', exp: inSeconds(99) }, { secret: WRONG_KEY }),
        { qos: 1 }
      ],
      ['no token', 'x', { qos: 1 }],
      ['by QoS 0', await deviceToken('1'), { qos: 0 }],
      ['by QoS 2', await deviceToken('1'), { qos: 2 }],
      ['retained', await deviceToken('1'), { qos: 1, retain: true }]
    ]
    for (const [name, token, options] of cases) {
      const device = await test.device('1')
      let isAcknowledged = false
      device.publish('$token', token, options, error => {
        isAcknowledged = !error && (options as { qos: number }).qos > 0
      })
      await closed(device)
      expect(isAcknowledged, name).to.equal(false)
    }
    expect(test.lines.filter(({ message }) => message.startsWith('refused publish'))).to.have.length(
      cases.length
    )
  })

  it('B9: ends the subscriptions that it does not grant any more, and reaches nobody as a message', async () => {
    const everything = await test.handler('all', { clientId: 'all' })
    await everything.subscribeAsync('#')
    const leaked = inbox(everything)
    const options = { clientId: 'x', clean: false }
    const first = await deviceToken('1', { subscribe: ['1/#', 'room/4'] })
    const device = await test.client(first, options)
    await device.subscribeAsync(['1/a', 'room/4'], { qos: 1 })
    const received = inbox(device)
    await device.publishAsync('$token', await deviceToken('1', { subscribe: ['1/#'] }), { qos: 1 })
    await test.broker.publish({ topic: 'room/4', payload: 'no', qos: 1 })
    await test.broker.publish({ topic: '1/a', payload: 'yes', qos: 1 })
    await until('the granted one comes', () => received.length > 0)
    expect(received.map(({ payload }) => payload)).to.deep.equal(['yes'])
    await device.endAsync()
    await test.broker.publish({ topic: 'room/4', payload: 'no', qos: 1 })
    const again = test.dial(first, options)
    const later = inbox(again)
    await connack(again)
    await test.broker.publish({ topic: '1/a', payload: 'end', qos: 1 })
    await until('the end comes', () => later.length > 0)
    expect(later.map(({ payload }) => payload)).to.deep.equal(['end'])
    expect(leaked.every(({ topic }) => !topic.startsWith('$'))).to.equal(true)
  })
})
