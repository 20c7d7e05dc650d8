import { expect } from 'chai'
import { FakeClock } from '../../lib/testing'

describe('FakeClock', () => {
  it('stands still until it is moved, both times together', () => {
    const clock = new FakeClock({ now: 5, date: 1_000 })
    expect([clock.now(), clock.date()]).to.deep.equal([5, 1_000])
    clock.advance(7)
    expect([clock.now(), clock.date()]).to.deep.equal([12, 1_007])
  })

  it('begins at 0 on a day of its own', () => {
    const clock = new FakeClock()
    expect(clock.now()).to.equal(0)
    expect(new Date(clock.date()).toISOString()).to.equal('2020-01-01T00:00:00.000Z')
  })

  it('lets the wall clock jump without a timer noticing', () => {
    const clock = new FakeClock({ date: 0 })
    let expired = 0
    clock.setTimeout(() => expired++, 1_000)
    clock.jump(86_400_000)
    expect([clock.now(), clock.date(), expired]).to.deep.equal([0, 86_400_000, 0])
    clock.jump(-172_800_000)
    clock.advance(1_000)
    expect([clock.now(), clock.date(), expired]).to.deep.equal([1_000, -86_399_000, 1])
  })

  it('lets timers expire in the order in which they are due, each at its own time', () => {
    const clock = new FakeClock()
    const seen: string[] = []
    for (const [name, delay] of [
      ['c', 30] as const,
      ['a', 10] as const,
      ['b', 20] as const,
      ['d', 30] as const
    ]) {
      clock.setTimeout(() => seen.push(`${name}@${clock.now()}`), delay)
    }
    clock.advance(29)
    expect(seen).to.deep.equal(['a@10', 'b@20'])
    clock.advance(1)
    expect(seen).to.deep.equal(['a@10', 'b@20', 'c@30', 'd@30'])
    expect(clock.pending).to.equal(0)
  })

  it('lets a timer expire that another one set on the way', () => {
    const clock = new FakeClock()
    const seen: number[] = []
    clock.setTimeout(() => clock.setTimeout(() => seen.push(clock.now()), 10), 10)
    clock.advance(25)
    expect(seen).to.deep.equal([20])
    expect(clock.now()).to.equal(25)
  })

  it('does not let a cleared timer expire, nor start again', () => {
    const clock = new FakeClock()
    let count = 0
    const running = clock.setTimeout(() => count++, 10)
    const expired = clock.setTimeout(() => count++, 1)
    clock.advance(5)
    for (const timer of [running, expired]) {
      clock.clearTimeout(timer)
      timer.refresh()
    }
    clock.advance(100)
    expect([count, clock.pending]).to.deep.equal([1, 0])
  })

  it('counts anew on refresh, also of a timer that has expired', () => {
    const clock = new FakeClock()
    const seen: number[] = []
    const timer = clock.setTimeout(() => seen.push(clock.now()), 10)
    clock.advance(9)
    expect(timer.refresh()).to.equal(timer)
    clock.advance(9)
    expect(seen).to.deep.equal([])
    clock.advance(1)
    expect(timer.unref()).to.equal(timer)
    timer.refresh()
    clock.advance(10)
    expect(seen).to.deep.equal([19, 29])
  })

  for (const [delay, expected] of [
    [0, 1],
    [-5, 1],
    [NaN, 1],
    [1.9, 1],
    [2 ** 31, 1],
    [Infinity, 1],
    [2 ** 31 - 1, 2 ** 31 - 1]
  ] as const) {
    it(`expires after ${expected} ms when set to ${delay}, as Node does`, () => {
      const clock = new FakeClock()
      clock.setTimeout(() => {}, delay)
      clock.runAll()
      expect(clock.now()).to.equal(expected)
    })
  }

  it('runs all timers, also those that they set', () => {
    const clock = new FakeClock()
    let count = 0
    const again = () => {
      if (++count < 5) clock.setTimeout(again, 60_000)
    }
    clock.setTimeout(again, 60_000)
    clock.runAll()
    expect([count, clock.now(), clock.pending]).to.deep.equal([5, 300_000, 0])
  })

  it('gives up on timers that never end', () => {
    const clock = new FakeClock()
    const again = () => void clock.setTimeout(again, 1)
    again()
    expect(() => clock.runAll(50)).to.throw('Cannot run all timers: 50 expired and more run')
    expect(() => clock.runAll()).to.throw('10000 expired')
  })

  it('lets an exception of a callback through, and goes on afterwards', () => {
    const clock = new FakeClock()
    let count = 0
    clock.setTimeout(() => {
      throw new Error('mine')
    }, 1)
    clock.setTimeout(() => count++, 2)
    expect(() => clock.advance(10)).to.throw('mine')
    clock.advance(10)
    expect(count).to.equal(1)
  })

  it('elapses with promises and immediates in between, before the next timer', async () => {
    const clock = new FakeClock()
    const seen: string[] = []
    clock.setTimeout(() => {
      seen.push('timer 1')
      void Promise.resolve().then(() => seen.push('promise'))
      clock.setImmediate(() => clock.setImmediate(() => seen.push('immediate')))
    }, 10)
    clock.setTimeout(() => seen.push('timer 2'), 11)
    await clock.elapse(11)
    expect(seen).to.deep.equal(['timer 1', 'promise', 'immediate', 'timer 2'])
  })

  it('elapses through a timer that a promise sets on the way', async () => {
    const clock = new FakeClock()
    const sleep = (milliseconds: number) =>
      new Promise<void>(resolve => void clock.setTimeout(resolve, milliseconds))
    const seen: number[] = []
    const program = (async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(100)
        seen.push(clock.now())
      }
    })()
    await clock.elapse(250)
    expect(seen).to.deep.equal([100, 200])
    await clock.elapse(50)
    await program
    expect(seen).to.deep.equal([100, 200, 300])
  })

  it('gives up on what never settles', async () => {
    const clock = new FakeClock()
    let isRunning = true
    const again = () => {
      if (isRunning) clock.setImmediate(again)
    }
    again()
    const error = await clock.settle().catch((error: unknown) => error)
    isRunning = false
    expect(error)
      .to.be.an('error')
      .with.property('message')
      .that.matches(/^Cannot settle: after 100000 turns/)
  })
})
