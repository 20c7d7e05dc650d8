import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { type Authority, createAuthority, type KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import type { Peer, TokenServer, TokenServerOptions } from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import { HandClient } from '../helpers/hand-client'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  onCleanUp,
  portOf,
  startServer,
  until
} from '../helpers/loopback'

/** What whoever is given a socket sees of its peer. */
interface Seen {
  readonly authorized: boolean
  readonly error: unknown
  readonly reused: boolean
}

describe('the one rule of trust', () => {
  closesWhatItOpened()

  let all: Certificates
  let old: Authority

  before(async () => {
    all = await certificates()
    old = await createAuthority({ name: 'the old authority' })
  })

  function look(socket: TLSSocket): Seen {
    return {
      authorized: socket.authorized,
      error: socket.authorizationError ?? null,
      reused: socket.isSessionReused()
    }
  }

  /** How a client can reach a handler: by ALPN, or by what it sends first. */
  const ways = { 'by ALPN': ['http/1.1'], 'by its first bytes': undefined } as const

  for (const [way, ALPNProtocols] of Object.entries(ways)) {
    const dial = (port: number, who: object, session?: Buffer) => {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: all.ca,
        ...who,
        ...(ALPNProtocols && { ALPNProtocols: [...ALPNProtocols] }),
        ...(session && { session })
      })
      socket.on('error', () => {})
      onCleanUp(() => socket.destroy())
      return socket
    }

    const visitors: Record<string, (all: Certificates) => [object, boolean]> = {
      'a stranger without a certificate': () => [{}, false],
      'a stranger with one of another authority': ({ bad }) => [bad.stranger, false],
      'a client whose certificate has expired': ({ bad }) => [bad.expired, false],
      'a client of the authority': ({ client }) => [client, true]
    }
    for (const [visitor, is] of Object.entries(visitors)) {
      it(`tells a handler the same of ${visitor}, known ${way}, at first and with the TLS ticket`, async () => {
        const [who, isTrusted] = is(all)
        const seen: Seen[] = []
        const handler = (socket: TLSSocket) => {
          seen.push(look(socket))
          socket.end('HTTP/1.1 204 No Content\r\n\r\n')
        }
        const { port } = await startServer({
          protocols: { 'http/1.1': { clientCertificate: 'optional', handler } }
        })
        let session: Buffer | undefined
        for (let i = 0; i < 2; i++) {
          const socket = dial(port, who, session)
          socket.on('session', ticket => {
            session = ticket
          })
          socket.write('GET / HTTP/1.1\r\n\r\n')
          socket.resume()
          await once(socket, 'close')
        }
        expect(seen.map(({ reused }) => reused)).to.deep.equal([false, true])
        expect(seen.map(({ authorized }) => authorized)).to.deep.equal([isTrusted, isTrusted])
        for (const { error } of seen) expect(error === null).to.equal(isTrusted)
      })
    }
  }

  it('tells authorize the same of a stranger without a certificate, at first and with the TLS ticket', async () => {
    const seen: [Peer | null, Seen][] = []
    const { server, port } = await startServer({
      rejectUnauthorized: false,
      authorize: (peer, connection) => {
        seen.push([peer, look(connection.socket as TLSSocket)])
        return true
      }
    })
    server.on('token', () => {})
    const client = await makeClient(port, { key: undefined, cert: undefined } as object)
    for (let i = 0; i < 2; i++) {
      if (i > 0) client.connect()
      await once(client, 'connect')
      await client.deliver(Buffer.from('the tickets are here'))
      client.close()
      await client.closed
    }
    expect(seen.map(([peer]) => peer)).to.deep.equal([null, null])
    expect(seen.map(([, { reused }]) => reused)).to.deep.equal([false, true])
    expect(seen.map(([, { authorized }]) => authorized)).to.deep.equal([false, false])
  })

  it('tells a client that refuses nobody the same of a server with another name, resumed or not', async () => {
    const { server, port } = await startServer(all.elsewhereServer)
    server.on('token', () => {})
    const client = await makeClient(port, { rejectUnauthorized: false })
    const seen: [boolean | undefined, boolean][] = []
    for (let i = 0; i < 2; i++) {
      if (i > 0) client.connect()
      await once(client, 'connect')
      await client.deliver(Buffer.from('the tickets are here'))
      seen.push([client.connection?.peer?.isAuthorized, look(client.connection?.socket as TLSSocket).reused])
      client.close()
      await client.closed
    }
    expect(seen).to.deep.equal([
      [false, false],
      [false, true]
    ])
  })

  describe('after reload({ ca }) between the handshake and', () => {
    async function early(
      options: TokenServerOptions,
      who: KeyAndCert,
      ALPNProtocols?: string[]
    ): Promise<{ server: TokenServer; socket: TLSSocket }> {
      const { server } = await startServer({ ca: [all.ca, old.cert], ...options })
      const socket = connect({
        host: '127.0.0.1',
        port: portOf(server),
        ca: all.ca,
        ...who,
        ...(ALPNProtocols && { ALPNProtocols })
      })
      socket.on('error', () => {})
      onCleanUp(() => socket.destroy())
      await once(socket.resume(), 'secureConnect')
      await hasRead(server)
      return { server, socket }
    }

    /** Whoever came before has been read: TLS 1.3 tells a client that it is done before the server has its certificate. */
    async function hasRead(server: TokenServer): Promise<void> {
      const { client } = await connectPair(server)
      client.close()
      await client.closed
    }

    it('the first bytes, a protocol that demands a certificate is not given who lost its authority', async () => {
      let given = 0
      const protocols: TokenServerOptions['protocols'] = {
        'http/1.1': { clientCertificate: 'required', handler: () => void given++ }
      }
      for (const [who, closes] of [
        [await old.issueClient({ name: 'victim' }), true],
        [all.client, false]
      ] as const) {
        const { server, socket } = await early({ protocols }, who)
        server.reload({ ca: all.ca })
        const refused = once(server, 'refused')
        socket.write('GET / HTTP/1.1\r\n\r\n')
        if (closes) {
          expect((await refused)[0]).to.include({ code: 'ERR_CERTIFICATE' })
          await once(socket, 'close')
          expect(given).to.equal(0)
        } else {
          while (given === 0) await new Promise(setImmediate)
        }
      }
    })

    it('the first bytes, a handler that takes anyone is told that its peer is not trusted any more', async () => {
      const { promise, resolve } = later<Seen>()
      const protocols: TokenServerOptions['protocols'] = {
        'http/1.1': { clientCertificate: 'optional', handler: socket => resolve(look(socket)) }
      }
      const { server, socket } = await early({ protocols }, await old.issueClient({ name: 'victim' }))
      server.reload({ ca: all.ca })
      socket.write('GET / HTTP/1.1\r\n\r\n')
      expect(await promise).to.deep.include({ authorized: false })
    })

    it('the first bytes, token/1 is refused to who lost its authority', async () => {
      const protocols: TokenServerOptions['protocols'] = {
        'http/1.1': { clientCertificate: 'optional', handler: socket => void socket.resume() }
      }
      const { server, socket } = await early({ protocols }, await old.issueClient({ name: 'victim' }))
      server.reload({ ca: all.ca })
      const refused = once(server, 'refused')
      socket.write(Buffer.from([0, 0, 0, 1, 65]))
      expect((await refused)[0]).to.include({ code: 'ERR_CERTIFICATE' })
    })

    it('HELLO, authorize is told that its peer is not trusted any more', async () => {
      const { promise, resolve } = later<[Peer | null, Seen]>()
      const { server, port } = await startServer({
        ca: [all.ca, old.cert],
        rejectUnauthorized: false,
        authorize: (peer, connection) => {
          if (peer?.subject !== 'CN=victim') return true
          resolve([peer, look(connection.socket as TLSSocket)])
          return false
        }
      })
      const hand = await HandClient.dial(port, await old.issueClient({ name: 'victim' }), all.ca)
      await hasRead(server)
      server.reload({ ca: all.ca })
      void hand.greet(null)
      const [peer, seen] = await promise
      expect(peer).to.include({ subject: 'CN=victim', isAuthorized: false })
      expect(seen.authorized).to.equal(false)
    })
  })

  it('is asked of a client that came before a reload when its TLS handshake is done, with the chain that it showed', async () => {
    for (const [who, isTrusted] of [
      [all.client, true],
      [await old.issueClient({ name: 'victim' }), false]
    ] as const) {
      const { server, port } = await startServer({ ca: [all.ca, old.cert] })
      const raw = connectTcp(port, '127.0.0.1')
      onCleanUp(() => raw.destroy())
      await until(() => server.pendingHandshakes === 1)
      server.reload({ ca: all.ca })
      const seen = Promise.race([once(server, 'connection'), once(server, 'refused')])
      const socket = connect({ socket: raw, ca: all.ca, servername: 'localhost', ...who })
      socket.on('error', () => {})
      const [what] = await seen
      expect(what.code).to.equal(isTrusted ? undefined : 'ERR_CERTIFICATE')
    }
  })
})

function later<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
