import { expect } from 'chai'
import { Flushing } from '../../lib/client/flushing'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

describe('Flushing', () => {
  let clock: FakeClock
  let expired: number
  let flushing: Flushing

  usesFakeClock(made => {
    clock = made
  })

  beforeEach(() => {
    expired = 0
    flushing = new Flushing(() => expired++)
  })

  it('is off, with all the time there is, until it begins', () => {
    expect([flushing.isOn, flushing.timeLeft]).to.deep.equal([false, Infinity])
  })

  it('expires once, after its timeout and not before', async () => {
    flushing.begin(1000)
    await clock.elapse(999)
    expect([flushing.isOn, flushing.timeLeft, expired]).to.deep.equal([true, 1, 0])
    await clock.elapse(1)
    expect(expired).to.equal(1)
    await clock.elapse(10_000)
    expect(expired).to.equal(1)
  })

  it('does not expire while it pauses, and goes on with the time that was left then', async () => {
    flushing.begin(1000)
    await clock.elapse(400)
    flushing.pause(flushing.timeLeft)
    await clock.elapse(500)
    expect([flushing.isOn, expired, flushing.resume(), flushing.timeLeft]).to.deep.equal([true, 0, true, 100])
    await clock.elapse(99)
    expect(expired).to.equal(0)
    await clock.elapse(1)
    expect(expired).to.equal(1)
  })

  it('does not go on when the time of its pause is over', async () => {
    flushing.begin(1000)
    flushing.pause(300)
    await clock.elapse(300)
    expect(flushing.resume()).to.equal(false)
    await clock.elapse(10_000)
    expect(expired).to.equal(0)
  })

  it('pauses without having begun, and goes on when something comes back', async () => {
    flushing.pause(300)
    expect(flushing.isOn).to.equal(false)
    await clock.elapse(100)
    expect([flushing.resume(), flushing.isOn, flushing.timeLeft]).to.deep.equal([true, true, 200])
  })

  it('is off when the client has ended, and does not expire', async () => {
    flushing.begin(1000)
    flushing.end()
    await clock.elapse(10_000)
    expect([flushing.isOn, flushing.timeLeft, expired]).to.deep.equal([false, Infinity, 0])
  })
})
