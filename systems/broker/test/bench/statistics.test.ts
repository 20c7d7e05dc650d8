import { expect } from 'chai'
import { Histogram, median } from '../../bench/histogram'
import { Topics } from '../../bench/topics'

describe('The histogram of the load test', () => {
  it('has no quantile without values', () => {
    expect(new Histogram().quantile(0.5)).to.be.NaN
  })

  it('gives each quantile within 1.6 % of that of the sorted values, from a millisecond to a minute', () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const values = randomValues(seed, 20_000).map(share => 60_000 ** share)
    const histogram = new Histogram()
    for (const value of values) histogram.add(value)
    values.sort((a, b) => a - b)
    expect(histogram.total).to.equal(values.length)
    for (const share of [0, 0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = values[Math.max(0, Math.ceil(share * values.length) - 1)] as number
      expect(histogram.quantile(share), `seed ${seed}, ${share}`).to.be.closeTo(exact, 0.016 * exact)
    }
  })

  it('of two processes is their sum', () => {
    const one = new Histogram()
    const other = new Histogram()
    for (let value = 0; value < 99; value++) one.add(1)
    other.add(1_000)
    one.addAll(new Histogram(other.counts))
    expect(one.total).to.equal(100)
    expect(one.quantile(0.99)).to.be.closeTo(1, 0.016)
    expect(one.quantile(1)).to.be.closeTo(1_000, 16)
  })

  it('takes a value below its lowest step, and one above its highest', () => {
    const histogram = new Histogram()
    for (const value of [-1, 0, Number.NaN, 1e300]) histogram.add(value)
    expect(histogram.quantile(0.75)).to.equal(0)
    expect(histogram.quantile(1)).to.be.above(1e6)
  })
})

describe('The median of rounds', () => {
  it('is the middle one, of two the lower, and of none not a number', () => {
    expect(median([3, 1, 2])).to.equal(2)
    expect(median([10, 9])).to.equal(9)
    expect(median([])).to.be.NaN
  })
})

describe('The topics of the load test', () => {
  it('have one subscriber each, below its own id, without a fan-out', () => {
    const topics = new Topics({ connections: 10, subscriptions: 50, fanOut: 1 })
    expect([topics.count, topics.each]).to.deep.equal([50, 5])
    expect(topics.firstOf(3)).to.equal(15)
    expect(topics.nameOf(17)).to.equal('1000003_t2')
    expect(topics.grant).to.deep.equal({})
  })

  it('have as many subscribers as the fan-out, each connection other topics', () => {
    const topics = new Topics({ connections: 6, subscriptions: 12, fanOut: 3 })
    const subscribers = new Map<number, number>()
    for (let connection = 0; connection < 6; connection++) {
      for (let index = 0; index < topics.each; index++) {
        const topic = topics.firstOf(connection) + index
        subscribers.set(topic, (subscribers.get(topic) ?? 0) + 1)
      }
    }
    expect([...subscribers]).to.deep.equal([0, 1, 2, 3].map(topic => [topic, 3]))
    expect(topics.count).to.equal(4)
    expect(topics.grant).to.deep.equal({ subscribe: ['room/+'] })
  })
})

/** Of a linear congruence: the same for the same seed. */
function randomValues(seed: number, count: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  })
}
