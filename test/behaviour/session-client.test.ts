import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createServer, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { CloseInfo, Connection, SessionLoss, TokenError, TokenServer } from '../../lib'
import { TokenClient } from '../../lib'
import { FakeClock } from '../../lib/testing'
import { certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  eventsOf,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  portOf,
  startServer,
  until
} from '../helpers/loopback'
import { settled } from '../helpers/moments'
import { TcpProxy } from '../helpers/tcp-proxy'

const EVENTS = ['connect', 'disconnect', 'resumed', 'session-lost', 'error', 'close']
const QUICK = { reconnect: () => 5 }

describe('a session of TokenClient and TokenServer', () => {
  closesWhatItOpened()

  interface World {
    readonly server: TokenServer
    readonly proxy: TcpProxy
    readonly client: TokenClient
    readonly connection: Connection
    readonly got: string[]
  }

  async function begin(over: object = {}, serverOver: object = {}): Promise<World> {
    const { server, port } = await startServer({ session: true, ...serverOver })
    const got: string[] = []
    server.on('token', token => got.push(String(token)))
    const proxy = await TcpProxy.to(port)
    const client = await makeClient(proxy.port, { session: true, ...QUICK, ...over })
    const accepted = once(server, 'connection')
    await once(client, 'connect')
    const [connection] = (await accepted) as [Connection]
    return { server, proxy, client, connection, got }
  }

  it('outlives a cut: the connection of both sides is the same, and nothing is lost', async () => {
    const { server, proxy, client, connection, got } = await begin()
    const seen = eventsOf(client, EVENTS)
    const own = client.connection
    client.send(Buffer.from('before'))
    await until(() => got.length === 1)
    proxy.cutAll()
    await once(client, 'disconnect')
    expect(client.connection).to.equal(own)
    expect(own?.isDetached).to.equal(true)
    expect(client.send(Buffer.from('while away'))).to.equal(true)
    const delivered = client.deliver(Buffer.from('delivered'))
    await once(client, 'resumed')
    await delivered
    expect(got).to.deep.equal(['before', 'while away', 'delivered'])
    expect([...server.connections]).to.deep.equal([connection])
    expect(client.connection).to.equal(own)
    expect(seen).to.deep.equal(['disconnect', 'resumed'])
    const answer = once(client, 'token')
    connection.send(Buffer.from('answer'))
    expect(String((await answer)[0])).to.equal('answer')
  })

  it('keeps what the server sends while the client is away', async () => {
    const { proxy, client, connection } = await begin({ reconnect: () => 50 })
    const got: string[] = []
    client.on('token', token => got.push(String(token)))
    const detached = once(connection, 'detached')
    proxy.cutAll()
    await detached
    const promises = Array.from({ length: 20 }, (_, i) => connection.deliver(Buffer.from(`${i}`)))
    await Promise.all(promises)
    expect(got).to.deep.equal(Array.from({ length: 20 }, (_, i) => `${i}`))
    expect(connection.retainedBytes).to.equal(0)
  })

  it('ends with a close in order, on both sides, and is not detached', async () => {
    const { server, client, connection } = await begin()
    const closed = connection.closed
    client.close()
    expect((await client.closed).code).to.equal('normal')
    expect((await closed).code).to.equal('normal')
    expect(server.detachedSessions).to.equal(0)
  })

  it('is lost after resumeTimeout, and says so on the server with true counts', async () => {
    const { server, proxy, client, connection } = await begin(
      { reconnect: () => 60_000 },
      { session: { resumeTimeout: 60 } }
    )
    const lost = once(server, 'session-lost')
    proxy.cutAll()
    await once(client, 'disconnect')
    await until(() => connection.isDetached)
    connection.send(Buffer.from('never left'))
    const promise = connection.deliver(Buffer.from('neither')).catch((error: TokenError) => error.code)
    const [loss, who] = (await lost) as [SessionLoss, Connection]
    expect(loss).to.deep.equal({ reason: 'expired', unknown: 0, unsent: 2 })
    expect(who).to.equal(connection)
    expect(await promise).to.equal('ERR_NOT_SENT')
    const info: CloseInfo = await connection.closed
    expect(info).to.include({ code: 'ERR_SESSION_LOST', hadError: true, unsent: 2 })
    expect(server.connections.size).to.equal(0)
  })

  it('is followed by a connection that knows its server, also when TLS was resumed', async () => {
    const { proxy, client, connection } = await begin(
      { reconnect: () => 200 },
      { session: { resumeTimeout: 50 } }
    )
    const before = client.connection?.peer?.fingerprint
    const next = Promise.all([once(client, 'session-lost'), once(client, 'connect'), connection.closed])
    proxy.cutAll()
    const [[loss]] = (await next) as unknown as [[SessionLoss]]
    expect(loss.reason).to.equal('expired')
    const socket = client.connection?.socket as TLSSocket
    expect(socket.isSessionReused()).to.equal(true)
    expect(before).to.be.a('string')
    expect(client.connection?.peer?.fingerprint).to.equal(before)
  })

  it('is lost when the server was started anew: told once with true counts, and the rest goes on', async () => {
    const port = await freePort()
    const first = await makeServer({ port, session: true })
    await once(first, 'connect')
    const handed: string[] = []
    let hold = false
    const serve = (server: TokenServer) =>
      server.on('connection', connection => {
        connection.on('token', token => {
          handed.push(String(token))
          if (hold) connection.destroy()
        })
      })
    serve(first)
    const client = await makeClient(port, { session: true, ...QUICK })
    await once(client, 'connect')
    const losses: SessionLoss[] = []
    client.on('session-lost', loss => losses.push(loss))
    await client.deliver(Buffer.from('one'))
    // The server dies with the token in its hands: whether it was handed nobody can tell the client.
    hold = true
    const inDoubt = client.deliver(Buffer.from('two')).catch((error: TokenError) => error.code)
    await once(client, 'disconnect')
    hold = false
    first.close({ timeout: 0 })
    await first.closed
    client.send(Buffer.from('three'))
    const never = client.deliver(Buffer.from('four')).catch((error: TokenError) => error.code)
    const second = await makeServer({ port, session: true })
    serve(second)
    await Promise.all([once(client, 'session-lost'), once(client, 'connect')])
    expect(losses).to.deep.equal([{ reason: 'unknown', unknown: 1, unsent: 2 }])
    expect(await inDoubt).to.equal('ERR_FATE_UNKNOWN')
    expect(await never).to.equal('ERR_NOT_SENT')
    await client.deliver(Buffer.from('five'))
    expect(handed).to.deep.equal(['one', 'two', 'three', 'five'])
  })

  it('fails the client when the server keeps no sessions, instead of a weaker promise', async () => {
    const { port } = await startServer()
    const client = await makeClient(port, { session: true, reconnect: () => false })
    const [error] = (await once(client, 'error')) as [TokenError]
    expect(error).to.include({ code: 'ERR_PROTOCOL', closeCode: 'unsupported' })
  })

  it('is not begun on token/1', async () => {
    const { port } = await startServer({ protocol: 'token/1', session: false })
    const client = await makeClient(port, { session: true, reconnect: () => false })
    await once(client, 'error')
    await client.closed
    expect(() => new TokenClient({ protocol: 'token/1', session: true })).to.throw('it needs token/2')
  })

  it('is refused by options that contradict it', async () => {
    const options = await clientOptions(1)
    expect(() => new TokenClient({ ...options, session: true, reconnect: false })).to.throw('reconnect')
    expect(() => new TokenClient({ ...options, session: { windowBytes: 10 } })).to.throw(
      'session.windowBytes'
    )
    expect(() => new TokenClient({ ...options, session: { wrong: 1 } as object })).to.throw('session.wrong')
  })

  it('asks authorize again at each resume; who is refused is detached until resumeTimeout', async () => {
    let isWelcome = true
    let asked = 0
    const { proxy, client, connection } = await begin(
      {},
      {
        authorize: () => {
          asked++
          return isWelcome
        }
      }
    )
    isWelcome = false
    proxy.cutAll()
    await until(() => asked >= 3)
    expect(connection.isDetached).to.equal(true)
    isWelcome = true
    await once(client, 'resumed')
    expect(connection.isOpen).to.equal(true)
  })

  it('evicts the session that has waited longest when there are too many, aloud', async () => {
    const { server, port } = await startServer({ session: true, maxSessions: 2 })
    const proxy = await TcpProxy.to(port)
    const lost: string[] = []
    server.on('session-lost', loss => lost.push(loss.reason))
    const away = await makeClient(proxy.port, { session: true, reconnect: () => 60_000 })
    await once(away, 'connect')
    const detached = once([...server.connections][0] as Connection, 'detached')
    proxy.cutAll()
    await detached
    for (let i = 0; i < 2; i++) await once(await makeClient(port, { session: true }), 'connect')
    expect(lost).to.deep.equal(['evicted'])
    expect(server.detachedSessions).to.equal(0)
    const refused = await makeClient(port, { session: true, reconnect: () => false })
    const [error] = (await once(refused, 'error')) as [TokenError]
    expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'overloaded' })
  })

  it('counts for the identity that began it, also when another went on with it', async () => {
    const { bad } = await certificates()
    let pair: { key: string; cert: string } | null = null
    const own = (await certificates()).client
    const { server, proxy, client, connection } = await begin(
      { key: () => (pair ?? own).key, cert: () => (pair ?? own).cert },
      { maxConnectionsPerIdentity: 1, sessionIdentity: () => 'one for all' }
    )
    const before = connection.peer
    pair = bad.revoked
    proxy.cutAll()
    await once(client, 'resumed')
    await until(() => connection.isOpen)
    expect(connection.peer?.subject).not.to.equal(before?.subject)
    client.close()
    await connection.closed
    const next = await makeClient(portOf(server), { session: true, reconnect: () => false })
    await once(next, 'connect')
    const another = await makeClient(portOf(server), { ...bad.revoked, reconnect: false })
    await once(another, 'connect')
    expect(server.connections.size).to.equal(2)
  })

  it('takes the transport from a half-open one as soon as the client is back', async () => {
    const { proxy, client, connection } = await begin()
    const old = connection.socket
    // The server has not noticed anything when the client comes back.
    client.connection?.socket.destroy()
    await once(client, 'resumed')
    await until(() => connection.isOpen && connection.socket !== old)
    expect(old.destroyed || old.writableEnded).to.equal(true)
    expect(proxy.dials).to.equal(2)
  })

  it('moves to another transport when the server says drain, and no token waits for it', async () => {
    const { server, client, connection, got } = await begin()
    const old = connection.socket
    const seen = eventsOf(client, EVENTS)
    const resumed = once(client, 'resumed')
    const drained = server.drain({ timeout: 5_000, spread: 0 })
    for (let i = 0; i < 50; i++) {
      client.send(Buffer.from(`${i}`))
      await settled()
    }
    await resumed
    expect(await drained).to.equal(0)
    expect(connection.socket).not.to.equal(old)
    await client.deliver(Buffer.from('last'))
    expect(got).to.deep.equal([...Array.from({ length: 50 }, (_, i) => `${i}`), 'last'])
    expect(seen).to.deep.equal(['resumed'])
    expect([...server.connections]).to.deep.equal([connection])
  })

  it('is told of the shutdown that the server said while it was cut, once it is back', async () => {
    const { server, proxy, client, connection } = await begin()
    const port = portOf(server)
    // It is asked before the one that is cut.
    const others = await Promise.all([1, 2].map(() => makeClient(port, { session: true, ...QUICK })))
    await until(() => server.connections.size === 3)
    for (const other of others) other.on('goaway', () => other.close())
    const told = once(client, 'goaway').then(() => client.close())
    const resumed = once(client, 'resumed')
    const detached = once(connection, 'detached')
    proxy.cutAll()
    await detached
    const drained = server.drain({ code: 'shutdown', timeout: 5_000, spread: 0 })
    await resumed
    expect(await drained).to.equal(0)
    await told
    expect(server.connections.size).to.equal(0)
  })

  it('stays where it is when the dial that was to move it finds a server without token/2', async () => {
    const { server, proxy, client, got } = await begin({ protocol: 'token/2' })
    const { server: own, ca } = await certificates()
    const plain = createServer({ ...own, ca }, socket => socket.on('error', () => {}))
    plain.listen(0, '127.0.0.1')
    await once(plain, 'listening')
    onCleanUp(() => plain.close())
    const seen = eventsOf(client, EVENTS)
    proxy.target = (plain.address() as AddressInfo).port
    const dialled = once(plain, 'connection') as Promise<[Socket]>
    const drained = server.drain({ timeout: 1_000, spread: 0 })
    const [socket] = await dialled
    await once(socket, 'close')
    await client.deliver(Buffer.from('by the old way'))
    expect(got).to.deep.equal(['by the old way'])
    expect(seen).to.deep.equal([])
    expect(await drained).to.equal(1)
  })

  it('is not waited for by drain() while its client is away', async () => {
    const { server, proxy, connection } = await begin({ reconnect: () => 60_000 })
    const detached = once(connection, 'detached')
    proxy.cutAll()
    await detached
    expect(await server.drain({ timeout: 1_000 })).to.equal(0)
  })

  it('ends on GOAWAY shutdown, and a new one begins on the other server before that', async () => {
    const one = await startServer({ session: true })
    const two = await startServer({ session: true })
    const got: string[] = []
    for (const { server } of [one, two]) server.on('token', token => got.push(String(token)))
    const client = await makeClient(0, {
      session: true,
      ...QUICK,
      host: undefined,
      port: undefined,
      servers: [
        { host: '127.0.0.1', port: one.port },
        { host: '127.0.0.1', port: two.port }
      ]
    })
    await once(client, 'connect')
    const seen = eventsOf(client, EVENTS)
    await client.deliver(Buffer.from('to the first'))
    const drained = one.server.drain({ code: 'shutdown', timeout: 5_000, spread: 0 })
    await once(client, 'connect')
    expect(await drained).to.equal(0)
    await client.deliver(Buffer.from('to the second'))
    expect(got).to.deep.equal(['to the first', 'to the second'])
    expect(seen).to.deep.equal(['disconnect', 'connect'])
    expect(two.server.connections.size).to.equal(1)
  })

  it('ends in order when the connection that was to take over after GOAWAY is cut, and the next begins anew', async () => {
    const { server: one, port } = await startServer({ session: true })
    const two = await startServer({ session: true })
    const proxy = await TcpProxy.to(two.port)
    const client = await makeClient(0, {
      session: true,
      ...QUICK,
      host: undefined,
      port: undefined,
      servers: [
        { host: '127.0.0.1', port },
        { host: '127.0.0.1', port: proxy.port }
      ]
    })
    const [[connection]] = (await Promise.all([once(one, 'connection'), once(client, 'connect')])) as [
      [Connection],
      unknown
    ]
    const seen = eventsOf(client, EVENTS)
    const tokens = connection[Symbol.asyncIterator]()
    const delivered = client.deliver(Buffer.from('held'))
    await tokens.next()
    const accepted = once(two.server, 'connection')
    const drained = one.drain({ code: 'shutdown', timeout: 5_000, spread: 0 })
    await accepted
    await until(() => client.connection?.isOpen === false)
    const clock = new FakeClock()
    const restoreClock = clock.install()
    onCleanUp(restoreClock)
    proxy.cutAll()
    await until(() => two.server.detachedSessions === 1)
    // A hundred times as long as the client would wait before it dialled.
    await clock.elapse(500)
    expect(seen).to.deep.equal([])
    restoreClock()
    expect(await tokens.next()).to.deep.equal({ done: true, value: undefined })
    await Promise.all([delivered, drained])
    await until(() => seen.includes('connect'))
    expect(seen).to.deep.equal(['disconnect', 'connect'])
  })

  it('ends in order when its connection is closed before the dial that was to move it arrives, and the next begins anew', async () => {
    const { server, client, connection } = await begin()
    const own = client.connection as Connection
    const seen = eventsOf(client, EVENTS)
    const tokens = connection[Symbol.asyncIterator]()
    const delivered = own.deliver(Buffer.from('last'))
    client.once('goaway', () => own.close())
    const accepted = once(server, 'connection')
    connection.goaway()
    await Promise.race([accepted, once(own, 'close')])
    expect(String((await tokens.next()).value)).to.equal('last')
    expect((await tokens.next()).done).to.equal(true)
    await delivered
    expect(await own.closed).to.include({ code: 'normal', hadError: false, unconfirmed: 0 })
    await accepted
    await until(() => seen.includes('connect'))
    expect(seen).to.deep.equal(['disconnect', 'connect'])
  })

  it('tells connect, when it takes over after GOAWAY, before the tokens that have come by then', async () => {
    const { server, port } = await startServer({ session: true })
    const client = await makeClient(port, { session: true, ...QUICK })
    await once(client, 'connect')
    server.on('connection', connection => connection.send(Buffer.from('welcome')))
    const seen = eventsOf(client, ['disconnect', 'connect', 'token'])
    const first = once(client, 'token')
    await server.drain({ code: 'shutdown', timeout: 5_000, spread: 0 })
    await first
    expect(seen).to.deep.equal(['disconnect', 'connect', 'token'])
  })

  it('counts what a handler settles while it is detached', async () => {
    const { server, port } = await startServer({ session: true })
    const proxy = await TcpProxy.to(port)
    const client = await makeClient(proxy.port, { session: true, protocol: 'token/2', reconnect: () => 20 })
    const jobs: (() => void)[] = []
    client.handle(() => new Promise<void>(resolve => jobs.push(resolve)))
    const accepted = once(server, 'connection')
    await once(client, 'connect')
    const [connection] = (await accepted) as [Connection]
    const delivered = connection.deliver(Buffer.from('slow'))
    await until(() => jobs.length === 1)
    proxy.cutAll()
    await once(client, 'disconnect')
    jobs[0]?.()
    await delivered
    expect(connection.retainedBytes).to.equal(0)
  })

  for (const when of ['detached', 'greeted anew']) {
    it(`closes in order when it goes on, if its end was read while it was ${when}`, async () => {
      const asked: (() => void)[] = []
      const authorize = () => new Promise<boolean>(resolve => asked.push(() => resolve(true)))
      const begun = begin({ reconnect: () => 5 }, { authorize })
      await until(() => asked.length === 1)
      asked[0]?.()
      const { proxy, client, connection } = await begun
      const mine = client.connection as Connection
      const tokens = mine[Symbol.asyncIterator]()
      connection.stream().resume().end(Buffer.from('last'))
      expect(String((await tokens.next()).value)).to.equal('last')
      // END is read by then.
      await client.deliver(Buffer.from('answered'))
      proxy.cutAll()
      await once(client, 'disconnect')
      if (when === 'greeted anew') await until(() => asked.length === 2)
      expect(await tokens.next()).to.deep.equal({ done: true, value: undefined })
      await until(() => asked.length === 2)
      asked[1]?.()
      const ends = await Promise.all([mine.closed, connection.closed])
      expect(ends.map(({ code }) => code)).to.deep.equal(['normal', 'normal'])
    })
  }

  it('knows what the peer takes also in the handshake of the next transport', async () => {
    const { proxy, client } = await begin({}, { maxTokenLength: 20_000 })
    expect(client.connection?.maxTokenLength).to.equal(20_000)
    proxy.cutAll()
    await once(client, 'disconnect')
    expect(client.connection?.maxTokenLength).to.equal(20_000)
    expect(() => client.send(Buffer.alloc(20_001))).to.throw('20001')
    const streamed = client.connection?.sendFrom(Readable.from([Buffer.alloc(50)]), 50)
    await once(client, 'resumed')
    await streamed
  })

  it('does not count against the limit of connections while it waits', async () => {
    const { server, proxy, client, connection } = await begin(
      { reconnect: () => 60_000 },
      { maxConnectionsPerIdentity: 1 }
    )
    const gone = Promise.all([once(connection, 'detached'), once(client, 'disconnect')])
    proxy.cutAll()
    await gone
    const other = await makeClient(portOf(server), { session: true })
    await once(other, 'connect')
    expect([...server.connections].filter(({ isOpen }) => isOpen)).to.have.length(1)
    expect(server.detachedSessions).to.equal(1)
  })

  it('is not evicted for a client that is refused for another reason', async () => {
    const { server, port } = await startServer({
      session: true,
      maxSessions: 2,
      maxConnectionsPerIdentity: 1
    })
    const proxy = await TcpProxy.to(port)
    const away = await makeClient(proxy.port, { session: true, reconnect: () => 60_000 })
    await once(away, 'connect')
    const detached = once([...server.connections][0] as Connection, 'detached')
    proxy.cutAll()
    await detached
    await once(await makeClient(port, { session: true }), 'connect')
    const refused = await makeClient(port, { session: true, reconnect: () => false })
    const [error] = (await once(refused, 'error')) as [TokenError]
    expect(error.closeCode).to.equal('overloaded')
    expect(server.detachedSessions).to.equal(1)
  })

  it('is asked again by drain when its client comes back in the middle, if it shall end', async () => {
    const { server, proxy, client } = await begin({ reconnect: () => 50 })
    const connected = once(client, 'connect')
    const connection = [...server.connections][0] as Connection
    const detached = once(connection, 'detached')
    proxy.cutAll()
    await detached
    const drained = server.drain({ code: 'shutdown', timeout: 5_000 })
    expect(await drained).to.equal(0)
    expect((await connection.closed).code).to.equal('normal')
    await connected
  })

  it('is told as lost and closed when the reconnect policy gives it up at the cut, and nothing comes after that', async () => {
    const { proxy, client } = await begin({ reconnect: () => false })
    const seen = eventsOf(client.connection as Connection, ['detached', 'session-lost', 'close'])
    proxy.cutAll()
    await client.closed
    await settled()
    expect(seen).to.deep.equal(['session-lost', 'close(true)'])
  })

  it('can be closed while it is detached', async () => {
    const { server, proxy, client } = await begin({ reconnect: () => 60_000 })
    proxy.cutAll()
    await once(client, 'disconnect')
    client.send(Buffer.from('never'))
    expect(client.close()).to.equal(true)
    expect(await client.closed).to.include({ code: 'normal', unsent: 1 })
    await until(() => server.detachedSessions === 1)
    server.close()
    expect((await server.closed).hadError).to.equal(false)
  })
})
