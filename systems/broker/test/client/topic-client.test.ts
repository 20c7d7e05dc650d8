import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVerifier, JwtError, type Verifier } from '@token-server/identity'
import { clientOptions, closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { fullJitter } from 'token-server'
import { BrokerError } from '../../lib'
import type { Joined, TopicMessage } from '../../lib/client'
import { deviceToken, handlerToken, inbox, inSeconds, SECRET, until } from '../helpers/test-broker'
import { TestDoor } from '../helpers/test-door'

describe('A TopicClient', () => {
  closesWhatItOpened()
  let door: TestDoor

  beforeEach(async () => {
    door = await TestDoor.start()
  })

  it('says who it is, by its certificate or its token', async () => {
    expect(await (await door.client()).ready).to.include({ id: 'ann', kind: 'handler', present: false })
    const device = await door.client({ token: await deviceToken('7') })
    expect(await device.ready).to.include({ id: '7', kind: 'user' })
  })

  it('gives each message to all listeners whose filter matches, with its sender', async () => {
    const client = await door.client()
    const heard: [string, TopicMessage][] = []
    await client.subscribe('a/+', message => heard.push(['a/+', message]))
    await client.subscribe('a/#', message => heard.push(['a/#', message]), { qos: 0 })
    const other = await door.test.handler('h')
    await other.publishAsync('a/b', 'x', { qos: 1 })
    await until('both have it', () => heard.length === 2)
    const sender = { id: 'handler-h', kind: 'handler' }
    for (const [, message] of heard) {
      expect(message).to.deep.equal({
        topic: 'a/b',
        payload: Buffer.from('x'),
        qos: 1,
        sender,
        retain: false,
        attempt: 1
      })
    }
  })

  it('has published when the promise resolves', async () => {
    const client = await door.client()
    const heard: string[] = []
    door.test.broker.subscribe('a', ({ payload }) => heard.push(payload.toString()))
    await client.publish('a', 'x')
    await client.publish('a', Buffer.from('y'), { qos: 0 })
    expect(heard).to.deep.equal(['x', 'y'])
    await client.publish('7_state', 'on', { retain: true })
    const device = await door.test.device('7')
    const received = inbox(device)
    await device.subscribeAsync('7_state')
    await until('it is retained', () => received.length === 1)
  })

  it('publishes and subscribes before it is connected', async () => {
    const client = await door.dial()
    const heard: string[] = []
    await Promise.all([
      client.subscribe('a', ({ payload }) => heard.push(payload.toString())),
      client.publish('b', 'x')
    ])
    await client.publish('a', 'y')
    await until('it comes', () => heard.length === 1)
  })

  it('that subscribes before it is connected asks once: what is retained comes once, and a refusal is said once', async () => {
    await door.test.broker.publish({ topic: '7_state', payload: 'on', retain: true })
    const client = await door.dial({ token: await deviceToken('7') })
    const warnings: Error[] = []
    client.on('warning', error => warnings.push(error))
    const heard: string[] = []
    const refused = failureOf(client.subscribe('8_x', () => undefined))
    await client.subscribe('7_state', ({ payload }) => heard.push(payload.toString()))
    expect(await refused).to.include({ code: 'ERR_TOPIC_REFUSED', refusal: 'not-allowed' })
    await door.test.broker.publish({ topic: '7_state', payload: 'off' })
    await until('the last one comes', () => heard.includes('off'))
    expect(heard).to.deep.equal(['on', 'off'])
    expect(warnings).to.deep.equal([])
    expect(door.test.lines.filter(({ message }) => message === 'subscribed')).to.have.lengthOf(1)
  })

  it('is refused in words, with the code of the refusal, and goes on', async () => {
    const client = await door.client({ token: await deviceToken('7') })
    const published = await failureOf(client.publish('8_x', 'y'))
    expect(published).to.include({ code: 'ERR_TOPIC_REFUSED', refusal: 'not-allowed' })
    expect(published.message).to.match(/a device publishes commands only.*\([0-9a-f]{8}\)$/)
    const subscribed = await failureOf(client.subscribe('8_x', () => undefined))
    expect(subscribed).to.include({ code: 'ERR_TOPIC_REFUSED', refusal: 'not-allowed' })
    await client.publish('ping', 'y')
  })

  it('ends when its token is refused, and everything that waits rejects with that', async () => {
    const client = await door.dial({ token: `${await handlerToken('h')}x` })
    const waiting = failureOf(client.publish('a', 'x'))
    const [error] = (await once(client, 'error')) as [Error]
    expect(error)
      .to.have.property('refusal')
      .that.matches(/^token-/)
    expect(await waiting).to.have.property('code', 'ERR_TOPIC_CLOSED')
    expect(await failureOf(client.ready))
      .to.have.property('refusal')
      .that.matches(/^token-/)
  })

  it('goes on when the broker can not take it in now: the keys of the issuer are out of reach, or there are too many', async () => {
    const verifier = createVerifier({ issuers: { secret: SECRET } })
    let failures = 2
    const flaky = Object.assign(Object.create(verifier) as Verifier, {
      verify: (token: string) => {
        if (failures-- > 0)
          return Promise.reject(new JwtError('ERR_JWT_UNAVAILABLE', 'Cannot reach the keys'))
        return verifier.verify(token)
      },
      watch: verifier.watch.bind(verifier),
      close: () => verifier.close()
    })
    const limits = { maxConnectionsPerDevice: 1 }
    const away = await TestDoor.start({ broker: { verifier: flaky, limits } })
    const options = { connect: await quickly(away), token: await deviceToken('7') }
    const first = await away.client(options)
    expect(failures).to.equal(-1)
    const second = await away.dial(options)
    const [warning] = (await once(second, 'warning')) as [Error]
    expect(warning).to.include({ refusal: 'too-many-connections' })
    await first.close()
    await second.publish('ping', 'x')
  })

  it('publishes again what a broker that closes refuses', async () => {
    const client = await door.client({ connect: await quickly(door) })
    const { broker } = door.test
    const heard: string[] = []
    broker.subscribe('a', ({ payload }) => heard.push(payload.toString()))
    const publish = broker.publish.bind(broker)
    broker.publish = () =>
      Promise.reject(new BrokerError('ERR_BROKER_CLOSED', 'Cannot publish: because it is closed'))
    const published = client.publish('a', 'x')
    await until('it is refused', () => broker.refusals().some(({ why }) => why === 'the broker closes'))
    broker.publish = publish
    await published
    expect(heard).to.deep.equal(['x'])
  })

  it('ends when its token is revoked', async () => {
    const client = await door.client({ token: await handlerToken('h', { jti: 'j' }) })
    const ended = once(client, 'error') as Promise<[Error]>
    door.test.verifier.revocations.revoke({ tokenId: 'j' })
    expect((await ended)[0]).to.include({ code: 'ERR_TOPIC_ENDED', refusal: 'token-revoked' })
  })

  it('shows a fresh token before its token ends, when it is given a function', async () => {
    let given = 0
    const client = await door.client({
      token: () => {
        given++
        // A quarter of its time is left for the renewal.
        return handlerToken('h', { exp: given === 1 ? Date.now() / 1_000 + 4 : inSeconds(3_600) })
      }
    })
    await until('it is renewed', () => door.test.broker.counters.tokenRenewed === 1)
    expect(given).to.equal(2)
    expect(door.connections()).to.have.length(1)
    await client.publish('a', 'x')
  })

  it('goes on when nobody can give a token for some time, by renewals and by new connections', async function () {
    this.timeout(30_000)
    let calls = 0
    let isAway = false
    const client = await door.client({
      token: () => {
        calls++
        if (isAway || calls === 2) throw new Error('who gives tokens is away')
        return handlerToken('h', { exp: calls === 1 ? Date.now() / 1_000 + 8 : inSeconds(3_600) })
      }
    })
    const warnings: string[] = []
    client.on('warning', ({ message }) => warnings.push(message))
    await until('it is renewed by the second try', () => door.test.broker.counters.tokenRenewed === 1)
    expect(warnings).to.deep.equal(['who gives tokens is away'])
    isAway = true
    door.loseSessions()
    await until('it tries again and again', () => warnings.length >= 3)
    isAway = false
    await client.publish('a', 'x')
  })

  it('ends when it is given no token at first', async () => {
    const client = await door.dial({
      token: () => {
        throw new Error('there is none')
      }
    })
    expect(await failureOf(client.ready))
      .to.have.property('cause')
      .with.property('message', 'there is none')
  })

  it('is never whom its certificate names when its function gives no text, or throws what is no error', async () => {
    const first = await door.dial({ token: () => undefined as never })
    expect(await failureOf(first.ready))
      .to.have.property('cause')
      .that.includes({ code: 'ERR_TOPIC_OPTION' })
    const answers: (() => unknown)[] = [
      () => handlerToken('h'),
      () => '',
      () => {
        throw null
      }
    ]
    const client = await door.client({
      connect: await quickly(door),
      token: () => (answers.shift() ?? (() => handlerToken('h')))() as string
    })
    const warnings: string[] = []
    client.on('warning', ({ message }) => warnings.push(message))
    const { id } = await client.ready
    const joined = once(client, 'connect')
    door.loseSessions()
    expect(((await joined) as [Joined])[0].id).to.equal(id)
    expect(warnings).to.deep.equal(['Cannot use the option token: because it is no text, or empty', 'null'])
  })

  it('subscribes again after its connection was lost for good, and publishes what was under way', async () => {
    const client = await door.client()
    const heard: number[] = []
    await client.subscribe('a', ({ payload }) => heard.push(Number(payload.toString())))
    const published: Promise<void>[] = []
    for (let i = 0; i < 100; i++) {
      published.push(client.publish('a', String(i)))
      if (i % 30 === 15) {
        await new Promise(resolve => setImmediate(resolve))
        door.loseSessions()
      }
    }
    await Promise.all(published)
    await client.publish('a', '100')
    await until('the last comes', () => heard.includes(100))
    expect(await client.ready).to.include({ id: 'ann' })
  })

  it('with QoS 0 rejects a publish that was lost with its connection', async () => {
    const client = await door.client({ concurrency: 1 })
    const { promise: held, resolve } = withResolvers()
    const stop = door.test.broker.subscribe('a', () => {
      for (const connection of door.connections()) connection.destroy()
      resolve()
    })
    const error = await failureOf(client.publish('a', 'x', { qos: 0 }))
    await held
    stop()
    expect(error)
      .to.have.property('code')
      .that.matches(/^ERR_(FATE_UNKNOWN|NOT_SENT)$/)
    await client.publish('b', 'x', { qos: 0 })
  })

  it('is given a message again when its listener failed, and tells it as a warning', async () => {
    const client = await door.client()
    const warnings: Error[] = []
    client.on('warning', error => warnings.push(error))
    const attempts: number[] = []
    await client.subscribe('a', ({ attempt }) => {
      attempts.push(attempt)
      if (attempt === 1) throw new Error('not now')
    })
    await client.publish('a', 'x')
    await until('it comes again', () => attempts.length === 2)
    expect(attempts).to.deep.equal([1, 2])
    expect(warnings.map(({ message }) => message)).to.deep.equal(['not now'])
  })

  it('that is started again gets the messages of its session, also those that come before it has subscribed', async () => {
    const before = await door.client({ session: 's' })
    await before.subscribe('a', () => undefined)
    await before.close()
    for (let i = 0; i < 20; i++) await door.test.broker.publish({ topic: 'a', payload: String(i), qos: 1 })
    const after = await door.client({ session: 's' })
    expect(await after.ready).to.include({ present: true })
    const heard: number[] = []
    await after.subscribe('a', ({ payload, attempt }) => {
      expect(attempt).to.equal(1)
      heard.push(Number(payload.toString()))
    })
    await until('all come', () => heard.length === 20)
    expect(heard).to.deep.equal(Array.from({ length: 20 }, (_, i) => i))
  })

  it('gets the messages of its session after the broker was started again with its folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'door-store-'))
    onCleanUp(() => rmSync(folder, { recursive: true, force: true }))
    const first = await TestDoor.start({ broker: { folder } })
    const client = await first.client({ session: 's' })
    await client.subscribe('ping', () => undefined)
    await client.close()
    const device = await first.test.device('7')
    await device.publishAsync('ping', 'x', { qos: 1 })
    await first.stop()
    const second = await TestDoor.start({ broker: { folder } })
    const again = await second.client({ session: 's' })
    const heard: TopicMessage[] = []
    await again.subscribe('ping', message => heard.push(message))
    await until('it comes', () => heard.length === 1)
    expect(heard[0]?.sender).to.deep.equal({ id: '7', kind: 'user' })
    await again.close()
    await second.stop()
  })

  it('closes in order: what it published is there, a listener that works is waited for', async () => {
    const client = await door.client()
    let isDone = false
    const { promise: begun, resolve } = withResolvers()
    await client.subscribe('a', async () => {
      resolve()
      await new Promise(done => setTimeout(done, 50))
      isDone = true
    })
    const heard: string[] = []
    door.test.broker.subscribe('b', ({ payload }) => heard.push(payload.toString()))
    await client.publish('a', 'x')
    await begun
    const published = client.publish('b', 'y')
    await new Promise(done => setImmediate(done))
    await client.close()
    await published
    expect(isDone).to.equal(true)
    expect(heard).to.deep.equal(['y'])
    expect(await failureOf(client.publish('a', 'x'))).to.have.property('code', 'ERR_TOPIC_CLOSED')
  })

  it('that never connects rejects what waits when it is closed', async () => {
    const client = await door.dial({ connect: { host: '127.0.0.1', port: 1, refusedRetryTimeout: 0 } })
    client.on('disconnect', () => undefined)
    const waiting = failureOf(client.publish('a', 'x'))
    await client.close()
    expect(await waiting).to.have.property('code', 'ERR_TOPIC_CLOSED')
  })
})

async function quickly(door: TestDoor) {
  return await clientOptions(door.port, { reconnect: fullJitter({ initialDelay: 10, maxDelay: 50 }) })
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(
    () => {
      throw new Error('It did not fail')
    },
    (error: Error) => error
  )
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}
