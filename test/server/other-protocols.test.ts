import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { OtherProtocol, Refusal, TokenServer, TokenServerOptions } from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  onCleanUp,
  startServer,
  until
} from '../helpers/loopback'

/** CONNECT of MQTT 3.1.1 with an empty client id. */
const MQTT_CONNECT = Buffer.from('100c00044d5154540402003c0000', 'hex')
const MQTT_CONNACK = Buffer.from('20020000', 'hex')

/** Node's types leave out that an https request hands the options on to tls.connect. */
type HttpsOptions = RequestOptions & { ALPNProtocols?: string[] }

describe('other protocols on the same port', () => {
  closesWhatItOpened()

  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  /** An HTTP server that never listens. */
  function httpServer(): HttpServer {
    const server = createHttpServer((incoming, response) => {
      const chunks: Buffer[] = []
      incoming.on('data', chunk => chunks.push(chunk))
      incoming.on('end', () => response.end(`${incoming.method} ${incoming.url} ${Buffer.concat(chunks)}`))
    })
    onCleanUp(() => server.closeAllConnections())
    return server
  }

  function http(
    clientCertificate: OtherProtocol['clientCertificate'] = 'optional',
    server = httpServer()
  ): TokenServerOptions['protocols'] {
    return { 'http/1.1': { clientCertificate, handler: socket => void server.emit('connection', socket) } }
  }

  /** A broker that says CONNACK to whatever comes, and keeps what came. */
  function mqtt(
    clientCertificate: OtherProtocol['clientCertificate'] = 'optional',
    received: Buffer[] = []
  ): TokenServerOptions['protocols'] {
    return {
      mqtt: {
        clientCertificate,
        handler: socket => {
          socket.on('end', () => socket.end())
          socket.on('data', chunk => {
            received.push(chunk)
            if (Buffer.concat(received).length >= MQTT_CONNECT.length) socket.write(MQTT_CONNACK)
          })
        }
      }
    }
  }

  async function ask(port: number, over: HttpsOptions = {}, body = ''): Promise<string> {
    const asking = request({
      host: '127.0.0.1',
      port,
      ca: all.ca,
      method: 'POST',
      path: '/path',
      agent: false,
      ...over
    })
    asking.end(body)
    const [response] = await once(asking, 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    return text
  }

  async function dial(port: number, over: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ host: '127.0.0.1', port, ca: all.ca, ...over })
    onCleanUp(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    return socket
  }

  async function firstBytes(socket: TLSSocket): Promise<string> {
    return ((await once(socket, 'data')) as [Buffer])[0].toString('hex')
  }

  function refusals(server: TokenServer): Refusal[] {
    const seen: Refusal[] = []
    server.on('refused', refusal => seen.push(refusal))
    return seen
  }

  for (const [how, alpn] of [
    ['by ALPN', true],
    ['by its first bytes', false]
  ] as const) {
    it(`HTTP is known ${how}, and token/2 and token/1 work beside it`, async () => {
      const inner = httpServer()
      const names: unknown[] = []
      inner.on('connection', socket => names.push((socket as TLSSocket).alpnProtocol))
      const { server, port } = await startServer({ protocols: http('optional', inner) })
      const protocols = { ALPNProtocols: alpn ? ['http/1.1'] : [] }
      const body = 'x'.repeat(100_000)
      for (const protocol of ['token/2', 'token/1'] as const) {
        const { client, connection } = await connectPair(server, { protocol })
        expect(await ask(port, protocols, body)).to.equal(`POST /path ${body}`)
        connection.send(Buffer.from('hello'))
        expect(String((await once(client, 'token'))[0])).to.equal('hello')
        expect(connection.protocol).to.equal(protocol)
      }
      expect(names).to.deep.equal(alpn ? ['http/1.1', 'http/1.1'] : [false, false])
      expect(server.connections.size).to.equal(2)
      expect(server.pendingHandshakes).to.equal(0)
    })

    it(`MQTT is known ${how}, also when it comes byte by byte`, async () => {
      const received: Buffer[] = []
      const { server, port } = await startServer({ protocols: { ...http(), ...mqtt('optional', received) } })
      const seen = refusals(server)
      const socket = await dial(port, alpn ? { ALPNProtocols: ['mqtt'] } : {})
      const answer = firstBytes(socket)
      for (const byte of MQTT_CONNECT) {
        socket.write(Buffer.from([byte]))
        await new Promise(resolve => setImmediate(resolve))
      }
      expect(await answer).to.equal(MQTT_CONNACK.toString('hex'))
      expect(Buffer.concat(received).equals(MQTT_CONNECT)).to.equal(true)
      expect(seen).to.deep.equal([])
    })
  }

  it('what is neither is token/1, whole, however it comes', async () => {
    const { server, port } = await startServer({ protocols: { ...http(), ...mqtt() } })
    const tokens: string[] = []
    server.on('token', token => tokens.push(token.toString()))
    const bytes = Buffer.from('0000000568656c6c6f', 'hex')
    for (const [i, sizes] of [[9], [1, 8], [4, 5], [1, 1, 1, 1, 1, 1, 1, 1, 1]].entries()) {
      const socket = await dial(port, all.client)
      let position = 0
      for (const size of sizes) {
        socket.write(bytes.subarray(position, position + size))
        position += size
        await new Promise(resolve => setImmediate(resolve))
      }
      await until(() => tokens.length > i)
      socket.destroy()
    }
    expect(tokens).to.deep.equal(['hello', 'hello', 'hello', 'hello'])
  })

  it('an empty token, and a token/1 client that ends at once, are no reason to wait', async () => {
    const { server, port } = await startServer({ protocols: http(), handshakeTimeout: 5_000 })
    const tokens: Buffer[] = []
    server.on('token', token => tokens.push(token))
    const socket = await dial(port, all.client)
    socket.end(Buffer.alloc(4))
    await until(() => tokens.length === 1)
    expect(tokens[0]?.length).to.equal(0)
    const silent = await dial(port, all.client)
    const closed = once(silent, 'close')
    silent.resume().end()
    await closed
    expect(server.pendingHandshakes).to.equal(0)
  })

  it('a client without ALPN that says nothing is refused after handshakeTimeout', async () => {
    const { server, port } = await startServer({ protocols: http(), handshakeTimeout: 300 })
    const seen = refusals(server)
    const socket = await dial(port, all.client)
    await once(socket.resume(), 'close')
    await until(() => seen.length === 1)
    expect(seen[0]?.code).to.equal('ERR_HANDSHAKE_TIMEOUT')
    expect(seen[0]?.peer?.subject).to.equal('CN=ann')
    expect(server.pendingHandshakes).to.equal(0)
  })

  describe('the certificate', () => {
    const none = {}

    it('is demanded per protocol: HTTP may do without, MQTT and token/* may not', async () => {
      const { server, port } = await startServer({ protocols: { ...http('optional'), ...mqtt('required') } })
      const seen = refusals(server)
      expect(await ask(port, { ...none, ALPNProtocols: ['http/1.1'] })).to.equal('POST /path ')
      for (const over of [none, all.bad.stranger]) {
        const byName = await dial(port, { ...over, ALPNProtocols: ['mqtt'] })
        await once(byName.resume(), 'close')
        const byBytes = await dial(port, over)
        byBytes.write(MQTT_CONNECT)
        await once(byBytes.resume(), 'close')
        const byDefault = await dial(port, over)
        byDefault.write(Buffer.from('0000000474657374', 'hex'))
        await once(byDefault.resume(), 'close')
      }
      const client = await makeClient(port, { key: undefined, cert: undefined })
      expect((await client.closed).error?.closeCode).to.equal('certificate-required')
      await until(() => seen.length === 7)
      expect(seen.map(({ code }) => code)).to.deep.equal(new Array(7).fill('ERR_CERTIFICATE'))
      expect(seen.map(({ peer }) => peer?.subject)).to.deep.equal([
        undefined,
        undefined,
        undefined,
        'CN=stranger',
        'CN=stranger',
        'CN=stranger',
        undefined
      ])
      expect(server.connections.size).to.equal(0)

      const socket = await dial(port, { ...all.client, ALPNProtocols: ['mqtt'] })
      socket.write(MQTT_CONNECT)
      expect(await firstBytes(socket)).to.equal(MQTT_CONNACK.toString('hex'))
    })

    it('can be demanded by HTTP, too', async () => {
      const { port } = await startServer({ protocols: http('required') })
      expect(await ask(port, { ...all.client, ALPNProtocols: ['http/1.1'] })).to.equal('POST /path ')
      for (const over of [none, all.bad.stranger, all.bad.expired]) {
        const error = await ask(port, { ...over, ALPNProtocols: ['http/1.1'] }).then(
          () => null,
          (reason: Error) => reason
        )
        expect(error).to.be.instanceOf(Error)
      }
    })

    it('of an HTTP client that need not have one can be looked at', async () => {
      const subjects: (string | undefined)[] = []
      const { port } = await startServer({
        protocols: {
          'http/1.1': {
            clientCertificate: 'optional',
            handler: socket => {
              const { subject } = socket.getPeerCertificate() ?? {}
              subjects.push(`${socket.authorized} ${subject?.CN}`)
              socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')
            }
          }
        }
      })
      for (const over of [all.client, all.bad.stranger, none]) {
        await ask(port, { ...over, ALPNProtocols: ['http/1.1'] })
      }
      expect(subjects).to.deep.equal(['true ann', 'false stranger', 'false undefined'])
    })
  })

  it('an unknown ALPN name is refused by TLS', async () => {
    const { server, port } = await startServer({ protocols: http() })
    const seen = refusals(server)
    const socket = connect({ host: '127.0.0.1', port, ca: all.ca, ...all.client, ALPNProtocols: ['h2'] })
    onCleanUp(() => socket.destroy())
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).to.contain('NO_APPLICATION_PROTOCOL')
    await until(() => seen.length === 1)
  })

  it("a client that named nothing is other or refused with protocol: 'token/2', never token/1", async () => {
    const { server, port } = await startServer({ protocols: http(), protocol: 'token/2' })
    const seen = refusals(server)
    expect(await ask(port, { ALPNProtocols: [] })).to.equal('POST /path ')
    const socket = await dial(port, all.client)
    socket.write(Buffer.from('0000000474657374', 'hex'))
    await once(socket.resume(), 'close')
    await until(() => seen.length === 1)
    expect(seen[0]?.code).to.equal('ERR_PROTOCOL_REQUIRED')
    await connectPair(server)
  })

  it('a handler that throws is told as an exception of the application, and the server goes on', async () => {
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    try {
      const caught = once(process, 'uncaughtException')
      const { server, port } = await startServer({
        protocols: {
          'http/1.1': {
            clientCertificate: 'optional',
            handler: () => {
              throw new Error('of the handler')
            }
          }
        }
      })
      await dial(port, { ALPNProtocols: ['http/1.1'] })
      expect(((await caught) as [Error])[0].message).to.equal('of the handler')
      await connectPair(server)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  describe('close() of the server', () => {
    it('settles when the other protocols have ended in time', async () => {
      const { server, port } = await startServer({ protocols: mqtt() })
      const socket = await dial(port, { ALPNProtocols: ['mqtt'] })
      socket.write(MQTT_CONNECT)
      await firstBytes(socket)
      server.close()
      socket.end()
      expect(await server.closed).to.include({ code: 'normal', hadError: false })
    })

    it('destroys after its timeout what is left of them, by ALPN and by first bytes', async () => {
      const { server, port } = await startServer({ protocols: { ...http(), ...mqtt() } })
      const sockets = [await dial(port, { ALPNProtocols: ['mqtt'] }), await dial(port), await dial(port)]
      for (const socket of sockets.slice(0, 2)) {
        socket.write(MQTT_CONNECT)
        await firstBytes(socket)
      }
      const { client } = await connectPair(server)
      const closed = Promise.all(sockets.map(socket => once(socket.resume(), 'close')))
      const begin = performance.now()
      server.close({ timeout: 200 })
      expect(await server.closed).to.include({ code: 'normal', hadError: false })
      expect(performance.now() - begin).to.be.below(5_000)
      await Promise.all([closed, client.closed])
      expect(server.pendingHandshakes).to.equal(0)
    })

    it('lets the server listen again, also with an HTTP server that keeps its connections alive', async () => {
      const inner = httpServer()
      const { server, port } = await startServer({ protocols: http('optional', inner) })
      await ask(port, { ALPNProtocols: ['http/1.1'], headers: { connection: 'keep-alive' } })
      server.close({ timeout: 0 })
      await server.closed
      server.connect()
      await once(server, 'connect')
      await connectPair(server)
    })
  })

  it('sockets of other protocols count in maxConnections, and free their places when they end', async () => {
    const { server, port } = await startServer({ protocols: mqtt(), maxConnections: 1 })
    const seen = refusals(server)
    const socket = await dial(port, { ALPNProtocols: ['mqtt'] })
    socket.write(MQTT_CONNECT)
    await firstBytes(socket)
    const refused = await makeClient(port)
    await refused.closed
    await until(() => seen.length === 1)
    expect(seen[0]?.code).to.equal('ERR_TOO_MANY_CONNECTIONS')
    const closed = once(socket, 'close')
    socket.end()
    await closed
    const later = await makeClient(port, { reconnect: () => 20 })
    await once(later, 'connect')
    expect(server.connections.size).to.equal(1)
  })

  describe('a TLS record that can not be read', () => {
    /** A record of application data, of which no byte fits the key. */
    const JUNK = Buffer.concat([Buffer.from('1703030028', 'hex'), Buffer.alloc(40)])

    const states: Record<string, readonly [ALPNProtocols: string[] | undefined, first: string]> = {
      'before the first byte': [undefined, ''],
      'amid the first bytes': [undefined, 'GE'],
      'when it was handed over by ALPN': [['http/1.1'], ''],
      'when it was handed over by its first bytes': [undefined, 'GET / HTTP/1.1\r\n']
    }
    for (const [state, [ALPNProtocols, first]] of Object.entries(states)) {
      it(`ends the socket at once ${state}`, async () => {
        // Its owner looks at nothing.
        const protocols: TokenServerOptions['protocols'] = {
          'http/1.1': { clientCertificate: 'optional', handler: socket => void socket.resume() }
        }
        const { server, port } = await startServer({ protocols })
        const refusals: Refusal[] = []
        server.on('refused', refusal => refusals.push(refusal))
        const raw = connectTcp(port, '127.0.0.1')
        onCleanUp(() => raw.destroy())
        await once(raw, 'connect')
        const closed = once(raw, 'close')
        const wire = new Duplex({
          read: () => {},
          write: (chunk, _encoding, done) => void raw.write(chunk, done)
        })
        raw.on('data', chunk => wire.push(chunk))
        raw.on('error', () => {})
        const socket = connect({
          socket: wire,
          ca: all.ca,
          ...all.client,
          ...(ALPNProtocols && { ALPNProtocols })
        })
        socket.on('error', () => {})
        await once(socket, 'secureConnect')
        if (first !== '') await new Promise(resolve => socket.write(first, resolve))
        raw.write(JUNK)
        // handshakeTimeout is ten seconds.
        const start = performance.now()
        await closed
        expect(performance.now() - start).to.be.below(5000)
        expect(refusals.map(({ code }) => code)).to.deep.equal(
          state.startsWith('when') ? [] : ['ERR_HANDSHAKE']
        )
      })
    }
  })
})
