import { expect } from 'chai'
import { RoundTrip } from '../lib/round-trip'
import { FakeClock } from '../lib/testing'

describe('RoundTrip', () => {
  let clock: FakeClock
  let restore: () => void
  beforeEach(() => {
    clock = new FakeClock()
    restore = clock.install()
  })
  afterEach(() => restore())

  it('knows nothing before the first PONG', () => {
    const roundTrip = new RoundTrip()
    roundTrip.begin()
    expect(roundTrip.milliseconds).to.equal(null)
  })

  it('is the time from a PING to its PONG', () => {
    const roundTrip = new RoundTrip()
    const opaque = roundTrip.begin()
    clock.advance(40)
    roundTrip.end(opaque)
    expect(opaque).to.have.length(8)
    expect(roundTrip.milliseconds).to.equal(40)
  })

  it('ignores the PONG of an earlier PING', () => {
    const roundTrip = new RoundTrip()
    const earlier = roundTrip.begin()
    clock.advance(10)
    roundTrip.begin()
    roundTrip.end(earlier)
    expect(roundTrip.milliseconds).to.equal(null)
  })
})
