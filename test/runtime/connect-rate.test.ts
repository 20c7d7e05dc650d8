import { expect } from 'chai'
import { ConnectRate } from '../../lib/runtime/connect-rate'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

describe('ConnectRate', () => {
  let clock: FakeClock
  usesFakeClock(given => {
    clock = given
  })

  /** How many of so many connects at this moment are let in. */
  function taken(rate: ConnectRate, address: string, connects: number): number {
    let count = 0
    for (let i = 0; i < connects; i++) if (rate.take(address)) count++
    return count
  }

  it("lets in ten seconds' worth at once, and its rate from then on", () => {
    const rate = new ConnectRate(5)
    expect(taken(rate, '192.0.2.1', 100)).to.equal(50)
    clock.advance(1_000)
    expect(taken(rate, '192.0.2.1', 100)).to.equal(5)
    clock.advance(60_000)
    expect(taken(rate, '192.0.2.1', 100)).to.equal(50)
  })

  it('judges each address for itself', () => {
    const rate = new ConnectRate(1)
    expect(taken(rate, '192.0.2.1', 100)).to.equal(10)
    expect(taken(rate, '192.0.2.2', 100)).to.equal(10)
    expect(taken(rate, '::ffff:192.0.2.1', 100)).to.equal(10)
    expect(taken(rate, '::ffff:192.0.2.2', 100)).to.equal(10)
  })

  it('takes the addresses of one /64 of IPv6 for one, however they are shortened', () => {
    const rate = new ConnectRate(1)
    expect(taken(rate, '2001:db8:1:2::1', 6)).to.equal(6)
    expect(taken(rate, '2001:db8:1:2:3:4:5:6', 6)).to.equal(4)
    expect(taken(rate, '2001:db8:1:3::1', 20)).to.equal(10)
    expect(taken(rate, '2001:db8::1', 20)).to.equal(10)
    expect(taken(rate, '2001:db8::2:0:0:1', 20)).to.equal(0)
    expect(taken(rate, '::1', 20)).to.equal(10)
  })

  it('lets in all with an infinite rate, and remembers none', () => {
    const rate = new ConnectRate(Infinity)
    expect(taken(rate, '192.0.2.1', 1_000)).to.equal(1_000)
    expect(rate.size).to.equal(0)
  })

  it('forgets addresses that have been silent for long enough', () => {
    const rate = new ConnectRate(1)
    for (let i = 0; i < 100_000; i++) {
      rate.take(`198.51.${i >> 8}.${i & 255}`)
      clock.advance(1)
    }
    expect(rate.size).to.be.lessThan(4_096)
  })
})
