import { isLong, needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import { BrokerGroup, closesWhatItOpened, Load, missingOf, tally } from '../helpers/broker-group'
import { startGroupBroker } from '../helpers/group-program'
import { closed, inbox, until } from '../helpers/test-broker'

const ROUNDS = isLong ? 20 : 2

/** The bound of the README, milliseconds. */
const WILLS_WITHIN = 30_000

describe('B12: one of two brokers is killed', () => {
  closesWhatItOpened()

  before(function () {
    needProgram(this, 'redis-server')
  })

  for (const qos of [1, 2] as const) {
    it(`under load of QoS ${qos}: nothing that was acknowledged is missing at subscribers that come back to the other`, async function () {
      this.timeout(30_000 + ROUNDS * 15_000)
      const group = await BrokerGroup.start(1)
      const [stays] = group.brokers
      let victim = await startGroupBroker(group.redis.url)
      // Each dials one and then the other, as behind a balancer.
      const either = () => ({
        servers: [
          { host: '127.0.0.1', port: victim.port, protocol: 'mqtt' as const },
          { host: '127.0.0.1', port: stays?.port as number, protocol: 'mqtt' as const }
        ]
      })
      const subscriber = await group.session(0, 'subscriber', either())
      await subscriber.subscribeAsync('t/#', { qos })
      const counts = tally(subscriber)
      const load = new Load(await group.session(0, 'publisher', either()), { topic: 't/1', qos })
      for (let round = 0; round < ROUNDS; round++) {
        const before = load.acknowledged.size
        await until('more is acknowledged', () => load.acknowledged.size > before + 300, 30_000)
        await victim.kill()
        const atKill = load.acknowledged.size
        await until('the other one goes on', () => load.acknowledged.size > atKill + 100, 30_000)
        victim = await startGroupBroker(group.redis.url, victim.port)
        subscriber.stream.destroy()
      }
      await load.stop()
      await until('all comes', () => missingOf(load, counts).length === 0, 30_000).catch(() => undefined)
      expect(missingOf(load, counts)).to.deep.equal([])
      if (qos === 2) for (const [id, times] of counts) expect(times, id).to.equal(1)
      if (isLong)
        console.log(`QoS ${qos}: ${ROUNDS} kills, ${load.acknowledged.size} acknowledged, none lost`)
    })
  }

  it('and another one sends the wills of its clients, each once, in time', async function () {
    this.timeout(WILLS_WITHIN + 20_000)
    const group = await BrokerGroup.start(2)
    const victim = await startGroupBroker(group.redis.url)
    const watcher = await group.session(0, 'watcher')
    await watcher.subscribeAsync('gone/+', { qos: 1 })
    const wills = inbox(watcher)
    const names = ['a', 'b', 'c']
    for (const name of names) {
      const will = { topic: `gone/${name}`, payload: name, qos: 1 as const, retain: false }
      await group.session(0, name, { port: victim.port, will, reconnectPeriod: 0 })
    }
    const back = await group.session(0, 'back', {
      port: victim.port,
      will: { topic: 'gone/back', payload: '', qos: 1, retain: false },
      reconnectPeriod: 0
    })
    const gone = closed(back)
    await victim.kill()
    await gone
    await group.session(1, 'back')
    await until('the wills come', () => wills.length >= names.length, WILLS_WITHIN)
    expect(wills.map(({ topic }) => topic).sort()).to.deep.equal(names.map(name => `gone/${name}`))
    const sent = group.brokers.flatMap(({ lines }) =>
      lines.filter(({ message }) => message === 'sent the will of a client whose broker is gone')
    )
    expect(sent).to.have.length(names.length)
  })
})
