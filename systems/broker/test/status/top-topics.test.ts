import { expect } from 'chai'
import { TopTopics } from '../../lib/status/top-topics'
import { TestBroker, until } from '../helpers/test-broker'

describe('TopTopics', () => {
  let test: TestBroker
  let topics: TopTopics | undefined

  beforeEach(async () => {
    test = await TestBroker.start()
  })
  afterEach(async () => {
    topics?.stop()
    await test.stop()
  })

  const names = () => topics?.report().topics.map(({ topic }) => topic)

  async function publish(topic: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) await test.broker.publish({ topic, payload: 'four' })
  }

  it('has the ten busiest, the busiest first, but none that begins with $', async () => {
    topics = new TopTopics(test.broker)
    expect(topics.report()).to.deep.equal({ topics: [], uncertainty: 0 })
    for (let count = 1; count <= 12; count++) await publish(`t/${count}`, count)
    await publish('$metrics/x', 20)
    expect(names()).to.deep.equal([12, 11, 10, 9, 8, 7, 6, 5, 4, 3].map(count => `t/${count}`))
    const [first] = topics.report().topics
    expect(first?.bytesPerSecond).to.be.closeTo(4 * (first?.messagesPerSecond as number), 1e-6)
  })

  it('counts nothing until somebody asks, and no longer when nobody has asked for a while', async () => {
    topics = new TopTopics(test.broker, { window: 1_000, patience: 1_000 })
    await publish('before', 5)
    expect(topics.isCounting).to.equal(false)
    expect(names()).to.deep.equal([])
    expect(topics.isCounting).to.equal(true)
    await until('it has stopped', () => topics?.isCounting === false)
    await publish('meanwhile', 5)
    expect(names()).to.deep.equal([])
    await publish('again', 5)
    expect(names()).to.deep.equal(['again'])
  })

  it('forgets a topic of which nothing came for two windows', async () => {
    topics = new TopTopics(test.broker, { window: 1_000, patience: 10_000 })
    topics.report()
    await publish('once', 5)
    expect(names()).to.deep.equal(['once'])
    await until('it is forgotten', () => names()?.length === 0)
  })

  it('finds the busy topic among those of a stranger who publishes to a new one each time', async () => {
    topics = new TopTopics(test.broker)
    topics.report()
    for (let count = 0; count < 5_000; count++) {
      await publish(`stranger/${count}`, 1)
      if (count % 20 === 0) await publish('busy', 1)
    }
    expect(names()?.[0]).to.equal('busy')
    expect(topics.report().uncertainty).to.be.above(0)
  })
})
