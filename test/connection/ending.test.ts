import { expect } from 'chai'
import { Ending } from '../../lib/connection/ending'
import { TokenError } from '../../lib/errors/token-error'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

const COUNTS = { unsent: 1, unconfirmed: 2, undeliveredBytes: 3 }

describe('The ending of a connection', () => {
  let clock: FakeClock
  let late: string[]
  let ending: Ending

  usesFakeClock(made => {
    clock = made
    late = []
    ending = new Ending(error => late.push(`${error.code} at ${clock.now()}`))
  })

  it('in order has the code that it was begun with, and no error', () => {
    ending.inOrder('shutdown')
    expect(ending.settle(COUNTS)).to.deep.equal({
      code: 'shutdown',
      hadError: false,
      error: null,
      ...COUNTS
    })
  })

  it('by an error has the first one and its code, also when it had begun in order', () => {
    const first = new TokenError('ERR_SOCKET', 'first')
    ending.inOrder('shutdown')
    ending.because(first)
    ending.because(new TokenError('ERR_LOST', 'second'))
    ending.because(null)
    const { code, hadError, error } = ending.settle(COUNTS)
    expect({ code, hadError, error }).to.deep.equal({ code: 'ERR_SOCKET', hadError: true, error: first })
  })

  it('by the loss of its session tells that in the place of another error, with the tokens that are lost', () => {
    ending.because(new TokenError('ERR_SOCKET', 'before'))
    ending.sessionLost('expired')
    const info = ending.settle(COUNTS)
    expect(info.code).to.equal('ERR_SESSION_LOST')
    expect(ending.lossOf(info)).to.deep.equal({ reason: 'expired', unknown: 2, unsent: 1 })
  })

  it('without the loss of a session has lost none', () => {
    expect(ending.lossOf(ending.settle(COUNTS))).to.equal(null)
  })

  it('settles `closed`, whether that was asked for before or after', async () => {
    const asked = ending.closed
    const info = ending.settle(COUNTS)
    expect(await asked).to.equal(info)
    expect(await ending.closed).to.equal(info)
  })

  it('that takes longer than it is given is told so, once', async () => {
    ending.arm(1000)
    await clock.elapse(999)
    expect(late).to.deep.equal([])
    await clock.elapse(10_000)
    expect(late).to.deep.equal(['ERR_CLOSE_TIMEOUT at 1000'])
  })

  it('is given less time by a second call that waits for less long, and never more', async () => {
    ending.arm(1000)
    ending.shorten(5000)
    await clock.elapse(500)
    ending.shorten(100)
    await clock.elapse(10_000)
    expect(late).to.deep.equal(['ERR_CLOSE_TIMEOUT at 600'])
  })

  it('is not shortened when no time runs', async () => {
    ending.shorten(100)
    await clock.elapse(10_000)
    expect(late).to.deep.equal([])
  })

  it('that has come in time, or was disarmed, leaves no timer', () => {
    for (const stop of [() => ending.disarm(), () => void ending.settle(COUNTS)]) {
      ending.arm(1000)
      stop()
      expect(ending.isArmed).to.equal(false)
      expect(clock.pending).to.equal(0)
    }
  })

  it('aborts `gone`, which was asked for before', () => {
    const { gone } = ending
    expect(gone.aborted).to.equal(false)
    ending.abort()
    expect(gone.aborted).to.equal(true)
  })
})
