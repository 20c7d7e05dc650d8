import { expect } from 'chai'
import { randomBytes } from '../../lib/encoding/random-id'
import { OnceReplays } from '../../lib/sealing/once-replays'

const START = Date.UTC(2026, 10, 29)

describe('The memory of requests without a connection', () => {
  let time = 0
  const elapsed = () => time
  /** A device that has run for a minute. */
  function running(options = {}): OnceReplays {
    time = 0
    const replays = new OnceReplays(START, { elapsed, ...options })
    time = 60_000
    return replays
  }
  const now = () => START + time
  const request = (sentAt = now()) => ({ enc: randomBytes(32), sentAt })

  it('takes a request once', () => {
    const replays = running()
    const one = request()
    expect(replays.take(one, now())).to.equal(undefined)
    expect(replays.take(one, now())).to.equal('repeated')
    time += 119_000
    expect(replays.take(one, now())).to.equal('repeated')
  })

  it('refuses what is too old or too far ahead, and what it has forgotten is too old', () => {
    const replays = running({ maxAge: 30_000 })
    const one = request()
    expect(replays.take(request(now() - 30_001), now())).to.equal('late')
    expect(replays.take(request(now() + 10_001), now())).to.equal('ahead')
    expect(replays.take(one, now())).to.equal(undefined)
    time += 30_001
    expect(replays.take(one, now())).to.equal('late')
    expect(replays.size).to.equal(0)
  })

  it('refuses after a restart what may have been taken before it, and says which time helps', () => {
    const before = running()
    const ahead = request(now() + 9000)
    expect(before.take(ahead, now())).to.equal(undefined)
    const after = new OnceReplays(now(), { elapsed })
    time += 1
    expect(after.take(ahead, now())).to.equal('restarted')
    expect(after.take(request(), now())).to.equal('restarted')
    expect(after.take(request(after.clock(now())), now())).to.equal(undefined)
    time += 10_000
    expect(after.take(request(), now())).to.equal(undefined)
  })

  for (const step of [3_600_000, -3_600_000])
    it(`takes nothing twice when the clock is set ${step > 0 ? 'forward' : 'back'} by an hour`, () => {
      const replays = running({ maxAge: 30_000 })
      const taken = Array.from({ length: 5 }, () => request())
      for (const one of taken) expect(replays.take(one, now())).to.equal(undefined)
      time += 31_000
      replays.take(request(), now())
      let clock = now() + step
      expect(replays.take(request(clock), clock)).to.equal('restarted')
      for (let tick = 0; tick < 400; tick++, time += 10_000, clock += 10_000)
        for (const one of taken) expect(replays.take(one, clock)).not.to.equal(undefined)
      expect(replays.take(request(clock), clock)).to.equal(undefined)
    })

  it('refuses new ones when it is full, until the oldest are too old', () => {
    const replays = running({ maxRequests: 3 })
    for (let count = 0; count < 3; count++) expect(replays.take(request(), now())).to.equal(undefined)
    expect(replays.take(request(), now())).to.equal('busy')
    time += 120_001
    expect(replays.take(request(), now())).to.equal(undefined)
  })
})
