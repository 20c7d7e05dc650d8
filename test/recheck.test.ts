import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  type ConnectionOptions,
  connect,
  createServer,
  rootCertificates,
  type TLSSocket,
  type TlsOptions
} from 'node:tls'
import { createAuthority, openAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { TokenError } from '../lib/errors'
import { certificatesIn } from '../lib/pem'
import { peerChain, recheck } from '../lib/recheck'
import { TrustAnchors, type TrustOptions } from '../lib/trust-anchors'
import { type Certificates, certificates } from './helpers/certificates'
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
  seq,
  tlv
} from './helpers/x509-maker'

const DAY = 86_400_000

const UNKNOWN = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'

/** Errors of OpenSSL that Node has no word for. */
const UNNAMED: readonly string[] = [
  'UNHANDLED_CRITICAL_EXTENSION',
  'KEYUSAGE_NO_CERTSIGN',
  'KEYUSAGE_NO_CRL_SIGN'
]

/** What a client presents: its own certificate first. */
interface Identity {
  readonly key: string
  readonly cert: string
}

type Case<T> = readonly [name: string, value: T]

describe('recheck', function () {
  this.timeout(60_000)
  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  /** What the server's ends of real handshakes look like. */
  async function shakeAll<T>(
    trust: TrustOptions,
    clients: readonly ConnectionOptions[],
    look: (socket: TLSSocket) => T
  ): Promise<T[]> {
    const seen: T[] = []
    const options = { ...all.server, ...trust, requestCert: true, rejectUnauthorized: false } as TlsOptions
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

  const verdicts = (trust: TrustOptions, clients: readonly Identity[]) =>
    shakeAll(trust, clients, socket => (socket.authorized ? null : String(socket.authorizationError)))

  function made(): { clients: Case<Identity>[]; trusts: Case<TrustOptions>[] } {
    const ca: Omit<CertificateDraft, 'name' | 'key'> = { pathLength: Infinity, keyUsage: CERT_SIGN }
    const leaf = { pathLength: -1, extendedKeyUsage: [CLIENT_AUTH], keyUsage: '0780' }
    const make = (name: string, by: Maker | undefined, more: Partial<CertificateDraft>) =>
      makeCertificate({ name, key: ecKey(), ...(by && { by }), ...more })

    const root = make('root', undefined, ca)
    const renewed = makeCertificate({ name: 'root', key: root.pair, ...ca })
    const ended = makeCertificate({ name: 'root', key: root.pair, ...ca, days: [-9, -1] })
    const otherSpelling = makeCertificate({ name: ' ROOT', key: root.pair, nameTag: 19, ...ca })
    const namesake = make('root', undefined, ca)
    const bare = make('bare', undefined, { ...ca, keyIds: 'none' })
    const bareNamesake = make('bare', undefined, { ...ca, keyIds: 'none' })
    const other = make('other', undefined, ca)
    const noSign = makeCertificate({ name: 'root', key: root.pair, ...ca, keyUsage: '0102' })
    const noCrlSign = makeCertificate({ name: 'root', key: root.pair, ...ca, keyUsage: '0204' })
    const notCa = makeCertificate({ name: 'root', key: root.pair, ...leaf })
    const notCaBare = makeCertificate({ name: 'root', key: root.pair, pathLength: -1 })
    const silent = makeCertificate({ name: 'root', key: root.pair })
    const strict = makeCertificate({ name: 'root', key: root.pair, ...ca, pathLength: 0 })
    const forServers = makeCertificate({
      name: 'root',
      key: root.pair,
      ...ca,
      extendedKeyUsage: [SERVER_AUTH]
    })
    const odd = makeCertificate({
      name: 'root',
      key: root.pair,
      ...ca,
      more: [extension('1.2.3.4', tlv(5), true)]
    })
    const old = make('old', undefined, { version: 1 })
    const usageOnly = make('usage', undefined, { keyUsage: CERT_SIGN })
    const int = make('int', root, ca)
    const intRevoked = make('int', root, { ...ca, serial: 66 })
    const intByOther = makeCertificate({ name: 'int', key: int.pair, by: other, ...ca })
    const int2 = make('int2', int, ca)
    const crossed = makeCertificate({ name: 'root', key: root.pair, by: other, ...ca })

    const clients: Case<Identity>[] = []
    const add = (name: string, { key, cert }: Identity, ...sent: Maker[]) =>
      clients.push([name, { key, cert: cert + sent.map(({ cert }) => cert).join('') }])
    const ann = make('ann', root, { ...leaf, serial: 7 })
    add('good', ann)
    add('good, root sent', ann, root)
    add('good, cross certificate sent', ann, crossed)
    add('revoked', make('eve', root, { ...leaf, serial: 66 }))
    add('expired', make('old ann', root, { ...leaf, days: [-9, -1] }))
    add('expired and revoked', make('old eve', root, { ...leaf, serial: 67, days: [-9, -1] }))
    add('not yet valid', make('new ann', root, { ...leaf, days: [1, 9] }))
    add('of another CA', make('bob', other, leaf))
    add('of another CA, expired', make('bob', other, { ...leaf, days: [-9, -1] }))
    add('of the namesake', make('ann', namesake, leaf))
    add('of a CA without key ids', make('ann', bare, { ...leaf, keyIds: 'none' }))
    add('of its namesake', make('ann', bareNamesake, { ...leaf, keyIds: 'none' }))
    add('for servers', make('srv', root, { ...leaf, extendedKeyUsage: [SERVER_AUTH] }))
    add('for nothing', make('nil', root, { ...leaf, extendedKeyUsage: [] }))
    add('plain', make('plain', root, {}))
    add('that may only sign', make('ann', root, { ...leaf, keyUsage: CERT_SIGN }))
    add('with a strange extension', make('x', root, { ...leaf, more: [extension('1.2.3.4', tlv(5), true)] }))
    add('by a leaf', make('kid', ann, leaf), ann)
    add('signed by itself', make('me', undefined, leaf))
    add('a CA', root)
    add('of version 1', make('ann', old, { version: 1 }))
    add('of a CA by key usage', make('ann', usageOnly, leaf))
    const deep = make('deep', int, leaf)
    add('intermediate sent', deep, int)
    add('intermediate not sent', deep)
    add('intermediate of both sent', deep, intByOther, int)
    add('intermediate revoked', make('deep', intRevoked, leaf), intRevoked)
    const deeper = make('deeper', int2, leaf)
    add('two intermediates', deeper, int2, int)
    add('two intermediates in disorder', deeper, other, int, ann, int2)
    add('one of two', deeper, int2)
    const fake = makeCertificate({
      name: 'ann',
      key: ecKey(),
      by: { ...root, pair: ecKey() },
      ...leaf,
      keyIds: 'none'
    })
    add('forged', fake)
    const mimic = makeCertificate({ name: 'root', key: ecKey(), ...ca })
    add('mimic of the root', make('ann', mimic, leaf), mimic)
    add('name in other case', make('ann', { ...root, name: nameOf('Root  ', 12) }, leaf))

    const crl = makeCrl({ by: root, revoked: [66, 67] })
    const pems = (...makers: Maker[]) => makers.map(maker => maker.cert)
    const trusts: Case<TrustOptions>[] = [
      ['root', { ca: root.cert }],
      ['renewed', { ca: renewed.cert }],
      ['ended', { ca: ended.cert }],
      ['ended, then renewed', { ca: pems(ended, renewed) }],
      ['other spelling', { ca: otherSpelling.cert }],
      ['namesake', { ca: namesake.cert }],
      ['namesake and root', { ca: namesake.cert + root.cert }],
      ['bare', { ca: bare.cert }],
      ['bare and namesake', { ca: pems(bare, bareNamesake) }],
      ['namesake and bare', { ca: pems(bareNamesake, bare) }],
      ['other', { ca: Buffer.from(other.cert) }],
      ['root and other', { ca: pems(root, other) }],
      ['may not sign', { ca: noSign.cert }],
      ['no CA', { ca: notCa.cert }],
      ['no CA, any key usage', { ca: notCaBare.cert }],
      ['no CA by silence', { ca: silent.cert }],
      ['path length 0', { ca: strict.cert }],
      ['for servers only', { ca: forServers.cert }],
      ['with a strange extension', { ca: odd.cert }],
      ['version 1', { ca: old.cert }],
      ['CA by key usage', { ca: usageOnly.cert }],
      [
        'self-signed clients',
        { ca: clients.filter(([name]) => name === 'signed by itself').map(c => c[1].cert) }
      ],
      ['the leaf itself', { ca: ann.cert }],
      ['intermediate alone', { ca: int.cert }],
      ['intermediate and root', { ca: pems(int, root) }],
      ['cross certificate and other', { ca: pems(crossed, other) }],
      ['crl', { ca: root.cert, crl }],
      ['crl of nobody', { ca: root.cert, crl: makeCrl({ by: root }) }],
      ['crl, renewed', { ca: renewed.cert, crl: [crl] }],
      ['crl, may not sign it', { ca: noCrlSign.cert, crl }],
      ['crl expired', { ca: root.cert, crl: makeCrl({ by: root, days: [-9, -1] }) }],
      ['crl not yet valid', { ca: root.cert, crl: makeCrl({ by: root, days: [1, 9] }) }],
      ['crl expired and good', { ca: root.cert, crl: [makeCrl({ by: root, days: [-9, -1] }), crl] }],
      ['crl old and new', { ca: root.cert, crl: [crl, makeCrl({ by: root, days: [-2, 30] })] }],
      ['crl new and old', { ca: root.cert, crl: [makeCrl({ by: root, days: [-2, 30] }), crl] }],
      ['crl of other', { ca: pems(root, other), crl: makeCrl({ by: other }) }],
      ['crl of the namesake', { ca: root.cert, crl: makeCrl({ by: namesake }) }],
      ['crls of both', { ca: pems(root, other), crl: [crl, makeCrl({ by: other })] }],
      [
        'crl in another spelling',
        { ca: root.cert, crl: makeCrl({ by: { ...root, name: nameOf('ROOT', 19) } }) }
      ],
      ['crl of root, without intermediate', { ca: pems(root), crl: [crl] }],
      ['crls of root and int', { ca: root.cert, crl: [crl, makeCrl({ by: int })] }],
      [
        'crls of all',
        {
          ca: root.cert,
          crl: [crl, makeCrl({ by: int }), makeCrl({ by: intRevoked }), makeCrl({ by: int2 })]
        }
      ],
      ['crl of int by another key', { ca: root.cert, crl: [crl, makeCrl({ by: int, key: ecKey() })] }]
    ]
    return { clients, trusts }
  }

  it('says what a handshake says, of every client under every trust', async () => {
    const { clients, trusts } = made()
    const disagreements: string[] = []
    const seen = new Map<string | null, number>()
    // The same objects under each trust, as on a reload: nothing remembered of one may show under the next.
    const chains = clients.map(([, { cert }]) => certificatesIn(cert))
    for (const [trustName, trust] of trusts) {
      const anchors = new TrustAnchors(trust)
      const expected = await verdicts(
        trust,
        clients.map(([, client]) => client)
      )
      for (const [index, [clientName]] of clients.entries()) {
        const said = expected[index] as string | null
        seen.set(said, (seen.get(said) ?? 0) + 1)
        const actual = anchors.check(chains[index] as X509Certificate[], new Date())?.reason ?? null
        const named = actual !== null && UNNAMED.includes(actual) ? 'UNSPECIFIED' : actual
        if (named !== said) disagreements.push(`${clientName} / ${trustName}: ${actual} instead of ${said}`)
      }
    }
    expect(disagreements.join('\n')).to.equal('')
    // Else this test could not fail.
    expect(seen.get(null)).to.be.greaterThan(100)
    expect([...seen.keys()]).to.include.members([
      'CERT_REVOKED',
      'CERT_SIGNATURE_FAILURE',
      'UNABLE_TO_GET_CRL'
    ])
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
    const under = (trust: TrustOptions, now = new Date()) => {
      const anchors = new TrustAnchors(trust)
      return chains.map(chain => anchors.check(chain, now)?.reason ?? null)
    }
    expect(under(before)).to.deep.equal([null, null, null, null])
    expect(under({ ca: two.cert })).to.deep.equal([UNKNOWN, null, UNKNOWN, UNKNOWN])
    const crl = [await one.createCrl([eve.cert]), await two.createCrl([])]
    expect(under({ ...before, crl })).to.deep.equal([null, null, 'CERT_REVOKED', null])
    const afterwards = new Date(soon.getTime() + 1)
    expect(under(before, afterwards)).to.deep.equal([null, null, null, 'CERT_HAS_EXPIRED'])
    expect(recheck(chains[3] ?? [], before, afterwards)?.code).to.equal('certificate-expired')
    expect(recheck(chains[2] ?? [], { ...before, crl }, new Date())?.code).to.equal('certificate-unknown')
  })

  it('refuses who has no certificate, or one that can not be read', () => {
    const anchors = new TrustAnchors({ ca: all.ca })
    expect(anchors.check([], new Date())?.code).to.equal('certificate-required')
    const unreadable = { raw: Buffer.from('3000', 'hex') } as X509Certificate
    expect(anchors.check([unreadable], new Date())?.code).to.equal('certificate-unknown')
    // A clock that tells no time trusts nobody.
    expect(anchors.check(certificatesIn(all.client.cert), new Date(Number.NaN))).to.not.equal(null)
  })

  it('trusts the roots of Node where there is no ca', async () => {
    const anchors = new TrustAnchors({})
    expect(anchors.check(certificatesIn(all.client.cert), new Date())?.code).to.equal('certificate-unknown')
    const now = new Date()
    let trusted = 0
    for (const pem of rootCertificates) {
      const [root] = certificatesIn(pem)
      const failure = root === undefined ? null : anchors.check([root], now)
      expect(failure?.reason).to.be.oneOf([undefined, 'INVALID_PURPOSE', 'CERT_HAS_EXPIRED'])
      if (recheck(certificatesIn(pem), { ca: pem }, now)?.reason !== failure?.reason)
        expect.fail(root?.subject)
      trusted++
    }
    expect(trusted).to.be.greaterThan(50)
    const [said] = await verdicts({}, [all.client])
    expect(said).to.equal(anchors.check(certificatesIn(all.client.cert), now)?.reason)
  })

  describe('TrustAnchors', () => {
    const refusals: readonly Case<(all: Certificates) => TrustOptions>[] = [
      ['no certificate', () => ({ ca: '' })],
      ['an empty list', () => ({ ca: [] })],
      ['a number', () => ({ ca: 7 as unknown as string })],
      ['a broken certificate', ({ ca }) => ({ ca: ca.replace(/\n..../, '\n') })],
      [
        'a trusted one, whose conditions Node does not tell',
        ({ ca }) => ({ ca: ca.replaceAll('IN C', 'IN TRUSTED C') })
      ],
      ['a broken list', ({ ca }) => ({ ca, crl: 'nonsense' })]
    ]
    for (const [name, options] of refusals) {
      it(`refuses ${name}`, () =>
        refuses(options(all), name.endsWith('list') && name !== 'an empty list' ? 'crl' : 'ca'))
    }

    it('refuses a list in the name of a CA that has not signed it', () => {
      const ca = makeCertificate({ name: 'ca', key: ecKey(), pathLength: 0 })
      refuses({ ca: ca.cert, crl: makeCrl({ by: ca, key: ecKey() }) }, 'crl')
      new TrustAnchors({ ca: ca.cert, crl: makeCrl({ by: ca }) })
    })

    it('refuses a CA with name constraints, which it can not ask a live connection for', () => {
      const constraints = extension('2.5.29.30', seq(tlv(0xa0, seq(tlv(0x82, Buffer.from('example'))))), true)
      const ca = makeCertificate({ name: 'ca', key: ecKey(), pathLength: 0, more: [constraints] })
      refuses({ ca: ca.cert }, 'ca')
    })

    function refuses(options: TrustOptions, name: string): void {
      let thrown: unknown
      try {
        new TrustAnchors(options)
      } catch (error) {
        thrown = error
      }
      expect(thrown).to.be.instanceOf(TokenError)
      expect((thrown as TokenError).code).to.equal('ERR_OPTION')
      expect((thrown as TokenError).message).to.match(new RegExp(`^Cannot use option ${name}: `))
    }

    it('asks 2,000 connections in a second of CPU, and again in less', () => {
      const root = makeCertificate({ name: 'root', key: ecKey(), pathLength: 0, keyUsage: '0106' })
      const key = ecKey()
      const chains = Array.from({ length: 2000 }, () =>
        certificatesIn(makeCertificate({ name: 'ann', key, by: root }).cert)
      )
      const renewed = makeCertificate({ name: 'root', key: root.pair, pathLength: 0, keyUsage: '0106' })
      const times = [root, renewed].map(({ cert }) => {
        const start = process.cpuUsage()
        const anchors = new TrustAnchors({ ca: cert, crl: makeCrl({ by: root }) })
        for (const chain of chains) expect(anchors.check(chain, new Date())).to.equal(null)
        return process.cpuUsage(start).user / 1000
      }) as [number, number]
      expect(times[0]).to.be.below(1000)
      expect(times[1]).to.be.below(times[0])
    })
  })

  describe('peerChain', () => {
    it('is what the peer sent, and of a resumed session the leaf alone', async () => {
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
      expect(recheck(chain, trust, new Date())).to.equal(null)
      expect(recheck(chain, { ca: root.cert }, new Date())?.reason).to.equal(UNKNOWN)
    })

    it('is the leaf of a resumed session, which its CA in option ca vouches for', async () => {
      let ticket: Buffer | undefined
      const remember = { ...all.client, maxVersion: 'TLSv1.2' } as const
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
        const socket = connect({ port, ca: all.ca, ...remember, ...(ticket && { session: ticket }) })
        socket.resume()
        await once(socket, 'secureConnect')
        ticket = socket.getSession()
        await once(socket, 'close')
      }
      server.close()
      expect(seen.map(({ reused }) => reused)).to.deep.equal([false, true])
      expect(recheck(seen[1]?.chain ?? [], { ca: all.ca }, new Date())).to.equal(null)
      expect(recheck(seen[1]?.chain ?? [], { ca: all.otherCa }, new Date())?.reason).to.equal(UNKNOWN)
    })
  })
})
