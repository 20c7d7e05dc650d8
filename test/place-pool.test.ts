import { expect } from 'chai'
import { PlacePool } from '../lib/place-pool'

describe('PlacePool', () => {
  it('gives an array again, with its places, to one taker at a time', () => {
    const pool = new PlacePool<number>()
    const first = pool.take()
    first.push(1, 2, 3)
    pool.give(first)
    expect(pool.take()).to.equal(first)
    expect(first).to.have.length(3)
    expect(pool.take()).to.not.equal(first)
  })

  it('keeps 16, and none of more than 16,384 places', () => {
    const pool = new PlacePool<number>()
    const given = Array.from({ length: 20 }, () => pool.take())
    const long = new Array<number>(16_385).fill(0)
    for (const array of [long, ...given]) pool.give(array)
    const again = Array.from({ length: 21 }, () => pool.take())
    expect(again.filter(array => given.includes(array))).to.have.length(16)
    expect(again).to.not.include(long)
  })

  it('never keeps the array of an empty queue', () => {
    const pool = new PlacePool<number>()
    pool.give(pool.none)
    expect(pool.take()).to.not.equal(pool.none)
  })
})
