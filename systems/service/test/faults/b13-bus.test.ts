import { randomInt } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from '@redis/client'
import {
  closesWhatItOpened,
  isLong,
  needProgram,
  onCleanUp,
  RedisServer,
  TcpProxy,
  until
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { seededRandom } from 'token-server/testing'
import { type Bus, createBus } from '../../lib'

/** Milliseconds within which the bus is back once the fault is over. */
const BACK_WITHIN = 5_000

/** Messages a millisecond of each bus. */
const LOAD = 2

describe('B13 the bus while Redis fails', () => {
  closesWhatItOpened()

  before(function () {
    needProgram(this, 'redis-server')
  })

  interface World {
    readonly redis: RedisServer
    /** In front of the first bus alone. */
    readonly proxy: TcpProxy
  }

  async function command(redis: RedisServer, ...words: string[]): Promise<void> {
    const client = createClient({ url: redis.url })
    client.on('error', () => {})
    await client.connect()
    await client.sendCommand(words)
    client.destroy()
  }

  /** Each begins a fault, waits, and ends it. */
  const faults: Record<string, (world: World) => unknown> = {
    'is killed, and comes back empty': async ({ redis }) => {
      await redis.kill()
      await wait(500)
      await redis.start()
    },
    'is killed twice in a row': async ({ redis }) => {
      await redis.kill()
      await redis.start()
      await redis.kill()
      await redis.start()
    },
    'stands still for some seconds': async ({ redis }) => {
      redis.freeze()
      await wait(6_000)
      redis.thaw()
    },
    'stands still for less than is noticed': async ({ redis }) => {
      redis.freeze()
      await wait(1_000)
      redis.thaw()
    },
    'pauses its clients': async ({ redis }) => {
      await command(redis, 'CLIENT', 'PAUSE', '4000', 'ALL')
      await wait(4_000)
    },
    'is cut off from one of two': ({ proxy }) => proxy.cutAll(),
    'cuts all its clients off': ({ redis }) => command(redis, 'CLIENT', 'KILL', 'TYPE', 'pubsub'),
    'has no memory left': async ({ redis }) => {
      await command(redis, 'CONFIG', 'SET', 'maxmemory', '1')
      await wait(1_000)
      await command(redis, 'CONFIG', 'SET', 'maxmemory', '0')
    },
    'is made a replica that takes no writes': async ({ redis }) => {
      await command(redis, 'REPLICAOF', '127.0.0.1', '1')
      await wait(1_000)
      await command(redis, 'REPLICAOF', 'NO', 'ONE')
    }
  }

  /** Publishes numbers, and watches that the other's come in order, once, and none missing without a gap. */
  class Watched {
    readonly wrong: string[] = []
    last = -1
    next = 0
    readonly #timer: NodeJS.Timeout

    constructor(readonly bus: Bus) {
      let mayMiss = false
      bus.on('gap', () => {
        mayMiss = true
      })
      bus.subscribe((_topic, payload, from) => {
        if (from === bus.id) return
        const number = Number(payload)
        if (number <= this.last || (number > this.last + 1 && !mayMiss))
          this.wrong.push(`${number} after ${this.last}`)
        this.last = number
        mayMiss = false
      })
      this.#timer = setInterval(() => {
        for (let i = 0; i < LOAD; i++) bus.publish('t', Buffer.from(String(this.next++)))
      }, 1)
      onCleanUp(() => this.stop())
    }

    stop(): void {
      clearInterval(this.#timer)
    }
  }

  async function play(names: readonly string[], words: string): Promise<void> {
    const redis = await RedisServer.start()
    onCleanUp(() => redis.remove())
    const proxy = await TcpProxy.to(redis.port)
    const urls = [`redis://127.0.0.1:${proxy.port}`, redis.url]
    const buses = urls.map(url => createBus({ name: 'b13', url }))
    for (const bus of buses) onCleanUp(() => bus.close())
    await Promise.all(buses.map(({ ready }) => ready))
    const [a, b] = buses.map(bus => new Watched(bus)) as [Watched, Watched]
    await until(() => a.last > 0 && b.last > 0)
    for (const name of names) {
      await faults[name]?.({ redis, proxy })
      const over = performance.now()
      const marks = [a.next, b.next] as const
      // What waits may be a lot; what counts is that news pass again.
      await until(() => a.bus.isUp && b.bus.isUp && a.last >= marks[1] && b.last >= marks[0])
      expect(performance.now() - over, `${name}, ${words}`).to.be.lessThan(BACK_WITHIN)
    }
    for (const watched of [a, b]) watched.stop()
    await Promise.all(buses.map(bus => bus.flush()))
    await until(() => a.last === b.next - 1 && b.last === a.next - 1)
    for (const { wrong, bus } of [a, b]) {
      expect(wrong, words).to.deep.equal([])
      expect(bus.stats.dropped, words).to.equal(0)
    }
  }

  for (const name of Object.keys(faults)) {
    it(`B13 Redis ${name}: both buses are back within 5 s, double nothing, and tell what may be missing`, async () => {
      await play([name], name)
    })
  }

  const rounds = isLong ? 60 : 20

  it(`B13 ${rounds} faults by chance, one after another: no bus ends, none doubles, none keeps a loss to itself`, async function () {
    this.timeout(600_000)
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31))
    const random = seededRandom(seed)
    const names = Object.keys(faults)
    const chosen = Array.from({ length: rounds }, () => names[Math.floor(random() * names.length)] as string)
    await play(chosen, `SEED=${seed}`)
  })
})
