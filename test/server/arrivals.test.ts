import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenError, TokenServer } from '../../lib'
import { Arrivals } from '../../lib/server/arrivals'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  makeServer,
  plainServer,
  startServer
} from '../helpers/loopback'

describe('Arrivals', () => {
  it('keeps nothing before the first loop, which begins with those that are open', async () => {
    const arrivals = new Arrivals<string>()
    arrivals.add('closed meanwhile')
    const loop = arrivals.loop(new Set(['open']))
    arrivals.add('new')
    expect([await loop.next(), await loop.next()].map(({ value }) => value)).to.deep.equal(['open', 'new'])
  })

  it('keeps those for whom nobody has asked until they close', async () => {
    const arrivals = new Arrivals<string>()
    const loop = arrivals.loop(new Set(['a', 'b']))
    arrivals.add('c')
    arrivals.delete('a')
    arrivals.delete('c')
    arrivals.add('d')
    expect([await loop.next(), await loop.next()].map(({ value }) => value)).to.deep.equal(['b', 'd'])
  })

  it('gives each to one loop; what a loop that was left has not had waits for the next', async () => {
    const arrivals = new Arrivals<string>()
    const first = arrivals.loop(new Set())
    const second = arrivals.loop(new Set())
    const asked = [second.next(), first.next()]
    for (const name of ['a', 'b', 'c', 'd']) arrivals.add(name)
    const given = (await Promise.all(asked)).map(({ value }) => value)
    expect(given.sort()).to.deep.equal(['a', 'b'])
    expect(await first.return?.()).to.deep.equal({ done: true, value: undefined })
    expect((await second.next()).value).to.equal('c')
    await second.return?.()
    arrivals.add('e')
    const third = arrivals.loop(new Set(['a', 'b', 'c', 'd', 'e']))
    expect([await third.next(), await third.next()].map(({ value }) => value)).to.deep.equal(['d', 'e'])
  })
})

describe('for await (const connection of server)', () => {
  closesWhatItOpened()

  it('gives each connection that is accepted, and ends when the server has closed', async () => {
    const { server, port } = await startServer()
    const names: (string | undefined)[] = []
    await makeClient(port)
    for await (const connection of server) {
      names.push(connection.peer?.subject)
      if (names.length < 3) await makeClient(port)
      else server.close()
    }
    expect(names).to.deep.equal(['CN=ann', 'CN=ann', 'CN=ann'])
    expect([server.connections.size, server.address()]).to.deep.equal([0, null])
  })

  it('begins with the connections that are open already, and misses none that comes while the body runs', async () => {
    const { server } = await startServer()
    const early = [(await connectPair(server)).connection, (await connectPair(server)).connection]
    const given: Connection[] = []
    let late: Connection[] = []
    for await (const connection of server) {
      given.push(connection)
      if (given.length === 1)
        late = [(await connectPair(server)).connection, (await connectPair(server)).connection]
      if (given.length === 4) server.close()
    }
    expect(given).to.deep.equal([...early, ...late])
  })

  it('does not give a connection that has closed while it waited', async () => {
    const { server } = await startServer()
    const gone = await connectPair(server)
    const loop = server[Symbol.asyncIterator]()
    const there = await connectPair(server)
    gone.client.close()
    await gone.connection.closed
    expect((await loop.next()).value).to.equal(there.connection)
  })

  it('gives the first token of a connection to the body that reads it', async () => {
    const { server, port } = await startServer()
    const client = await makeClient(port)
    client.send(Buffer.from('first'))
    for await (const connection of server) {
      for await (const token of connection) {
        expect(String(token)).to.equal('first')
        break
      }
      server.close()
    }
  })

  it('works beside listeners, which are called before', async () => {
    const { server, port } = await startServer()
    const order: string[] = []
    server.on('connection', () => order.push('listener'))
    const next = server[Symbol.asyncIterator]().next()
    void next.then(() => order.push('loop'))
    await makeClient(port)
    await next
    expect(order).to.deep.equal(['listener', 'loop'])
  })

  it('leaves the server open when it is left, and goes on in the next loop', async () => {
    const { server } = await startServer()
    const first = (await connectPair(server)).connection
    for await (const connection of server) {
      expect(connection).to.equal(first)
      break
    }
    expect([server.connections.size, first.isOpen, server.address() === null]).to.deep.equal([1, true, false])
    const second = (await connectPair(server)).connection
    for await (const connection of server) {
      expect(connection).to.equal(second)
      break
    }
  })

  it('ends also a loop that has nobody to wait for, and one that begins after the end', async () => {
    const { server } = await startServer()
    const waiting = server[Symbol.asyncIterator]().next()
    server.close()
    expect(await waiting).to.deep.equal({ done: true, value: undefined })
    for await (const connection of server) throw new Error(`nobody comes, and ${connection.id} did`)
  })

  it('goes on in a new loop when the server listens again', async () => {
    const { server } = await startServer()
    server.close()
    await server.closed
    server.connect()
    await once(server, 'connect')
    const { connection } = await connectPair(server)
    expect((await server[Symbol.asyncIterator]().next()).value).to.equal(connection)
  })

  it('throws why the server could not listen', async () => {
    const server = await makeServer({ port: await plainServer() })
    server.on('error', () => {})
    expect(await failureOf(server), 'while it tries').to.have.property('code', 'ERR_LISTEN')
    expect(await failureOf(server), 'afterwards').to.have.property('code', 'ERR_LISTEN')
  })

  async function failureOf(server: TokenServer): Promise<TokenError | null> {
    try {
      for await (const connection of server) throw new Error(`nobody comes, and ${connection.id} did`)
      return null
    } catch (error) {
      return error as TokenError
    }
  }
})
