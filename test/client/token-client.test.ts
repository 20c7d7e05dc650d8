import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { expect } from 'chai'
import { type CloseInfo, Connection, TokenClient, type TokenError } from '../../lib'
import { certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  connectPair,
  eventsOf,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  plainServer,
  startServer,
  until
} from '../helpers/loopback'

describe('TokenClient', () => {
  closesWhatItOpened()

  /** The error of a dial that fails, and the events it was told by. */
  async function failedDial(port: number, over: Parameters<typeof makeClient>[1] = {}) {
    const client = await makeClient(port, { refusedRetryTimeout: 0, ...over })
    const events = eventsOf(client)
    const info = await client.closed
    return { client, events, info, error: info.error as TokenError }
  }

  describe('connecting', () => {
    it('dials from its construction on and tells connect once, with its connection', async () => {
      const { server, port } = await startServer()
      const client = await makeClient(port)
      const events = eventsOf(client)
      expect(client.connection).to.equal(null)
      await once(client, 'connect')
      expect(client.connection).to.be.instanceOf(Connection)
      client.close()
      await client.closed
      expect(client.connection).to.equal(null)
      expect(events).to.deep.equal(['connect', 'close(false)'])
      expect(server.connections.size).to.be.at.most(1)
    })

    it('tells a refused dial by ERR_CONNECT with its cause, then close(true)', async () => {
      const port = await freePort()
      const { events, info, error, client } = await failedDial(port)
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(error.code).to.equal('ERR_CONNECT')
      expect(error.message).to.contain(`127.0.0.1:${port}`).and.contain('ECONNREFUSED')
      expect(error.cause).to.have.property('code', 'ECONNREFUSED')
      expect(info).to.include({ code: 'ERR_CONNECT', hadError: true })
      expect(client.close()).to.equal(false)
      expect(client.connect()).to.equal(true)
      await client.closed
    })

    it('names the reason of every address when all of a name refused', async () => {
      const port = await freePort()
      const { error } = await failedDial(port, {
        host: 'all.example',
        lookup: (_name, _options, done) =>
          done(null, [
            { address: '127.0.0.1', family: 4 },
            { address: '127.0.0.2', family: 4 }
          ])
      })
      expect(error.code).to.equal('ERR_CONNECT')
      expect(error.message).to.contain('failed with ECONNREFUSED').and.not.contain('Aggregate')
      expect(error.cause).to.be.instanceOf(AggregateError)
    })

    it('tells a host name that cannot be resolved by ERR_CONNECT', async () => {
      const { error } = await failedDial(1, { host: 'no-such-host.invalid' })
      expect(error.code).to.equal('ERR_CONNECT')
    })

    it('closes when its signal aborts, while it dials, between dials, and when it is connected', async () => {
      const { server, port } = await startServer()
      for (const [to, moment] of [
        [port, null],
        [await freePort(), 'reconnecting'],
        [port, 'connect']
      ] as const) {
        const controller = new AbortController()
        const client = await makeClient(to, {
          signal: controller.signal,
          reconnect: true,
          refusedRetryTimeout: 0
        })
        if (moment !== null) await once(client, moment)
        const events = eventsOf(client)
        controller.abort()
        expect(await client.closed).to.include({ code: 'normal', hadError: false })
        expect(events).to.deep.equal(['close(false)'])
      }
      await until(() => server.connections.size === 0)
    })

    it('closes at once when its signal was aborted before', async () => {
      const client = await makeClient(await freePort(), { signal: AbortSignal.abort(), reconnect: true })
      expect((await client.closed).code).to.equal('normal')
    })

    it('tries a refused dial again, so that a server which begins a little later is found', async () => {
      const port = await freePort()
      const client = await makeClient(port)
      const events = eventsOf(client)
      client.send(Buffer.from('early'))
      const server = await makeServer({ port })
      server.close()
      await server.closed
      server.connect(80)
      const [token] = (await once(server, 'token')) as [Buffer]
      expect(token.toString()).to.equal('early')
      expect(events).to.deep.equal(['connect'])
    })

    it('gives up a refused dial after refusedRetryTimeout', async () => {
      const begin = performance.now()
      const { error } = await failedDial(await freePort(), { refusedRetryTimeout: 80 })
      expect(error.code).to.equal('ERR_CONNECT')
      expect(performance.now() - begin).to.be.at.least(78)
    })

    it('gives up after connectTimeout at a server that accepts and never answers', async () => {
      const sockets: Socket[] = []
      const port = await plainServer(socket => sockets.push(socket))
      const { events, error } = await failedDial(port, { connectTimeout: 60 })
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(error.code).to.equal('ERR_CONNECT_TIMEOUT')
      const [socket] = sockets
      socket?.resume()
      if (socket && !socket.closed) await once(socket, 'close')
    })

    it('counts the tries of a refused dial into connectTimeout', async () => {
      const { error } = await failedDial(await freePort(), { connectTimeout: 60, refusedRetryTimeout: 5_000 })
      expect(error.code).to.equal('ERR_CONNECT_TIMEOUT')
    })

    it('reaches a server at a Unix path', async () => {
      const path = join(tmpdir(), `token-server-${process.pid}.sock`)
      onCleanUp(() => rm(path, { force: true }))
      const server = await makeServer({ path })
      const client = await makeClient(0, { path, servername: 'localhost' })
      server.on('token', (token, connection) => connection.send(token))
      client.send(Buffer.from('over a path'))
      const [token] = (await once(client, 'token')) as [Buffer]
      expect(token.toString()).to.equal('over a path')
      expect(client.connection?.peer?.subject).to.equal('CN=server')
    })

    it('waits for a Unix path that is not there yet', async () => {
      const path = join(tmpdir(), `token-server-late-${process.pid}.sock`)
      onCleanUp(() => rm(path, { force: true }))
      const client = await makeClient(0, { path, servername: 'localhost' })
      await makeServer({ path })
      await once(client, 'connect')
    })

    it('goes over a socket of the caller', async () => {
      const { server, port } = await startServer()
      const raw = new Socket()
      raw.connect(port, '127.0.0.1')
      await once(raw, 'connect')
      const accepted = once(server, 'connection')
      const client = await makeClient(port, { socket: raw, servername: 'localhost' })
      await once(client, 'connect')
      await accepted
    })
  })

  describe('verifying the server', () => {
    it('refuses one of an authority it does not trust, with ERR_CERTIFICATE', async () => {
      const { otherServer } = await certificates()
      const { port } = await startServer(otherServer)
      const { events, error } = await failedDial(port)
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(error.code).to.equal('ERR_CERTIFICATE')
    })

    it('refuses one whose certificate is for another host, with ERR_CERTIFICATE', async () => {
      const { elsewhereServer } = await certificates()
      const { server, port } = await startServer(elsewhereServer)
      const tokens: Buffer[] = []
      server.on('token', token => tokens.push(token))
      const client = await makeClient(port)
      client.send(Buffer.from('for the right server only'))
      const info = await client.closed
      expect(info.error?.code).to.equal('ERR_CERTIFICATE')
      expect(info.error?.message).to.contain('ERR_TLS_CERT_ALTNAME_INVALID')
      expect(info).to.include({ unsent: 1, unconfirmed: 0 })
      server.close()
      await server.closed
      expect(tokens).to.deep.equal([])
    })

    it('refuses one whose certificate has expired, with ERR_CERTIFICATE', async () => {
      const { expiredServer } = await certificates()
      const { port } = await startServer(expiredServer)
      const { error } = await failedDial(port)
      expect(error.code).to.equal('ERR_CERTIFICATE')
      expect(error.message).to.contain('CERT_HAS_EXPIRED')
    })

    it('refuses one that shows the certificate of a client, with ERR_CERTIFICATE', async () => {
      const { client } = await certificates()
      const { port } = await startServer(client)
      const { error } = await failedDial(port)
      expect(error.code).to.equal('ERR_CERTIFICATE')
      expect(error.message).to.contain('INVALID_PURPOSE')
    })

    it('refuses one that its own checkServerIdentity refuses', async () => {
      const { port } = await startServer()
      const { error } = await failedDial(port, { checkServerIdentity: () => new Error('not this one') })
      expect(error.code).to.equal('ERR_CERTIFICATE')
      expect(error.cause).to.have.property('message', 'not this one')
    })

    it('tells one that speaks no TLS by ERR_HANDSHAKE', async () => {
      const port = await plainServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
      const { events, error } = await failedDial(port)
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(error.code).to.equal('ERR_HANDSHAKE')
    })

    it('tells one that leaves in the handshake by ERR_HANDSHAKE', async () => {
      const port = await plainServer(socket => socket.once('data', () => socket.destroy()))
      const { error } = await failedDial(port)
      expect(error.code).to.equal('ERR_HANDSHAKE')
    })

    it('tells one of another ALPN by ERR_HANDSHAKE', async () => {
      const { ca, server: pair } = await certificates()
      const other = createTlsServer({ ca, ...pair, ALPNProtocols: ['http/1.1'] }).listen(0, '127.0.0.1')
      other.on('tlsClientError', () => {})
      await once(other, 'listening')
      onCleanUp(() => other.close())
      const { error } = await failedDial((other.address() as { port: number }).port)
      expect(error.code).to.equal('ERR_HANDSHAKE')
    })

    it('talks to one without ALPN, as another language would write it', async () => {
      const { ca, server: pair } = await certificates()
      const plain = createTlsServer({ ca, ...pair, requestCert: true, rejectUnauthorized: true }, socket => {
        socket.end(Buffer.from('0000000568656c6c6f', 'hex'))
      }).listen(0, '127.0.0.1')
      await once(plain, 'listening')
      onCleanUp(() => plain.close())
      const client = await makeClient((plain.address() as { port: number }).port)
      const [token] = (await once(client, 'token')) as [Buffer]
      expect(token.toString()).to.equal('hello')
      expect((await client.closed).hadError).to.equal(false)
    })

    it('a client without a certificate learns from the server that one is demanded', async () => {
      const { port } = await startServer()
      const client = await makeClient(port, { key: undefined, cert: undefined })
      const { error } = await client.closed
      expect(error?.code).to.equal('ERR_REFUSED')
      expect(error?.closeCode).to.equal('certificate-required')
    })

    it('a client without a certificate learns from the alert of a bare server that one is demanded', async () => {
      const { ca, server: pair } = await certificates()
      const bare = createTlsServer({ ca, ...pair, requestCert: true, minVersion: 'TLSv1.3' })
      bare.on('tlsClientError', () => {}).listen(0, '127.0.0.1')
      await once(bare, 'listening')
      onCleanUp(() => bare.close())
      const { port } = bare.address() as { port: number }
      const client = await makeClient(port, { key: undefined, cert: undefined })
      const { error } = await client.closed
      expect(error?.code).to.equal('ERR_HANDSHAKE')
      expect(error?.message).to.contain('CERTIFICATE_REQUIRED')
    })

    it('a client with a certificate that the server refuses is closed before it gets a token', async () => {
      const { bad } = await certificates()
      const { server, port } = await startServer()
      server.on('connection', connection => connection.send(Buffer.from('secret')))
      const client = await makeClient(port, bad.stranger)
      const tokens: Buffer[] = []
      client.on('token', token => tokens.push(token))
      await client.closed
      expect(tokens).to.deep.equal([])
    })
  })

  describe('send()', () => {
    it('send() before connect waits in the outbox, and everything arrives in order', async () => {
      const { server, port } = await startServer()
      const seen: string[] = []
      server.on('token', token => seen.push(token.toString()))
      const client = await makeClient(port)
      for (let i = 0; i < 50; i++) expect(client.send(Buffer.from(`${i}`))).to.equal(true)
      expect(client.bufferedAmount).to.equal(40 * 2 + 10 + 50 * 4)
      await once(client, 'connect')
      client.send(Buffer.from('after'))
      client.close()
      const [connection] = [...server.connections]
      await (connection ? connection.closed : once(server, 'connection').then(([one]) => one.closed))
      expect(seen).to.deep.equal([...Array.from({ length: 50 }, (_, i) => `${i}`), 'after'])
    })

    it('send() before connect returns false above the bound of the outbox, and takes nothing', async () => {
      const { server, port } = await startServer()
      const client = await makeClient(port, { maxTokenLength: 96, outboxBytes: 250 })
      expect(client.send(Buffer.alloc(96, 1))).to.equal(true)
      expect(client.send(Buffer.alloc(96, 2))).to.equal(true)
      expect(client.bufferedAmount).to.equal(200)
      expect(client.send(Buffer.alloc(96, 3)), 'above the bound').to.equal(false)
      expect(client.bufferedAmount).to.equal(200)
      expect(client.send(Buffer.alloc(46, 4)), 'exactly at the bound').to.equal(true)
      expect(client.send(Buffer.alloc(0)), 'even an empty one has a header').to.equal(false)
      const seen: number[] = []
      const third = new Promise<void>(resolve => {
        server.on('token', token => {
          seen.push(token[0] as number)
          if (seen.length === 3) resolve()
        })
      })
      await third
      expect(seen).to.deep.equal([1, 2, 4])
    })

    it('send() before connect throws for what is no Buffer and for a token above maxTokenLength', async () => {
      const client = await makeClient(await freePort(), { maxTokenLength: 10 })
      expect(() => client.send('text' as unknown as Buffer))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TYPE')
      expect(() => client.send(Buffer.alloc(11)))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TOO_LARGE')
      expect(client.bufferedAmount).to.equal(0)
    })

    it('returns false once the client is closed', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      client.close()
      expect(client.send(Buffer.from('x')), 'while it closes').to.equal(false)
      await client.closed
      expect(client.send(Buffer.from('x')), 'after it has closed').to.equal(false)
    })

    it('says by writableNeedDrain and drain when a polite sender waits', async () => {
      const { server, port } = await startServer()
      server.on('token', () => {})
      const client = await makeClient(port, { highWaterMark: 1000 })
      expect(client.writableNeedDrain).to.equal(false)
      client.send(Buffer.alloc(2000))
      expect(client.writableNeedDrain, 'in the outbox').to.equal(true)
      await once(client, 'drain')
      expect(client.writableNeedDrain).to.equal(false)
      expect(client.bufferedAmount).to.be.at.most(500)
    })

    it('tells drain at the next connect when what has filled the outbox was given up before', async () => {
      const port = await freePort()
      const client = await makeClient(port, { highWaterMark: 1000, refusedRetryTimeout: 10_000 })
      const delivered = client.deliver(Buffer.alloc(2000), { timeout: 20 }).catch(error => error.code)
      expect(client.writableNeedDrain).to.equal(true)
      const drained = once(client, 'drain')
      expect(await delivered).to.equal('ERR_NOT_SENT')
      await Promise.all([makeServer({ port }), drained])
    })

    it('tells drain too when deliver() has filled the outbox', async () => {
      const { port } = await startServer({ maxTokenLength: 1000 })
      const client = await makeClient(port, { highWaterMark: 1000 })
      const drained = once(client, 'drain')
      // The server does not take it, so that the connection never needs to drain.
      const error = await client.deliver(Buffer.alloc(2000)).catch(error => error)
      expect(error.code).to.equal('ERR_TOKEN_TOO_LARGE')
      await drained
    })
  })

  describe('close()', () => {
    it('returns true once and false from then on, told by close(false) alone', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      const events = eventsOf(client)
      expect(client.close()).to.equal(true)
      expect(client.close()).to.equal(false)
      expect(client.connect(), 'while it closes').to.equal(false)
      expect(await client.closed).to.include({ code: 'normal', hadError: false })
      expect(client.close()).to.equal(false)
      expect((await connection.closed).hadError).to.equal(false)
      expect(events).to.deep.equal(['close(false)'])
    })

    it('flushes what was sent', async () => {
      for (const protocol of ['token/1', 'token/2'] as const) {
        const { server } = await startServer()
        const token = Buffer.alloc(4 * 1024 * 1024, 7)
        const arrived = once(server, 'token')
        const { client } = await connectPair(server, { protocol })
        client.send(token)
        client.close()
        expect(((await arrived) as [Buffer])[0].equals(token)).to.equal(true)
        const unconfirmed = protocol === 'token/1' ? 1 : 0
        expect(await client.closed, protocol).to.include({ hadError: false, unsent: 0, unconfirmed })
      }
    })

    it('close() with a timeout of 0 cancels a dial: no connect, close(true) in a later tick, and the outbox is counted', async () => {
      const { server, port } = await startServer()
      const accepted: Connection[] = []
      server.on('connection', connection => accepted.push(connection))
      const client = await makeClient(port)
      const events = eventsOf(client)
      client.send(Buffer.from('a'))
      client.send(Buffer.from('b'))
      expect(client.close({ timeout: 0 })).to.equal(true)
      expect(events).to.deep.equal([])
      const info = await client.closed
      expect(info).to.include({ code: 'ERR_CLOSE_TIMEOUT', hadError: true, unsent: 2, unconfirmed: 0 })
      expect(client.bufferedAmount).to.equal(0)
      expect(events).to.deep.equal(['close(true)'])
      server.close()
      await server.closed
      expect(accepted).to.deep.equal([])
    })

    it('close() twice while a dial is cancelled returns false, and close comes once', async () => {
      const { port } = await startServer()
      const client = await makeClient(port)
      const events = eventsOf(client)
      expect(client.close()).to.equal(true)
      expect(client.close()).to.equal(false)
      expect(client.send(Buffer.from('x'))).to.equal(false)
      await client.closed
      await connectPair((await startServer()).server)
      expect(events).to.deep.equal(['close(false)'])
    })

    it('cancels a dial between two tries', async () => {
      const client = await makeClient(await freePort(), { refusedRetryTimeout: 10_000 })
      const events = eventsOf(client)
      await connectPair((await startServer()).server)
      expect(client.close()).to.equal(true)
      expect((await client.closed).hadError).to.equal(false)
      expect(events).to.deep.equal(['close(false)'])
    })

    it('cancels a dial at a server that never answers', async () => {
      const port = await plainServer()
      const client = await makeClient(port)
      expect(client.close()).to.equal(true)
      expect((await client.closed).hadError).to.equal(false)
    })

    it('close() in a connect listener closes in order', async () => {
      const { port } = await startServer()
      const client = await makeClient(port)
      const events = eventsOf(client)
      client.on('connect', () => {
        client.close()
      })
      expect((await client.closed).hadError).to.equal(false)
      expect(events).to.deep.equal(['connect', 'close(false)'])
    })

    it('destroys after its timeout when the server does not end, told by close(true) alone', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      connection.socket.pause()
      connection.socket.removeAllListeners('end')
      const events = eventsOf(client)
      client.close({ timeout: 50 })
      expect(await client.closed).to.include({ code: 'ERR_CLOSE_TIMEOUT', hadError: true })
      expect(events).to.deep.equal(['close(true)'])
    })

    it('refuses a timeout that is none', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      expect(() => client.close({ timeout: -1 }))
        .to.throw('timeout')
        .with.property('code', 'ERR_OPTION')
      expect(client.connection?.isDead).to.equal(false)
    })
  })

  describe('connect()', () => {
    it('returns false while it dials and while it is connected', async () => {
      const { port } = await startServer()
      const client = await makeClient(port)
      expect(client.connect()).to.equal(false)
      await once(client, 'connect')
      expect(client.connect()).to.equal(false)
    })

    it('connect() after close connects again, as often as one likes', async () => {
      const { server, port } = await startServer()
      server.on('token', (token, connection) => connection.send(token))
      const client = await makeClient(port)
      const events = eventsOf(client)
      for (let round = 0; round < 3; round++) {
        client.send(Buffer.from([round]))
        const [token] = (await once(client, 'token')) as [Buffer]
        expect(token[0]).to.equal(round)
        client.close()
        await client.closed
        expect(client.connect()).to.equal(true)
        await once(client, 'connect')
      }
      const round = ['connect', 'close(false)']
      expect(events).to.deep.equal([...round, ...round, ...round, 'connect'])
    })

    it('connect() in a close listener connects again after the server came back', async () => {
      const { server, port } = await startServer()
      const { client } = await connectPair(server)
      const again = once(client, 'close').then(() => expect(client.connect()).to.equal(true))
      server.close()
      await again
      await server.closed
      const back = await makeServer({ port })
      await once(back, 'connection')
    })

    it('connect() with a delay waits, takes tokens meanwhile, and dials not before', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      client.close()
      await client.closed
      const begin = performance.now()
      expect(client.connect(60)).to.equal(true)
      expect(client.connect(60), 'while it waits').to.equal(false)
      expect(client.send(Buffer.from('meanwhile'))).to.equal(true)
      const [token] = (await once(server, 'token')) as [Buffer]
      expect(token.toString()).to.equal('meanwhile')
      expect(performance.now() - begin).to.be.at.least(58)
    })

    it('connect() with a delay is cancelled by close()', async () => {
      const { server, port } = await startServer()
      const { client } = await connectPair(server)
      client.close()
      await client.closed
      client.connect(20)
      const events = eventsOf(client)
      expect(client.close()).to.equal(true)
      await client.closed
      const witness = await makeClient(port)
      witness.close()
      await witness.closed
      witness.connect(60)
      await once(witness, 'connect')
      expect(events).to.deep.equal(['close(false)'])
    })

    it('refuses a delay that is none', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      client.close()
      await client.closed
      for (const delay of [-1, 2 ** 31, Infinity, '5' as unknown as number]) {
        expect(() => client.connect(delay), String(delay))
          .to.throw('delay')
          .with.property('code', 'ERR_OPTION')
      }
      expect(client.close(), 'still closed').to.equal(false)
    })
  })

  describe('losing its server', () => {
    it('tells a connection that breaks by error, then close(true)', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server)
      const events = eventsOf(client)
      ;(connection.socket as Socket & { _parent: Socket })._parent.resetAndDestroy()
      const { error } = await client.closed
      expect(events).to.deep.equal(['error', 'close(true)'])
      expect(error?.code).to.equal('ERR_SOCKET')
      expect(error?.cause).to.have.property('code', 'ECONNRESET')
    })

    it('tells a server that ends in order by close(false)', async () => {
      const { server } = await startServer()
      const { client } = await connectPair(server)
      const events = eventsOf(client)
      server.close()
      await client.closed
      expect(events).to.deep.equal(['close(false)'])
    })

    it('tells what is no frame by ERR_CONTROL_FRAME, then close(true)', async () => {
      const { ca, server: pair } = await certificates()
      const plain = createTlsServer({ ca, ...pair }, socket => {
        socket.on('error', () => {})
        socket.write(Buffer.from('ffffffff', 'hex'))
      }).listen(0, '127.0.0.1')
      await once(plain, 'listening')
      onCleanUp(() => plain.close())
      const client = await makeClient((plain.address() as { port: number }).port)
      client.on('token', () => {})
      const events = eventsOf(client)
      expect((await client.closed).code).to.equal('ERR_CONTROL_FRAME')
      expect(events).to.deep.equal(['connect', 'error', 'close(true)'])
    })

    it('throws when nobody listens for error, and closes all the same', async () => {
      const client = new TokenClient(await clientOptions(await freePort(), { refusedRetryTimeout: 0 }))
      const uncaught = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      const thrown = once(process, 'uncaughtException')
      const closed = once(client, 'close') as Promise<[boolean, CloseInfo]>
      closed.catch(() => {})
      try {
        // `once` listens for error itself.
        client.removeAllListeners('error')
        const [error] = (await thrown) as [TokenError]
        expect(error.code).to.equal('ERR_CONNECT')
      } finally {
        for (const listener of uncaught) process.on('uncaughtException', listener)
      }
      expect((await closed)[0]).to.equal(true)
      expect((await client.closed).hadError).to.equal(true)
    })
  })

  describe('options', () => {
    it('refuse those that token-server sets itself', async () => {
      const options = await clientOptions(1)
      for (const [name, value] of Object.entries({
        ALPNProtocols: ['x'],
        allowHalfOpen: false,
        timeout: 5,
        onread: {}
      })) {
        expect(() => new TokenClient({ ...options, [name]: value }), name)
          .to.throw(name)
          .with.property('code', 'ERR_OPTION')
      }
    })

    it('reach tls.connect: servername and a lookup of the caller', async () => {
      const { port } = await startServer()
      const client = await makeClient(port, {
        host: 'named.example',
        servername: 'localhost',
        lookup: (_name, options, done) =>
          options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
      })
      await once(client, 'connect')
    })

    it('cannot turn off the check of the certificate by leaving rejectUnauthorized undefined', async () => {
      const { otherServer } = await certificates()
      const { port } = await startServer(otherServer)
      const { error } = await failedDial(port, { rejectUnauthorized: undefined })
      expect(error.code).to.equal('ERR_CERTIFICATE')
    })
  })

  it('is closed by await using', async () => {
    const { server, port } = await startServer()
    let closed: Promise<CloseInfo>
    {
      await using client = new TokenClient(await clientOptions(port))
      closed = client.closed
      await once(client, 'connect')
    }
    expect(await closed).to.include({ code: 'normal' })
    server.close()
    await server.closed
  })

  it('leaves nothing behind after a dial that failed', async () => {
    const port = await freePort()
    const before = process.getActiveResourcesInfo().length
    await failedDial(port, { refusedRetryTimeout: 60 })
    await until(() => process.getActiveResourcesInfo().length <= before)
  })
})
