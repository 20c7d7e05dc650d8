import { expect } from 'chai'
import { TokenError } from '../../lib'
import type { Delivery, GiveUpReason } from '../../lib/session/deliveries'
import { type Patience, promised, within } from '../../lib/session/within'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

describe('promised()', () => {
  it('makes a delivery that nobody has, and the promise that it settles', async () => {
    const { delivery, fate } = promised<string>()
    expect([delivery.isPending, delivery.isRequest, delivery.holder]).to.deep.equal([true, false, null])
    delivery.resolve('answer' as never)
    expect(await fate).to.equal('answer')
    expect(promised(true).delivery.isRequest).to.equal(true)
  })
})

describe('within()', () => {
  let clock: FakeClock

  usesFakeClock(made => {
    clock = made
  })

  /** A delivery whose holder gives it up as a connection does. */
  function held(patience: Patience) {
    const given: [GiveUpReason, unknown][] = []
    const { delivery, fate } = promised<string>()
    delivery.holder = {
      giveUp(it, reason, cause) {
        given.push([reason, cause])
        it.reject(new TokenError('ERR_NOT_SENT', 'of the test'))
      }
    }
    return {
      delivery,
      given,
      told: within(delivery, fate, patience).catch((error: TokenError) => error.code)
    }
  }

  it('waits for ever without a timeout and a signal', async () => {
    const { delivery, given, told } = held({})
    await clock.elapse(1_000_000)
    expect(given).to.deep.equal([])
    delivery.resolve('late' as never)
    expect(await told).to.equal('late')
  })

  for (const timeout of [0, Infinity]) {
    it(`waits for ever with a timeout of ${timeout}`, async () => {
      const { delivery, given, told } = held({ timeout })
      await clock.elapse(1_000_000)
      expect(given).to.deep.equal([])
      delivery.resolve('late' as never)
      expect(await told).to.equal('late')
    })
  }

  it('has the holder of its token give it up when the timeout is over, and not before', async () => {
    const { given, told } = held({ timeout: 1000 })
    await clock.elapse(999)
    expect(given).to.deep.equal([])
    await clock.elapse(1)
    expect(await told).to.equal('ERR_NOT_SENT')
    expect(given.map(([reason, cause]) => [reason, (cause as Error).name])).to.deep.equal([
      ['timeout', 'TimeoutError']
    ])
  })

  it('has it give it up when the signal aborts, with the reason of that', async () => {
    const stop = new AbortController()
    const { given, told } = held({ signal: stop.signal, timeout: 1000 })
    stop.abort('enough')
    expect(await told).to.equal('ERR_NOT_SENT')
    await clock.elapse(1000)
    expect(given).to.deep.equal([['aborted', 'enough']])
  })

  it('lets go of the signal and the clock when the fate is known', async () => {
    const stop = new AbortController()
    const { delivery, given, told } = held({ signal: stop.signal, timeout: 1000 })
    delivery.resolve('done' as never)
    expect(await told).to.equal('done')
    expect(clock.pending).to.equal(0)
    stop.abort()
    expect(given).to.deep.equal([])
  })

  it('asks whoever holds the token at that moment', async () => {
    const { delivery, given, told } = held({ timeout: 1000 })
    const next: GiveUpReason[] = []
    delivery.holder = { giveUp: (_it: Delivery, reason) => void next.push(reason) }
    await clock.elapse(1000)
    expect([given, next]).to.deep.equal([[], ['timeout']])
    delivery.resolve('after all' as never)
    expect(await told).to.equal('after all')
  })
})
