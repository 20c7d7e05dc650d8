import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  rootCertificates,
  type TLSSocket
} from 'node:tls'
import { createAuthority, openAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { peerChain } from '../../lib/tls/peer'
import { certificatesIn } from '../../lib/tls/pem'
import { type Credentials, readCredentials } from '../../lib/tls/read-credentials'
import { TrustAnchors } from '../../lib/tls/trust-anchors'
import { type Certificates, certificates } from '../helpers/certificates'
import { pfxOf } from '../helpers/pfx'
import {
  CERT_SIGN,
  type CertificateDraft,
  CLIENT_AUTH,
  ecKey,
  extension,
  type Maker,
  makeCertificate,
  makeCrl,
  nameOf,
  SERVER_AUTH,
  tlv
} from '../helpers/x509-maker'

const DAY = 86_400_000

const UNKNOWN = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'

/** What a client presents: its own certificate first. */
interface Identity {
  readonly key: string
  readonly cert: string
}

type Trust = Pick<Credentials, 'ca' | 'crl' | 'pfx' | 'passphrase'>

const chainOf = ({ cert }: Identity) => certificatesIn('cert', cert)

const anchorsOf = (trust: Trust) => new TrustAnchors(readCredentials(trust).trust)

describe('TrustAnchors', function () {
  this.timeout(60_000)
  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  /** What the server's ends of real handshakes look like. */
  async function shakeAll<T>(
    trust: Trust,
    clients: readonly ConnectionOptions[],
    look: (socket: TLSSocket) => T
  ): Promise<T[]> {
    const seen: T[] = []
    const own = trust.pfx === undefined ? all.server : {}
    const options = {
      ...own,
      ...readCredentials(trust).options,
      requestCert: true,
      rejectUnauthorized: false
    }
    const server = createServer(options, socket => {
      seen.push(look(socket))
      socket.on('error', () => {})
      socket.end('seen')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    for (const client of clients) {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...client })
      socket.resume()
      await once(socket, 'close')
    }
    server.close()
    expect(seen).to.have.length(clients.length)
    return seen
  }

  const verdicts = (trust: Trust, clients: readonly ConnectionOptions[]) =>
    shakeAll(trust, clients, socket => (socket.authorized ? null : String(socket.authorizationError)))

  function made(): { clients: Record<string, Identity>; trusts: Record<string, Trust> } {
    const ca: Omit<CertificateDraft, 'name' | 'key'> = { pathLength: Infinity, keyUsage: CERT_SIGN }
    const leaf = { pathLength: -1, extendedKeyUsage: [CLIENT_AUTH], keyUsage: '0780' }
    const make = (name: string, by: Maker | undefined, more: Partial<CertificateDraft>) =>
      makeCertificate({ name, key: ecKey(), ...(by && { by }), ...more })
    const root = make('root', undefined, ca)
    /** The certificate of the same name and key, as an operator may have it made anew. */
    const again = (more: Partial<CertificateDraft>) =>
      makeCertificate({ name: 'root', key: root.pair, ...more })
    const other = make('other', undefined, ca)
    const namesake = make('root', undefined, ca)
    const int = make('int', root, ca)
    const intRevoked = make('int', root, { ...ca, serial: 66 })
    const int2 = make('int2', int, ca)
    const crossed = makeCertificate({ name: 'root', key: root.pair, by: other, ...ca })
    const ann = make('ann', root, { ...leaf, serial: 7 })
    const me = make('me', undefined, leaf)
    const deep = make('deep', int, leaf)
    const sends = ({ key, cert }: Identity, ...sent: Maker[]): Identity => ({
      key,
      cert: cert + sent.map(maker => maker.cert).join('')
    })

    const clients = {
      good: ann,
      'good, root sent': sends(ann, root),
      'good, cross certificate sent': sends(ann, crossed),
      revoked: make('eve', root, { ...leaf, serial: 66 }),
      expired: make('old ann', root, { ...leaf, days: [-9, -1] }),
      'of another CA': make('bob', other, leaf),
      'of the namesake': make('ann', namesake, leaf),
      'for servers': make('srv', root, { ...leaf, extendedKeyUsage: [SERVER_AUTH] }),
      plain: make('plain', root, {}),
      'by a leaf': sends(make('kid', ann, leaf), ann),
      'signed by itself': me,
      forged: make('ann', { ...root, pair: ecKey() }, leaf),
      'intermediate sent': sends(deep, int),
      'intermediate not sent': deep,
      'intermediate revoked': sends(make('deep', intRevoked, leaf), intRevoked),
      'two intermediates in disorder': sends(make('deeper', int2, leaf), other, int, ann, int2)
    }

    const crl = makeCrl({ by: root, revoked: [66, 67] })
    const pems = (...makers: Maker[]) => makers.map(maker => maker.cert)
    const trusts: Record<string, Trust> = {
      root: { ca: root.cert },
      renewed: { ca: again(ca).cert },
      ended: { ca: again({ ...ca, days: [-9, -1] }).cert },
      'ended, then renewed': { ca: pems(again({ ...ca, days: [-9, -1] }), again(ca)) },
      'other spelling': { ca: makeCertificate({ name: ' ROOT', key: root.pair, nameTag: 19, ...ca }).cert },
      namesake: { ca: namesake.cert },
      'namesake and root': { ca: namesake.cert + root.cert },
      other: { ca: Buffer.from(other.cert) },
      'may not sign': { ca: again({ ...ca, keyUsage: '0102' }).cert },
      'no CA': { ca: again(leaf).cert },
      'path length 0': { ca: again({ ...ca, pathLength: 0 }).cert },
      'for servers only': { ca: again({ ...ca, extendedKeyUsage: [SERVER_AUTH] }).cert },
      'with a strange extension': { ca: again({ ...ca, more: [extension('1.2.3.4', tlv(5), true)] }).cert },
      'a client itself': { ca: me.cert },
      'the leaf itself': { ca: ann.cert },
      'intermediate alone': { ca: int.cert },
      'intermediate and root': { ca: pems(int, root) },
      'cross certificate and other': { ca: pems(crossed, other) },
      crl: { ca: root.cert, crl },
      'crl of nobody': { ca: root.cert, crl: makeCrl({ by: root }) },
      'crl expired': { ca: root.cert, crl: makeCrl({ by: root, days: [-9, -1] }) },
      'crl not yet valid': { ca: root.cert, crl: makeCrl({ by: root, days: [1, 9] }) },
      'crl without an end': { ca: root.cert, crl: makeCrl({ by: root, revoked: [66], days: [-1] }) },
      'crl expired and good': { ca: root.cert, crl: makeCrl({ by: root, days: [-9, -1] }) + crl },
      'crl old and new': { ca: root.cert, crl: [crl, makeCrl({ by: root, days: [-0.5, 30] })] },
      'crl of other': { ca: pems(root, other), crl: makeCrl({ by: other }) },
      'crl of the namesake': { ca: root.cert, crl: makeCrl({ by: namesake }) },
      'crl by another key': { ca: root.cert, crl: makeCrl({ by: root, key: ecKey() }) },
      'crl in another spelling': {
        ca: root.cert,
        crl: makeCrl({ by: { ...root, name: nameOf('ROOT', 19) } })
      },
      'crls of root and int': { ca: root.cert, crl: [crl, makeCrl({ by: int })] },
      'crls of all': { ca: root.cert, crl: crl + makeCrl({ by: int }) + makeCrl({ by: int2 }) }
    }
    return { clients, trusts }
  }

  /**
   * Where it deliberately says another thing than OpenSSL, in all that is tried. It keeps who would be refused when the
   * certificate of a CA is replaced by one of the same name and key that allows less, and where only the signature of
   * a list is wrong. It closes who would be accepted, and who is when he comes back, where names are equal and not the
   * same, and where of two lists that are both in force the older one names him.
   */
  const DIFFERENCES: readonly string[] = [
    'path length 0: keeps 3',
    'with a strange extension: keeps 8',
    'crl of the namesake: keeps 5',
    'crl by another key: keeps 5',
    'crl in another spelling: closes 5',
    'crl old and new: closes 1'
  ]

  it('says what a handshake says, of every client under every trust, but for a few that are written down', async () => {
    const { clients, trusts } = made()
    const differences = new Map<string, number>()
    const seen = new Map<string | null, number>()
    // The same objects under each trust, as on a reload: nothing remembered of one may show under the next.
    const chains = Object.values(clients).map(chainOf)
    const dials = Object.values(clients).map(client => ({ secureContext: createSecureContext(client) }))
    for (const [trustName, trust] of Object.entries(trusts)) {
      const anchors = anchorsOf(trust)
      const expected = await verdicts(trust, dials)
      for (const [index, said] of expected.entries()) {
        seen.set(said, (seen.get(said) ?? 0) + 1)
        const actual = anchors.check(chains[index] as X509Certificate[], new Date())?.reason ?? null
        if ((actual === null) === (said === null)) continue
        const which = `${trustName}: ${actual === null ? 'keeps' : 'closes'}`
        differences.set(which, (differences.get(which) ?? 0) + 1)
      }
    }
    expect([...differences].map(([which, count]) => `${which} ${count}`)).to.have.members(DIFFERENCES)
    // Else this test could not fail.
    expect(seen.get(null)).to.be.greaterThan(50)
    expect([...seen.keys()]).to.include.members(['CERT_REVOKED', 'CERT_HAS_EXPIRED', 'UNABLE_TO_GET_CRL'])
  })

  it('closes what a reload has to close, and nothing else', async () => {
    const [one, two] = [await createAuthority({ name: 'one' }), await createAuthority({ name: 'two' })]
    const again = await openAuthority(one)
    const soon = new Date(Date.now() + DAY)
    const ann = await one.issueClient({ name: 'ann' })
    const bob = await two.issueClient({ name: 'bob' })
    const eve = await again.issueClient({ name: 'eve' })
    const old = await one.issueClient({ name: 'old', notAfter: soon })
    const before = { ca: [one.cert, two.cert] }
    const chains = await shakeAll(before, [ann, bob, eve, old], socket => peerChain(socket))
    const under = (trust: Trust, now = new Date()) => {
      const anchors = anchorsOf(trust)
      return chains.map(chain => anchors.check(chain, now)?.reason ?? null)
    }
    expect(under(before)).to.deep.equal([null, null, null, null])
    expect(under({ ca: two.cert })).to.deep.equal([UNKNOWN, null, UNKNOWN, UNKNOWN])
    const crl = [await one.createCrl([eve.cert]), await two.createCrl([])]
    expect(under({ ...before, crl })).to.deep.equal([null, null, 'CERT_REVOKED', null])
    const afterwards = new Date(soon.getTime() + 1)
    expect(under(before, afterwards)).to.deep.equal([null, null, null, 'CERT_HAS_EXPIRED'])
    const anchors = anchorsOf({ ...before, crl })
    expect(anchors.check(chains[3] ?? [], afterwards)?.code).to.equal('certificate-expired')
    expect(anchors.check(chains[2] ?? [], new Date())?.code).to.equal('certificate-unknown')
  })

  it('refuses who has no certificate, and everybody by a clock that tells no time', () => {
    const anchors = anchorsOf({ ca: all.ca })
    expect(anchors.check([], new Date())?.code).to.equal('certificate-required')
    expect(anchors.check(chainOf(all.client), new Date(Number.NaN))).to.not.equal(null)
  })

  it('trusts the roots of Node where there is no ca', () => {
    const anchors = anchorsOf({})
    expect(anchors.check(chainOf(all.client), new Date())?.code).to.equal('certificate-unknown')
    for (const pem of rootCertificates.slice(0, 20)) {
      const reason = anchors.check(certificatesIn('ca', pem), new Date())?.reason
      expect(reason).to.be.oneOf([undefined, 'INVALID_PURPOSE', 'CERT_HAS_EXPIRED'])
    }
  })

  for (const [title, ca] of [
    ['no ca', undefined],
    ['another ca beside it', 'otherCa']
  ] as const) {
    it(`trusts the authorities in a pfx, as Node does, with ${title}`, async function () {
      const [root, other] = [
        await createAuthority({ name: 'in the pfx' }),
        await createAuthority({ name: 'beside' })
      ]
      const leaf = await root.issueServer()
      const pfx = pfxOf(leaf, 'pfx of this test', root.cert + other.cert)
      if (pfx === null) return this.skip()
      const clients = [
        await root.issueClient({ name: 'a' }),
        await other.issueClient({ name: 'b' }),
        all.client
      ]
      const trust: Trust = { pfx, passphrase: 'pfx of this test', ...(ca && { ca: all[ca] }) }
      const said = await verdicts(trust, clients)
      expect(said.map(word => word === null)).to.deep.equal([true, true, false])
      const anchors = anchorsOf(trust)
      const actual = clients.map(client => anchors.check(chainOf(client), new Date()) === null)
      expect(actual).to.deep.equal([true, true, false])
    })
  }

  it('asks 200 connections in a second of CPU, and again in less', () => {
    const root = makeCertificate({ name: 'root', key: ecKey(), pathLength: 0, keyUsage: '0106' })
    const key = ecKey()
    const chains = Array.from({ length: 200 }, () => chainOf(makeCertificate({ name: 'ann', key, by: root })))
    const [first = 0, ...again] = [[], [66], [67], [68]].map(revoked => {
      const start = process.cpuUsage()
      const anchors = anchorsOf({ ca: root.cert, crl: makeCrl({ by: root, revoked }) })
      for (const chain of chains) expect(anchors.check(chain, new Date())).to.equal(null)
      return process.cpuUsage(start).user / 1000
    })
    expect(first).to.be.below(1000)
    expect(Math.min(...again)).to.be.below(first)
  })

  describe('peerChain', () => {
    it('is what the peer sent', async () => {
      const ca = { pathLength: Infinity, keyUsage: '0106' }
      const root = makeCertificate({ name: 'root', key: ecKey(), ...ca })
      const int = makeCertificate({ name: 'int', key: ecKey(), by: root, ...ca })
      const ann = makeCertificate({ name: 'ann', key: ecKey(), by: int })
      const client = { key: ann.key, cert: ann.cert + int.cert }
      const names = (socket: TLSSocket) => peerChain(socket).map(({ subject }) => subject)
      expect(await shakeAll({ ca: all.ca }, [client], names)).to.deep.equal([['CN=ann', 'CN=int']])
      // Node 24 asks first, and so makes it forget.
      const known = process.version.startsWith('v24.') ? ['CN=ann'] : ['CN=ann', 'CN=int']
      expect(await shakeAll({ ca: root.cert }, [client], names)).to.deep.equal([known])
      // Nothing of what the server trusts itself: else its intermediates would outlive a reload.
      const alone = { key: ann.key, cert: ann.cert }
      const trust = { ca: [root.cert, int.cert] }
      expect(await shakeAll(trust, [alone], names)).to.deep.equal([['CN=ann']])
      expect(await shakeAll(trust, [{}], names)).to.deep.equal([[]])

      const [chain = []] = await shakeAll(trust, [alone], peerChain)
      expect(anchorsOf(trust).check(chain, new Date())).to.equal(null)
      expect(anchorsOf({ ca: root.cert }).check(chain, new Date())?.reason).to.equal(UNKNOWN)
    })

    it('is the leaf of a resumed session, which its CA in option ca vouches for', async () => {
      let ticket: Buffer | undefined
      const server = createServer({ ...all.server, ca: all.ca, requestCert: true, sessionIdContext: 'x' })
      const seen: { reused: boolean; chain: X509Certificate[] }[] = []
      server.on('secureConnection', socket => {
        seen.push({ chain: peerChain(socket), reused: socket.isSessionReused() })
        socket.end('seen')
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      for (let i = 0; i < 2; i++) {
        const { port } = server.address() as AddressInfo
        const who = { ...all.client, maxVersion: 'TLSv1.2', ...(ticket && { session: ticket }) } as const
        const socket = connect({ port, ca: all.ca, ...who })
        socket.resume()
        await once(socket, 'secureConnect')
        ticket = socket.getSession()
        await once(socket, 'close')
      }
      server.close()
      expect(seen.map(({ reused }) => reused)).to.deep.equal([false, true])
      expect(anchorsOf({ ca: all.ca }).check(seen[1]?.chain ?? [], new Date())).to.equal(null)
      expect(anchorsOf({ ca: all.otherCa }).check(seen[1]?.chain ?? [], new Date())?.reason).to.equal(UNKNOWN)
    })
  })
})
