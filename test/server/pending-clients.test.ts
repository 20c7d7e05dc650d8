import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer, connect as tlsConnect } from 'node:tls'
import { expect } from 'chai'
import type { Refusal, TokenServer } from '../../lib'
import { closeCodeNumber } from '../../lib/errors/close-codes'
import { PendingClients, type SecuredClient } from '../../lib/server/pending-clients'
import { serverSettings } from '../../lib/server/server-options'
import { FakeClock } from '../../lib/testing'
import { certificates } from '../helpers/certificates'
import { HandClient } from '../helpers/hand-client'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  onCleanUp,
  startServer,
  until
} from '../helpers/loopback'

describe('PendingClients', () => {
  closesWhatItOpened()

  /** A TCP connection to the port that has said nothing yet. */
  async function visitor(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    onCleanUp(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }

  /** Visitors that the server knows of. */
  async function visitors(server: TokenServer, port: number, count: number): Promise<Socket[]> {
    const before = server.pendingHandshakes
    const sockets: Socket[] = []
    for (let i = 0; i < count; i++) sockets.push(await visitor(port))
    await until(() => server.pendingHandshakes >= before + count)
    return sockets
  }

  async function refusalAfter(server: TokenServer, act: () => unknown): Promise<Refusal> {
    const refused = once(server, 'refused')
    await act()
    return (await refused)[0] as Refusal
  }

  function refusals(server: TokenServer): Refusal[] {
    const seen: Refusal[] = []
    server.on('refused', refusal => seen.push(refusal))
    return seen
  }

  it('waits no longer for a client that is accepted, refused or gone', async () => {
    const clock = new FakeClock()
    const restore = clock.install()
    onCleanUp(restore)
    const { server, port } = await startServer({ heartbeat: 0 })
    const before = clock.pending
    const { client } = await connectPair(server)
    const [first] = await visitors(server, port, 1)
    expect(clock.pending).to.be.greaterThan(before)
    first?.destroy()
    await until(() => server.pendingHandshakes === 0)
    client.close({ timeout: 0 })
    server.close({ timeout: 0 })
    await server.closed
    expect(clock.pending).to.equal(0)
  })

  it('keeps neither the timer nor, once it is closed, the socket of a client that is accepted', async () => {
    const { ca, client: pair, server: own } = await certificates()
    const events = { onSecured: (client: SecuredClient) => void secured.push(client), onRefused: () => {} }
    const secured: SecuredClient[] = []
    const clients = new PendingClients(serverSettings({ port: 0, ...own, ca }), events)
    const server = createServer({ ...own, ca })
    clients.guard(server)
    onCleanUp(() => server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const socket = tlsConnect({ host: '127.0.0.1', port, ca, ...pair })
    onCleanUp(() => socket.destroy())
    await until(() => secured.length === 1)
    const [client] = secured as [SecuredClient]
    expect([client.deadline === null, client.socket === null]).to.deep.equal([false, false])
    expect(clients.admit(client)).to.equal(null)
    expect([client.deadline === null, client.socket === null]).to.deep.equal([true, false])
    socket.destroy()
    await until(() => client.socket === null)
  })

  it('counts handshakes under way, and no longer once they are done or gone', async () => {
    const { server, port } = await startServer()
    expect(server.pendingHandshakes).to.equal(0)
    const [first] = await visitors(server, port, 2)
    expect(server.pendingHandshakes).to.equal(2)
    first?.destroy()
    await until(() => server.pendingHandshakes === 1)
    await connectPair(server)
    expect(server.pendingHandshakes).to.equal(1)
    server.close()
    await server.closed
    expect(server.pendingHandshakes).to.equal(0)
  })

  it('tells who was refused: address, port and code', async () => {
    const { server, port } = await startServer()
    const socket = await visitor(port)
    const { localPort } = socket
    const refusal = await refusalAfter(server, () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    expect(refusal).to.include({ address: '127.0.0.1', port: localPort, code: 'ERR_HANDSHAKE' })
    expect(refusal.error.code).to.equal(refusal.code)
    expect(refusal.error.message).to.contain('ERR_SSL_HTTP_REQUEST')
    expect(Object.isFrozen(refusal)).to.equal(true)
  })

  for (const [title, bytes] of [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a frame without TLS', Buffer.from('0000000568656c6c6f', 'hex')],
    ['noise', Buffer.alloc(4096, 0xa5)],
    ['a TLS record that is no hello', Buffer.from('1703030010000102030405060708090a0b0c0d0e0f', 'hex')]
  ] as const) {
    it(`closes the socket of who speaks ${title}, and tells one refusal`, async () => {
      const { server, port } = await startServer()
      const seen = refusals(server)
      const socket = await visitor(port)
      const closed = once(socket, 'close')
      socket.write(bytes)
      await closed
      await until(() => seen.length > 0)
      await connectPair(server)
      expect(seen.map(refusal => refusal.code)).to.deep.equal(['ERR_HANDSHAKE'])
    })
  }

  it('tells one that left in the handshake once, by ERR_HANDSHAKE', async () => {
    const { server, port } = await startServer()
    const seen = refusals(server)
    const [polite, rude] = await visitors(server, port, 2)
    polite?.end()
    await until(() => seen.length === 1)
    rude?.resetAndDestroy()
    await until(() => seen.length === 2)
    await connectPair(server)
    expect(seen.map(refusal => refusal.code)).to.deep.equal(['ERR_HANDSHAKE', 'ERR_HANDSHAKE'])
  })

  it('tells a client without certificate, and the reason', async () => {
    const { server, port } = await startServer()
    const { ca } = await certificates()
    const refusal = await refusalAfter(server, () => {
      const socket = tlsConnect({ host: '127.0.0.1', port, ca })
      socket.on('error', () => {})
      onCleanUp(() => socket.destroy())
    })
    expect(refusal.code).to.equal('ERR_CERTIFICATE')
    expect(refusal.error.message).to.contain('it showed none')
    expect(refusal.peer).to.equal(null)
  })

  it('cuts a silent handshake after handshakeTimeout', async () => {
    const { server, port } = await startServer({ handshakeTimeout: 80 })
    const begin = performance.now()
    const socket = await visitor(port)
    const closed = once(socket, 'close')
    const refusal = await refusalAfter(server, () => closed)
    expect(performance.now() - begin).to.be.at.least(75)
    expect(refusal.code).to.equal('ERR_HANDSHAKE_TIMEOUT')
    expect(refusal.error.message).to.contain('handshakeTimeout, 80 ms')
    expect(server.pendingHandshakes).to.equal(0)
  })

  it('lets connections live beyond handshakeTimeout', async () => {
    const { server, port } = await startServer({ handshakeTimeout: 60 })
    const { client, connection } = await connectPair(server)
    await once(await visitor(port), 'close')
    await once(await visitor(port), 'close')
    expect(connection.isDead).to.equal(false)
    client.send(Buffer.from('still here'))
    expect(String((await once(connection, 'token'))[0])).to.equal('still here')
  })

  it('refuses above maxConnections, and accepts again when one has left', async () => {
    const { server, port } = await startServer({ maxConnections: 2 })
    const { client } = await connectPair(server)
    await connectPair(server)
    const refusal = await refusalAfter(server, () => makeClient(port))
    expect(refusal.code).to.equal('ERR_TOO_MANY_CONNECTIONS')
    expect(refusal.error.message).to.contain('maxConnections is 2')
    client.close()
    await client.closed
    await until(() => server.connections.size === 1)
    await connectPair(server)
    expect(server.connections.size).to.equal(2)
  })

  it('holds maxConnections also when more handshakes began at once', async () => {
    const { server, port } = await startServer({ maxConnections: 3 })
    const seen = refusals(server)
    let accepted = 0
    server.on('connection', () => accepted++)
    for (let i = 0; i < 10; i++) await makeClient(port)
    await until(() => accepted + seen.length === 10)
    expect(accepted).to.equal(3)
    expect(server.connections.size).to.equal(3)
    expect(new Set(seen.map(refusal => refusal.code))).to.deep.equal(new Set(['ERR_TOO_MANY_CONNECTIONS']))
  })

  it('does not count stalled handshakes against maxConnections', async () => {
    const { server, port } = await startServer({ maxConnections: 1 })
    await visitors(server, port, 5)
    await connectPair(server)
  })

  it('refuses above maxConnectionsPerAddress, handshakes counted, and leaves other addresses alone', async () => {
    const { server, port } = await startServer({ maxConnectionsPerAddress: 2 })
    await connectPair(server)
    const [stalled] = await visitors(server, port, 1)
    const refused = once(server, 'refused')
    const gone = once(await visitor(port), 'close')
    expect((await refused)[0]).to.include({
      code: 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS',
      address: '127.0.0.1'
    })
    await gone
    await connectPair(server, { localAddress: '127.0.0.2' })
    stalled?.destroy()
    await until(() => server.pendingHandshakes === 0)
    await connectPair(server)
  })

  it('refuses an address that connects more often than maxConnectRatePerAddress before any TLS work', async () => {
    // A slow machine would let some more in.
    onCleanUp(new FakeClock().install())
    const { server, port } = await startServer({ maxConnectRatePerAddress: 1 })
    const seen = refusals(server)
    for (let i = 0; i < 10; i++) (await visitor(port)).destroy()
    await until(() => seen.length === 10)
    const gone = once(await visitor(port), 'close')
    await until(() => seen.length === 11)
    await gone
    expect(seen[10]).to.include({ code: 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS', address: '127.0.0.1' })
    expect(seen[10]?.error.message).to.equal('Cannot accept a connection: maxConnectRatePerAddress is 1')
    expect(seen.slice(0, 10).map(({ code }) => code)).to.deep.equal(new Array(10).fill('ERR_HANDSHAKE'))
    await connectPair(server, { localAddress: '127.0.0.2' })
  })

  it('cuts the oldest handshake above maxPendingHandshakes, so that a newcomer gets his turn', async () => {
    const { server, port } = await startServer({ maxPendingHandshakes: 3 })
    const seen = refusals(server)
    const [oldest, ...rest] = await visitors(server, port, 3)
    const oldestPort = oldest?.localPort
    const cut = once(oldest as Socket, 'close')
    await connectPair(server)
    await cut
    expect(seen).to.have.length(1)
    expect(seen[0]).to.include({ code: 'ERR_TOO_MANY_HANDSHAKES', port: oldestPort })
    expect(rest.every(socket => !socket.destroyed)).to.equal(true)
  })

  it('counts what clients send before they are accepted in memoryBudgetBytes, and rejects the oldest first', async () => {
    const clock = new FakeClock()
    onCleanUp(clock.install())
    let isHeld = false
    const { server, port } = await startServer({
      memoryBudgetBytes: 150_000,
      heartbeat: 0,
      authorize: () => !isHeld || new Promise<boolean>(() => {})
    })
    const seen = refusals(server)
    const { client, connection } = await connectPair(server)
    // No timer ends it while the clock stands.
    onCleanUp(() => connection.destroy())
    client.send(Buffer.alloc(19_996))
    await until(() => server.queuedBytes === 20_000)

    isHeld = true
    const { ca, client: pair } = await certificates()
    const early: HandClient[] = []
    for (let i = 1; i <= 3; i++) {
      const hand = await HandClient.dial(port, pair, ca)
      early.push(hand)
      void hand.greet(null)
      hand.socket.write(Buffer.concat([Buffer.from('0000ea5c', 'hex'), Buffer.alloc(59_996)]))
      await until(() => server.queuedBytes === 20_000 + i * 60_000)
    }
    const [oldest] = early
    await clock.elapse(1000)
    await until(() => seen.length > 0 && oldest?.read.length === 1)
    expect(seen.map(({ code, error }) => [code, error.message])).to.deep.equal([
      ['ERR_TOO_MANY_CONNECTIONS', 'Cannot accept a connection: memoryBudgetBytes is 150000']
    ])
    expect(oldest?.read[0]).to.include({ type: 'close', code: closeCodeNumber('overloaded') })
    expect([server.queuedBytes, server.pendingHandshakes]).to.deep.equal([140_000, 2])
    await clock.elapse(2000)
    expect([seen.length, connection.isDead]).to.deep.equal([1, false])
  })

  it('counts what clients send before they are accepted on token/1 too', async () => {
    const clock = new FakeClock()
    onCleanUp(clock.install())
    const { server, port } = await startServer({
      memoryBudgetBytes: 50_000,
      authorize: () => new Promise<boolean>(() => {})
    })
    const { ca, client: pair } = await certificates()
    const socket = tlsConnect({ host: '127.0.0.1', port, ca, ...pair, ALPNProtocols: ['token/1'] })
    socket.on('error', () => {})
    onCleanUp(() => socket.destroy())
    socket.write(Buffer.concat([Buffer.from('0000ea5c', 'hex'), Buffer.alloc(59_996)]))
    await until(() => server.queuedBytes === 60_000)
    const refusal = await refusalAfter(server, () => clock.elapse(1000))
    expect(refusal.code).to.equal('ERR_TOO_MANY_CONNECTIONS')
    expect([server.queuedBytes, server.pendingHandshakes]).to.deep.equal([0, 0])
  })

  it('cuts handshakes under way when the server closes, and tells them by ERR_SERVER_CLOSED', async () => {
    const { server, port } = await startServer()
    const seen = refusals(server)
    await visitors(server, port, 3)
    server.close()
    await server.closed
    expect(seen.map(refusal => refusal.code)).to.deep.equal(Array(3).fill('ERR_SERVER_CLOSED'))
  })

  it('keeps refusing and accepting when a refused listener throws', async () => {
    const { server, port } = await startServer()
    const uncaught = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    try {
      const thrown = once(process, 'uncaughtException')
      server.on('refused', () => {
        throw new Error('of the listener')
      })
      const socket = await visitor(port)
      socket.write('no TLS at all, but long enough')
      const [error] = (await thrown) as [Error]
      expect(error.message).to.equal('of the listener')
      if (!socket.closed) await once(socket, 'close')
    } finally {
      for (const listener of uncaught) process.on('uncaughtException', listener)
    }
    await connectPair(server)
    server.close()
    await server.closed
    expect(server.pendingHandshakes).to.equal(0)
  })
})
