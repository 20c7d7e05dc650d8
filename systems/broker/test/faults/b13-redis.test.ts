import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, isLong, needProgram, onCleanUp, RedisServer } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { MqttClient } from 'mqtt'
import { handlerToken, inbox, returnCode, TestBroker, until } from '../helpers/test-broker'

/** Milliseconds within which messages are acknowledged again once the fault is over. */
const BACK_WITHIN = 5_000

const IN_FLIGHT = 20

/** For how long a fault lasts, milliseconds; the broker notices the silence of Redis after `redisTimeout`. */
const [FAULT, REDIS_TIMEOUT] = isLong ? [10_000, 5_000] : [2_000, 800]
const ROUNDS = isLong ? 4 : 1

interface Fault {
  readonly begin: (redis: RedisServer) => unknown
  readonly end: (redis: RedisServer) => unknown
}

const faults: Record<string, Fault> = {
  'is killed': { begin: redis => redis.kill(), end: redis => redis.start() },
  'stands still': { begin: redis => redis.freeze(), end: redis => redis.thaw() },
  'pauses its clients': {
    // It can not be told to go on: that waits as well.
    begin: redis => redis.cli('CLIENT', 'PAUSE', String(2 * FAULT), 'ALL'),
    end: () => wait(FAULT)
  },
  'has no memory left': {
    begin: redis => redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
    end: redis => redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  },
  'is a replica that takes no writes': {
    begin: redis => redis.cli('REPLICAOF', '127.0.0.1', '1'),
    end: redis => redis.cli('REPLICAOF', 'NO', 'ONE')
  }
}

describe('B13: a broker whose Redis', () => {
  closesWhatItOpened()

  let redis: RedisServer
  let test: TestBroker

  beforeEach(async function () {
    needProgram(this, 'redis-server')
    redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    onCleanUp(() => redis.remove())
    test = await TestBroker.start({ redisUrl: redis.url, redisTimeout: REDIS_TIMEOUT })
    onCleanUp(() => test.stop())
  })

  async function dial(name: string): Promise<MqttClient> {
    const options = { clientId: name, clean: false, reconnectPeriod: 100 }
    const client = test.dial(await handlerToken(name), options)
    // Not before its queue was looked through: a client is cut that comes just when the store goes.
    const isIn = () =>
      test.lines.some(({ message, fields }) => {
        return message === 'connected' && String(fields.clientId).endsWith(`/${name}`)
      })
    await until(`${name} is connected`, () => client.connected && isIn())
    return client
  }

  for (const [name, { begin, end }] of Object.entries(faults)) {
    it(`${name} acknowledges nothing meanwhile, loses nothing, and is back within ${BACK_WITHIN} ms`, async function () {
      this.timeout(ROUNDS * (FAULT + 20_000) + 30_000)
      const subscriber = await dial('subscriber')
      const received = inbox(subscriber)
      await subscriber.subscribeAsync('t', { qos: 1 })
      const publisher = await dial('publisher')
      const acknowledged = new Set<string>()
      let next = 0
      let open = 0
      let isOver = false
      const publish = () => {
        if (isOver) return
        const id = String(next++)
        open++
        publisher.publish('t', id, { qos: 1 }, error => {
          open--
          if (!error) acknowledged.add(id)
          setImmediate(publish)
        })
      }
      for (let i = 0; i < IN_FLIGHT; i++) publish()
      for (let round = 0; round < ROUNDS; round++) {
        const before = acknowledged.size
        await until('messages are acknowledged', () => acknowledged.size > before + 100)
        const ended = wait(FAULT)
        await begin(redis)
        await until('the broker knows', () => test.broker.whyStoreDown !== undefined)
        const other = await returnCode(test.dial(await handlerToken('other')))
        expect(other, 'it is closed without CONNACK, behind which MQTT.js would give up').to.equal(undefined)
        expect(test.broker.refusals().at(-1)?.why).to.include('the store is away')
        // By now the publisher has all answers that came before the fault.
        const stored = acknowledged.size
        await ended
        expect(acknowledged.size, 'acknowledged without Redis').to.equal(stored)
        expect(test.broker.whyStoreDown).to.not.equal(undefined)
        await end(redis)
        await until('messages are acknowledged again', () => acknowledged.size > stored, BACK_WITHIN)
        expect(test.broker.whyStoreDown).to.equal(undefined)
      }
      isOver = true
      await until('all is acknowledged', () => open === 0)
      const missing = () => {
        const found = new Set(received.map(({ payload }) => payload))
        return [...acknowledged].filter(id => !found.has(id))
      }
      await until('all that was acknowledged comes', () => missing().length === 0).catch(() => undefined)
      expect(missing()).to.deep.equal([])
      const words = test.lines.map(({ message }) => message)
      expect(words).to.include('the store is away: nothing of QoS 1 and 2 is acknowledged')
      expect(words).to.include('the store is back')
    })
  }

  it('is away still carries QoS 0 to those who are connected', async () => {
    const subscriber = await dial('subscriber')
    const received = inbox(subscriber)
    await subscriber.subscribeAsync('t', { qos: 1 })
    const publisher = await dial('publisher')
    await redis.kill()
    await until('the broker knows', () => test.broker.whyStoreDown !== undefined)
    await publisher.publishAsync('t', 'x')
    await until('it comes', () => received.length === 1)
  })
})
