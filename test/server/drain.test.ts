import { expect } from 'chai'
import { Drain } from '../../lib/server/drain'
import { FakeClock } from '../../lib/testing'
import { destroyTransports, openPair } from '../helpers/token-2'

describe('drain', () => {
  const clock = new FakeClock()
  let uninstall: () => void

  before(() => {
    uninstall = clock.install()
  })
  after(() => uninstall())
  afterEach(destroyTransports)

  for (const [clients, spread] of [
    [40, 1000],
    [100, 500],
    [30, 0]
  ] as const) {
    it(`asks ${clients} clients evenly over ${spread} ms, at no moment more than a step ahead`, async () => {
      const pairs = []
      for (let i = 0; i < clients; i++) pairs.push(await openPair({ both: { heartbeat: 0 } }))
      let asked = 0
      for (const { client } of pairs) client.on('goaway', () => asked++)
      const drain = new Drain(
        pairs.map(({ server }) => server),
        { spread },
        10_000
      )
      // 20 ms between two groups, and a group is a whole number of clients.
      const step = Math.max(1, Math.ceil((clients * 20) / Math.max(spread, 1)))
      for (let at = 0; at <= spread; at += 20) {
        await clock.elapse(at === 0 ? 0 : 20)
        const even = spread === 0 ? clients : (clients * at) / spread
        expect(asked, `after ${at} ms`)
          .to.be.at.least(Math.floor(even))
          .and.at.most(Math.min(clients, (at / 20 + 1) * step))
      }
      expect(asked).to.equal(clients)
      for (const { client } of pairs) client.close()
      expect(await drain.done).to.equal(0)
    })
  }
})
