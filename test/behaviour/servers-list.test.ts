import { once } from 'node:events'
import { connect, createServer, type LookupFunction, type Socket } from 'node:net'
import { expect } from 'chai'
import { type CloseInfo, type Connection, type Reconnecting, TokenClient, type TokenError } from '../../lib'
import { certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  freePort,
  makeClient,
  onCleanUp,
  plainServer,
  startServer,
  until
} from '../helpers/loopback'
import { settled } from '../helpers/moments'
import { needProgram } from '../helpers/need'
import { Program } from '../helpers/program'

describe('servers: [...]', () => {
  closesWhatItOpened()

  /** Says that a name has these addresses. */
  function addresses(...list: string[]): LookupFunction {
    const all = list.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    return ((_name, options, done) => {
      if (options.all) done(null, all)
      else done(null, all[0]?.address as string, all[0]?.family)
    }) as LookupFunction
  }

  it('are tried in turn, each once, until one accepts: no error is told', async () => {
    const { server, port } = await startServer()
    const dead = [await freePort(), await freePort()]
    const client = await makeClient(0, {
      port: undefined,
      servers: [...dead, port].map(each => ({ host: '127.0.0.1', port: each })),
      refusedRetryTimeout: 0
    })
    const errors: TokenError[] = []
    client.on('error', error => errors.push(error))
    const dials: Reconnecting[] = []
    client.on('reconnecting', next => dials.push(next))
    await once(client, 'connect')
    expect(server.connections.size).to.equal(1)
    expect(errors).to.deep.equal([])
    expect(dials.map(({ attempt, delay, error }) => [attempt, delay, error?.code])).to.deep.equal([
      [0, 0, 'ERR_CONNECT'],
      [0, 0, 'ERR_CONNECT']
    ])
  })

  it('that all fail are told by one error, that of the last one, and close', async () => {
    const ports = [await freePort(), await freePort(), await freePort()]
    const client = await makeClient(0, {
      port: undefined,
      servers: ports.map(port => ({ host: '127.0.0.1', port })),
      refusedRetryTimeout: 0
    })
    const errors: TokenError[] = []
    client.on('error', error => errors.push(error))
    const losses: CloseInfo[] = []
    client.on('disconnect', info => losses.push(info))
    client.send(Buffer.from('x'))
    const info = await client.closed
    expect(info).to.include({ code: 'ERR_CONNECT', hadError: true, unsent: 1 })
    expect(info.error?.message).to.contain(`127.0.0.1:${ports[2]}`)
    expect(errors).to.deep.equal([info.error])
    expect(losses).to.have.length(2)
  })

  it('are tried each once also when one refuses after TLS, or talks no token/2', async () => {
    const strict = await startServer({ authorize: () => ({ reason: 'not here' }) })
    const full = await startServer({ authorize: (_peer, connection) => !connection.close() })
    const bare = await startServer({ protocol: 'token/1' })
    const { server, port } = await startServer()
    const client = await makeClient(0, {
      port: undefined,
      protocol: 'token/2',
      servers: [strict.port, full.port, bare.port, port].map(each => ({ host: '127.0.0.1', port: each }))
    })
    client.send(Buffer.from('x'))
    expect(String((await once(server, 'token'))[0])).to.equal('x')
  })

  it('that all refuse after TLS are told by one error, that of the last one', async () => {
    const strict = await startServer({ authorize: () => ({ reason: 'not here' }) })
    const client = await makeClient(0, {
      port: undefined,
      servers: [strict.port, strict.port].map(port => ({ host: '127.0.0.1', port }))
    })
    const errors: TokenError[] = []
    client.on('error', error => errors.push(error))
    client.send(Buffer.from('x'))
    const info = await client.closed
    expect(info).to.include({ code: 'ERR_REFUSED', hadError: true, unsent: 1 })
    expect(errors).to.deep.equal([info.error])
  })

  describe('GOAWAY', () => {
    const SHUTDOWN = { code: 'shutdown' } as const

    async function pairOfServers(isSession: boolean, laterPort: number) {
      const first = await startServer({ session: isSession })
      const client = await makeClient(0, {
        port: undefined,
        servers: [first.port, laterPort].map(port => ({ host: '127.0.0.1', port })),
        ...(isSession && { session: true }),
        reconnect: () => 20
      })
      await once(client, 'connect')
      return { first, client }
    }

    const portOfServer = ({ connection }: TokenClient) =>
      (connection?.socket as Socket | undefined)?.remotePort

    it('a session whose move after GOAWAY failed is looked for on the server that has it', async () => {
      const port = await freePort()
      const { first, client } = await pairOfServers(true, port)
      const got: string[] = []
      first.server.on('token', token => got.push(String(token)))
      const dialled = new Promise<void>(resolve => {
        const seen = createServer(socket => {
          socket.destroy()
          seen.close(() => resolve())
        }).listen(port, '127.0.0.1')
      })
      for (const connection of first.server.connections) connection.goaway(SHUTDOWN)
      await dialled
      await settled()
      await startServer({ port, session: true })
      const lost: unknown[] = []
      client.on('session-lost', loss => lost.push(loss))
      const resumed = once(client, 'resumed')
      client.connection?.socket.destroy()
      await client.deliver(Buffer.from('x'))
      await resumed
      expect([lost, got]).to.deep.equal([[], ['x']])
    })

    it('a client without a session whose move after GOAWAY was refused turns to the next server at the next loss', async () => {
      const strict = await startServer({ authorize: () => strict.server.connections.size > 5 || asked++ > 0 })
      let asked = 0
      const { first, client } = await pairOfServers(false, strict.port)
      const refused = once(strict.server, 'refused')
      for (const connection of first.server.connections) connection.goaway(SHUTDOWN)
      await refused
      await until(() => strict.server.pendingHandshakes === 0)
      await settled()
      expect(client.connection?.isOpen).to.equal(true)
      const back = once(client, 'connect')
      for (const connection of first.server.connections) connection.destroy()
      await back
      expect(portOfServer(client)).to.equal(strict.port)
    })

    it('a server that says GOAWAY and ends at once makes its client dial the next server, not that one', async () => {
      const second = await startServer()
      const { first, client } = await pairOfServers(false, second.port)
      for (const connection of first.server.connections) connection.goaway(SHUTDOWN)
      first.server.close()
      await once(client, 'connect')
      expect(portOfServer(client)).to.equal(second.port)
    })
  })

  it('begin with the first again at connect()', async () => {
    const first = await startServer()
    const second = await startServer()
    const client = await makeClient(0, {
      port: undefined,
      servers: [first.port, second.port].map(port => ({ host: '127.0.0.1', port }))
    })
    for (let i = 0; i < 2; i++) {
      await once(client, 'connect')
      expect([first.server.connections.size, second.server.connections.size]).to.deep.equal([1, 0])
      client.close()
      await client.closed
      if (i === 0) client.connect()
    }
  })

  it('a connection that was lost is no reason to try the next without `reconnect`', async () => {
    const first = await startServer()
    const second = await startServer()
    const client = await makeClient(0, {
      port: undefined,
      servers: [first.port, second.port].map(port => ({ host: '127.0.0.1', port }))
    })
    await once(client, 'connect')
    for (const connection of first.server.connections) connection.destroy()
    expect((await client.closed).hadError).to.equal(true)
    expect(second.server.connections.size).to.equal(0)
  })

  it('with `reconnect` go round: from the lost one to the next, and back when that is lost', async () => {
    const first = await startServer()
    const second = await startServer()
    const client = await makeClient(0, {
      port: undefined,
      servers: [first.port, second.port].map(port => ({ host: '127.0.0.1', port })),
      reconnect: () => 5
    })
    const ports: unknown[] = []
    for (const { server } of [first, second, first]) {
      await once(client, 'connect')
      const { socket } = client.connection as Connection
      ports.push((socket as Socket).remotePort)
      expect(server.connections.size).to.equal(1)
      for (const connection of server.connections) connection.destroy()
    }
    expect(ports).to.deep.equal([first.port, second.port, first.port])
  })

  it('are tried in turn also when they refuse the client', async () => {
    const strict = await startServer({ authorize: () => ({ reason: 'not here' }) })
    const lax = await startServer()
    const client = await makeClient(0, {
      port: undefined,
      servers: [strict.port, lax.port].map(port => ({ host: '127.0.0.1', port })),
      reconnect: () => 5
    })
    const [info] = (await once(client, 'disconnect')) as [CloseInfo]
    expect(info.error).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
    await once(client, 'connect')
    expect(lax.server.connections.size).to.equal(1)
  })

  it('may be host names, Unix paths, and IPv6', async () => {
    const { server, port } = await startServer({ host: '::1' })
    const client = await makeClient(0, {
      port: undefined,
      host: undefined,
      servers: [{ path: '/nowhere/token-server.sock' }, { host: '::1', port }],
      // Node 22.23 takes ::1 for another address than the 0:0:0:0:0:0:0:1 of a certificate.
      servername: 'localhost',
      refusedRetryTimeout: 0
    })
    await once(client, 'connect')
    expect(server.connections.size).to.equal(1)
  })

  it('are tried on after connectTimeout when one never answers', async () => {
    const silent = await plainServer()
    const { server, port } = await startServer()
    const client = await makeClient(0, {
      port: undefined,
      servers: [silent, port].map(each => ({ host: '127.0.0.1', port: each })),
      connectTimeout: 300
    })
    const [info] = (await once(client, 'disconnect')) as [CloseInfo]
    expect(info.code).to.equal('ERR_CONNECT_TIMEOUT')
    await once(client, 'connect')
    expect(server.connections.size).to.equal(1)
  })

  it('are refused when the list is empty', async () => {
    const options = await clientOptions(1)
    expect(() => new TokenClient({ ...options, servers: [] }))
      .to.throw('servers')
      .with.property('code', 'ERR_OPTION')
  })

  it('are dialled no further when a listener closes the client between two of them', async () => {
    const client = await makeClient(0, {
      port: undefined,
      servers: [await freePort(), await freePort()].map(port => ({ host: '127.0.0.1', port })),
      refusedRetryTimeout: 0
    })
    client.on('disconnect', () => client.close())
    expect((await client.closed).hadError).to.equal(false)
  })

  describe('a name with several addresses', () => {
    it('has them tried one after the other', async () => {
      const { server, port } = await startServer()
      const client = await makeClient(port, {
        host: 'localhost',
        lookup: addresses('127.0.0.9', '127.0.0.1'),
        refusedRetryTimeout: 0
      })
      await once(client, 'connect')
      expect(server.connections.size).to.equal(1)
    })

    it('has each that does not answer given a quarter of connectTimeout, not the 250 ms of Node', async function () {
      needProgram(this, 'python3')
      const { server, port } = await startServer({ host: '127.0.0.2' })
      // A full backlog: the kernel drops the next SYN, as a distant host that answers late.
      const deaf = new Program(
        'python3',
        [
          '-uc',
          `import socket, time; s = socket.create_server(('127.0.0.1', ${port}), backlog=0); print('deaf'); time.sleep(60)`
        ],
        '.'
      )
      onCleanUp(() => {
        deaf.kill('SIGKILL')
        return deaf.ended
      })
      await deaf.printed('deaf')
      const one = connect(port, '127.0.0.1')
      onCleanUp(() => one.destroy())
      await once(one, 'connect')
      const begin = performance.now()
      const client = await makeClient(port, {
        host: 'localhost',
        lookup: addresses('127.0.0.1', '127.0.0.2'),
        connectTimeout: 3_200
      })
      await once(client, 'connect')
      expect(performance.now() - begin).to.be.within(780, 3_200)
      expect(server.connections.size).to.equal(1)
    })

    it('is told by one error when all refuse: it names each code once, and its cause has each of them', async () => {
      const port = await freePort()
      const client = await makeClient(port, {
        host: 'localhost',
        lookup: addresses('127.0.0.1', '127.0.0.2', '::1'),
        refusedRetryTimeout: 0
      })
      const { error } = await client.closed
      expect(error?.code).to.equal('ERR_CONNECT')
      expect(error?.message).to.contain('ECONNREFUSED')
      expect(error?.message.match(/ECONNREFUSED/g)).to.have.length(1)
      const errors: unknown[] = (error as { cause?: { errors?: unknown[] } } | null)?.cause?.errors ?? []
      const tried = errors.map(each => (each as { address?: string }).address)
      expect(tried).to.have.members(['127.0.0.1', '127.0.0.2', '::1'])
    })

    it('is tried again until a server starts a little later', async () => {
      const port = await freePort()
      const client = await makeClient(port, {
        host: 'localhost',
        lookup: addresses('127.0.0.9', '127.0.0.1'),
        refusedRetryTimeout: 5_000
      })
      const { server } = await startServer({ port })
      await once(client, 'connect')
      expect(server.connections.size).to.equal(1)
    })
  })

  it('a client made by hand needs neither host nor port', async () => {
    const { port } = await startServer()
    const { ca, client: pair } = await certificates()
    const client = new TokenClient({ ca, ...pair, servers: [{ port }] })
    onCleanUp(() => {
      client.close()
      return client.closed
    })
    await once(client, 'connect')
  })
})
