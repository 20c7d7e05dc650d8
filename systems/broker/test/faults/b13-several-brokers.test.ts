import { setTimeout as wait } from 'node:timers/promises'
import { isLong, needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import { BrokerGroup, closesWhatItOpened, Load, missingOf, tally } from '../helpers/broker-group'
import { until } from '../helpers/test-broker'

/** Milliseconds within which messages are acknowledged again, and cross again, once the fault is over. */
const BACK_WITHIN = 5_000

/** LONG=1: each fault so often, and Redis stands still for so long, milliseconds. */
const [ROUNDS, STILL] = isLong ? [20, 10_000] : [1, 3_000]

interface Fault {
  /** Begins it, waits, and ends it. */
  readonly run: (group: BrokerGroup) => Promise<void>
  /** Redis has forgotten all: only what was acknowledged behind it can be asked for. */
  readonly forgets?: boolean
}

const faults: Record<string, Fault> = {
  'whose Redis is killed and started again': {
    run: async ({ redis }) => {
      await redis.kill()
      await wait(500)
      await redis.start()
    }
  },
  'whose Redis comes back empty': {
    forgets: true,
    run: async ({ redis }) => {
      redis.cli('CONFIG', 'SET', 'appendonly', 'no')
      redis.cli('FLUSHALL')
      await redis.kill()
      await redis.start()
      redis.cli('CONFIG', 'SET', 'appendonly', 'yes')
    }
  },
  'whose Redis stands still': {
    run: async ({ redis }) => {
      redis.freeze()
      await wait(STILL)
      redis.thaw()
    }
  },
  'one of which is cut off from Redis': {
    run: async group => {
      await group.cutOff(0)
      await wait(1_000)
      group.heal(0)
    }
  }
}

describe('B13: two brokers under load', () => {
  closesWhatItOpened()

  before(function () {
    needProgram(this, 'redis-server')
  })

  for (const [name, { run, forgets = false }] of Object.entries(faults)) {
    it(`${name}, ${forgets ? 'go on' : 'lose nothing that they acknowledged, and go on'} within ${BACK_WITHIN} ms`, async function () {
      this.timeout(ROUNDS * (STILL + 15_000) + 30_000)
      const group = await BrokerGroup.start(2)
      const subscriber = await group.session(1, 'subscriber')
      await subscriber.subscribeAsync('t', { qos: 1 })
      const counts = tally(subscriber)
      const loads = [0, 1].map(async index => {
        const publisher = await group.session(index, `p${index}`)
        return new Load(publisher, { topic: 't', qos: 1, prefix: `p${index}-` })
      })
      const [one, other] = (await Promise.all(loads)) as [Load, Load]
      const isUp = () => group.brokers.every(({ broker }) => broker.whyStoreDown === undefined)
      for (let round = 0; round < ROUNDS; round++) {
        const before = [one, other].map(load => load.acknowledged.size) as [number, number]
        const goOn = (load: Load, from: number) => load.acknowledged.size > from + 50
        await until('both acknowledge', () => goOn(one, before[0]) && goOn(other, before[1]))
        await run(group)
        if (forgets) await subscriber.subscribeAsync('t', { qos: 1 }).catch(() => undefined)
        const [first, second] = [one, other].map(load => load.acknowledged.size) as [number, number]
        const back = performance.now()
        await until('both acknowledge again', () => goOn(one, first) && goOn(other, second), BACK_WITHIN)
        await until('both are up', isUp, BACK_WITHIN)
        if (isLong) console.log(`${name}: back after ${Math.round(performance.now() - back)} ms`)
      }
      await one.stop()
      await other.stop()
      const missing = () => [...missingOf(one, counts), ...missingOf(other, counts)]
      if (forgets) return
      await until('all comes', () => missing().length === 0, 20_000).catch(() => undefined)
      expect(missing()).to.deep.equal([])
    })
  }

  it('say in their logs that Redis was away, and that messages may be missing', async function () {
    this.timeout(30_000)
    const group = await BrokerGroup.start(2)
    const said = (words: string) =>
      group.brokers.every(({ lines }) => lines.some(({ message }) => message.includes(words)))
    await group.redis.kill()
    await until('they say it', () => said('the store is away'))
    await group.redis.start()
    await until('they say that it is back', () => said('the store is back'), BACK_WITHIN)
    await until(
      'they say what may be missing',
      () => said('messages of other brokers may be missing'),
      BACK_WITHIN
    )
    for (const { broker } of group.brokers) expect(broker.counters.catchUps).to.be.greaterThan(0)
  })
})
