import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from '@redis/client'
import {
  closesWhatItOpened,
  freePort,
  needProgram,
  onCleanUp,
  RedisServer,
  TcpProxy,
  until
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { seededRandom } from 'token-server/testing'
import { type Bus, type BusOptions, createBus, createLogger } from '../../lib'
import { BatchWriter } from '../../lib/bus/batch'
import { Lines } from '../helpers/services'
import { describeBus, heardBy } from './contract'

describe('RedisBus', () => {
  closesWhatItOpened()

  let shared: RedisServer

  before(async function () {
    needProgram(this, 'redis-server')
    shared = await RedisServer.start()
  })

  after(() => shared?.remove())

  let count = 0

  function bus(over: Partial<BusOptions> = {}): Bus {
    const made = createBus({ name: `test-${count}`, url: shared.url, ...over })
    onCleanUp(() => made.close())
    return made
  }

  beforeEach(() => {
    count++
  })

  async function up(...buses: Bus[]): Promise<void> {
    await Promise.all(buses.map(({ ready }) => ready))
  }

  /** A Redis of a test's own, which it may kill. */
  async function ownRedis(...args: string[]): Promise<RedisServer> {
    const redis = await RedisServer.start(...args)
    onCleanUp(() => redis.remove())
    return redis
  }

  function gapsOf(of: Bus): (string | null)[] {
    const gaps: (string | null)[] = []
    of.on('gap', ({ from }) => gaps.push(from))
    return gaps
  }

  describeBus({
    async make(size) {
      const buses = Array.from({ length: size }, () => createBus({ name: `test-${count}`, url: shared.url }))
      await up(...buses)
      return buses
    }
  })

  it('does not hear a bus of another name', async () => {
    const [a, b, c] = [bus(), bus(), bus({ name: 'another' })]
    await up(a, b, c)
    const [heard, others] = [heardBy(b), heardBy(c)]
    a.publish('t', Buffer.of())
    await until(() => heard.length === 1)
    expect(others).to.deep.equal([])
  })

  it('gathers the messages of a millisecond in one batch', async () => {
    const [a, b] = [bus(), bus()]
    await up(a, b)
    const client = createClient({ url: shared.url })
    client.on('error', () => {})
    await client.connect()
    onCleanUp(() => client.destroy())
    const calls = async () => {
      const info = await client.info('commandstats')
      return Number(/cmdstat_publish:calls=(\d+)/.exec(info)?.[1] ?? 0)
    }
    const before = await calls()
    const heard = heardBy(b)
    for (let i = 0; i < 1_000; i++) a.publish('t', Buffer.from('x'.repeat(100)))
    await until(() => heard.length === 1_000)
    // Heartbeats of both may come in between.
    expect((await calls()) - before).to.be.at.most(20)
  })

  it('takes what is published before it is up, and sends it then', async () => {
    const redis = await ownRedis()
    const b = bus({ url: redis.url })
    await up(b)
    const a = bus({ url: redis.url })
    const heard = heardBy(b)
    a.publish('t', Buffer.from('early'))
    await until(() => heard.length === 1)
  })

  it('does not fail for a Redis that is away, says so once, and is up soon after it is there', async () => {
    const port = await freePort()
    const a = createBus({ name: 'late', url: `redis://127.0.0.1:${port}` })
    onCleanUp(() => a.close())
    const downs: string[] = []
    a.on('down', ({ why }) => downs.push(why))
    await until(() => downs.length === 1)
    await wait(500)
    expect(downs).to.deep.equal(['ECONNREFUSED'])
    expect(a.isUp).to.equal(false)
    const proxy = await TcpProxy.to(shared.port)
    proxy.target = await freePort()
    const b = createBus({ name: 'late', url: `redis://127.0.0.1:${proxy.port}` })
    onCleanUp(() => b.close())
    await once(b, 'down')
    proxy.target = shared.port
    await b.ready
    expect(b.stats).to.include({ losses: 0, gaps: 0 })
  })

  it('rejects ready when it is closed before it was up', async () => {
    const a = createBus({ name: 'never', url: `redis://127.0.0.1:${await freePort()}` })
    const asked = a.ready.catch(error => error as Error)
    await a.close()
    expect(await asked).to.have.property('code', 'ERR_BUS_CLOSED')
  })

  it('recovers within 5 s after Redis was killed and restarted under load, doubles nothing, and tells every loss', async function () {
    this.timeout(60_000)
    const redis = await ownRedis()
    const [a, b] = [bus({ url: redis.url }), bus({ url: redis.url })]
    await up(a, b)
    const heard: number[] = []
    b.subscribe((_topic, payload) => heard.push(Number(payload)))
    const gaps = gapsOf(b)
    let next = 0
    const load = setInterval(() => {
      for (let i = 0; i < 5; i++) a.publish('t', Buffer.from(String(next++)))
    }, 1)
    onCleanUp(() => clearInterval(load))
    for (let round = 0; round < 3; round++) {
      await until(() => heard.length > 0 && (heard.at(-1) as number) > next - 200)
      const gapsBefore = gaps.length
      const downs = Promise.all([once(a, 'down'), once(b, 'down')])
      await redis.kill()
      await downs
      await wait(300)
      await redis.start()
      const begun = performance.now()
      await Promise.all([a.isUp || once(a, 'up'), b.isUp || once(b, 'up')])
      const mark = next
      await until(() => (heard.at(-1) ?? 0) >= mark)
      expect(performance.now() - begun).to.be.lessThan(5_000)
      expect(gaps.slice(gapsBefore)).to.include(null)
    }
    clearInterval(load)
    await a.flush()
    await until(() => heard.at(-1) === next - 1)
    for (let i = 1; i < heard.length; i++) expect(heard[i]).to.be.greaterThan(heard[i - 1] as number)
    expect(a.stats.dropped).to.equal(0)
  })

  it('loses nothing of what is published while only the publisher is cut off', async () => {
    const proxy = await TcpProxy.to(shared.port)
    const [a, b] = [bus({ url: `redis://127.0.0.1:${proxy.port}` }), bus()]
    await up(a, b)
    const [heard, gaps] = [heardBy(b), gapsOf(b)]
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 100; i++) a.publish('t', Buffer.from(`${round} ${i}`))
      proxy.cutAll()
      for (let i = 100; i < 200; i++) a.publish('t', Buffer.from(`${round} ${i}`))
      await once(a, 'up')
      await a.flush()
    }
    await until(() => heard.length === 1_000)
    expect(new Set(heard).size).to.equal(1_000)
    expect(gaps).to.deep.equal([])
  })

  it('doubles and swaps nothing, and tells a gap wherever one is missing, while chance cuts both sides', async function () {
    this.timeout(60_000)
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31))
    const random = seededRandom(seed)
    const ends = await Promise.all([TcpProxy.to(shared.port), TcpProxy.to(shared.port)])
    for (const proxy of ends) proxy.cutAfter(() => 10_000 + Math.floor(random() * 60_000))
    const limits = { maxMessageBytes: 2_000, maxQueueBytes: 100_000 }
    const [a, b] = ends.map(({ port }) => bus({ url: `redis://127.0.0.1:${port}`, ...limits })) as [Bus, Bus]
    await up(a, b)
    const wrong: string[] = []
    for (const one of [a, b]) {
      // What it has heard last; a gap lets the next be any later one.
      let last = -1
      let mayMiss = true
      one.on('gap', () => {
        mayMiss = true
      })
      one.subscribe((_topic, payload, from) => {
        if (from === one.id) return
        const number = Number(payload.toString('utf8', 0, 8))
        if (number <= last || (number > last + 1 && !mayMiss)) wrong.push(`${number} after ${last}`)
        last = number
        mayMiss = false
      })
    }
    for (let number = 0; number < 1_500; number++) {
      for (const one of [a, b])
        one.publish(
          't',
          Buffer.from(
            String(number)
              .padStart(8, '0')
              .padEnd(Math.floor(random() * 400) + 8)
          )
        )
      if (random() < 0.3) await wait(1)
    }
    for (const proxy of ends) proxy.cutAfter(() => Number.POSITIVE_INFINITY)
    expect(ends[0].cuts + ends[1].cuts).to.be.greaterThan(2)
    await Promise.all([a.flush(), b.flush()])
    expect(wrong, `SEED=${seed}`).to.deep.equal([])
    expect(a.stats.received).to.be.greaterThan(10)
  })

  it('drops the oldest above maxQueueBytes while Redis is away, says so, and the others are told a gap', async () => {
    const proxy = await TcpProxy.to(shared.port)
    const limits = { maxMessageBytes: 100_000, maxQueueBytes: 1_000_000 }
    const [a, b] = [bus({ url: `redis://127.0.0.1:${proxy.port}`, ...limits }), bus()]
    await up(a, b)
    const [heard, gaps] = [heardBy(b), gapsOf(b)]
    a.publish('t', Buffer.from('first'))
    await until(() => heard.length === 1)
    proxy.target = await freePort()
    proxy.cutAll()
    await once(a, 'down')
    const results = Array.from({ length: 100 }, (_, i) =>
      a.publish('t', Buffer.alloc(50_000, String(i % 10)))
    )
    expect(results).to.include(true).and.include(false)
    const { dropped, queuedBytes } = a.stats
    expect(dropped).to.be.within(80, 95)
    expect(queuedBytes).to.be.at.most(1_000_000)
    proxy.target = shared.port
    await once(a, 'up')
    a.publish('t', Buffer.from('last'))
    await until(() => heard.at(-1) === 't last')
    expect(gaps).to.deep.equal([a.id])
    expect(heard).to.have.length(102 - dropped)
    await a.flush()
  })

  it('finds out within some seconds that Redis does not answer, and recovers when it does again', async function () {
    this.timeout(60_000)
    const redis = await ownRedis()
    const [a, b] = [bus({ url: redis.url }), bus({ url: redis.url })]
    await up(a, b)
    onCleanUp(() => redis.thaw())
    const downs = Promise.all([once(a, 'down'), once(b, 'down')])
    redis.freeze()
    const begun = performance.now()
    const [[{ why }]] = (await downs) as [[{ why: string }], unknown]
    expect(why).to.equal('Redis has not answered for 3000 ms')
    expect(performance.now() - begun).to.be.lessThan(7_000)
    const [heard, gaps] = [heardBy(b), gapsOf(b)]
    a.publish('t', Buffer.from('meanwhile'))
    redis.thaw()
    const thawed = performance.now()
    await Promise.all([a.isUp || once(a, 'up'), b.isUp || once(b, 'up')])
    a.publish('t', Buffer.from('after'))
    await until(() => heard.at(-1) === 't after')
    expect(performance.now() - thawed).to.be.lessThan(5_000)
    // Which of the two was back first is chance: b has had it, or knows that it may not have.
    expect(gaps).to.include(null)
  })

  it('tells a gap to a listener that Redis has cut off for being slow', async () => {
    const redis = await ownRedis()
    const [a, b] = [bus({ url: redis.url }), bus({ url: redis.url })]
    await up(a, b)
    const gaps = gapsOf(b)
    const client = createClient({ url: redis.url })
    client.on('error', () => {})
    await client.connect()
    onCleanUp(() => client.destroy())
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
    await until(() => gaps.includes(null))
    expect(b.isUp).to.equal(true)
  })

  it('has no word of the password in what it tells', async () => {
    const redis = await ownRedis('--requirepass', 'a-password-of-redis')
    const lines = new Lines()
    const log = createLogger({ name: 'test', destination: lines })
    const a = createBus({ name: 'test', url: `redis://:another-password@127.0.0.1:${redis.port}`, log })
    onCleanUp(() => a.close())
    await once(a, 'down')
    expect(lines.text).to.include('WRONGPASS').and.not.include('another-password')
    const b = createBus({ name: 'test', url: `redis://:a-password-of-redis@127.0.0.1:${redis.port}`, log })
    onCleanUp(() => b.close())
    await b.ready
    expect(lines.text).not.to.include('a-password-of-redis')
  })

  it('knows by their numbers what it has had, what is new and what is missing', async () => {
    const a = bus()
    await up(a)
    const [heard, gaps] = [heardBy(a), gapsOf(a)]
    const client = createClient({ url: shared.url })
    client.on('error', () => {})
    await client.connect()
    onCleanUp(() => client.destroy())
    const id = Buffer.alloc(16, 7)
    /** Messages that are named after their numbers. */
    const batch = (first: number, next: number, hasDropped = false) => {
      const writer = new BatchWriter(id)
      const add = (number: number) =>
        writer.add(String(number), Buffer.byteLength(String(number)), Buffer.of())
      for (let number = 0; number < first; number++) add(number)
      writer.take()
      for (let number = first; number < next; number++) add(number)
      if (hasDropped) writer.dropped()
      return client.publish(`token-server:bus:test-${count}`, writer.take().bytes)
    }
    const steps: [first: number, next: number, heard: number[], gaps: number][] = [
      [3, 5, [3, 4], 0],
      [3, 5, [], 0],
      [4, 6, [5], 0],
      [6, 6, [], 0],
      [2, 4, [], 0],
      [7, 8, [7], 1],
      [8, 8, [], 0],
      [10, 10, [], 1],
      [10, 11, [10], 0]
    ]
    for (const [first, next, numbers, missing] of steps) {
      const before = [heard.length, gaps.length] as const
      await batch(first, next)
      // What is published next arrives next.
      await client.publish(`token-server:bus:test-${count}`, 'mark')
      await until(() => gaps.at(-1) === null)
      gaps.pop()
      const news = heard.slice(before[0])
      expect(news, `${first} to ${next}`).to.deep.equal(numbers.map(number => `${number} `))
      expect(gaps.length - before[1], `${first} to ${next}`).to.equal(missing)
    }
    await batch(11, 12, true)
    await until(() => heard.at(-1) === '11 ')
    expect(gaps).to.have.length(3)
  })

  it('ignores what others publish on its channel, and says that it was no message of its own', async () => {
    const a = bus({ name: 'foreign' })
    await up(a)
    const [heard, gaps] = [heardBy(a), gapsOf(a)]
    const client = createClient({ url: shared.url })
    client.on('error', () => {})
    await client.connect()
    onCleanUp(() => client.destroy())
    for (const bytes of ['', 'x', 'y'.repeat(100)]) await client.publish('token-server:bus:foreign', bytes)
    await until(() => gaps.length === 3)
    expect(heard).to.deep.equal([])
  })
})
