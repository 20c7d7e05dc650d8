import { expect } from 'chai'
import { randomBytes } from '../../lib/encoding/random-id'
import { OnceReplays, type OnceReplaysOptions } from '../../lib/sealing/once-replays'
import type { Clock } from '../../lib/time/clock'
import type { Moment } from '../../lib/wire/message'

describe('The memory of requests without a connection', () => {
  let elapsed: number
  let date: number
  const clock = { now: () => elapsed, date: () => date } as Clock
  const pass = (milliseconds: number) => {
    elapsed += milliseconds
    date += milliseconds
  }
  /** A device that has run for a minute. */
  function running(options: OnceReplaysOptions = {}): OnceReplays {
    elapsed = 5_000
    date = Date.UTC(2026, 10, 29)
    const replays = new OnceReplays(clock, options)
    pass(60_000)
    return replays
  }
  const request = ({ moment: [epoch, milliseconds] }: OnceReplays, later = 0) =>
    [randomBytes(32), [epoch, milliseconds + later] as Moment] as const

  it('takes a request once', () => {
    const replays = running()
    const one = request(replays)
    expect(replays.take(...one)).to.equal(undefined)
    expect(replays.take(...one)).to.equal('repeated')
    pass(119_000)
    expect(replays.take(...one)).to.equal('repeated')
  })

  it('refuses what is too old, and what it has forgotten is too old', () => {
    const replays = running({ maxAge: 30_000 })
    const one = request(replays)
    expect(replays.take(...request(replays, -30_001))).to.have.property('untakenFor')
    expect(replays.take(...one)).to.equal(undefined)
    pass(30_001)
    expect(replays.take(...one)).to.have.property('untakenFor')
    expect(replays.size).to.equal(0)
  })

  it('never takes what came before its time', () => {
    const replays = running()
    expect(replays.take(...request(replays, 10_000))).to.equal(undefined)
    const early = request(replays, 3_600_000)
    expect(replays.take(...early)).to.have.property('untakenFor')
    for (let minutes = 0; minutes < 65; minutes++, pass(60_000))
      expect(replays.take(...early)).to.have.property('untakenFor')
    expect(replays.take(...request(replays))).to.equal(undefined)
  })

  it('remembers a bounded number of those, and then begins a new epoch', () => {
    const replays = running()
    const early = Array.from({ length: 1_001 }, () => request(replays, 20_000))
    const before = request(replays)
    for (const one of early) expect(replays.take(...one)).to.have.property('untakenFor')
    expect(replays.take(...before)).to.have.property('untakenFor')
    pass(20_000)
    for (const one of early) expect(replays.take(...one)).to.have.property('untakenFor')
    expect(replays.take(...request(replays))).to.equal(undefined)
  })

  it('takes nothing that says no moment, or that of another device', () => {
    const replays = running()
    const [epoch, now] = replays.moment
    const others = [[epoch], [epoch, '1'], [epoch, Number.NaN], [epoch, Number.POSITIVE_INFINITY], ['', now]]
    for (const at of [undefined, null, 'x', epoch, now, {}, [], [now, epoch], ...others])
      expect(replays.take(randomBytes(32), at), JSON.stringify(at)).to.have.property('untakenFor')
    expect(running().take(randomBytes(32), [epoch, now])).to.have.property('untakenFor')
  })

  it('takes nothing of before a restart, taken or not, and at once what is sealed after it', () => {
    const before = running()
    const [taken, held] = [request(before), request(before, 9_000)]
    expect(before.take(...taken)).to.equal(undefined)
    const after = new OnceReplays(clock)
    for (let tick = 0; tick < 100; tick++, pass(2_000))
      for (const one of [taken, held]) expect(after.take(...one)).to.have.property('untakenFor')
    expect(after.take(...request(after))).to.equal(undefined)
  })

  for (const step of [3_600_000, -3_600_000])
    it(`takes nothing of before when the clock is set ${step > 0 ? 'forward' : 'back'} by an hour`, () => {
      const replays = running({ maxAge: 30_000 })
      const taken = Array.from({ length: 5 }, () => request(replays))
      const held = request(replays)
      for (const one of taken) expect(replays.take(...one)).to.equal(undefined)
      date += step
      for (let tick = 0; tick < 400; tick++, pass(10_000))
        for (const one of [...taken, held]) expect(replays.take(...one)).to.have.property('untakenFor')
      expect(replays.take(...request(replays))).to.equal(undefined)
    })

  it('goes on while a clock is corrected by less than a second', () => {
    const replays = running()
    const one = request(replays)
    expect(replays.take(...one)).to.equal(undefined)
    date -= 900
    expect(replays.take(...one)).to.equal('repeated')
    expect(replays.take(...request(replays))).to.equal(undefined)
  })

  it('begins a new epoch when it is full, and takes nothing of before', () => {
    const replays = running({ maxRequests: 3 })
    const all = Array.from({ length: 5 }, () => request(replays))
    for (const one of all.slice(0, 3)) expect(replays.take(...one)).to.equal(undefined)
    for (const one of all.slice(3)) expect(replays.take(...one)).to.have.property('untakenFor')
    for (const one of all) expect(replays.take(...one)).to.have.property('untakenFor')
    expect(replays.size).to.equal(0)
    expect(replays.take(...request(replays))).to.equal(undefined)
  })

  it('says for how long it is sure not to have taken what it refuses', () => {
    const replays = running({ maxAge: 30_000, maxRequests: 2 })
    const untaken = (one: ReturnType<typeof request>) => {
      const refusal = replays.take(...one)
      return typeof refusal === 'object' ? refusal.untakenFor : 'taken'
    }
    const [one, early, fresh] = [request(replays), request(replays, 20_000), request(replays, 9_000)]
    expect(untaken(early)).to.equal(undefined)
    expect(replays.take(...one)).to.equal(undefined)
    pass(31_000)
    expect(untaken(early)).to.equal(undefined)
    expect(untaken(one)).to.equal(1_000)
    expect(replays.take(...fresh)).to.equal(undefined)
    expect(replays.take(...request(replays))).to.equal(undefined)
    expect(untaken(request(replays)), 'when it is full').to.equal(undefined)
    pass(700)
    expect(untaken(fresh), 'of the epoch before').to.equal(700)
    date -= 5_000
    expect(untaken(request(replays)), 'when the clock was set').to.equal(0)
  })
})
