import { X509Certificate } from 'node:crypto'
import { createAuthority, type KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import { KnownCertificates, knownCertificates } from '../../lib/tls/known-certificates'
import { peerFrom } from '../../lib/tls/peer'
import { type Certificates, certificates } from '../helpers/certificates'
import { closesWhatItOpened, makeClient, startServer } from '../helpers/loopback'

describe('KnownCertificates', () => {
  closesWhatItOpened()

  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  const parsed = (pem: string) => new X509Certificate(pem)

  it('gives the object that was seen first for each certificate that is kept', () => {
    const known = new KnownCertificates()
    const ann = known.keep(parsed(all.client.cert))
    expect(known.keep(parsed(all.client.cert))).to.equal(ann)
    expect(known.find(ann.fingerprint256)).to.equal(ann)
    expect(known.find(parsed(all.server.cert).fingerprint256)).to.equal(undefined)
  })

  it('forgets the one that was not kept anew for longest', () => {
    const known = new KnownCertificates(2)
    const { client, server, bad } = all
    const [a, b, c] = [client, server, bad.stranger].map(({ cert }) => parsed(cert)) as [
      X509Certificate,
      X509Certificate,
      X509Certificate
    ]
    for (const certificate of [a, b, a, c]) known.keep(certificate)
    expect([a, b, c].map(({ fingerprint256 }) => known.find(fingerprint256))).to.deep.equal([a, undefined, c])
    expect(known.size).to.equal(2)
  })

  it('keeps no more than so many bytes, however few certificates that are', () => {
    const { client, server } = all
    const [a, b] = [client, server].map(({ cert }) => parsed(cert)) as [X509Certificate, X509Certificate]
    const known = new KnownCertificates(1000, a.raw.length + b.raw.length - 1)
    known.keep(a)
    known.keep(b)
    expect([known.size, known.find(b.fingerprint256)]).to.deep.equal([1, b])
    const none = new KnownCertificates(1000, b.raw.length - 1)
    for (let i = 0; i < 3; i++) expect(none.keep(b)).to.equal(b)
    expect(none.size).to.equal(0)
  })

  it('has what trusted clients and servers showed, and nothing of strangers', async () => {
    const [ours, theirs] = [await createAuthority(), await createAuthority()]
    const good = await ours.issueClient({ name: 'good' })
    const strangers: KeyAndCert[] = [
      await theirs.issueClient({ name: 'stranger' }),
      await ours.issueClient({
        name: 'expired',
        notBefore: new Date(Date.now() - 2000),
        notAfter: new Date(Date.now() - 1000)
      })
    ]
    const own = await ours.issueServer()
    for (const rejectUnauthorized of [true, false]) {
      const { server, port } = await startServer({ ...own, ca: ours.cert, rejectUnauthorized })
      const looked = () =>
        new Promise<void>(resolve => {
          server.once('refused', () => resolve())
          server.once('connection', () => resolve())
        })
      for (const who of [...strangers, good]) {
        const seen = looked()
        await makeClient(port, { ...who, ca: ours.cert })
        await seen
      }
      const isKept = ({ cert }: KeyAndCert) =>
        knownCertificates.find(parsed(cert).fingerprint256) !== undefined
      expect(strangers.map(isKept)).to.deep.equal([false, false])
      expect([good, own].map(isKept)).to.deep.equal([true, true])
    }
  })

  it('a date of a peer that someone changes is no other peer’s', () => {
    const certificate = new X509Certificate(all.client.cert)
    peerFrom(certificate, true)?.validTo.setTime(0)
    expect(peerFrom(certificate, false)?.validTo).to.deep.equal(new Date(certificate.validTo))
    expect(peerFrom(certificate, false)?.isAuthorized).to.equal(false)
  })
})
