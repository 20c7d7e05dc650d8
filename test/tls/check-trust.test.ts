import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
  type TlsOptions
} from 'node:tls'
import { createAuthority, type KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import { checkTrust, type TrustFailure } from '../../lib/tls/check-trust'
import { sessionIdContext } from '../../lib/tls/session-id-context'
import { type Certificates, certificates } from '../helpers/certificates'
import { until } from '../helpers/loopback'
import { beforeItEnds } from '../helpers/moments'

const DAY = 86_400_000

/** What the server's end of a connection knew. */
interface Seen {
  readonly failure: TrustFailure | null
  readonly authorized: boolean
  readonly reused: boolean
  readonly ticket: Buffer
}

describe('trust', () => {
  let all: Certificates
  let clock: () => Date
  let last: Omit<Seen, 'ticket'>
  const servers = new Set<Server>()

  before(async () => {
    all = await certificates()
  })

  beforeEach(() => {
    clock = () => new Date()
  })

  afterEach(() => {
    for (const server of servers) server.close()
    servers.clear()
  })

  /** As a TokenServer is to set it up. */
  function trusting(over: TlsOptions = {}): TlsOptions {
    const options: TlsOptions = {
      ...all.server,
      ca: all.ca,
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false,
      ...over
    }
    return { ...options, sessionIdContext: over.sessionIdContext ?? sessionIdContext(options) }
  }

  async function listen(options: TlsOptions): Promise<Server> {
    const server = createServer({ ...options, ALPNProtocols: ['token/2', 'http/1.1'] }, socket => {
      last = {
        failure: checkTrust(socket, clock()),
        authorized: socket.authorized,
        reused: socket.isSessionReused()
      }
      socket.on('error', () => {})
      socket.end('seen')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.add(server)
    return server
  }

  async function dial(server: Server, over: ConnectionOptions = {}): Promise<Seen> {
    const socket: TLSSocket = connect({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      ca: [all.ca],
      ALPNProtocols: ['token/2'],
      ...over
    })
    let ticket = Buffer.alloc(0)
    socket.on('session', session => {
      ticket = session
    })
    socket.resume()
    // TLS 1.3 brings tickets after the handshake, in front of the data.
    await once(socket, 'end')
    socket.end()
    await once(socket, 'close')
    return { ...last, ticket }
  }

  const required = { code: 'certificate-required', reason: 'no certificate' }
  const expired = { code: 'certificate-expired', reason: 'CERT_HAS_EXPIRED' }

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    describe(version, () => {
      const over = (more: TlsOptions = {}) => trusting({ minVersion: version, maxVersion: version, ...more })

      it('trusts a client of the CA, at first and resumed', async () => {
        const server = await listen(over())
        const first = await dial(server, all.client)
        expect(first.failure).to.equal(null)
        const second = await dial(server, { ...all.client, session: first.ticket })
        expect(second.reused).to.equal(true)
        expect(second.failure).to.equal(null)
      })

      const bad: [keyof Certificates['bad'], TrustFailure['code'], RegExp][] = [
        ['stranger', 'certificate-unknown', /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/],
        ['expired', 'certificate-expired', /^CERT_HAS_EXPIRED$/],
        ['notYetValid', 'certificate-expired', /^CERT_NOT_YET_VALID$/],
        ['serverOnly', 'certificate-unknown', /^INVALID_PURPOSE$/],
        ['signedByALeaf', 'certificate-unknown', /./],
        ['revoked', 'certificate-unknown', /^CERT_REVOKED$/]
      ]
      for (const [name, code, reason] of bad) {
        it(`refuses ${name}, at first and resumed`, async () => {
          const server = await listen(over({ crl: all.crl }))
          const first = await dial(server, all.bad[name])
          expect(first.failure?.code).to.equal(code)
          expect(first.failure?.reason).to.match(reason)
          const second = await dial(server, { ...all.bad[name], session: first.ticket })
          expect(second.failure).to.deep.equal(first.failure)
        })
      }

      it('refuses a client without a certificate, at first and resumed', async () => {
        const server = await listen(over())
        const first = await dial(server)
        expect(first.failure).to.deep.equal(required)
        const second = await dial(server, { session: first.ticket })
        expect(second.reused).to.equal(true)
        // Else this test could not fail: here Node's own word is not enough.
        if (version === 'TLSv1.3' && nodeMajor() <= 22) expect(second.authorized).to.equal(true)
        expect(second.failure).to.deep.equal(required)
      })

      it('refuses token/2 on the ticket of a certificate-less http/1.1 connection', async () => {
        const server = await listen(over())
        const { ticket } = await dial(server, { ALPNProtocols: ['http/1.1'] })
        const asToken = await dial(server, { session: ticket })
        expect(asToken.reused).to.equal(true)
        if (version === 'TLSv1.3' && nodeMajor() <= 22) expect(asToken.authorized).to.equal(true)
        expect(asToken.failure).to.deep.equal(required)
        // A resumed handshake asks for no certificate: the client has to drop the ticket.
        const withCertificate = await dial(server, { ...all.client, session: ticket })
        if (withCertificate.reused) expect(withCertificate.failure).to.deep.equal(required)
        expect((await dial(server, all.client)).failure).to.equal(null)
      })

      it('refuses a certificate that ended after its ticket was given out', async () => {
        const server = await listen(over())
        const { ticket } = await dial(server, all.client)
        clock = () => new Date(Date.now() + 366 * DAY)
        const resumed = await dial(server, { ...all.client, session: ticket })
        expect(resumed.authorized).to.equal(true)
        expect(resumed.failure).to.deep.equal(expired)
        clock = () => new Date(Date.now() - 2 * DAY)
        const early = await dial(server, { ...all.client, session: ticket })
        expect(early.failure).to.deep.equal({ code: 'certificate-expired', reason: 'CERT_NOT_YET_VALID' })
        clock = () => new Date(Number.NaN)
        expect((await dial(server, all.client)).failure).to.not.equal(null)
      })

      for (const how of ['in another server', 'by setSecureContext'] as const) {
        describe(`with fixed ticketKeys and changed options, ${how}`, () => {
          const ticketKeys = randomBytes(48)

          /** The same client before and after, with its ticket. */
          async function change(
            client: KeyAndCert | Record<string, never>,
            from: TlsOptions,
            to: TlsOptions
          ): Promise<Seen> {
            let server = await listen(over({ ticketKeys, ...from }))
            const { ticket, failure } = await dial(server, client)
            if ('key' in client) expect(failure).to.equal(null)
            if (how === 'by setSecureContext') server.setSecureContext(over({ ticketKeys, ...to }))
            else server = await listen(over({ ticketKeys, ...to }))
            return dial(server, { ...client, session: ticket })
          }

          it('resumes a client of a removed CA without our sessionIdContext: so the test after next can fail', async () => {
            const sessionIdContext = 'the same'
            const seen = await change(
              all.bad.stranger,
              { ca: [all.ca, all.otherCa], sessionIdContext },
              { sessionIdContext }
            )
            expect(seen.reused).to.equal(true)
            expect(seen.failure).to.equal(null)
          })

          it('resumes a revoked client without our sessionIdContext: so the test after next can fail', async () => {
            const sessionIdContext = 'the same'
            const to = { crl: all.crl, sessionIdContext }
            const seen = await change(all.bad.revoked, { sessionIdContext }, to)
            expect(seen.reused).to.equal(true)
            expect(seen.failure).to.equal(null)
          })

          it('refuses a client whose CA was removed after its ticket was given out', async () => {
            const seen = await change(all.bad.stranger, { ca: [all.ca, all.otherCa] }, {})
            expect(seen.reused).to.equal(false)
            expect(seen.failure?.code).to.equal('certificate-unknown')
          })

          it('refuses a client that was revoked after its ticket was given out', async () => {
            const seen = await change(all.bad.revoked, {}, { crl: all.crl })
            expect(seen.reused).to.equal(false)
            expect(seen.failure).to.deep.equal({ code: 'certificate-unknown', reason: 'CERT_REVOKED' })
          })

          it('keeps trusting, by a full handshake, a client whose CA stayed', async () => {
            const seen = await change(all.client, { ca: [all.ca, all.otherCa] }, {})
            expect(seen.reused).to.equal(false)
            expect(seen.failure).to.equal(null)
          })

          it('has the client see the new certificate of a server that changed its own', async () => {
            const renewed = { key: all.elsewhereServer.key, cert: all.elsewhereServer.cert }
            const client = { ...all.client, rejectUnauthorized: false }
            const seen = await change(client, {}, renewed)
            expect(seen.reused).to.equal(false)
            expect(seen.failure).to.equal(null)
          })

          if (how === 'in another server') {
            it('refuses the ticket of a server that asked for no certificate', async () => {
              const seen = await change({}, { requestCert: false }, {})
              expect(seen.reused).to.equal(false)
              expect(seen.failure).to.deep.equal(required)
            })
          }

          it('resumes when nothing changed', async () => {
            const seen = await change(all.client, {}, {})
            expect(seen.reused).to.equal(true)
            expect(seen.failure).to.equal(null)
          })
        })
      }
    })
  }

  it('refuses a certificate that ended a moment ago while Node still says authorized', async () => {
    const authority = await createAuthority({ notBefore: new Date(Date.now() - DAY) })
    const server = await listen(trusting({ ca: authority.cert }))
    const { end, begun } = await beforeItEnds(async notAfter => {
      const short = await authority.issueClient({ name: 'short', notAfter })
      return { short, ...(await dial(server, short)) }
    })
    const { short, ticket, failure } = begun
    expect(failure).to.equal(null)
    // Real time: the date of OpenSSL can not be set.
    await until(() => Date.now() > end.getTime() + 10)
    const resumed = await dial(server, { ...short, session: ticket })
    expect(resumed.reused).to.equal(true)
    expect(resumed.authorized).to.equal(true)
    expect(resumed.failure).to.deep.equal(expired)
    expect((await dial(server, short)).failure).to.deep.equal(expired)
  })

  it('refuses the clients of a CA that ended within sessionTimeout, though they resume again and again', async () => {
    const { end, begun } = await beforeItEnds(async notAfter => {
      const authority = await createAuthority({ notBefore: new Date(Date.now() - DAY), notAfter })
      const client = await authority.issueClient({ name: 'ann', notAfter: new Date(Date.now() + DAY) })
      const sessionTimeout = Math.ceil((notAfter.getTime() - Date.now()) / 1000) + 2
      const server = await listen(trusting({ ca: authority.cert, sessionTimeout }))
      return { client, server, first: await dial(server, client) }
    })
    const { client, server } = begun
    let seen = begun.first
    expect(seen.failure).to.equal(null)
    let { ticket } = seen
    let resumedAfterTheEnd = 0
    while (seen.failure === null && Date.now() < end.getTime() + 10_000) {
      // Real time: sessionTimeout is OpenSSL's.
      await new Promise(resolve => setTimeout(resolve, 150))
      const isOver = Date.now() > end.getTime()
      seen = await dial(server, { ...client, session: ticket })
      if (seen.reused && isOver) resumedAfterTheEnd++
      // Node gives out none on a resumed connection: nobody gets past the timeout by going from one to the next.
      if (seen.ticket.length > 0) ticket = seen.ticket
    }
    // Else this test could not fail: nothing but the timeout stops them.
    expect(resumedAfterTheEnd).to.be.greaterThan(0)
    expect(seen.reused).to.equal(false)
    expect(seen.failure).to.deep.equal(expired)
  })

  it('is right about a server too', async () => {
    const server = await listen(trusting())
    const { port } = server.address() as AddressInfo
    const { ca, client, otherCa } = all
    for (const [trusted, failure] of [
      [ca, null],
      [otherCa, 'certificate-unknown']
    ] as const) {
      const socket = connect({ host: '127.0.0.1', port, ...client, ca: trusted, rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      expect(checkTrust(socket, new Date())?.code ?? null).to.equal(failure)
      socket.destroy()
      expect(checkTrust(socket, new Date())).to.deep.equal(required)
    }
  })

  describe('sessionIdContext', () => {
    it('is 32 characters, all that OpenSSL takes, and the same for the same options', () => {
      const context = sessionIdContext(trusting())
      expect(context).to.match(/^[\w-]{32}$/)
      expect(sessionIdContext(trusting())).to.equal(context)
      expect(sessionIdContext({ ...trusting(), ticketKeys: randomBytes(48), handshakeTimeout: 1 })).to.equal(
        sessionIdContext(trusting())
      )
    })

    it('is another one as soon as anything differs that decides on trust', () => {
      const options: TlsOptions[] = [
        {},
        { ca: 'ab' },
        { ca: ['ab'] },
        { ca: ['a', 'b'] },
        { ca: ['b', 'a'] },
        { ca: [] },
        { crl: 'ab' },
        { cert: 'ab' },
        { cert: 'true' },
        { requestCert: true },
        { requestCert: false },
        { rejectUnauthorized: true },
        { pfx: Buffer.from('ab') },
        { pfx: [{ buf: 'abc' }] },
        { minVersion: 'TLSv1.2' },
        { sigalgs: 'RSA+SHA256' },
        { ciphers: 'ALL' },
        { secureOptions: 1 },
        { sessionIdContext: 'mine' }
      ]
      expect(new Set(options.map(sessionIdContext)).size).to.equal(options.length)
      expect(sessionIdContext({ ca: Buffer.from('ab') })).to.equal(sessionIdContext({ ca: 'ab' }))
    })
  })
})

function nodeMajor(): number {
  return Number(process.versions.node.split('.')[0])
}
