import { expect } from 'chai'
import { Rates } from '../../lib/quotas/rates'

/** How often it may, all at one moment. */
function timesAt(now: number, rates: Rates, keys: readonly string[], tries: number): number {
  let times = 0
  for (let index = 0; index < tries; index++)
    if (rates.take(keys[index % keys.length] as string, now)) times++
  return times
}

describe('Rates', () => {
  it('let ten seconds of a rate come at once, and the rate from then on, for each on its own', () => {
    const rates = new Rates(2)
    expect(timesAt(1_000, rates, ['one'], 50)).to.equal(20)
    expect(timesAt(1_000, rates, ['other'], 50)).to.equal(20)
    expect(timesAt(2_000, rates, ['one'], 50)).to.equal(2)
    expect(timesAt(60_000, rates, ['one'], 50)).to.equal(20)
  })

  it('give back what does not count', () => {
    const rates = new Rates(1)
    expect(timesAt(1_000, rates, ['one'], 50)).to.equal(10)
    rates.give('one', 3)
    rates.give('nobody', 3)
    expect(timesAt(1_000, rates, ['one'], 50)).to.equal(3)
  })

  it('make nobody faster who comes by ever new names', () => {
    const rates = new Rates(1)
    const names = Array.from({ length: 50_000 }, (_, index) => `name ${index}`)
    expect(timesAt(1_000, rates, ['known'], 4)).to.equal(4)
    // The bound of those that are remembered, and one rate for all others.
    expect(timesAt(1_000, rates, names, names.length)).to.equal(9_999 + 10)
    // Nobody was forgotten for it.
    expect(timesAt(1_000, rates, ['known'], 50)).to.equal(6)
    expect(timesAt(1_900, rates, names.slice(20_000), 50)).to.equal(0)
    expect(timesAt(60_000, rates, names, 9_000)).to.equal(9_000)
  })
})
