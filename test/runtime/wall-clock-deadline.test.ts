import { expect } from 'chai'
import { type WallClock, WallClockDeadline } from '../../lib/runtime/wall-clock-deadline'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2030, 0, 1)

/** A clock whose timers and whose date can go apart, as they do in a machine that sleeps. */
class FakeClock implements WallClock {
  time = START
  readonly delays: number[] = []
  #pending: (() => void) | null = null

  now(): number {
    return this.time
  }

  schedule(expire: () => void, delay: number): () => void {
    this.delays.push(delay)
    this.#pending = expire
    return () => {
      if (this.#pending === expire) this.#pending = null
    }
  }

  get isArmed(): boolean {
    return this.#pending !== null
  }

  /** Lets the timer expire, when `passed` milliseconds have gone by. */
  expire(passed = this.delays.at(-1) ?? 0): void {
    this.time += passed
    const expire = this.#pending
    this.#pending = null
    expire?.()
  }
}

describe('WallClockDeadline', () => {
  it('is reached after a certificate of a year, not at once, in steps of an hour', () => {
    const clock = new FakeClock()
    let reached = 0
    new WallClockDeadline(new Date(START + 365 * DAY), () => reached++, clock)
    for (let steps = 0; steps < 365 * 24; steps++) clock.expire()
    expect(reached).to.equal(0)
    clock.expire()
    expect(reached).to.equal(1)
    expect(clock.time).to.equal(START + 365 * DAY + 1)
    expect(clock.isArmed).to.equal(false)
    expect(Math.max(...clock.delays)).to.equal(HOUR)
  })

  it('is not reached before the time of day, though its timer expired', () => {
    const clock = new FakeClock()
    let reached = 0
    new WallClockDeadline(new Date(START + 1000), () => reached++, clock)
    clock.expire(500)
    expect(reached).to.equal(0)
    clock.expire(500)
    expect(reached).to.equal(0)
    clock.expire()
    expect(reached).to.equal(1)
  })

  it('is reached at the first look after the date jumped', () => {
    const clock = new FakeClock()
    let reached = 0
    new WallClockDeadline(new Date(START + 100 * DAY), () => reached++, clock)
    clock.time += 200 * DAY
    clock.expire(HOUR)
    expect(reached).to.equal(1)
  })

  it('is reached soon, but never within the constructor, when the time has passed or is no time', () => {
    for (const at of [new Date(START - 1), new Date(Number.NaN)]) {
      const clock = new FakeClock()
      let reached = 0
      new WallClockDeadline(at, () => reached++, clock)
      expect(reached).to.equal(0)
      expect(clock.delays).to.deep.equal([0])
      clock.expire()
      expect(reached).to.equal(1)
    }
  })

  it('is never reached once cleared', () => {
    const clock = new FakeClock()
    const deadline = new WallClockDeadline(new Date(START + 1), () => expect.fail('reached'), clock)
    deadline.clear()
    expect(clock.isArmed).to.equal(false)
    clock.expire()
    deadline.clear()
  })

  it('goes by the clocks of the system', async () => {
    const started = Date.now()
    const farOff = new WallClockDeadline(new Date(started + 30 * DAY), () => expect.fail('reached'))
    await new Promise<void>(resolve => {
      const keepsAlive = setTimeout(() => {}, 5000)
      new WallClockDeadline(new Date(started + 20), () => {
        clearTimeout(keepsAlive)
        resolve()
      })
    })
    expect(Date.now()).to.be.within(started + 21, started + 4000)
    farOff.clear()
  })
})
