import { duplexPair } from 'node:stream'
import { expect } from 'chai'
import { Connection } from '../../lib'

describe('the handshake of token/2', () => {
  for (const authorized of ['without authorize', 'with authorize']) {
    for (const length of [0, 1, 100_000, 1_000_000]) {
      it(`over a Duplex in memory loses nothing of what answers HELLO at once: ${length} bytes, ${authorized}`, async () => {
        const [a, b] = duplexPair()
        const context = authorized === 'with authorize' ? { authorize: async () => true } : {}
        const client = new Connection(a, { protocol: 'token/2', role: 'client' })
        const server = new Connection(b, { protocol: 'token/2', role: 'server' }, context)
        const fates = [client, server].flatMap(connection =>
          [1, 2, 3].map(() => connection.deliver(Buffer.alloc(length)))
        )
        const got = [0, 0]
        for (const [i, connection] of [client, server].entries()) {
          connection.on('token', token => {
            expect(token.length).to.equal(length)
            got[i] = (got[i] as number) + 1
          })
        }
        await Promise.all(fates)
        expect(got).to.deep.equal([3, 3])
        client.close()
        const ends = await Promise.all([client.closed, server.closed])
        expect(ends.map(({ code }) => code)).to.deep.equal(['normal', 'normal'])
      })
    }
  }
})
