import { expect } from 'chai'
import { LimitedLog } from '../../lib'

describe('LimitedLog', () => {
  it('lets the first five of a kind through in a period, and tells how many more there were', () => {
    const told: [string, number][] = []
    const log = new LimitedLog((kind, more) => told.push([kind, more]))
    expect([1, 2, 3, 4, 5, 6, 7].filter(() => log.may('a'))).to.have.length(5)
    expect(log.may('b')).to.equal(true)
    log.flush()
    expect(told).to.deep.equal([['a', 2]])
    expect(log.may('a')).to.equal(true)
    log.flush()
    expect(told).to.have.length(1)
  })
})
