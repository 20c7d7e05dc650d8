import { expect } from 'chai'
import { GONE, QueuePlaces } from '../../lib/sending/queue-places'

const TOKEN = Buffer.from('token')

describe('QueuePlaces', () => {
  // What the tests before have left.
  beforeEach(() => {
    for (let i = 0; i < 16; i++) QueuePlaces.take()
  })

  it('are given again to one taker at a time', () => {
    const first = QueuePlaces.take()
    first.tokens.push(TOKEN, TOKEN, TOKEN)
    QueuePlaces.give(first)
    expect(QueuePlaces.take()).to.equal(first)
    expect(first.tokens).to.have.length(3)
    expect(QueuePlaces.take()).to.not.equal(first)
  })

  it('are kept 16 times, and never with more than 16,384 places', () => {
    const given = Array.from({ length: 20 }, () => QueuePlaces.take())
    const long = QueuePlaces.take()
    for (let i = 0; i < 16_385; i++) long.tokens.push(TOKEN)
    for (const places of [long, ...given]) QueuePlaces.give(places)
    const again = Array.from({ length: 21 }, () => QueuePlaces.take())
    expect(again.filter(places => given.includes(places))).to.have.length(16)
    expect(again).to.not.include(long)
  })

  it('of an empty queue are never kept', () => {
    QueuePlaces.give(QueuePlaces.none)
    expect(QueuePlaces.take()).to.not.equal(QueuePlaces.none)
  })

  it('move to the front, and hold nothing behind them', () => {
    const places = new QueuePlaces()
    const others = [1, 2, 3].map(length => Buffer.alloc(length))
    places.tokens.push(GONE, GONE, ...others)
    places.costs.push(0, 0, 5, 6, 7)
    places.shift(2, 5)
    expect(places.tokens).to.deep.equal([...others, GONE, GONE])
    expect(places.costs.slice(0, 3)).to.deep.equal([5, 6, 7])
  })
})
