import { expect } from 'chai'
import { clock, useClock } from '../../lib/runtime/clock'
import { Deadline } from '../../lib/runtime/deadline'
import { FakeClock } from '../../lib/testing'

describe('clock', () => {
  it("is Node's own by default", async () => {
    expect(clock.date()).to.be.closeTo(Date.now(), 1_000)
    expect(clock.now()).to.be.closeTo(performance.now(), 1_000)
    await new Promise<void>(resolve => clock.setTimeout(resolve, 1))
    await new Promise<void>(resolve => clock.setImmediate(resolve))
  })

  it('clears its timers', async () => {
    let count = 0
    clock.clearTimeout(clock.setTimeout(() => count++, 1))
    // Timers of one time run in the order in which they were set.
    await new Promise<void>(resolve => clock.setTimeout(resolve, 1))
    expect(count).to.equal(0)
  })
})

describe('useClock', () => {
  it('gives the library another clock, and gives the earlier one back', () => {
    const outer = new FakeClock({ now: 1, date: 10 })
    const inner = new FakeClock({ now: 2, date: 20 })
    const restoreOuter = useClock(outer)
    const restoreInner = useClock(inner)
    expect([clock.now(), clock.date()]).to.deep.equal([2, 20])
    restoreInner()
    expect([clock.now(), clock.date()]).to.deep.equal([1, 10])
    restoreOuter()
    expect(clock.date()).to.be.closeTo(Date.now(), 1_000)
  })

  it('is obeyed by a Deadline', async () => {
    const fake = new FakeClock()
    const restore = useClock(fake)
    let count = 0
    const deadline = new Deadline(30_000, () => count++)
    deadline.arm()
    await fake.elapse(29_999)
    expect(count).to.equal(0)
    deadline.arm()
    await fake.elapse(29_999)
    expect(count).to.equal(0)
    await fake.elapse(1)
    expect(count).to.equal(1)
    deadline.arm()
    deadline.clear()
    expect(fake.pending).to.equal(0)
    restore()
  })

  it('lets a Deadline clear a timer that Node made before', () => {
    const before = process.getActiveResourcesInfo().length
    const deadline = new Deadline(60_000, () => {})
    deadline.arm()
    const restore = useClock(new FakeClock())
    deadline.clear()
    restore()
    expect(process.getActiveResourcesInfo().length).to.equal(before)
  })
})
