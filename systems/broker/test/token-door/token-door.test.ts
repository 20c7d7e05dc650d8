import { setImmediate as nextTurn } from 'node:timers/promises'
import { createAuthority } from '@token-server/certs'
import { certificates, closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import {
  adminToken,
  closed,
  deviceToken,
  handlerToken,
  inbox,
  inSeconds,
  until
} from '../helpers/test-broker'
import { type BareClient, TestDoor } from '../helpers/test-door'

describe('The token door', () => {
  closesWhatItOpened()
  let door: TestDoor

  beforeEach(async () => {
    door = await TestDoor.start()
  })

  async function member(token?: string, more: object = {}): Promise<BareClient> {
    const bare = await door.bare()
    const { type } = await bare.ask({ type: 'connect', token: token ?? (await handlerToken('h')), ...more })
    expect(type).to.equal('connected')
    return bare
  }

  describe('lets in', () => {
    it('the handler that a trusted certificate names, until the certificate ends', async () => {
      const bare = await door.bare()
      const { expiresAt, ...answer } = await bare.ask({ type: 'connect' })
      expect(answer).to.deep.equal({
        type: 'connected',
        id: 'ann',
        kind: 'handler',
        present: false,
        subscriptions: []
      })
      const { validTo } = door.connections()[0]?.peer ?? {}
      expect(expiresAt).to.equal(validTo?.getTime())
    })

    it('whom a token names, whatever the certificate says', async () => {
      const bare = await door.bare()
      const answer = await bare.ask({ type: 'connect', token: await deviceToken('7') })
      expect(answer).to.include({ id: '7', kind: 'user' })
    })

    it('by a token alone, where the server takes clients without a certificate', async () => {
      const open = await TestDoor.start({ server: { rejectUnauthorized: false } })
      const { ca } = await certificates()
      const without = { ca, key: undefined, cert: undefined }
      const bare = await open.bare(without)
      expect(await bare.ask({ type: 'connect', token: await handlerToken('h') })).to.include({
        kind: 'handler'
      })
      const nobody = await open.bare(without)
      expect(await nobody.ask({ type: 'connect' })).to.include({ type: 'refused', code: 'no-identity' })
    })

    it('no handler by a certificate that is not trusted', async () => {
      const open = await TestDoor.start({ server: { rejectUnauthorized: false } })
      const stranger = await (await createAuthority({ name: 'x' })).issueClient({ name: 'ann' })
      const bare = await open.bare(stranger)
      expect(await bare.ask({ type: 'connect' })).to.include({ code: 'no-identity' })
      expect((await bare.closed()).at(-1)).to.include({ type: 'end', code: 'no-identity' })
    })
  })

  describe('refuses, with a code and words', () => {
    it('everything before connect, and nothing of it has an effect', async () => {
      const bare = await door.bare()
      const heard: unknown[] = []
      door.test.broker.subscribe('#', message => heard.push(message))
      for (const type of ['publish', 'subscribe', 'unsubscribe', 'renew', 'x']) {
        expect(await bare.ask({ type, topic: 'a', filter: 'a' })).to.include({
          type: 'refused',
          code: 'not-connected'
        })
      }
      expect(heard).to.deep.equal([])
    })

    it('what comes while connect is under way, which goes on', async () => {
      const bare = await door.bare()
      const connect = bare.ask({ type: 'connect', token: await handlerToken('h') })
      const early = await bare.ask({ type: 'publish', topic: 'a' })
      expect(early).to.include({ code: 'not-connected' })
      expect(await connect).to.include({ type: 'connected' })
      expect(await bare.ask({ type: 'publish', topic: 'a' })).to.include({ type: 'published' })
    })

    it('a second connect', async () => {
      const bare = await member()
      expect(await bare.ask({ type: 'connect' })).to.include({ code: 'connected' })
      expect(await bare.ask({ type: 'publish', topic: 'a' })).to.deep.equal({ type: 'published' })
    })

    it('a forged, an expired and a malformed token, in the same words for each kind, and closes', async () => {
      const [head, , signature] = (await handlerToken('h')).split('.')
      const forged = [head, Buffer.from('{"handler":{"name":"x"}}').toString('base64url'), signature].join(
        '.'
      )
      const expired = await handlerToken('h', { exp: inSeconds(-60) })
      for (const [token, code] of [
        [forged, 'token-refused'],
        [expired, 'token-refused'],
        ['x', 'token-malformed'],
        ['', 'token-malformed']
      ] as const) {
        const bare = await door.bare()
        const answer = await bare.ask({ type: 'connect', token })
        expect(answer).to.include({ type: 'refused', code })
        expect(answer)
          .to.have.property('refusal')
          .that.matches(/^[0-9a-f]{8}$/)
        expect((await bare.closed()).at(-1)).to.include({ type: 'end', code })
      }
    })

    it('frames and fields that are malformed, and goes on', async () => {
      const bare = await member()
      for (const bytes of [
        Buffer.alloc(0),
        Buffer.from([0]),
        Buffer.from([0, 9, 1]),
        Buffer.from('\0\x02{}')
      ]) {
        expect(await bare.askBytes(bytes)).to.include({ code: 'frame' })
      }
      const wrong = [
        { type: 'toString' },
        { type: 'publish' },
        { type: 'publish', topic: 1 },
        { type: 'publish', topic: 'a', qos: 2 },
        { type: 'publish', topic: 'a', qos: '1' },
        { type: 'publish', topic: 'a', retain: 1 },
        { type: 'subscribe' },
        { type: 'subscribe', filter: ['a'] },
        { type: 'subscribe', filter: 'a', qos: 3 },
        { type: 'unsubscribe' },
        { type: 'renew' }
      ]
      for (const header of wrong)
        expect(await bare.ask(header), JSON.stringify(header)).to.include({ code: 'frame' })
      expect(await bare.ask({ type: 'publish', topic: 'a' })).to.include({ type: 'published' })
    })

    it('a connect with a wrong field, which may be said again', async () => {
      const bare = await door.bare()
      for (const more of [
        { session: 1 },
        { session: '' },
        { session: 'a\ud800' },
        { session: 'x'.repeat(257) },
        { clean: 1 },
        { token: 7 }
      ]) {
        expect(await bare.ask({ type: 'connect', ...more })).to.include({ code: 'frame' })
      }
      expect(await bare.ask({ type: 'connect' })).to.include({ type: 'connected' })
    })

    it('topics that are malformed, too long or too deep', async () => {
      const bare = await member()
      for (const topic of ['', '#', 'a/+', 'a\u0000', 'a/\uffff', 'x'.repeat(1_025), 'a/'.repeat(16)]) {
        expect(await bare.ask({ type: 'publish', topic }), topic).to.include({ code: 'topic' })
      }
      for (const filter of ['', 'a#', '#/a', 'a\u0001/#', 'x'.repeat(1_025)]) {
        expect(await bare.ask({ type: 'subscribe', filter }), filter).to.include({ code: 'topic' })
      }
    })

    it('what a device may not publish or subscribe to, and logs it with the same id', async () => {
      const bare = await member(await deviceToken('7'))
      const forbidden = [
        { type: 'publish', topic: '8_told' },
        { type: 'publish', topic: '7_told' },
        { type: 'publish', topic: '$SYS/x' },
        { type: 'subscribe', filter: '8_told' },
        { type: 'subscribe', filter: '#' },
        { type: 'subscribe', filter: '+/x' },
        { type: 'subscribe', filter: '$SYS/#' },
        { type: 'subscribe', filter: 'request_contact' }
      ]
      for (const header of forbidden) {
        const answer = await bare.ask(header)
        expect(answer, JSON.stringify(header)).to.include({ code: 'not-allowed' })
        const logged = door.test.lines.find(({ fields }) => fields.refusal === answer.refusal)
        expect(logged?.message).to.equal(`refused ${header.type}: ${answer.why}`)
        expect(logged?.fields).to.include({ user: 'user:7', topic: header.topic ?? header.filter })
      }
      expect(door.test.broker.refusals().at(-1)).to.include({ user: 'user:7' })
    })

    it('$SYS to a handler, and not to an admin', async () => {
      expect(await (await member()).ask({ type: 'subscribe', filter: '$SYS/#' })).to.include({
        code: 'not-allowed'
      })
      expect(
        await (await member(await adminToken())).ask({ type: 'subscribe', filter: '$SYS/#' })
      ).to.include({ type: 'subscribed' })
    })

    it('a payload that is too large', async () => {
      const bare = await member()
      const { maxPacketBytes } = door.test.broker.limits
      expect(await bare.ask({ type: 'publish', topic: 'a' }, Buffer.alloc(maxPacketBytes))).to.include({
        type: 'published'
      })
      expect(await bare.ask({ type: 'publish', topic: 'a' }, Buffer.alloc(maxPacketBytes + 1))).to.include({
        code: 'too-large'
      })
    })

    it('a client that takes no tokens as long as messages can be', async () => {
      const bare = await door.bare({ maxTokenLength: 100_000 })
      const { code, why } = await bare.ask({ type: 'connect' })
      expect(code).to.equal('too-large')
      expect(why).to.equal('a frame has up to 327681 bytes, and maxTokenLength of one side is 100000')
      expect((await bare.closed()).at(-1)).to.include({ type: 'end', code: 'too-large' })
    })

    it('one subscription more than the bound', async () => {
      const few = await TestDoor.start({ broker: { limits: { maxSubscriptionsPerHandler: 2 } } })
      const bare = await few.bare()
      await bare.ask({ type: 'connect' })
      for (const filter of ['a', 'b', 'a'])
        expect(await bare.ask({ type: 'subscribe', filter })).to.include({ type: 'subscribed' })
      expect(await bare.ask({ type: 'subscribe', filter: 'c' })).to.include({
        code: 'too-many-subscriptions'
      })
    })

    it('a client that does not say connect in time', async () => {
      const hasty = await TestDoor.start({ broker: { limits: { connectTimeout: 50 } } })
      const bare = await hasty.bare()
      expect((await bare.closed()).at(-1)).to.include({ type: 'end', code: 'connect-timeout' })
    })

    it('clients when it is closed, and ends those that are there', async () => {
      const bare = await member()
      const late = await door.bare()
      door.door.close()
      expect((await bare.closed()).at(-1)).to.include({ type: 'end', code: 'closing' })
      expect((await late.closed()).at(-1)).to.include({ type: 'end', code: 'closing' })
    })

    it('and never shows or logs a token or a payload', async () => {
      const token = `${await handlerToken('h')}x`
      await (await door.bare()).ask({ type: 'connect', token })
      await (await member(await deviceToken('7'))).ask(
        { type: 'publish', topic: '8_x' },
        Buffer.from('canary')
      )
      const log = JSON.stringify(door.test.lines)
      for (const secret of [token, 'canary']) expect(log).not.to.include(secret)
    })
  })

  describe('carries', () => {
    for (const qos of [0, 1] as const) {
      it(`a command of a device by MQTT to a handler, with the verified sender, and the answer back, QoS ${qos}`, async () => {
        const bare = await member()
        await bare.ask({ type: 'subscribe', filter: 'get_contact_list', qos })
        const device = await door.test.device('68946')
        await device.subscribeAsync('68946_contact_list', { qos })
        const received = inbox(device)
        await device.publishAsync('get_contact_list', '{"user_id":"1"}', { qos })
        await until('the command comes', () => bare.frames.length === 1)
        const [frame] = bare.frames
        expect(frame?.header).to.deep.equal({
          type: 'message',
          topic: 'get_contact_list',
          qos,
          sender: { id: '68946', kind: 'user' }
        })
        expect(frame?.payload.toString()).to.equal('{"user_id":"68946"}')
        await bare.ask({ type: 'publish', topic: '68946_contact_list', qos }, Buffer.from('["Ada"]'))
        await until('the list comes', () => received.length === 1)
        expect(received[0]).to.include({ payload: '["Ada"]', qos })
      })
    }

    it('a message of a device through this door as one by MQTT: its JSON bears its id', async () => {
      const device = await member(await deviceToken('7'))
      const handler = await door.test.handler('h')
      await handler.subscribeAsync('ping', { qos: 1 })
      const received = inbox(handler)
      await device.ask({ type: 'publish', topic: 'ping' }, Buffer.from('{"user_id":"8","x":1}'))
      await until('it comes', () => received.length === 1)
      expect(received[0]?.payload).to.equal('{"user_id":"7","x":1}')
    })

    it('many publishes at once in their order', async () => {
      const bare = await member()
      const other = await member(await handlerToken('other'))
      await other.ask({ type: 'subscribe', filter: 'a' })
      await Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          bare.ask({ type: 'publish', topic: 'a' }, Buffer.from(String(i)))
        )
      )
      await until('all have come', () => other.frames.length === 500)
      expect(other.frames.map(({ payload }) => Number(payload.toString()))).to.deep.equal(
        Array.from({ length: 500 }, (_, i) => i)
      )
    })

    it('more than the rate later, in order', async () => {
      const slow = await TestDoor.start({ broker: { limits: { maxPublishRatePerDevice: 20 } } })
      const bare = await slow.bare()
      await bare.ask({ type: 'connect', token: await deviceToken('7') })
      const heard: number[] = []
      slow.test.broker.subscribe('ping', ({ payload }) => heard.push(Number(payload.toString())))
      await Promise.all(
        Array.from({ length: 210 }, (_, i) =>
          bare.ask({ type: 'publish', topic: 'ping' }, Buffer.from(String(i)))
        )
      )
      expect(heard).to.deep.equal(Array.from({ length: 210 }, (_, i) => i))
      expect(slow.test.broker.counters.throttled).to.be.greaterThan(0)
    })

    it('a message once to several subscriptions that match, with the highest QoS', async () => {
      const bare = await member()
      for (const [filter, qos] of [
        ['#', 0],
        ['a/+', 1],
        ['a/b', 0]
      ] as const)
        await bare.ask({ type: 'subscribe', filter, qos })
      await bare.ask({ type: 'publish', topic: 'a/b' }, Buffer.from('x'))
      await bare.ask({ type: 'publish', topic: 'end' })
      await until('the end comes', () => bare.headers.some(({ topic }) => topic === 'end'))
      expect(bare.headers.map(({ topic, qos }) => [topic, qos])).to.deep.equal([
        ['a/b', 1],
        ['end', 0]
      ])
    })

    it('what was retained, marked so, and a QoS 2 message with QoS 1', async () => {
      const bare = await member()
      await bare.ask({ type: 'publish', topic: '7_state', retain: true }, Buffer.from('on'))
      await bare.ask({ type: 'subscribe', filter: '7_state' })
      await until('it comes', () => bare.frames.length === 1)
      expect(bare.headers[0]).to.deep.equal({
        type: 'message',
        topic: '7_state',
        qos: 1,
        sender: { id: 'handler-h', kind: 'handler' },
        retain: true
      })
      const other = await door.test.handler('mqtt')
      await other.publishAsync('7_state', 'off', { qos: 2 })
      await until('the next comes', () => bare.frames.length === 2)
      expect(bare.headers[1]).to.deep.equal({
        type: 'message',
        topic: '7_state',
        qos: 1,
        sender: { id: 'handler-mqtt', kind: 'handler' }
      })
    })

    it('nothing more after unsubscribe', async () => {
      const bare = await member()
      await bare.ask({ type: 'subscribe', filter: 'a' })
      await bare.ask({ type: 'subscribe', filter: 'b' })
      expect(await bare.ask({ type: 'unsubscribe', filter: 'a' })).to.deep.equal({ type: 'unsubscribed' })
      await bare.ask({ type: 'publish', topic: 'a' })
      await bare.ask({ type: 'publish', topic: 'b' })
      await until('the other comes', () => bare.frames.length === 1)
      expect(bare.headers[0]).to.include({ topic: 'b' })
    })
  })

  describe('gives a message with QoS 1', () => {
    it('again when the handler fails, with its attempt, and does not hold up those behind it', async () => {
      const bare = await member()
      bare.onMessage = ({ payload, header }) => {
        if (payload.toString() === 'bad' && header.attempt === undefined) throw new Error('not now')
      }
      await bare.ask({ type: 'subscribe', filter: 'a' })
      await bare.ask({ type: 'publish', topic: 'a' }, Buffer.from('bad'))
      await bare.ask({ type: 'publish', topic: 'a' }, Buffer.from('good'))
      await until('it comes again', () => bare.frames.length === 3)
      const seen = bare.frames.map(({ payload, header }) => [payload.toString(), header.attempt])
      expect(seen).to.deep.equal([
        ['bad', undefined],
        ['good', undefined],
        ['bad', 2]
      ])
    })

    it('once, whatever is cut, while the session of token/2 goes on', async () => {
      const client = await door.client()
      const heard: number[] = []
      await client.subscribe('a', ({ payload }) => heard.push(Number(payload.toString())))
      for (let i = 0; i < 200; i++) {
        await door.test.broker.publish({ topic: 'a', payload: String(i), qos: 1 })
        if (i % 50 === 25) door.cut()
      }
      await until('all have come', () => heard.length >= 200)
      expect(heard).to.deep.equal(Array.from({ length: 200 }, (_, i) => i))
    })

    it('from the store to a session that was away, with the sender, in order, and each that was not settled again', async () => {
      const token = await handlerToken('h')
      const first = await member(token, { session: 's' })
      await first.ask({ type: 'subscribe', filter: 'ping' })
      first.onMessage = () => new Promise(() => undefined) // never settled
      const device = await door.test.device('7')
      await device.publishAsync('ping', '0', { qos: 1 })
      await until('it comes', () => first.frames.length === 1)
      await first.stop()
      await until('the broker knows', () => door.connections().length === 0)
      for (let i = 1; i < 300; i++) await device.publishAsync('ping', String(i), { qos: 1 })
      const second = await door.bare()
      const answer = await second.ask({ type: 'connect', token, session: 's' })
      expect(answer)
        .to.include({ present: true })
        .and.to.deep.include({ subscriptions: ['ping'] })
      await until('all have come', () => second.frames.length >= 300)
      expect(second.frames.map(({ payload }) => Number(payload.toString()))).to.deep.equal(
        Array.from({ length: 300 }, (_, i) => i)
      )
      expect(second.headers[0]).to.deep.include({ sender: { id: '7', kind: 'user' } })
      const queue = door.test.broker.storedQueue(`${encodeURIComponent('handler:handler-h')}:s`)
      while ((await queue.count()) > 0) await nextTurn()
    })

    it('to a session while it is published to at full speed, each once', async () => {
      const bare = await member(undefined, { session: 's' })
      await bare.ask({ type: 'subscribe', filter: 'a' })
      bare.onMessage = () => new Promise(resolve => setImmediate(resolve))
      const all = Array.from({ length: 2_000 }, (_, i) => i)
      await Promise.all(all.map(i => door.test.broker.publish({ topic: 'a', payload: String(i), qos: 1 })))
      await until('all have come', () => bare.frames.length >= all.length, 18_000)
      await bare.ask({ type: 'publish', topic: 'a' }, Buffer.from('2000'))
      await until('the last has come', () => bare.frames.some(({ payload }) => payload.toString() === '2000'))
      const numbers = bare.frames.map(({ payload }) => Number(payload.toString()))
      expect(numbers.sort((a, b) => a - b)).to.deep.equal([...all, 2_000])
    })

    it('to a session with more subscriptions than an answer can list', async () => {
      const first = await member(undefined, { session: 's' })
      const filters = Array.from({ length: 100 }, (_, i) => `${i}/${'x'.repeat(1_000)}`)
      for (const filter of filters) await first.ask({ type: 'subscribe', filter })
      await first.stop()
      await until('the broker knows', () => door.connections().length === 0)
      const second = await door.bare()
      const answer = await second.ask({ type: 'connect', token: await handlerToken('h'), session: 's' })
      expect(answer)
        .to.include({ type: 'connected', present: true })
        .and.not.to.have.property('subscriptions')
      await door.test.broker.publish({ topic: filters[99] as string, payload: 'x', qos: 1 })
      await until('it comes', () => second.frames.length === 1)
    })

    it('to nobody again whom a fresh token does not grant it any more', async () => {
      const bare = await member(await handlerToken('h', { subscribe: ['a', 'b'], publish: ['#'] }))
      for (const filter of ['a', 'b']) await bare.ask({ type: 'subscribe', filter })
      bare.onMessage = () => {
        throw new Error('not now')
      }
      for (const topic of ['a', 'b']) await bare.ask({ type: 'publish', topic })
      await until('both come', () => bare.frames.length === 2)
      await bare.ask({ type: 'renew', token: await handlerToken('h', { subscribe: ['b'], publish: ['#'] }) })
      await until('the granted one comes twice more', () => bare.frames.length === 4, 15_000)
      expect(bare.headers.slice(2).map(({ topic, attempt }) => [topic, attempt])).to.deep.equal([
        ['b', 2],
        ['b', 3]
      ])
    })

    it('to no session that begins anew', async () => {
      const first = await member(undefined, { session: 's' })
      await first.ask({ type: 'subscribe', filter: 'a' })
      await first.stop()
      await door.test.broker.publish({ topic: 'a', payload: 'x', qos: 1 })
      const second = await door.bare()
      const answer = await second.ask({
        type: 'connect',
        token: await handlerToken('h'),
        session: 's',
        clean: true
      })
      expect(answer).to.include({ present: false })
      await second.ask({ type: 'subscribe', filter: 'end' })
      await second.ask({ type: 'publish', topic: 'end' })
      await until('the end comes', () => second.frames.length > 0)
      expect(second.headers.map(({ topic }) => topic)).to.deep.equal(['end'])
    })

    it('to nobody else with a session of the same name', async () => {
      const first = await member(await handlerToken('a'), { session: 's' })
      await first.ask({ type: 'subscribe', filter: 'a' })
      const other = await door.bare()
      const answer = await other.ask({ type: 'connect', token: await handlerToken('b'), session: 's' })
      expect(answer).to.include({ present: false })
      expect(await first.ask({ type: 'publish', topic: 'a' })).to.include({ type: 'published' })
    })

    it('to the second of two connections with one session, and ends the first', async () => {
      const first = await member(undefined, { session: 's' })
      await first.ask({ type: 'subscribe', filter: 'a' })
      const second = await member(undefined, { session: 's' })
      expect((await first.closed()).at(-1)).to.include({ type: 'end', code: 'taken-over' })
      await second.ask({ type: 'publish', topic: 'a' })
      await until('it comes', () => second.frames.length === 1)
    })

    it('to a client without a session that takes nothing, up to a bound, and then ends it', async () => {
      const small = await TestDoor.start({ broker: { limits: { maxWaitingBytes: 10_000 } } })
      const bare = await small.bare()
      await bare.ask({ type: 'connect' })
      await bare.ask({ type: 'subscribe', filter: 'a' })
      bare.onMessage = ({ header }) => (header.type === 'end' ? undefined : new Promise(() => undefined))
      for (let i = 0; i < 11; i++)
        await small.test.broker.publish({ topic: 'a', payload: Buffer.alloc(1_000), qos: 1 })
      await until('it is ended', () => bare.headers.at(-1)?.type === 'end')
      expect(bare.headers.at(-1)).to.include({ code: 'slow' })
      expect(small.test.broker.counters.cutSlow).to.equal(1)
    })

    it('to a session that takes nothing: what is more than the bound waits in the store', async () => {
      const small = await TestDoor.start({ broker: { limits: { maxWaitingBytes: 10_000 } } })
      const bare = await small.bare()
      await bare.ask({ type: 'connect', session: 's' })
      await bare.ask({ type: 'subscribe', filter: 'a' })
      const settle: (() => void)[] = []
      bare.onMessage = () => new Promise<void>(resolve => settle.push(resolve))
      for (let i = 0; i < 30; i++)
        await small.test.broker.publish({ topic: 'a', payload: Buffer.alloc(1_000), qos: 1 })
      await until('ten have come', () => bare.frames.length === 10)
      await bare.ask({ type: 'unsubscribe', filter: 'none' })
      expect(bare.frames).to.have.length(10)
      while (bare.frames.length < 30 || settle.length > 0) {
        settle.shift()?.()
        await new Promise(resolve => setImmediate(resolve))
      }
    })
  })

  describe('ends a connection', () => {
    it('when its token does, and takes a fresh one before', async () => {
      const bare = await member(await handlerToken('h', { exp: inSeconds(2) }))
      const until = inSeconds(3)
      const answer = await bare.ask({ type: 'renew', token: await handlerToken('h', { exp: until }) })
      expect(answer).to.deep.equal({ type: 'renewed', expiresAt: until * 1_000 })
      expect((await bare.closed()).at(-1)).to.include({ type: 'end', code: 'token-expired' })
      expect(Date.now()).to.be.at.least(until * 1_000)
    })

    it('when its token is revoked', async () => {
      const bare = await member(await handlerToken('h', { jti: 'j' }))
      door.test.verifier.revocations.revoke({ tokenId: 'j' })
      expect((await bare.closed()).at(-1)).to.include({ type: 'end', code: 'token-revoked' })
    })

    it('that shows a token of somebody else', async () => {
      const bare = await member()
      expect(await bare.ask({ type: 'renew', token: await handlerToken('other') })).to.include({
        code: 'token-refused'
      })
      expect((await bare.closed()).at(-1)).to.include({ type: 'end' })
    })

    it('of subscriptions that a fresh token does not grant, and of nothing else', async () => {
      const bare = await member()
      for (const filter of ['a', 'b']) await bare.ask({ type: 'subscribe', filter })
      await bare.ask({ type: 'renew', token: await handlerToken('h', { subscribe: ['b'], publish: ['#'] }) })
      await bare.ask({ type: 'publish', topic: 'a' })
      await bare.ask({ type: 'publish', topic: 'b' })
      await until('the other comes', () => bare.frames.length === 1)
      expect(bare.headers[0]).to.include({ topic: 'b' })
      expect(await bare.ask({ type: 'subscribe', filter: 'a' })).to.include({ code: 'not-allowed' })
    })
  })

  it('shows its connections, and counts publishes and deliveries, with those of MQTT', async () => {
    const { counters } = door.test.broker
    const bare = await member()
    expect(counters.connections).to.equal(1)
    await bare.ask({ type: 'subscribe', filter: 'a' })
    const [shown] = [...door.test.broker.connections()]
    expect(shown).to.deep.include({
      user: 'handler:handler-h',
      address: '127.0.0.1',
      subscriptions: ['a'],
      waitingBytes: 0
    })
    await bare.ask({ type: 'publish', topic: 'a' })
    await until('it is delivered', () => counters.delivered === 1)
    expect(counters.published).to.equal(1)
    await bare.stop()
    await until('it is gone', () => counters.connections === 0)
    expect([...door.test.broker.connections()]).to.deep.equal([])
    const device = await door.test.device('7')
    device.publish('8_x', '')
    await closed(device)
  })
})
