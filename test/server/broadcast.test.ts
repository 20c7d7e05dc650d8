import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenServer } from '../../lib'
import { closesWhatItOpened, connectPair, startServer, until } from '../helpers/loopback'
import { TcpProxy } from '../helpers/tcp-proxy'

describe('TokenServer.broadcast()', () => {
  closesWhatItOpened()

  const NEWS = Buffer.from('news')

  /** Tokens that a client has got. */
  function gotBy(client: TokenClient): string[] {
    const got: string[] = []
    client.on('token', token => got.push(String(token)))
    return got
  }

  async function pairs(server: TokenServer, count: number) {
    const made = []
    for (let i = 0; i < count; i++) made.push(await connectPair(server))
    return made.map(pair => ({ ...pair, got: gotBy(pair.client) }))
  }

  it('sends a token to every connection, and counts those that took it', async () => {
    const { server } = await startServer()
    const all = await pairs(server, 3)
    expect(server.broadcast(NEWS)).to.deep.equal({ taken: 3, refused: 0 })
    await until(() => all.every(({ got }) => got.length === 1))
    expect(all.map(({ got }) => got)).to.deep.equal([['news'], ['news'], ['news']])
  })

  it('reaches nobody while nobody is connected', async () => {
    const { server } = await startServer()
    expect(server.broadcast(NEWS)).to.deep.equal({ taken: 0, refused: 0 })
  })

  it('sends only to those that the filter chooses', async () => {
    const { server } = await startServer()
    const [first, second] = await pairs(server, 2)
    const others = { filter: (connection: Connection) => connection !== first?.connection }
    expect(server.broadcast(NEWS, others)).to.deep.equal({ taken: 1, refused: 0 })
    server.broadcast(Buffer.from('end'))
    await until(() => [first, second].every(pair => pair?.got.includes('end')))
    expect([first?.got, second?.got]).to.deep.equal([['end'], ['news', 'end']])
  })

  it('a peer whose outbox is full refuses, and the others get the token', async () => {
    const { server } = await startServer({ outboxBytes: 2000, maxTokenLength: 1000 })
    const { connection: slow } = await connectPair(server, { receiveWindow: 1, maxTokenLength: 1000 })
    const [quick] = await pairs(server, 1)
    while (slow.send(Buffer.alloc(900)));
    expect(server.broadcast(NEWS.subarray(0, 0)).refused, 'something fits').to.equal(0)
    const long = Buffer.alloc(900, 'n')
    expect(server.broadcast(long)).to.deep.equal({ taken: 1, refused: 1 })
    await until(() => quick?.got.length === 2)
    expect(quick?.got[1]).to.equal(String(long))
  })

  it('a peer that takes shorter tokens only refuses a longer one, and the others get it', async () => {
    const { server } = await startServer()
    const { client: small } = await connectPair(server, { maxTokenLength: 3 })
    const got = gotBy(small)
    const [large] = await pairs(server, 1)
    expect(server.broadcast(NEWS)).to.deep.equal({ taken: 1, refused: 1 })
    expect(server.broadcast(Buffer.from('end'))).to.deep.equal({ taken: 2, refused: 0 })
    await until(() => got.length === 1 && large?.got.length === 2)
    expect([got, large?.got]).to.deep.equal([['end'], ['news', 'end']])
  })

  it('leaves out a connection that closes, and counts it nowhere', async () => {
    const { server } = await startServer()
    const [leaving, staying] = await pairs(server, 2)
    leaving?.connection.close()
    expect(server.connections.size).to.equal(2)
    expect(server.broadcast(NEWS)).to.deep.equal({ taken: 1, refused: 0 })
    await until(() => staying?.got.length === 1)
  })

  it('reaches a session that waits for its client', async () => {
    const { server, port } = await startServer({ session: true })
    const proxy = await TcpProxy.to(port)
    const { client, connection } = await connectPair(server, {
      port: proxy.port,
      session: true,
      reconnect: () => 50
    })
    const got = gotBy(client)
    const detached = once(connection, 'detached')
    proxy.cutAll()
    await detached
    expect(server.broadcast(NEWS)).to.deep.equal({ taken: 1, refused: 0 })
    await until(() => got.length === 1)
  })

  describe('refuses as send() does, before anybody got anything', () => {
    const cases: [string, string, (server: TokenServer) => unknown][] = [
      ['a token that is no Buffer', 'ERR_TOKEN_TYPE', server => server.broadcast('news' as never)],
      ['a token that is too long', 'ERR_TOKEN_TOO_LARGE', server => server.broadcast(Buffer.alloc(11))],
      [
        'a filter that is no function',
        'ERR_OPTION',
        server => server.broadcast(NEWS, { filter: 1 as never })
      ],
      ['a misspelt option', 'ERR_OPTION', server => server.broadcast(NEWS, { filtre: () => true } as never)],
      [
        'a filter in the place of the options',
        'ERR_OPTION',
        server => server.broadcast(NEWS, (() => true) as never)
      ]
    ]
    for (const [what, code, attempt] of cases) {
      it(what, async () => {
        const { server } = await startServer({ maxTokenLength: 10 })
        const { connection } = await connectPair(server)
        expect(() => attempt(server))
          .to.throw()
          .with.property('code', code)
        expect(connection.tokensSent).to.equal(0)
      })
    }

    it('a filter that throws', async () => {
      const { server } = await startServer()
      const all = await pairs(server, 2)
      const last = all[1]?.connection
      const filter = (connection: Connection) => {
        if (connection === last) throw new Error('of the filter')
        return true
      }
      expect(() => server.broadcast(NEWS, { filter })).to.throw('of the filter')
      expect(all.map(({ connection }) => connection.tokensSent)).to.deep.equal([0, 0])
    })
  })
})
