import { expect } from 'chai'
import { seededRandom } from '../../lib/testing'

const draw = (seed: number, count: number) => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => random())
}

describe('seededRandom', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(draw(7, 100)).to.deep.equal(draw(7, 100))
    expect(draw(7, 100)).to.not.deep.equal(draw(8, 100))
    expect(draw(0, 3)).to.not.deep.equal(draw(-1, 3))
  })

  it('is spread evenly from 0 to below 1', () => {
    const numbers = draw(1, 10_000)
    expect(numbers.every(number => number >= 0 && number < 1)).to.equal(true)
    for (let tenth = 0; tenth < 10; tenth++) {
      expect(numbers.filter(number => Math.floor(number * 10) === tenth).length).to.be.within(880, 1_120)
    }
  })
})
