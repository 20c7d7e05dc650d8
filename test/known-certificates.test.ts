import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { KnownCertificates } from '../lib/known-certificates'
import { peerFrom } from '../lib/peer'
import { type Certificates, certificates } from './helpers/certificates'

describe('KnownCertificates', () => {
  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  it('parses each certificate once', () => {
    const known = new KnownCertificates()
    const ann = known.get('a', () => new X509Certificate(all.client.cert))
    const never = () => {
      throw new Error('parsed again')
    }
    expect(known.get('a', never)).to.equal(ann)
  })

  it('forgets the one that was not seen for longest', () => {
    const known = new KnownCertificates(2)
    const parsed: string[] = []
    const see = (name: string) =>
      known.get(name, () => {
        parsed.push(name)
        return new X509Certificate(all.client.cert)
      })
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) see(name)
    expect(parsed).to.deep.equal(['a', 'b', 'c', 'b'])
    expect(known.size).to.equal(2)
  })

  it('a date of a peer that someone changes is no other peer’s', () => {
    const certificate = new X509Certificate(all.client.cert)
    peerFrom(certificate, true).validTo.setTime(0)
    expect(peerFrom(certificate, false).validTo).to.deep.equal(new Date(certificate.validTo))
    expect(peerFrom(certificate, false).isAuthorized).to.equal(false)
  })
})
