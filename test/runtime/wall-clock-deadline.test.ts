import { expect } from 'chai'
import { WallClockDeadline } from '../../lib/runtime/wall-clock-deadline'
import { FakeClock } from '../../lib/testing'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2030, 0, 1)

describe('WallClockDeadline', () => {
  let clock: FakeClock
  let restore: () => void
  let reached: number

  beforeEach(() => {
    clock = new FakeClock({ date: START })
    restore = clock.install()
    reached = 0
  })

  afterEach(() => restore())

  function make(at: number): WallClockDeadline {
    return new WallClockDeadline(new Date(at), () => reached++)
  }

  it('is reached after a certificate of a year, not at once, in steps of an hour', () => {
    make(START + 365 * DAY)
    for (let hours = 0; hours < 365 * 24; hours++) {
      clock.advance(HOUR)
      expect(clock.pending).to.equal(1)
    }
    expect(reached).to.equal(0)
    clock.advance(1)
    expect(reached).to.equal(1)
    expect(clock.pending).to.equal(0)
  })

  it('is not reached before the time of day, though its timer expired', () => {
    make(START + 1000)
    clock.jump(-500)
    clock.advance(1001)
    expect(reached).to.equal(0)
    clock.jump(-200)
    clock.advance(500)
    expect(reached).to.equal(0)
    clock.advance(200)
    expect(reached).to.equal(1)
  })

  it('is reached within an hour after the date jumped', () => {
    make(START + 100 * DAY)
    clock.jump(200 * DAY)
    clock.advance(HOUR - 1)
    expect(reached).to.equal(0)
    clock.advance(1)
    expect(reached).to.equal(1)
  })

  it('is reached soon, but never within the constructor, when the time has passed or is no time', () => {
    for (const at of [START - 1, Number.NaN]) {
      reached = 0
      make(at)
      expect(reached).to.equal(0)
      clock.advance(1)
      expect(reached).to.equal(1)
    }
  })

  it('is never reached once cleared', () => {
    const deadline = make(START + 1)
    deadline.clear()
    expect(clock.pending).to.equal(0)
    clock.advance(DAY)
    deadline.clear()
    expect(reached).to.equal(0)
  })

  it('goes by the clocks of the system', async () => {
    restore()
    const started = Date.now()
    const farOff = make(started + 30 * DAY)
    await new Promise<void>(resolve => {
      const keepsAlive = setTimeout(() => {}, 5000)
      new WallClockDeadline(new Date(started + 20), () => {
        clearTimeout(keepsAlive)
        resolve()
      })
    })
    expect(Date.now()).to.be.within(started + 21, started + 4000)
    farOff.clear()
    expect(reached).to.equal(0)
  })
})
