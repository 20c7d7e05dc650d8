import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { OtherProtocol, TokenServer } from '../../lib'
import { FakeClock } from '../../lib/testing'
import { certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  connectPair,
  makeClient,
  makeServer,
  onCleanUp,
  startServer,
  until
} from '../helpers/loopback'
import { awake } from '../helpers/moments'

const HALF_A_HEAD = 'GET / HTTP/1.1\r\nHost: x\r\nX-'

describe('What those may hold who are not accepted', () => {
  closesWhatItOpened()

  async function stranger(port: number, over: ConnectionOptions = {}): Promise<TLSSocket> {
    const { ca } = await certificates()
    const socket = connect({ host: '127.0.0.1', port, ca, ALPNProtocols: ['http/1.1'], ...over })
    onCleanUp(() => socket.destroy())
    socket.on('error', () => {}).resume()
    await once(socket, 'secureConnect')
    return socket
  }

  function codesOf(server: TokenServer): string[] {
    const codes: string[] = []
    server.on('refused', ({ code }) => codes.push(code))
    return codes
  }

  function protocols(over: Partial<OtherProtocol> = {}, handler = (_socket: TLSSocket) => {}) {
    return { 'http/1.1': { handler, clientCertificate: 'optional', ...over } as const }
  }

  describe('of another protocol on the port', () => {
    it('an HTTP server that never listens enforces its timeouts once it is told that it does, as the page shows', async () => {
      const web = createHttpServer({
        headersTimeout: 100,
        requestTimeout: 100,
        connectionsCheckingInterval: 20
      })
      web.emit('listening')
      onCleanUp(() => web.closeAllConnections())
      const { port } = await startServer({
        protocols: protocols({}, socket => void web.emit('connection', socket))
      })
      const socket = await stranger(port)
      socket.write(HALF_A_HEAD)
      const [answer] = await once(socket, 'data')
      expect(String(answer)).to.match(/^HTTP\/1.1 408 /)
      await once(socket, 'close')
    })

    for (const [what, sent] of [
      ['says nothing', ''],
      ['says half of something', HALF_A_HEAD]
    ] as const) {
      it(`a socket whose client ${what} is destroyed after idleTimeout, whoever owns it`, async () => {
        const handlers = [
          (_socket: TLSSocket) => {},
          (socket: TLSSocket) => void socket.resume().setTimeout(0)
        ]
        for (const handler of handlers) {
          const { port } = await startServer({ protocols: protocols({ idleTimeout: 50 }, handler) })
          const socket = await stranger(port)
          const closed = once(socket, 'close')
          if (sent !== '') socket.write(sent)
          await awake(closed)
        }
      })
    }

    for (const [direction, talks] of [
      ['to it', (socket: TLSSocket, _other: TLSSocket) => void socket.write('x')],
      ['from it', (_socket: TLSSocket, other: TLSSocket) => void other.write('x')]
    ] as const) {
      it(`a socket stays as long as bytes pass ${direction}`, async () => {
        const clock = new FakeClock()
        onCleanUp(clock.install())
        let other: TLSSocket | undefined
        const { port } = await startServer({
          protocols: protocols({ idleTimeout: 1000 }, socket => {
            other = socket.resume()
          })
        })
        const socket = await stranger(port)
        await until(() => other !== undefined)
        if (other === undefined) throw new Error('nobody was given the socket')
        for (let i = 0; i < 5; i++) {
          const passed = once(direction === 'to it' ? other : socket, 'data')
          talks(socket, other)
          await passed
          await clock.elapse(1000)
        }
        expect([socket.destroyed, other.destroyed]).to.deep.equal([false, false])
        const closed = once(socket, 'close')
        await clock.elapse(1000)
        await closed
      })
    }

    it('0 and Infinity are no idleTimeout, what is no time is refused', async () => {
      for (const idleTimeout of [0, Number.POSITIVE_INFINITY])
        await startServer({ protocols: protocols({ idleTimeout }) })
      const error = await startServer({ protocols: protocols({ idleTimeout: -1 }) }).catch(caught => caught)
      expect(error).to.include({ code: 'ERR_OPTION' })
      expect(error.message).to.include('idleTimeout of http/1.1')
    })

    it('sockets without a trusted certificate are at most maxStrangers, and those with one find a place', async () => {
      const owned: TLSSocket[] = []
      const handler = (socket: TLSSocket) => void owned.push(socket.resume())
      const { server, port } = await startServer({ maxStrangers: 2, protocols: protocols({}, handler) })
      const codes = codesOf(server)
      const [first] = [await stranger(port), await stranger(port)]
      const third = await stranger(port)
      if (!third.destroyed) await once(third, 'close')
      expect(codes).to.deep.equal(['ERR_TOO_MANY_CONNECTIONS'])
      const { key, cert } = await clientOptions(port)
      const guest = await stranger(port, { key, cert } as ConnectionOptions)
      await connectPair(server)
      const left = once(owned[0] as TLSSocket, 'close')
      first?.destroy()
      await left
      const again = await stranger(port)
      await until(() => owned.length === 4)
      expect(codes).to.have.length(1)
      expect([guest.destroyed, again.destroyed]).to.deep.equal([false, false])
    })

    it('strangers leave half of maxConnections to others by default', async () => {
      const { server, port } = await startServer({ maxConnections: 3, protocols: protocols() })
      const codes = codesOf(server)
      for (let i = 0; i < 5; i++) await stranger(port)
      await until(() => codes.length === 3)
      await connectPair(server)
      expect(new Set(codes)).to.deep.equal(new Set(['ERR_TOO_MANY_CONNECTIONS']))
    })
  })

  it('clients of a Unix socket, which have no address, are bounded by maxConnections alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-server-'))
    onCleanUp(() => rm(folder, { recursive: true }))
    const path = join(folder, 'socket')
    const server = await makeServer({ path, maxConnectionsPerAddress: 2, maxConnections: 4 })
    await once(server, 'connect')
    const codes = codesOf(server)
    for (let i = 0; i < 6; i++) {
      const client = await makeClient(0, { path, host: undefined, port: undefined, servername: 'localhost' })
      await Promise.race([once(client, 'connect').catch(() => {}), client.closed])
    }
    expect(server.connections.size).to.equal(4)
    expect(codes).to.deep.equal(Array(2).fill('ERR_TOO_MANY_CONNECTIONS'))
  })

  /** Those whom `authorize` is asked about, until it answers. */
  function asked() {
    const answers: ((answer: boolean) => void)[] = []
    const authorize = () => new Promise<boolean>(resolve => answers.push(resolve))
    return { answers, authorize }
  }

  for (const protocol of ['token/1', 'token/2'] as const) {
    it(`those of one identity that wait for authorize are at most maxConnectionsPerIdentity (${protocol})`, async () => {
      const { answers, authorize } = asked()
      const { server, port } = await startServer({ authorize, maxConnectionsPerIdentity: 3 })
      const codes = codesOf(server)
      for (let i = 0; i < 5; i++) await makeClient(port, { protocol })
      await until(() => codes.length === 2 && answers.length === 3)
      expect(new Set(codes)).to.deep.equal(new Set(['ERR_TOO_MANY_CONNECTIONS_PER_IDENTITY']))
      // Those that wait don't count beside those that are accepted.
      for (const answer of answers.splice(0)) answer(true)
      await until(() => server.connections.size === 3)
      await makeClient(port, { protocol })
      await until(() => answers.length === 1)
      answers[0]?.(true)
      await until(() => codes.length === 3)
      expect(server.connections.size).to.equal(3)
    })

    it(`maxConnections holds although many wait for authorize at once (${protocol})`, async () => {
      const { answers, authorize } = asked()
      const { server, port } = await startServer({ authorize, maxConnections: 2 })
      const codes = codesOf(server)
      for (let i = 0; i < 5; i++) await makeClient(port, { protocol })
      await until(() => answers.length === 5)
      for (const answer of answers) answer(true)
      await until(() => codes.length === 3)
      expect(server.connections.size).to.equal(2)
      expect(new Set(codes)).to.deep.equal(new Set(['ERR_TOO_MANY_CONNECTIONS']))
    })
  }
})
