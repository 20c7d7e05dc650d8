import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, freePort, needProgram, onCleanUp, RedisServer } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { BrokerError } from '../../lib'
import type { StoredPacket } from '../../lib/store/base-persistence'
import { openStore } from '../../lib/store/open-store'
import { RedisStore, type RedisStoreOptions } from '../../lib/store/redis/redis-store'
import { SessionTakenError } from '../../lib/store/store'
import { TestBroker, until } from '../helpers/test-broker'
import { client, describeStore, packet, publish, read, STORE_OPTIONS, topicsOf } from './contract'

/** Why a store is not opened whose time is over before a busy machine has tried to connect. */
const NOT_YET = 'it was not reached yet'

describe('The store in Redis', () => {
  closesWhatItOpened()

  let redis: RedisServer
  let prefixes = 0
  let prefix = ''

  before(async function () {
    needProgram(this, 'redis-server')
    redis = await RedisServer.start()
  })

  after(() => redis?.remove())

  beforeEach(() => {
    prefix = `test-${++prefixes}`
  })

  /** @param id of its broker */
  async function open(id: string, over: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
    const { url } = redis
    const options = { ...STORE_OPTIONS, url, prefix, sessionTtl: 60_000, timeout: 5_000, ...over }
    const store = new RedisStore(options)
    onCleanUp(() => store.destroy())
    await store.setup({ id })
    return store
  }

  /** Where the time to reach Redis is short, a busy machine needs more than one try. */
  async function openAtLast(over: Partial<RedisStoreOptions>): Promise<RedisStore> {
    for (;;) {
      const store = await open('a', over).catch((error: BrokerError) => error)
      if (!(store instanceof Error)) return store
      expect(store.message).to.include(NOT_YET)
    }
  }

  /** Of this test, without the prefix. */
  function keys(): string[] {
    const all = redis.cli('--scan', '--pattern', `${prefix}:*`).split('\n')
    return all.map(key => key.slice(prefix.length + 1)).sort()
  }

  describe('as each store', () => {
    describeStore(() => {
      let starts = 0
      return Promise.resolve({ open: options => open(starts++ === 0 ? 'b' : `b${starts}`, options) })
    })
  })

  describe('is shared by brokers', () => {
    it('and misses no subscription that another one has granted before', async () => {
      const [a, b] = [await open('a'), await open('b')]
      for (let i = 0; i < 50; i++) {
        const session = { id: `user%3A1/${i}` }
        await b.addSubscriptions(session, [{ topic: `t/${i}/#`, qos: 1 }])
        await publish(a, `t/${i}/x`)
        expect(await b.queuedMessages(session.id), `subscription ${i}`).to.equal(1)
        await b.removeSubscriptions(session, [`t/${i}/#`])
        await publish(a, `t/${i}/x`)
        expect(await b.queuedMessages(session.id), `subscription ${i} is gone`).to.equal(1)
        await b.cleanSubscriptions(session)
      }
      expect(keys().filter(key => key.includes('user'))).to.deep.equal([])
    })

    it('also when more has changed than the log of changes holds', async () => {
      const [a, b] = [await open('a'), await open('b')]
      await a.addSubscriptions(client, [{ topic: 'first', qos: 1 }])
      const all = Array.from({ length: 2_600 }, (_, i) => ({ id: `user%3A1/${i}` }))
      await Promise.all(all.map(session => a.addSubscriptions(session, [{ topic: 'many', qos: 1 }])))
      await Promise.all(all.slice(1).map(session => a.cleanSubscriptions(session)))
      const [first] = all
      await publish(b, 'many')
      expect(await b.queuedMessages(first?.id ?? '')).to.equal(1)
      await publish(b, 'first')
      expect(await b.queuedMessages(client.id)).to.equal(1)
      expect((await b.subscriptionsByTopic('many')).map(({ clientId }) => clientId)).to.deep.equal([
        first?.id
      ])
    }).timeout(60_000)

    it('and reads a queue in the order in which all of them have stored', async () => {
      const stores = [await open('a'), await open('b'), await open('c')]
      await stores[0]?.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      for (let i = 0; i < 300; i++) {
        await publish(stores[i % 3] as RedisStore, 'q', {
          payload: Buffer.from(String(i)),
          brokerId: 'abc'[i % 3]
        })
      }
      const queued = await read((stores[1] as RedisStore).outgoingUnsent((await claimed(stores[1])) as never))
      expect(queued.map(({ payload }) => Number(payload))).to.deep.equal(
        Array.from({ length: 300 }, (_, i) => i)
      )
      expect(queued.map(({ brokerId }) => brokerId).slice(0, 3)).to.deep.equal(['a', 'b', 'c'])
    })

    async function claimed(store: RedisStore | undefined) {
      await store?.subscriptionsByClient(client)
      return client
    }

    it('and gives a session to the broker that goes on with it: the other one marks and acknowledges nothing more', async () => {
      const [a, b] = [await open('a'), await open('b')]
      await a.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      const message = await publish(a, 'q')
      await a.outgoingUpdate(client, { ...message, messageId: 1 })
      expect(await b.subscriptionsByClient(client)).to.deep.equal([{ topic: 'q', qos: 1 }])
      const error = await a
        .outgoingUpdate(client, { ...message, messageId: 2 })
        .catch((reason: Error) => reason)
      expect(error).to.be.instanceOf(Error).with.property('message').that.includes('TAKEN')
      expect(await a.outgoingClearMessageId(client, packet('', { messageId: 1 }))).to.equal(undefined)
      expect(await topicsOf(a.outgoingUnsent(client)).catch((reason: Error) => reason)).to.be.instanceOf(
        SessionTakenError
      )
      const [again] = await read(b.outgoingStream(client))
      expect(again?.messageId).to.equal(1)
      await b.outgoingClearMessageId(client, packet('', { messageId: 1 }))
      expect(await b.queuedMessages(client.id)).to.equal(0)
    })

    it('and refuses what an earlier connection of a broker had left on its way', async () => {
      const downs: string[] = []
      const before = await open('a', { onDown: why => downs.push(why) })
      await before.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      await open('a')
      const error = await publish(before, 'q').catch((reason: Error) => reason)
      expect(error).to.be.instanceOf(Error).with.property('message').that.includes('FENCED')
      expect(downs).to.deep.equal(['Redis says FENCED'])
      expect(await (await open('b')).queuedMessages(client.id)).to.equal(0)
    })

    it('and stores a QoS 2 packet once that reaches two of them', async () => {
      const [a, b] = [await open('a'), await open('b')]
      await a.addSubscriptions(client, [{ topic: 'q', qos: 2 }])
      const results = await Promise.allSettled(
        [a, b].map(async store => {
          const message = packet('q', { qos: 2, messageId: 3, properties: {} })
          await store.incomingStorePacket({ id: 'sender' }, message)
          await store.outgoingEnqueueCombi([], message)
        })
      )
      expect(results.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected'])
      expect(await a.queuedMessages(client.id)).to.equal(1)
    })

    it('and keeps the will of a session apart from that of its connection before, here and elsewhere', async () => {
      const [a, b] = [await open('a'), await open('b')]
      const put = async (store: RedisStore, topic: string) => {
        await store.delWill(client)
        await store.putWill(client, packet(topic))
      }
      await put(a, 'first')
      await put(a, 'second')
      await a.delWill({ ...client, brokerId: 'a' } as never) // the first connection ends
      await put(b, 'third')
      await a.delWill({ ...client, brokerId: 'a' } as never) // the second one
      const left = await b.delWill({ ...client, brokerId: 'b' } as never)
      expect(left?.topic).to.equal('third')
    })

    it('which send the wills of one that died, each once', async () => {
      const a = await open('a')
      const others = [await open('b'), await open('c')]
      const ids = Array.from({ length: 250 }, (_, i) => ({ id: `user%3A1/${i}` }))
      await Promise.all(ids.map(session => a.putWill(session, packet(session.id))))
      await others[0]?.putWill(client, packet('alive'))
      const wills = async (store: RedisStore | undefined) =>
        topicsOf((store as RedisStore).streamWill() as never)
      expect(await Promise.all(others.map(wills)), 'it is alive').to.deep.equal([[], []])
      await a.destroy()
      const sent = (await Promise.all(others.map(wills))).flat().sort()
      expect(sent).to.deep.equal(ids.map(({ id }) => id).sort())
      // One that dies before it has sent what it took leaves it to the next.
      await others[0]?.destroy()
      await others[1]?.destroy()
      const last = await open('d')
      const again: string[] = []
      for await (const will of last.streamWill() as AsyncIterable<StoredPacket & { clientId: string }>) {
        again.push(will.topic)
        await last.delWill({ id: will.clientId, brokerId: will.brokerId } as never)
      }
      expect(again.sort()).to.deep.equal(['alive', ...sent].sort())
      expect(keys().filter(key => key.startsWith('will'))).to.deep.equal([])
    })

    it('of one prefix only', async () => {
      const ours = await open('a')
      const theirs = await open('b', { prefix: `${prefix}-other` })
      await theirs.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      await publish(ours, 'q', { retain: true })
      expect(await theirs.queuedMessages(client.id)).to.equal(0)
      expect(await topicsOf(theirs.createRetainedStreamCombi(['#']))).to.deep.equal([])
    })
  })

  describe('forgets a session that nobody came back to', () => {
    it('with all of its keys (moscajs/aedes-persistence-redis#73)', async () => {
      const store = await open('a', { sessionTtl: 1_000, openSessions: () => ['user%3A2/open'] })
      for (const id of [client.id, 'user%3A2/open'])
        await store.addSubscriptions({ id }, [{ topic: 'q', qos: 2 }])
      const messages = [await publish(store, 'q', { qos: 2 }), await publish(store, 'q', { qos: 2 })]
      await store.outgoingUpdate(client, { ...(messages[0] as StoredPacket), messageId: 5 })
      const incoming = packet('q', { qos: 2, messageId: 1, properties: {} })
      await store.incomingStorePacket(client, incoming)
      await store.outgoingEnqueueCombi([], incoming)
      expect(keys()).to.include.members([
        `m:${client.id}`,
        `sent:${client.id}`,
        `in:${client.id}`,
        `of:user%3A1`
      ])
      const end = performance.now() + 8_000
      while (keys().some(key => key.includes('user%3A1')) && performance.now() < end) await wait(100)
      expect(keys().filter(key => key.includes('user%3A1'))).to.deep.equal([])
      expect(redis.cli('ZRANGE', `${prefix}:seen`, '0', '-1')).to.equal('user%3A2/open')
      expect((await store.subscriptionsByClient(client)).length).to.equal(0)
      await publish(store, 'q')
      expect(await store.queuedMessages('user%3A2/open'), 'the other one is connected').to.equal(4)
      expect(await store.queuedMessages(client.id)).to.equal(0)
    })

    it('and leaves no key of sessions that have ended', async () => {
      const store = await open('a')
      const before = keys()
      await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      const message = await publish(store, 'q')
      await store.removeSubscriptions(client, ['q'])
      expect(await store.queuedMessages(client.id), 'what waited stays').to.equal(1)
      await store.outgoingRemove(client, message)
      await store.subscriptionsByClient({ id: 'user%3A1/without' })
      expect(keys().filter(key => key !== 'log')).to.deep.equal(before)
    })
  })

  describe('whose Redis fails', () => {
    let own: RedisServer
    beforeEach(async () => {
      own = await RedisServer.start()
      onCleanUp(() => own.remove())
    })

    it('rejects at once while it is away, and goes on when it is back', async () => {
      const events: string[] = []
      const onDown = () => events.push('down')
      const onUp = () => events.push('up')
      const store = await open('a', { url: own.url, onDown, onUp, onError: () => undefined })
      await own.kill()
      await until('it is down', () => store.whyDown !== undefined)
      const began = performance.now()
      expect(await publish(store, 'q').catch((reason: Error) => reason)).to.be.instanceOf(Error)
      expect(await store.delWill(client), 'aedes expects that it does not reject').to.equal(undefined)
      expect(performance.now() - began).to.be.lessThan(1_000)
      await own.start()
      await until('it is up', () => store.whyDown === undefined)
      await publish(store, 'q')
      expect(events).to.deep.equal(['down', 'up'])
    })

    it('notices that it has come back empty, and subscribes those again that are connected', async () => {
      const errors: string[] = []
      const onError = (error: Error) => errors.push(error.message)
      const openSessions = () => [client.id]
      const [a, b] = [
        await open('a', { url: own.url, onError, openSessions }),
        await open('b', { url: own.url, onError: () => undefined })
      ]
      await a.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      await a.addSubscriptions({ id: 'away' }, [{ topic: 'q', qos: 1 }])
      const before = await publish(a, 'q')
      await own.kill()
      await own.start()
      await until('both are down', () => a.whyDown !== undefined && b.whyDown !== undefined)
      await until('both are up', () => a.whyDown === undefined && b.whyDown === undefined)
      expect(errors.join()).to.include('lost data')
      const after = await publish(b, 'q')
      expect(after.brokerCounter).to.be.greaterThan(before.brokerCounter as number)
      expect(await b.queuedMessages(client.id)).to.equal(1)
      expect(await a.subscriptionsByClient({ id: 'away' })).to.deep.equal([])
    })

    it('says nothing of lost data when it has come back with all that it had', async () => {
      const errors: string[] = []
      const durable = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
      onCleanUp(() => durable.remove())
      const a = await open('a', { url: durable.url, onError: error => errors.push(error.message) })
      const b = await open('b', { url: durable.url, onError: error => errors.push(error.message) })
      await a.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
      for (const store of [a, b, a]) await publish(store, 'q')
      await durable.kill()
      await durable.start()
      await until('both are down', () => a.whyDown !== undefined && b.whyDown !== undefined)
      await until('both are up', () => a.whyDown === undefined && b.whyDown === undefined)
      expect(await a.queuedMessages(client.id)).to.equal(3)
      expect(errors).to.deep.equal([])
    })

    it('cuts a connection that stands still', async () => {
      const downs: string[] = []
      const store = await openAtLast({ url: own.url, timeout: 500, onDown: why => downs.push(why) })
      downs.length = 0
      own.freeze()
      onCleanUp(() => own.thaw())
      const began = performance.now()
      expect(await publish(store, 'q').catch((reason: Error) => reason)).to.be.instanceOf(Error)
      expect(performance.now() - began).to.be.lessThan(3_000)
      expect(downs).to.deep.equal(['Redis has not answered for 500 ms'])
    })

    it('is not opened by a broker that cannot reach it, and the password is told to nobody', async () => {
      const redisUrl = `redis://user:secret@127.0.0.1:${await freePort()}`
      const failure = async (): Promise<Error> => {
        const store = await openStore({ redisUrl, redisTimeout: 300 }, STORE_OPTIONS)
        const error = await store.setup({ id: 'a' }).catch((reason: BrokerError) => reason)
        expect(error).to.include({ code: 'ERR_BROKER_STORE' })
        const { message } = error as Error
        expect(message).not.to.include('secret')
        return message.includes(NOT_YET) ? failure() : (error as Error)
      }
      expect((await failure()).message).to.include('ECONNREFUSED')
    })
  })

  it('tells of a Redis that would lose what was acknowledged', async () => {
    const warnings: string[] = []
    const onWarning = (why: string) => warnings.push(why)
    await open('a', { onWarning })
    expect(warnings.join()).to.include('appendonly no')
    warnings.length = 0
    const args = ['--appendonly', 'yes', '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']
    const lossy = await RedisServer.start(...args)
    onCleanUp(() => lossy.remove())
    await open('b', { url: lossy.url, onWarning })
    expect(warnings).to.have.length(1)
    expect(warnings.join()).to.include('allkeys-lru')
  })

  it('has the wills of those who were connected when its broker closes', async () => {
    const location = { redisUrl: redis.url, redisPrefix: prefix }
    const test = await TestBroker.start(location)
    onCleanUp(() => test.stop())
    const subscriber = await test.handler('watcher', { clientId: 'w', clean: false })
    await subscriber.subscribeAsync('left/#', { qos: 1 })
    await subscriber.endAsync()
    for (let i = 0; i < 20; i++) {
      await test.handler(`h${i}`, {
        will: { topic: `left/${i}`, payload: Buffer.from('x'), qos: 1, retain: true }
      })
    }
    redis.cli('CLIENT', 'PAUSE', '300', 'WRITE') // they queue up
    await test.broker.close()
    expect(keys().filter(key => key === 'wills')).to.deep.equal([])
    const next = await open('next')
    const id = `${encodeURIComponent('handler:handler-watcher')}/w`
    await next.subscriptionsByClient({ id })
    expect(await topicsOf(next.outgoingUnsent({ id }))).to.have.length(20)
    expect(await topicsOf(next.createRetainedStreamCombi(['left/+']))).to.have.length(20)
  })

  it('refuses options that contradict or are out of bounds', async () => {
    const redisUrl = 'redis://127.0.0.1'
    for (const location of [
      { redisUrl, folder: 'x' },
      { redisUrl: 'http://127.0.0.1' },
      { redisUrl: 'nonsense' },
      { redisUrl, redisPrefix: '' },
      { redisUrl, redisTimeout: 1 },
      { redisUrl, sessionTtl: Number.POSITIVE_INFINITY }
    ]) {
      const error = await openStore(location, STORE_OPTIONS).catch((reason: BrokerError) => reason)
      expect(error, JSON.stringify(location)).to.include({ code: 'ERR_BROKER_OPTION' })
    }
  })
})
