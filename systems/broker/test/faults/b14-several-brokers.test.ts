import { isLong, needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import { BrokerGroup, closesWhatItOpened, Load, missingOf, tally } from '../helpers/broker-group'
import { until } from '../helpers/test-broker'

/** LONG=1: so many. */
const MESSAGES = isLong ? 100_000 : 1_500

describe('B14: three brokers on one Redis', () => {
  closesWhatItOpened()

  before(function () {
    needProgram(this, 'redis-server')
  })

  for (const qos of [1, 2] as const) {
    it(`bring all of QoS ${qos}${qos === 2 ? ', none twice,' : ''} to a subscriber whose broker is cut off for a while`, async function () {
      this.timeout(isLong ? 900_000 : 40_000)
      const group = await BrokerGroup.start(3)
      const subscriber = await group.session(1, 'subscriber')
      await subscriber.subscribeAsync('t', { qos })
      const counts = tally(subscriber)
      const bystander = await group.session(2, 'bystander')
      await bystander.subscribeAsync('t', { qos })
      const others = tally(bystander)
      const load = new Load(await group.session(0, 'publisher'), { topic: 't', qos, most: MESSAGES })
      const reach = (share: number) =>
        until('more is acknowledged', () => load.acknowledged.size >= share * MESSAGES, 300_000)
      await reach(1 / 4)
      await group.cutOff(1)
      await reach(1 / 2)
      const whileCutOff = counts.size
      group.heal(1)
      await reach(1)
      await load.stop()
      const all = () => missingOf(load, counts).length + missingOf(load, others).length === 0
      await until('all comes', all, isLong ? 400_000 : 30_000).catch(() => undefined)
      expect(missingOf(load, counts)).to.deep.equal([])
      expect(missingOf(load, others)).to.deep.equal([])
      expect(load.acknowledged.size).to.equal(MESSAGES)
      expect(whileCutOff).to.be.lessThan(MESSAGES)
      if (qos === 2) for (const times of [...counts.values(), ...others.values()]) expect(times).to.equal(1)
      if (isLong) console.log(`QoS ${qos}: ${MESSAGES} messages, none lost`)
    })
  }

  it('close a client that has gone elsewhere while its broker was cut off, once it is back', async function () {
    this.timeout(30_000)
    const group = await BrokerGroup.start(2)
    const first = await group.session(0, 'handler', { reconnectPeriod: 0 })
    const [one] = group.brokers
    await until('it is in', () => one?.lines.some(({ message }) => message === 'connected') === true)
    await group.cutOff(0)
    await until('it is cut off', () => one?.broker.whyStoreDown !== undefined)
    const second = await group.session(1, 'handler', { reconnectPeriod: 0 })
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(first.connected).to.equal(true)
    group.heal(0)
    await until('it is closed', () => !first.connected)
    expect(second.connected).to.equal(true)
    const line = one?.lines.find(({ message }) => message === 'disconnected')
    expect(line?.fields.reason).to.equal('the client has connected to another broker')
  })
})
