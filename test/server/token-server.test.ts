import { getEventListeners, once } from 'node:events'
import { connect as netConnect } from 'node:net'
import { duplexPair } from 'node:stream'
import tls, { createSecureContext } from 'node:tls'
import { expect } from 'chai'
import { type CloseInfo, Connection, TokenClient, type TokenError, TokenServer } from '../../lib'
import { certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  connectPair,
  eventsOf,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  plainServer,
  portOf,
  serverOptions,
  startServer
} from '../helpers/loopback'
import { awake } from '../helpers/moments'

describe('TokenServer', () => {
  closesWhatItOpened()

  describe('listening', () => {
    it('listens from its construction on and says so with connect', async () => {
      const server = await makeServer()
      const events = eventsOf(server)
      expect(server.address()).to.equal(null)
      await once(server, 'connect')
      expect(server.address()).to.include({ address: '127.0.0.1', family: 'IPv4' })
      expect(portOf(server)).to.be.greaterThan(0)
      expect(events).to.deep.equal(['connect'])
    })

    it('tells a port in use by error, then close(true)', async () => {
      const port = await plainServer()
      const server = await makeServer({ port })
      const events = eventsOf(server)
      let error: TokenError | undefined
      server.on('error', told => {
        error = told
      })
      const info = await server.closed
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(error?.code).to.equal('ERR_LISTEN')
      expect(error?.message).to.contain(`127.0.0.1:${port}`).and.contain('EADDRINUSE')
      expect(error?.cause).to.have.property('code', 'EADDRINUSE')
      expect(info).to.include({ code: 'ERR_LISTEN', hadError: true, error })
      expect(server.close(), 'close() of a closed server').to.equal(false)
      expect(server.address()).to.equal(null)
    })

    it('listens with connect() once the port in use is free', async () => {
      const { server: first, port } = await startServer()
      const second = await makeServer({ port })
      await once(second, 'error')
      first.close()
      await first.closed
      expect(second.connect()).to.equal(true)
      await once(second, 'connect')
      expect(portOf(second)).to.equal(port)
    })

    it('tells a host name that cannot be resolved by error, then close(true)', async () => {
      const server = await makeServer({ host: 'no-such-host.invalid' })
      const events = eventsOf(server)
      const info = await server.closed
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(info.error?.code).to.equal('ERR_LISTEN')
    })

    it('tells options that listen() refuses by error, then close(true), not by an exception', async () => {
      const server = await makeServer({ path: '\0token-server-test', writableAll: true })
      const events = eventsOf(server)
      const info = await server.closed
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(info.error?.message).to.contain('ERR_INVALID_ARG_VALUE')
    })

    it('settles closed with the error although nobody listens for close', async () => {
      const server = await makeServer({ port: await plainServer() })
      server.on('error', () => {})
      expect((await server.closed).hadError).to.equal(true)
    })

    it('closes, and its connections in order, when its signal aborts, and lets the signal go then', async () => {
      const controller = new AbortController()
      const { server } = await startServer({ signal: controller.signal })
      const { client, connection } = await connectPair(server)
      const [info] = await Promise.all([connection.closed, client.closed, server.closed, controller.abort()])
      expect(info.code).to.equal('shutdown')
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0)
    })

    it('closes at once when its signal was aborted before', async () => {
      const server = await makeServer({ signal: AbortSignal.abort() })
      expect(await server.closed).to.include({ code: 'normal', hadError: false })
    })
  })

  it('tells a failed accept by refused with ERR_TOO_MANY_FILES and by its state, and goes on', async () => {
    // libuv hides EMFILE where it can (T20), so Node's report of it is made here.
    const real = tls.createServer
    let inner: tls.Server | undefined
    tls.createServer = ((...args: Parameters<typeof real>) => {
      inner = real(...args)
      return inner
    }) as typeof real
    try {
      const { server } = await startServer()
      const events = eventsOf(server)
      const refused = once(server, 'refused')
      const cause = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' })
      inner?.emit('error', cause)
      const [refusal] = await refused
      expect(refusal).to.include({ address: 'unknown', port: 0, code: 'ERR_TOO_MANY_FILES' })
      expect(refusal.error.cause).to.equal(cause)
      expect(server.isOutOfFiles).to.equal(true)
      await connectPair(server)
      expect(server.isOutOfFiles).to.equal(false)
      expect(events).to.deep.equal([])
    } finally {
      tls.createServer = real
    }
  })

  describe('close()', () => {
    it('returns true once and false from then on, and is told by close(false)', async () => {
      const { server } = await startServer()
      const events = eventsOf(server)
      const { closed } = server
      expect(server.close()).to.equal(true)
      expect(server.close(), 'while it closes').to.equal(false)
      expect(server.connect(), 'connect() while it closes').to.equal(false)
      const [hadError, info] = (await once(server, 'close')) as [boolean, CloseInfo]
      expect(hadError).to.equal(false)
      expect(info).to.include({ code: 'normal', hadError: false, error: null, unsent: 0, unconfirmed: 0 })
      expect(await closed).to.equal(info)
      expect(server.close(), 'after it has closed').to.equal(false)
      expect(events).to.deep.equal(['close(false)'])
    })

    it('close() with a timeout destroys also what was closing before and waits for longer', async () => {
      const { server } = await startServer()
      // The client's application does not take what it is sent.
      const { client, connection } = await connectPair(server, { receiveWindow: 1 })
      for (const token of ['takes the credit', 'waits']) connection.send(Buffer.from(token))
      connection.close({ timeout: Infinity })
      server.close({ timeout: 5 })
      expect((await awake(server.closed)).code).to.equal('normal')
      expect((await connection.closed).code).to.equal('ERR_CLOSE_TIMEOUT')
      client.close({ timeout: 0 })
    })

    it('close() in the tick of the construction cancels listening, and close comes later, not inside the call', async () => {
      const port = await freePort()
      const server = await makeServer({ port })
      const events = eventsOf(server)
      expect(server.close()).to.equal(true)
      expect(events).to.deep.equal([])
      await server.closed
      expect(events).to.deep.equal(['close(false)'])
      const { server: next } = await startServer({ port })
      expect(portOf(next), 'the port is free').to.equal(port)
    })

    it('close() while the host name is looked up leaves no port behind', async () => {
      const port = await freePort()
      const server = await makeServer({ port, host: 'localhost' })
      server.close()
      await server.closed
      const { port: again } = await startServer({ port, host: 'localhost' })
      expect(again).to.equal(port)
    })

    it('close() followed at once by connect() while the host name is looked up listens again', async () => {
      const port = await freePort('localhost')
      const server = await makeServer({ port, host: 'localhost' })
      server.close()
      await once(server, 'close')
      expect(server.connect()).to.equal(true)
      await once(server, 'connect')
      expect(portOf(server)).to.equal(port)
    })

    it('closes each connection in order: what was sent arrives, and both ends close without an error', async () => {
      for (const protocol of ['token/1', 'token/2'] as const) {
        const { server } = await startServer({ protocol })
        const { client, connection } = await connectPair(server)
        const tokens: string[] = []
        client.on('token', token => tokens.push(token.toString()))
        const clientClosed = once(client, 'close')
        connection.send(Buffer.from('last'))
        server.close()
        expect((await connection.closed).code).to.equal('shutdown')
        expect((await clientClosed)[0]).to.equal(false)
        expect(tokens).to.deep.equal(['last'])
        // On token/1 nothing ever confirms a token.
        const unconfirmed = protocol === 'token/1' ? 1 : 0
        expect(await server.closed, protocol).to.include({ code: 'normal', unconfirmed })
        expect(server.connections.size).to.equal(0)
      }
    })

    it('refuses who comes while it closes', async () => {
      const { server, port } = await startServer()
      const { connection } = await connectPair(server)
      connection.socket.pause()
      server.close({ timeout: 500 })
      const late = await makeClient(port, { refusedRetryTimeout: 0 })
      const [error] = (await once(late, 'error')) as [TokenError]
      expect(error.code).to.equal('ERR_CONNECT')
      connection.socket.resume()
    })

    it('destroys after its timeout a connection whose peer does not end', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      // A peer that never ends its side.
      client.connection?.socket.pause()
      client.connection?.socket.removeAllListeners('end')
      const errors: TokenError[] = []
      server.on('connectionError', error => errors.push(error))
      server.close({ timeout: 100 })
      const info = await server.closed
      expect(info.hadError).to.equal(false)
      expect(errors.map(error => error.code)).to.deep.equal(['ERR_CLOSE_TIMEOUT'])
    })

    it('close() with timeout 0 destroys at once', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      client.connection?.socket.pause()
      client.connection?.socket.removeAllListeners('end')
      server.close({ timeout: 0 })
      await server.closed
      expect(server.connections.size).to.equal(0)
    })

    it('refuses a timeout that is none, and stays open', async () => {
      const { server } = await startServer()
      for (const timeout of [-1, Number.NaN, 2 ** 31, '5' as unknown as number]) {
        expect(() => server.close({ timeout }))
          .to.throw('timeout')
          .with.property('code', 'ERR_OPTION')
      }
      expect(server.address()).not.to.equal(null)
    })

    it('counts in close what the clients were still owed', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      client.connection?.socket.pause()
      const token = Buffer.alloc(1024 * 1024)
      let taken = 0
      while (connection.send(token)) taken++
      server.close({ timeout: 50 })
      const { unsent, unconfirmed } = await server.closed
      expect(unsent).to.be.greaterThan(0)
      expect(unsent + unconfirmed).to.equal(taken)
    })
  })

  describe('connect()', () => {
    it('returns false while the server listens or is about to', async () => {
      const server = await makeServer()
      expect(server.connect(), 'while it starts').to.equal(false)
      await once(server, 'connect')
      expect(server.connect(), 'while it listens').to.equal(false)
    })

    it('connect() after close listens again, and clients are served', async () => {
      const { server, port } = await startServer({ port: await freePort() })
      for (let round = 0; round < 3; round++) {
        server.on('token', (token, connection) => connection.send(token))
        const client = await makeClient(port)
        client.send(Buffer.from(`round ${round}`))
        const [token] = (await once(client, 'token')) as [Buffer]
        expect(token.toString()).to.equal(`round ${round}`)
        server.close()
        await server.closed
        server.removeAllListeners('token')
        expect(server.connect()).to.equal(true)
        await once(server, 'connect')
      }
    })

    it('connect() in a close listener listens again', async () => {
      const { server, port } = await startServer()
      server.once('close', () => {
        expect(server.connect()).to.equal(true)
      })
      server.close()
      await once(server, 'connect')
      expect(port).to.be.greaterThan(0)
      await connectPair(server)
    })

    it('gives a new closed promise to each cycle', async () => {
      const { server } = await startServer()
      const first = server.closed
      server.close()
      await first
      server.connect()
      expect(server.closed).not.to.equal(first)
    })

    it('connect() with a delay waits, and listens not before', async () => {
      const { server } = await startServer()
      server.close()
      await server.closed
      const begin = performance.now()
      expect(server.connect(60)).to.equal(true)
      expect(server.connect(), 'while it waits').to.equal(false)
      expect(server.address()).to.equal(null)
      await once(server, 'connect')
      expect(performance.now() - begin).to.be.at.least(58)
    })

    it('connect() with a delay is cancelled by close()', async () => {
      const { server } = await startServer()
      server.close()
      await once(server, 'close')
      server.connect(20)
      const events = eventsOf(server)
      expect(server.close()).to.equal(true)
      await once(server, 'close')
      expect(server.close()).to.equal(false)
      // A second server that waits longer than the first one would have.
      const witness = await makeServer()
      await once(witness, 'connect')
      witness.close()
      await witness.closed
      witness.connect(60)
      await once(witness, 'connect')
      expect(events).to.deep.equal(['close(false)'])
    })

    it('refuses a delay that is none', async () => {
      const { server } = await startServer()
      server.close()
      await server.closed
      for (const delay of [-1, 0.5, 2 ** 31, Infinity]) {
        expect(() => server.connect(delay), String(delay))
          .to.throw('delay')
          .with.property('code', 'ERR_OPTION')
      }
      expect(server.close(), 'still closed').to.equal(false)
    })
  })

  describe('tokens', () => {
    it('hands each token with its connection to the token listeners, and the answer goes back', async () => {
      const { server } = await startServer()
      server.on('token', (token, connection) => {
        expect(connection).to.be.instanceOf(Connection)
        connection.send(Buffer.from(`you said ${token}`))
      })
      const { client } = await connectPair(server)
      client.send(Buffer.from('hello'))
      const [answer] = (await once(client, 'token')) as [Buffer]
      expect(answer.toString()).to.equal('you said hello')
    })

    it('keeps what arrived before the first token listener', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      for (let i = 0; i < 10; i++) client.send(Buffer.from([i]))
      await once(connection.socket, 'data')
      const seen: number[] = []
      const all = new Promise<void>(resolve => {
        server.on('token', token => {
          seen.push(token[0] as number)
          if (seen.length === 10) resolve()
        })
      })
      await all
      expect(seen).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    })

    it('does not hand a connection that an iterator took in connection to its own listeners', async () => {
      const { server } = await startServer()
      const atServer: string[] = []
      const atIterator: string[] = []
      server.on('token', token => atServer.push(token.toString()))
      const done = new Promise<void>(resolve => {
        server.once('connection', connection => {
          void (async () => {
            for await (const token of connection) atIterator.push(token.toString())
            resolve()
          })()
        })
      })
      const { client } = await connectPair(server)
      client.send(Buffer.from('for the iterator'))
      client.close()
      await done
      expect(atIterator).to.deep.equal(['for the iterator'])
      expect(atServer).to.deep.equal([])
    })

    it('hands tokens to the listeners of the connection and to its own', async () => {
      const { server } = await startServer()
      const seen: string[] = []
      server.on('token', token => seen.push(`server ${token}`))
      server.on('connection', connection => {
        connection.on('token', token => seen.push(`connection ${token}`))
      })
      const { client, connection } = await connectPair(server)
      client.send(Buffer.from('a'))
      client.close()
      await connection.closed
      expect(seen).to.deep.equal(['connection a', 'server a'])
    })

    it('stops handing out when the last token listener is removed', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      const seen: string[] = []
      const twice = new Promise<void>(resolve => {
        server.once('token', first => {
          seen.push(first.toString())
          setImmediate(() => {
            server.once('token', second => {
              seen.push(second.toString())
              resolve()
            })
          })
        })
      })
      client.send(Buffer.from('a'))
      client.send(Buffer.from('b'))
      client.send(Buffer.from('c'))
      await twice
      expect(seen).to.deep.equal(['a', 'b'])
      expect(connection.tokensReceived).to.equal(2)
    })
  })

  describe('connections', () => {
    it('lists what is open, and forgets what has closed', async () => {
      const { server } = await startServer()
      const one = await connectPair(server)
      const two = await connectPair(server)
      expect([...server.connections]).to.have.members([one.connection, two.connection])
      one.client.close()
      await one.connection.closed
      expect([...server.connections]).to.deep.equal([two.connection])
    })

    it('know the verified identity of the other side, on both sides', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      expect(connection.peer).to.include({ subject: 'CN=ann', isAuthorized: true })
      expect(connection.peer?.sans).to.deep.equal([])
      expect(connection.peer?.fingerprint).to.match(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
      expect(connection.peer?.validTo.getTime()).to.be.greaterThan(Date.now())
      const peer = client.connection?.peer
      expect(peer).to.include({ subject: 'CN=server', isAuthorized: true })
      expect(peer?.sans).to.include.members(['DNS:localhost', 'IP Address:127.0.0.1'])
      expect(connection.protocol).to.equal('token/2')
    })

    it('are told by connectionError when they break, never by error, and the server goes on', async () => {
      const { server } = await startServer({ maxTokenLength: 1024, protocol: 'token/1' })
      server.on('token', () => {})
      const events = eventsOf(server)
      const { client, connection } = await connectPair(server)
      const broken = once(server, 'connectionError')
      client.send(Buffer.alloc(2048))
      const [error, which] = (await broken) as [TokenError, Connection]
      expect(error.code).to.equal('ERR_TOKEN_TOO_LARGE')
      expect(which).to.equal(connection)
      await connectPair(server)
      expect(events).to.deep.equal([])
    })

    it('are no connectionError when they end in order', async () => {
      const { server } = await startServer()
      const errors: TokenError[] = []
      server.on('connectionError', error => errors.push(error))
      const { client, connection } = await connectPair(server)
      client.close()
      expect((await connection.closed).hadError).to.equal(false)
      expect(errors).to.deep.equal([])
    })
  })

  describe('options', () => {
    it('go through to tls: an SNICallback chooses the certificate', async () => {
      const { ca, server: pair, elsewhereServer } = await certificates()
      const names: string[] = []
      const { port } = await startServer({
        SNICallback: (name, done) => {
          names.push(name)
          done(null, createSecureContext({ ca, ...(name === 'elsewhere.example' ? elsewhereServer : pair) }))
        }
      })
      const client = await makeClient(port, { servername: 'elsewhere.example' })
      await once(client, 'connect')
      expect(names).to.deep.equal(['elsewhere.example'])
      expect(client.connection?.peer?.sans).to.deep.equal(['DNS:elsewhere.example'])
    })

    it('let a client without a certificate in only when requestCert is off', async () => {
      const { server, port } = await startServer({ requestCert: false })
      const accepted = once(server, 'connection')
      const client = new TokenClient({ host: '127.0.0.1', port, ca: (await certificates()).ca })
      onCleanUp(() => {
        client.close()
        return client.closed
      })
      const [connection] = (await accepted) as [Connection]
      expect(connection.peer).to.equal(null)
    })

    it('refuse those that token-server sets itself', async () => {
      const options = await serverOptions()
      const owned = {
        ALPNProtocols: ['x'],
        ALPNCallback: () => 'x',
        pauseOnConnect: true,
        allowHalfOpen: false
      }
      for (const [name, value] of Object.entries(owned)) {
        expect(() => new TokenServer({ ...options, [name]: value }), name)
          .to.throw(name)
          .with.property('code', 'ERR_OPTION')
      }
    })

    it('are refused by name when a limit is none', async () => {
      const options = await serverOptions()
      const wrong = {
        maxConnections: 0,
        maxConnectionsPerAddress: 1.5,
        maxPendingHandshakes: -1,
        handshakeTimeout: Infinity,
        maxTokenLength: 2 ** 31,
        outboxBytes: 1,
        frameTimeout: -1,
        closeTimeout: 2 ** 31
      }
      for (const [name, value] of Object.entries(wrong)) {
        expect(() => new TokenServer({ ...options, [name]: value }), name)
          .to.throw(name)
          .with.property('code', 'ERR_OPTION')
      }
    })

    it('are refused at construction when Node refuses the key, without the key in the message', async () => {
      const { bad } = await certificates()
      const wrong = { ...(await serverOptions()), key: bad.stranger.key }
      expect(() => new TokenServer(wrong))
        .to.throw(/no key in option key fits it/)
        .with.property('code', 'ERR_OPTION')
      expect(() => new TokenServer({ ...wrong, key: 'no key' }))
        .to.throw(/^(?!.*no key)/)
        .with.property('code', 'ERR_OPTION')
    })
  })

  describe('the example of the seed', () => {
    it('works 100 times of 100 with host localhost and a client that dials in the same tick', async () => {
      const { ca, server: serverPair, client: clientPair } = await certificates()
      for (let run = 0; run < 100; run++) {
        const port = await freePort('localhost')
        const server = new TokenServer({ host: 'localhost', port, ca, ...serverPair, requestCert: true })
        const said: string[] = []
        server.on('token', (token, connection) => {
          said.push(`The client says: ${token.toString()}`)
          connection.send(Buffer.from('I am happy to see you!'))
        })
        const client = new TokenClient({ host: 'localhost', port, ca, ...clientPair })
        const answered = once(client, 'token')
        expect(client.send(Buffer.from('Hello!'))).to.equal(true)
        const [token] = (await answered) as [Buffer]
        said.push(`The server responds ${token.toString()}`)
        expect(said, `run ${run}`).to.deep.equal([
          'The client says: Hello!',
          'The server responds I am happy to see you!'
        ])
        client.close()
        server.close()
        await Promise.all([client.closed, server.closed])
      }
    })
  })

  it('is closed by await using', async () => {
    const server = new TokenServer(await serverOptions())
    await once(server, 'connect')
    const port = portOf(server)
    {
      await using disposed = server
      expect(disposed.address()).not.to.equal(null)
    }
    const probe = netConnect(port, '127.0.0.1')
    const [error] = (await once(probe, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).to.equal('ECONNREFUSED')
  })

  it('has a Connection that stands on its own over any Duplex', async () => {
    const [left, right] = duplexPair()
    const connection = new Connection(left)
    const other = new Connection(right)
    connection.send(Buffer.from('x'))
    const [token] = (await once(other, 'token')) as [Buffer]
    expect(token.toString()).to.equal('x')
    expect(connection.peer).to.equal(null)
    connection.destroy()
    other.destroy()
  })
})
