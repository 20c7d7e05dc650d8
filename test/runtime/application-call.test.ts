import { expect } from 'chai'
import { callApplication } from '../../lib/runtime/application-call'
import { uncaughtDuring } from '../helpers/moments'

describe('callApplication', () => {
  it('calls at once', () => {
    const log: string[] = []
    callApplication(() => log.push('called'))
    expect(log).to.deep.equal(['called'])
  })

  it('lets no exception through, which is uncaught in the next tick', async () => {
    const log: string[] = []
    const caught = await uncaughtDuring(async () => {
      callApplication(() => {
        throw new Error('in the listener')
      })
      log.push('goes on')
      await Promise.resolve()
    })
    expect([log, caught.map(String)]).to.deep.equal([['goes on'], ['Error: in the listener']])
  })
})
