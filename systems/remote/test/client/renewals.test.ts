import { settled } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Renewals } from '../../lib/client/renewals'
import { failureOf } from '../helpers/device-and-client'

describe('Fresh tokens for an open connection', () => {
  function start(timeout?: number) {
    const said: string[] = []
    const renewals = new Renewals(message => said.push(message.do === 'renew' ? message.jwt : ''), timeout)
    return { renewals, said }
  }

  it('are shown one at a time, once the relay takes them', async () => {
    const { renewals, said } = start()
    const [first, second] = [failureOf(renewals.ask('first')), renewals.ask('second')]
    await settled()
    expect(said).to.deep.equal([])
    renewals.begin()
    await settled()
    expect(said).to.deep.equal(['first'])
    renewals.answered(false)
    expect(await first).to.include({ code: 'refused', reason: 'unauthenticated', ran: 'no' })
    await settled()
    expect(said).to.deep.equal(['first', 'second'])
    renewals.answered(true)
    await second
  })

  it('fail when nobody answers, and an answer that is late is not that of the next one', async () => {
    const { renewals } = start(50)
    renewals.begin()
    expect(await failureOf(renewals.ask('first'))).to.include({ code: 'timeout' })
    const second = failureOf(renewals.ask('second'))
    await settled()
    renewals.answered(true)
    renewals.answered(false)
    expect(await second).to.include({ code: 'refused' })
  })

  it('are shown with the next connection when this one ends', async () => {
    for (const isBegun of [true, false]) {
      const { renewals, said } = start()
      if (isBegun) renewals.begin()
      const asked = [renewals.ask('first'), renewals.ask('second')]
      await settled()
      renewals.end()
      await Promise.all(asked)
      await renewals.ask('third')
      expect(said).to.deep.equal(isBegun ? ['first'] : [])
    }
  })
})
