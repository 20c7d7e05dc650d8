import { expect } from 'chai'
import { durationOf, endOf, sinceText } from '../../lib/server/durations'

const DAY = 86_400_000

describe('Durations on a command line', () => {
  it('are a count and a unit', () => {
    expect(['90s', '10m', '12h', '30d'].map(text => durationOf(text))).to.deep.equal([
      90_000,
      600_000,
      DAY / 2,
      30 * DAY
    ])
    for (const text of ['', '0m', '10', 'm', '-1d', '1.5h', '1w', '1234567s', '10 m'])
      expect(() => durationOf(text), text).to.throw('is no time')
  })

  it('end from now on, or are a day or a moment', () => {
    expect(endOf('30d', 1000)).to.equal(1000 + 30 * DAY)
    expect(endOf('2027-01-31', 0)).to.equal(Date.UTC(2027, 0, 31))
    expect(endOf('2027-01-31T12:00:00Z', 0)).to.equal(Date.UTC(2027, 0, 31, 12))
    for (const text of ['2027-13-01', '2027-01-31x']) expect(() => endOf(text, 0), text).to.throw('is no day')
  })

  it('are told in the largest unit that fits', () => {
    const texts = [-5, 0, 59_999, 60_000, 3_599_999, 3_600_000, DAY - 1, DAY, 40 * DAY].map(sinceText)
    expect(texts).to.deep.equal(['0s', '0s', '59s', '1m', '59m', '1h', '23h', '1d', '40d'])
  })
})
