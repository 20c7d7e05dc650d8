import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import { type Authority, createAuthority, type KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import {
  type Authorize,
  byFingerprint,
  bySan,
  bySubject,
  type Connection,
  type Refusal,
  type TokenClient,
  type TokenError,
  TokenServer,
  type TokenServerOptions
} from '../../lib'
import { closeCodeName } from '../../lib/errors/close-codes'
import { codeOf } from '../../lib/errors/socket-error'
import { encodeControl } from '../../lib/wire/control-frame'
import { type Certificates, certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  onCleanUp,
  startServer,
  until
} from '../helpers/loopback'
import { beforeItEnds } from '../helpers/moments'

describe('connected means accepted', () => {
  closesWhatItOpened()

  const NONE = { key: undefined, cert: undefined }
  const PROTOCOLS = ['token/1', 'token/2'] as const
  let all: Certificates
  let authority: Authority

  before(async () => {
    all = await certificates()
    authority = await createAuthority({ name: 'authority of acceptance' })
  })

  /** What a server told and handed out. */
  function record(server: TokenServer): { refusals: Refusal[]; connections: Connection[]; tokens: string[] } {
    const refusals: Refusal[] = []
    const connections: Connection[] = []
    const tokens: string[] = []
    server.on('refused', refusal => refusals.push(refusal))
    server.on('connection', connection => connections.push(connection))
    server.on('token', token => tokens.push(token.toString()))
    return { refusals, connections, tokens }
  }

  /** The end of a client that wants to send, and whether it ever was connected. */
  async function fateOf(
    client: TokenClient
  ): Promise<{ error: TokenError | null; isConnected: boolean; unsent: number }> {
    let isConnected = false
    client.on('connect', () => {
      isConnected = true
    })
    client.send(Buffer.from('secret'))
    const { error, unsent } = await client.closed
    return { error, isConnected, unsent }
  }

  describe('a certificate', () => {
    const cases: Record<string, [(from: Certificates) => KeyAndCert | typeof NONE, string, string]> = {
      'of another authority': [
        ({ bad }) => bad.stranger,
        'certificate-unknown',
        'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
      ],
      'that is not there': [
        () => ({ key: undefined, cert: undefined }),
        'certificate-required',
        'it showed none'
      ],
      'that has expired': [({ bad }) => bad.expired, 'certificate-expired', 'CERT_HAS_EXPIRED'],
      'that is not yet valid': [({ bad }) => bad.notYetValid, 'certificate-expired', 'CERT_NOT_YET_VALID'],
      'for serverAuth only': [({ bad }) => bad.serverOnly, 'certificate-unknown', 'INVALID_PURPOSE'],
      'signed by a leaf': [({ bad }) => bad.signedByALeaf, 'certificate-unknown', ''],
      'that is revoked': [({ bad }) => bad.revoked, 'certificate-unknown', 'CERT_REVOKED']
    }

    function expectRefusal(refusal: Refusal | undefined, cert: string | undefined, reason: string): void {
      expect(refusal).to.include({ address: '127.0.0.1', code: 'ERR_CERTIFICATE' })
      expect(refusal?.port).to.be.within(1, 65_535)
      expect(refusal?.error.message).to.contain(reason)
      if (cert === undefined) {
        expect(refusal?.peer).to.equal(null)
      } else {
        const { subject, fingerprint256 } = new X509Certificate(cert)
        expect(refusal?.peer).to.include({ subject, fingerprint: fingerprint256, isAuthorized: false })
        expect(refusal?.peer?.sans).to.deep.equal([])
      }
    }

    for (const [title, [pick, closeCode, reason]] of Object.entries(cases)) {
      it(`a certificate ${title} is refused: its client is told ${closeCode}, was never connected, and no token was read`, async () => {
        const { server, port } = await startServer({ crl: all.crl })
        const seen = record(server)
        const pair = pick(all)
        const client = await makeClient(port, pair)
        const { error, isConnected, unsent } = await fateOf(client)
        expect(error).to.include({ code: 'ERR_REFUSED', closeCode })
        expect({ isConnected, unsent }).to.deep.equal({ isConnected: false, unsent: 1 })

        const { connection } = await connectPair(server)
        expect(seen.connections).to.deep.equal([connection])
        expect(seen.tokens).to.deep.equal([])
        expect(seen.refusals).to.have.length(1)
        expectRefusal(seen.refusals[0], pair.cert, reason)
        expect(seen.refusals[0]?.error.closeCode).to.equal(closeCode)
        expect(server.pendingHandshakes).to.equal(0)
      })

      it(`a certificate ${title} is refused on token/1: its connection is destroyed, the server tells it, and no token was read`, async () => {
        const { server, port } = await startServer({ crl: all.crl })
        const seen = record(server)
        const pair = pick(all)
        const client = await makeClient(port, { ...pair, protocol: 'token/1' })
        client.send(Buffer.from('secret'))
        await client.closed

        await connectPair(server)
        expect(seen.connections).to.have.length(1)
        expect(seen.tokens).to.deep.equal([])
        expect(seen.refusals).to.have.length(1)
        expectRefusal(seen.refusals[0], pair.cert, reason)
      })
    }

    it('a certificate of a CA that was removed after its ticket was issued is refused with certificate-unknown', async () => {
      const { server, port } = await startServer({ ca: [all.ca, authority.cert] })
      const seen = record(server)
      const client = await makeClient(port, await authority.issueClient({ name: 'gone' }))
      await once(client, 'connect')
      client.send(Buffer.from('while it was trusted'))
      await until(() => seen.tokens.length === 1)
      client.close()
      await client.closed

      server.reload({ ca: all.ca })
      client.connect()
      const { error, isConnected } = await fateOf(client)
      expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'certificate-unknown' })
      expect(isConnected).to.equal(false)
      expect(seen.tokens).to.deep.equal(['while it was trusted'])
      expect(seen.refusals[0]?.peer?.subject).to.equal('CN=gone')
    })

    it('a certificate with subject alternative names is refused with these names in the refusal', async () => {
      const { server, port } = await startServer()
      const other = await authority.issueServer({
        name: 'device',
        hosts: ['device.example', '192.0.2.7'],
        usages: ['clientAuth']
      })
      const refused = once(server, 'refused')
      await (await makeClient(port, other)).closed
      const [{ peer }] = (await refused) as [Refusal]
      expect(peer?.sans).to.include.members(['DNS:device.example', 'IP Address:192.0.2.7'])
    })

    it('a certificate is not asked for with rejectUnauthorized: false, and the peer says so', async () => {
      const { server } = await startServer({ rejectUnauthorized: false })
      const { connection } = await connectPair(server, all.bad.stranger)
      expect(connection.peer).to.include({ subject: 'CN=stranger', isAuthorized: false })
    })
  })

  describe('authorize', () => {
    const refusing: Record<string, [Authorize, string]> = {
      false: [() => false, 'not authorized'],
      'a promise of false': [() => Promise.resolve(false), 'not authorized'],
      'a reason': [() => ({ reason: 'not in the list' }), 'not in the list'],
      'a promise of a reason': [async () => ({ reason: 'not in the list' }), 'not in the list'],
      'undefined, as JavaScript may': [() => undefined as unknown as boolean, 'not authorized'],
      'an empty object, as JavaScript may': [() => ({}) as unknown as boolean, 'not authorized'],
      'an exception': [
        () => {
          throw new Error('the list is not there')
        },
        'authorize failed'
      ],
      'a rejection': [() => Promise.reject(new Error('the list is not there')), 'authorize failed']
    }

    for (const protocol of PROTOCOLS) {
      for (const [title, [authorize, reason]] of Object.entries(refusing)) {
        it(`authorize that answers ${title} refuses, on ${protocol}`, async () => {
          const { server, port } = await startServer({ authorize })
          const seen = record(server)
          const client = await makeClient(port, { protocol })
          const { error, isConnected } = await fateOf(client)
          if (protocol === 'token/2') {
            expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
            expect(error?.message).to.contain(reason)
            expect(error?.message).to.not.contain('the list is not there')
            expect(isConnected).to.equal(false)
          }
          await until(() => seen.refusals.length === 1)
          expect(seen.refusals[0]).to.include({ code: 'ERR_REFUSED', address: '127.0.0.1' })
          expect(seen.refusals[0]?.peer).to.include({ subject: 'CN=ann', isAuthorized: true })
          expect(seen.refusals[0]?.error.message).to.contain(reason)
          const hasCause = reason === 'authorize failed'
          expect(Boolean(seen.refusals[0]?.error.cause), 'cause').to.equal(hasCause)
          expect(seen).to.deep.include({ connections: [], tokens: [] })
          expect(server.pendingHandshakes).to.equal(0)
        })
      }

      it(`authorize that answers later accepts later, on ${protocol}: what came meanwhile is handed out after`, async () => {
        let accept!: (yes: boolean) => void
        const asked: (string | undefined)[] = []
        const { server, port } = await startServer({
          authorize: (peer, connection, signal) => {
            expect(connection.peer).to.equal(peer)
            expect(signal.aborted).to.equal(false)
            asked.push(peer?.subject)
            return new Promise(resolve => {
              accept = resolve
            })
          }
        })
        const seen = record(server)
        const client = await makeClient(port, { protocol })
        let isConnected = false
        client.on('connect', () => {
          isConnected = true
        })
        client.send(Buffer.from('early'))
        await until(() => asked.length === 1)
        if (protocol === 'token/2') expect(isConnected).to.equal(false)
        expect(server.pendingHandshakes).to.equal(1)
        expect(seen).to.deep.equal({ refusals: [], connections: [], tokens: [] })
        accept(true)
        await until(() => seen.tokens.length === 1)
        expect(isConnected).to.equal(true)
        expect(asked).to.deep.equal(['CN=ann'])
        expect(seen.connections).to.have.length(1)
        expect(server.pendingHandshakes).to.equal(0)
      })

      for (const limit of ['handshakeTimeout', 'authorizeTimeout'])
        it(`authorize that answers too late refuses at ${limit}, on ${protocol}, and its signal aborts`, async () => {
          let signal: AbortSignal | undefined
          let answer!: (yes: boolean) => void
          const { server, port } = await startServer({
            [limit]: 300,
            authorize: (_peer, _connection, given) => {
              signal = given
              return new Promise(resolve => {
                answer = resolve
              })
            }
          })
          const seen = record(server)
          const client = await makeClient(port, { protocol })
          const { error } = await fateOf(client)
          if (protocol === 'token/2')
            expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'handshake-timeout' })
          await until(() => seen.refusals.length === 1)
          expect(signal?.aborted).to.equal(true)
          expect(seen.refusals[0]?.code).to.equal('ERR_HANDSHAKE_TIMEOUT')
          answer(true)
          const { server: other } = await startServer()
          await connectPair(other)
          expect(seen.connections).to.deep.equal([])
        })
    }

    it('is told by its signal that the client has gone', async () => {
      let signal: AbortSignal | undefined
      const { server, port } = await startServer({
        authorize: (_peer, _connection, given) => {
          signal = given
          return new Promise(() => {})
        }
      })
      const seen = record(server)
      const client = await makeClient(port)
      await until(() => signal !== undefined)
      client.close({ timeout: 0 })
      await until(() => seen.refusals.length === 1)
      expect(signal?.aborted).to.equal(true)
      expect(seen.refusals[0]?.peer?.subject).to.equal('CN=ann')
      expect(seen.connections).to.deep.equal([])
    })

    it('is asked again at each connection, resumed or not', async () => {
      const answers = [true, false]
      const { port } = await startServer({ authorize: () => answers.shift() === true })
      const client = await makeClient(port)
      await once(client, 'connect')
      client.close()
      await client.closed
      client.connect()
      expect((await fateOf(client)).error).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
    })

    it('can be a matcher: byFingerprint, bySubject, bySan', async () => {
      const device = await authority.issueServer({
        name: 'device',
        hosts: ['device.example'],
        usages: ['clientAuth']
      })
      const { fingerprint256 } = new X509Certificate(device.cert)
      const { fingerprint256: another } = new X509Certificate(all.client.cert)
      const matchers: [Authorize, boolean][] = [
        [byFingerprint(fingerprint256), true],
        [byFingerprint(another), false],
        [bySubject('device'), true],
        [bySubject('ann'), false],
        [bySan('DNS:device.example'), true],
        [bySan('DNS:other.example'), false]
      ]
      for (const [authorize, isAccepted] of matchers) {
        const { server, port } = await startServer({ ca: [all.ca, authority.cert], authorize })
        const client = await makeClient(port, device)
        if (isAccepted) {
          await once(client, 'connect')
          expect(server.connections.size).to.equal(1)
        } else {
          expect((await client.closed).error).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
        }
      }
    })

    for (const protocol of PROTOCOLS) {
      it(`authorize that says yes after reload() took the trust away lets nobody in, on ${protocol}`, async () => {
        let accept!: (yes: boolean) => void
        const { server, port } = await startServer({
          ca: [all.ca, authority.cert],
          authorize: () =>
            new Promise(resolve => {
              accept = resolve
            })
        })
        const seen = record(server)
        const client = await makeClient(port, {
          ...(await authority.issueClient({ name: 'gone' })),
          protocol
        })
        await until(() => accept !== undefined)
        server.reload({ ca: all.ca })
        accept(true)
        const { error, isConnected } = await fateOf(client)
        if (protocol === 'token/2') {
          expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'certificate-unknown' })
          expect(isConnected).to.equal(false)
        }
        await until(() => seen.refusals.length === 1)
        expect(seen.refusals[0]?.peer?.subject).to.equal('CN=gone')
        expect(seen).to.deep.include({ connections: [], tokens: [] })
      })
    }

    it('is not asked for a certificate that is not trusted', async () => {
      let asked = 0
      const { port } = await startServer({
        authorize: () => {
          asked++
          return true
        }
      })
      const { error } = await (await makeClient(port, all.bad.stranger)).closed
      expect(error?.closeCode).to.equal('certificate-unknown')
      expect(asked).to.equal(0)
    })

    it('authorize that closes the connection itself crashes nothing', async () => {
      for (const how of ['close', 'destroy'] as const) {
        const { server, port } = await startServer({
          authorize: (_peer, connection) => {
            connection[how]()
            return true
          }
        })
        const seen = record(server)
        const client = await makeClient(port)
        const { isConnected } = await fateOf(client)
        await until(() => seen.refusals.length === 1)
        expect(isConnected).to.equal(false)
        expect(seen.connections).to.deep.equal([])
      }
    })
  })

  it('maxConnectionsPerIdentity is said before anyone is connected', async () => {
    const { server, port } = await startServer({ maxConnectionsPerIdentity: 1 })
    const seen = record(server)
    await connectPair(server)
    const { error, isConnected } = await fateOf(await makeClient(port))
    expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'overloaded' })
    expect(isConnected).to.equal(false)
    await until(() => seen.refusals.length === 1)
    expect(seen.refusals[0]).to.include({ code: 'ERR_TOO_MANY_CONNECTIONS_PER_IDENTITY' })
    expect(seen.refusals[0]?.peer?.subject).to.equal('CN=ann')
    expect(seen.connections).to.have.length(1)
  })

  describe("protocol: 'token/2'", () => {
    it('a client that demands token/2 gets the TLS alert at a server of token/1 only, and does not fall back', async () => {
      const { server, port } = await startServer({ protocol: 'token/1' })
      const seen = record(server)
      const { error, isConnected } = await fateOf(await makeClient(port, { protocol: 'token/2' }))
      expect(error?.code).to.equal('ERR_HANDSHAKE')
      expect(codeOf(error?.cause)).to.contain('NO_APPLICATION_PROTOCOL')
      expect(isConnected).to.equal(false)
      expect(seen.tokens).to.deep.equal([])
    })

    it('a client that demands token/2 fails with ERR_PROTOCOL_REQUIRED at a server without ALPN', async () => {
      const plain = createServer({ ...all.server, ca: all.ca, requestCert: true }, socket => {
        socket.on('error', () => {})
        socket.resume()
      }).listen(0, '127.0.0.1')
      await once(plain, 'listening')
      onCleanUp(() => plain.close())
      const client = await makeClient((plain.address() as AddressInfo).port, { protocol: 'token/2' })
      const { error, isConnected, unsent } = await fateOf(client)
      expect(error?.code).to.equal('ERR_PROTOCOL_REQUIRED')
      expect({ isConnected, unsent }).to.deep.equal({ isConnected: false, unsent: 1 })
    })

    it('a server that demands token/2 sends the TLS alert to a client of token/1 only', async () => {
      const { server, port } = await startServer({ protocol: 'token/2' })
      const seen = record(server)
      const { error } = await fateOf(await makeClient(port, { protocol: 'token/1' }))
      expect(codeOf(error?.cause)).to.contain('NO_APPLICATION_PROTOCOL')
      await until(() => seen.refusals.length === 1)
      expect(seen.refusals[0]?.code).to.equal('ERR_HANDSHAKE')
      expect(seen.connections).to.deep.equal([])
    })

    it('a server that demands token/2 refuses a client without ALPN with ERR_PROTOCOL_REQUIRED, and says nothing', async () => {
      const { server, port } = await startServer({ protocol: 'token/2' })
      const seen = record(server)
      const bare = dial(port, { ...all.client, ALPNProtocols: undefined })
      bare.on('secureConnect', () => bare.write(Buffer.from('0000000474657374', 'hex')))
      const { bytes } = await ending(bare)
      expect(bytes.length).to.equal(0)
      expect(seen.refusals[0]?.code).to.equal('ERR_PROTOCOL_REQUIRED')
      expect(seen).to.deep.include({ connections: [], tokens: [] })
    })

    it('an option that needs token/2 is an error of the caller on token/1', async () => {
      const { server } = await startServer({ protocol: 'token/1' })
      const { client } = await connectPair(server)
      const error = await client.deliver(Buffer.from('x')).then(
        () => null,
        (reason: TokenError) => reason
      )
      expect(error?.code).to.equal('ERR_PROTOCOL_REQUIRED')
      expectOption({ protocol: 'token/1', session: true })
    })
  })

  function expectOption(over: TokenServerOptions): void {
    expect(() => new TokenServer({ ...over, port: 0, ca: all.ca, ...all.server }))
      .to.throw()
      .with.property('code', 'ERR_PROTOCOL_REQUIRED')
  }

  // --- a client that is not ours, with a ticket of its own

  function dial(port: number, over: ConnectionOptions = {}): TLSSocket {
    const socket = connect({ host: '127.0.0.1', port, ca: all.ca, ALPNProtocols: ['token/2'], ...over })
    onCleanUp(() => socket.destroy())
    socket.on('error', () => {})
    return socket
  }

  /** All bytes until the socket closes, and the last ticket. */
  async function ending(socket: TLSSocket): Promise<{ bytes: Buffer; ticket: Buffer; isResumed: boolean }> {
    const chunks: Buffer[] = []
    let ticket = Buffer.alloc(0)
    let isResumed = false
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('session', session => {
      ticket = session
    })
    socket.on('secureConnect', () => {
      isResumed = socket.isSessionReused()
    })
    await new Promise(resolve => socket.on('close', resolve))
    return { bytes: Buffer.concat(chunks), ticket, isResumed }
  }

  /** The first frame of the server: HELLO accepts, CLOSE refuses. */
  function answerIn(bytes: Buffer): string {
    if (bytes[4] === 0x81) return 'accepted'
    return bytes[4] === 0x89 ? closeCodeName(bytes.readUInt16BE(5)) : bytes.toString('hex')
  }

  /** Says HELLO and hears what the server thinks; the ticket is what it would come back with. */
  async function ask(
    port: number,
    over: ConnectionOptions = {}
  ): Promise<{ answer: string; ticket: Buffer; isResumed: boolean }> {
    const socket = dial(port, over)
    socket.on('secureConnect', () => {
      const fingerprint = createFingerprint(all.server.cert)
      socket.write(
        encodeControl({
          type: 'hello',
          role: 'client',
          features: 2,
          maxTokenLength: 1024,
          heartbeat: 0,
          receiveWindow: 1024,
          fingerprint,
          session: null
        })
      )
    })
    // The tickets come before it.
    socket.once('data', () => socket.end())
    const { bytes, ticket, isResumed } = await ending(socket)
    return { answer: answerIn(bytes), ticket, isResumed }
  }

  function createFingerprint(cert: string): Buffer {
    return Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex')
  }

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    describe(`our own strict check, ${version}`, () => {
      const only = { minVersion: version, maxVersion: version }
      const ticketKeys = Buffer.alloc(48, 7)

      it('accepts a client with its certificate, at first and resumed', async () => {
        const { port } = await startServer(only)
        const first = await ask(port, all.client)
        expect(first).to.include({ answer: 'accepted', isResumed: false })
        const again = await ask(port, { ...all.client, session: first.ticket })
        expect(again).to.include({ answer: 'accepted', isResumed: true })
      })

      it('refuses a client that never had a certificate, at first and resumed', async () => {
        const { server, port } = await startServer(only)
        const seen = record(server)
        const first = await ask(port)
        expect(first).to.include({ answer: 'certificate-required', isResumed: false })
        const again = await ask(port, { session: first.ticket })
        expect(again.answer).to.equal('certificate-required')
        const late = await ask(port, { ...all.client, session: first.ticket })
        // A resumed session is that of the first handshake, whatever certificate is at hand now.
        expect(late.answer).to.equal(late.isResumed ? 'certificate-required' : 'accepted')
        expect(seen.connections.length).to.equal(late.isResumed ? 0 : 1)
      })

      it('refuses a stranger, at first and resumed', async () => {
        const { server, port } = await startServer(only)
        const seen = record(server)
        const first = await ask(port, all.bad.stranger)
        expect(first.answer).to.equal('certificate-unknown')
        const again = await ask(port, { ...all.bad.stranger, session: first.ticket })
        expect(again.answer).to.equal('certificate-unknown')
        expect(seen.connections).to.deep.equal([])
        expect(seen.refusals.map(({ code }) => code)).to.deep.equal(['ERR_CERTIFICATE', 'ERR_CERTIFICATE'])
      })

      it('knows a client that resumes without its certificate by the certificate of its ticket', async () => {
        const { server, port } = await startServer(only)
        const seen = record(server)
        const first = await ask(port, all.client)
        const again = await ask(port, { session: first.ticket })
        expect(again).to.include({ answer: 'accepted', isResumed: true })
        expect(seen.connections.map(({ peer }) => peer?.subject)).to.deep.equal(['CN=ann', 'CN=ann'])
      })

      it('a ticket of http/1.1 with an optional certificate opens no token/2', async () => {
        const { port } = await startServer({
          ...only,
          protocols: { 'http/1.1': { clientCertificate: 'optional', handler: socket => socket.end('hello') } }
        })
        const http = await ending(endsWithPeer(dial(port, { ...only, ALPNProtocols: ['http/1.1'] })))
        expect(http.bytes.toString()).to.equal('hello')
        expect(http.ticket.length).to.be.greaterThan(0)
        const again = await ask(port, { session: http.ticket })
        expect(again.answer).to.equal('certificate-required')
        const stranger = await ending(
          endsWithPeer(dial(port, { ...all.bad.stranger, ALPNProtocols: ['http/1.1'] }))
        )
        expect((await ask(port, { ...all.bad.stranger, session: stranger.ticket })).answer).to.equal(
          'certificate-unknown'
        )
      })

      it('a ticket of before reload({ ca }) opens nothing', async () => {
        const gone = await authority.issueClient({ name: 'gone' })
        const { server, port } = await startServer({ ...only, ca: [all.ca, authority.cert], ticketKeys })
        const seen = record(server)
        const first = await ask(port, gone)
        expect(first.answer).to.equal('accepted')
        server.reload({ ca: all.ca })
        const again = await ask(port, { ...gone, session: first.ticket })
        expect(again).to.include({ answer: 'certificate-unknown', isResumed: false })
        const bare = await ask(port, { session: first.ticket })
        expect(bare).to.include({ answer: 'certificate-required', isResumed: false })
        expect(seen.connections).to.have.length(1)
      })

      it('a ticket of before reload({ crl }) opens nothing', async () => {
        const { server, port } = await startServer({ ...only, ticketKeys })
        const first = await ask(port, all.bad.revoked)
        expect(first.answer).to.equal('accepted')
        server.reload({ crl: all.crl })
        const again = await ask(port, { ...all.bad.revoked, session: first.ticket })
        expect(again).to.include({ answer: 'certificate-unknown', isResumed: false })
      })

      it('a ticket of a server with another CA and the same ticketKeys opens nothing, one of the same set-up resumes', async () => {
        const lax = await startServer({ ...only, ca: [all.ca, authority.cert], ticketKeys })
        const gone = await authority.issueClient({ name: 'gone' })
        const { ticket } = await ask(lax.port, gone)
        const twin = await startServer({ ...only, ca: [all.ca, authority.cert], ticketKeys })
        expect(await ask(twin.port, { ...gone, session: ticket })).to.include({
          answer: 'accepted',
          isResumed: true
        })
        const strict = await startServer({ ...only, ticketKeys })
        expect(await ask(strict.port, { ...gone, session: ticket })).to.include({
          answer: 'certificate-unknown',
          isResumed: false
        })
        expect((await ask(strict.port, { session: ticket })).answer).to.equal('certificate-required')
      })
    })
  }

  it('a certificate that ends between the ticket and the dial is refused, with TLSv1.3 and with TLSv1.2', async () => {
    const refused = async (version: 'TLSv1.3' | 'TLSv1.2') => {
      const only = { minVersion: version, maxVersion: version } as const
      const { end, begun } = await beforeItEnds(async notAfter => {
        const short = await authority.issueClient({ name: 'short', notAfter })
        const { server, port } = await startServer({ ...only, ca: [all.ca, authority.cert] })
        const seen = record(server)
        return { short, port, seen, first: await ask(port, short) }
      })
      const { short, port, seen, first } = begun
      expect(first.answer, version).to.equal('accepted')
      // Real time: the date of Node and OpenSSL can not be set.
      await until(() => Date.now() > end.getTime() + 10)
      const again = await ask(port, { ...short, session: first.ticket })
      expect(again, version).to.include({ answer: 'certificate-expired', isResumed: true })
      expect(seen.connections).to.have.length(1)
    }
    await Promise.all([refused('TLSv1.3'), refused('TLSv1.2')])
  })

  function endsWithPeer(socket: TLSSocket): TLSSocket {
    socket.on('end', () => socket.end())
    return socket
  }

  describe('a resumed dial of TokenClient', () => {
    /** Closes, dials again, and says whether that was resumed. */
    async function comesBack(client: TokenClient): Promise<boolean> {
      // After a delivery the tickets are there too: the server writes them before anything else.
      await client.deliver(Buffer.from('ping'))
      client.close()
      await client.closed
      client.connect()
      await once(client, 'connect')
      const { socket } = client.connection as Connection
      return (socket as TLSSocket).isSessionReused()
    }

    it('knows its server and the verdict on its certificate', async () => {
      const { server } = await startServer()
      server.on('token', () => {})
      const { client } = await connectPair(server)
      const before = client.connection?.peer
      for (let i = 0; i < 3; i++) {
        expect(await comesBack(client), `dial ${i}`).to.equal(true)
        expect(client.connection?.peer).to.deep.equal(before)
      }
    })

    it('is a full one when the server has a new certificate, and resumes from then on', async () => {
      const { server } = await startServer()
      server.on('token', () => {})
      const { client } = await connectPair(server, { ca: [all.ca, authority.cert] })
      server.reload(await authority.issueServer({ name: 'renewed' }))
      expect(await comesBack(client)).to.equal(false)
      expect(client.connection?.peer?.subject).to.equal('CN=renewed')
      expect(await comesBack(client)).to.equal(true)
      expect(client.connection?.peer?.subject).to.equal('CN=renewed')
    })

    it('works with a server that was started again', async () => {
      const { server, port } = await startServer()
      server.on('token', () => {})
      const { client } = await connectPair(server)
      await client.deliver(Buffer.from('ping'))
      server.close()
      await Promise.all([server.closed, client.closed])
      const again = await startServer({ port })
      again.server.on('token', () => {})
      client.connect()
      await once(client, 'connect')
      expect(await comesBack(client)).to.equal(true)
    })
  })
})
