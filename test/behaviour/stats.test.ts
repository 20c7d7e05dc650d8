import { once } from 'node:events'
import { expect } from 'chai'
import { Connection } from '../../lib'
import { memoryPair } from '../../lib/testing'
import { certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, makeClient, startServer, until } from '../helpers/loopback'

describe('stats of a connection', () => {
  for (const protocol of ['token/1', 'token/2'] as const) {
    it(`counts tokens and the bytes of the socket each way, on ${protocol}`, async () => {
      const { a, b, link } = memoryPair()
      const one = new Connection(a, { protocol, role: 'client', heartbeat: 0 })
      const other = new Connection(b, { protocol, role: 'server', heartbeat: 0 })
      await Promise.all([once(one, 'open'), once(other, 'open')])
      const greeting = link.aToB.bytesPassed
      for (let i = 0; i < 10; i++) one.send(Buffer.alloc(100))
      const received: Buffer[] = []
      other.on('token', token => received.push(token))
      await until(() => received.length === 10)
      expect(one.stats).to.include({ tokensSent: 10, tokensReceived: 0, tokensUnsent: 0, bufferedAmount: 0 })
      expect(one.stats.bytesSent)
        .to.equal(link.aToB.bytesPassed - greeting)
        .and.to.be.at.least(1040)
      expect(other.stats).to.include({ tokensSent: 0, tokensReceived: 10, unreadBytes: 0 })
      expect(other.stats.bytesReceived).to.equal(one.stats.bytesSent)
      expect(one.stats).to.be.frozen
      one.close()
      await Promise.all([one.closed, other.closed])
      expect(one.stats).to.include({ tokensSent: 10 })
      expect(one.stats.bytesReceived).to.equal(other.stats.bytesSent)
    })
  }
})

describe('stats of a server', () => {
  closesWhatItOpened()

  it('counts connections, open and gone, those refused by code, and what passed on all of them', async () => {
    const { server, port } = await startServer({ authorize: peer => peer?.subject === 'CN=ann' })
    server.on('token', (token, connection) => connection.send(token))
    const { bad } = await certificates()
    const pairs = [await connectPair(server), await connectPair(server)]
    for (const { client } of pairs) {
      const answer = once(client, 'token')
      client.send(Buffer.alloc(50))
      await answer
    }
    await (await makeClient(port, bad.stranger)).closed
    await (await makeClient(port, bad.stranger)).closed
    await (await makeClient(port, bad.revoked)).closed
    const [first] = pairs
    first?.client.close()
    await first?.connection.closed
    await until(() => server.stats.open === 1)
    const { stats } = server
    expect(stats).to.deep.include({
      accepted: 2,
      open: 1,
      refused: { ERR_CERTIFICATE: 2, ERR_REFUSED: 1 },
      closed: { normal: 1 },
      resumed: 0,
      sessionsLost: 0,
      tokensDropped: 0,
      tokensSent: 2,
      tokensReceived: 2
    })
    expect(stats.bytesReceived).to.be.at.least(2 * 54)
    expect(stats.bytesSent).to.be.at.least(2 * 54)
    expect(stats).to.be.frozen
    expect(stats.refused).to.be.frozen
  })

  it('goes on counting over a later connect()', async () => {
    const { server } = await startServer()
    await connectPair(server)
    server.close()
    await server.closed
    expect(server.stats).to.deep.include({ accepted: 1, open: 0 })
    const listening = once(server, 'connect')
    server.connect()
    await listening
    await connectPair(server)
    expect(server.stats).to.deep.include({ accepted: 2, open: 1 })
  })

  it('counts the sessions that went on', async () => {
    const { server } = await startServer({ session: true })
    const { client, connection } = await connectPair(server, { session: true, reconnect: () => 1 })
    const both = [once(server, 'resumed'), once(client, 'resumed')]
    connection.socket.destroy()
    await Promise.all(both)
    expect(server.stats).to.include({ accepted: 1, resumed: 1 })
    expect(client.stats).to.include({ connected: 1, resumed: 1, dials: 2 })
    expect(connection.stats).to.include({ resumptions: 1 })
  })
})

describe('stats of a client', () => {
  closesWhatItOpened()

  it('counts a token once that waited on one connection and left on the next', async () => {
    const { server } = await startServer({ receiveWindow: 1000 })
    const { client, connection } = await connectPair(server, { reconnect: () => 1 })
    for (let i = 0; i < 20; i++) client.send(Buffer.alloc(500))
    await until(() => connection.unreadBytes > 0)
    const left = client.stats.tokensSent
    expect(left).to.be.within(1, 19)
    let received = 0
    const connected = once(client, 'connect')
    connection.destroy()
    await connected
    server.on('token', () => received++)
    await until(() => received === 20 - left)
    expect(client.stats.tokensSent).to.equal(20)
  })

  it('counts dials, connections, losses by code, and what passed on all of them', async () => {
    const { server, port } = await startServer()
    server.on('token', (token, connection) => connection.send(token))
    const client = await makeClient(port, { reconnect: () => 1 })
    for (const round of [1, 2, 3]) {
      if (client.connection === null) await once(client, 'connect')
      const answer = once(client, 'token')
      client.send(Buffer.alloc(50))
      await answer
      expect(client.stats.connected).to.equal(round)
      const lost = once(client, 'disconnect')
      for (const connection of server.connections) connection.destroy()
      await lost
    }
    await once(client, 'connect')
    const { stats } = client
    expect(stats).to.deep.include({
      connected: 4,
      dials: 4,
      lost: { ERR_LOST: 3 },
      tokensSent: 3,
      tokensReceived: 3
    })
    expect(stats.bytesSent).to.be.at.least(3 * 54)
    expect(stats.bytesReceived).to.be.at.least(3 * 54)
    expect(stats).to.be.frozen
  })
})
