import { expect } from 'chai'
import { PlacePool } from '../../lib/runtime/place-pool'

describe('PlacePool', () => {
  it('gives places again to one taker at a time', () => {
    const pool = new PlacePool<number>()
    const first = pool.take()
    first.tokens.push(1, 2, 3)
    pool.give(first)
    expect(pool.take()).to.equal(first)
    expect(first.tokens).to.have.length(3)
    expect(pool.take()).to.not.equal(first)
  })

  it('keeps 16, and none of more than 16,384 places', () => {
    const pool = new PlacePool<number>()
    const given = Array.from({ length: 20 }, () => pool.take())
    const long = pool.take()
    for (let i = 0; i < 16_385; i++) long.tokens.push(0)
    for (const places of [long, ...given]) pool.give(places)
    const again = Array.from({ length: 21 }, () => pool.take())
    expect(again.filter(places => given.includes(places))).to.have.length(16)
    expect(again).to.not.include(long)
  })

  it('never keeps those of an empty queue', () => {
    const pool = new PlacePool<number>()
    pool.give(pool.none)
    expect(pool.take()).to.not.equal(pool.none)
  })
})
