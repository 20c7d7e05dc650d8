import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { type Authority, createAuthority } from '../lib'
import { subjectOf } from '../lib/subject'
import { needOpenssl, openssl } from './helpers/openssl'
import { expectRefused } from './helpers/refused'

// The name, and its form by RFC 2253.
const names = [
  ['Acme, Inc.', 'CN=Acme\\, Inc.'],
  ['a, CN=admin', 'CN=a\\, CN=admin'],
  ['a+CN=admin', 'CN=a\\+CN=admin'],
  ['Ann "the boss" O\'Neill', 'CN=Ann \\"the boss\\" O\'Neill'],
  ['#0500', 'CN=\\#0500'],
  ['back\\slash;<x>', 'CN=back\\\\slash\\;\\<x\\>'],
  ['/CN=admin', 'CN=/CN=admin'],
  ['Zoë', 'CN=Zo\\C3\\AB']
] as const

describe('a name', () => {
  let authority: Authority
  before(async () => {
    authority = await createAuthority()
  })

  for (const [name] of names) {
    it(`${name} is one CN with exactly that text, for Node`, async () => {
      const { cert } = await authority.issueClient({ name })
      expect({ ...new X509Certificate(cert).toLegacyObject().subject }).to.deep.equal({ CN: name })
      expect(new X509Certificate(cert).subject.split('\n')).to.have.lengthOf(1)
    })
  }

  describe('in openssl’s eyes', () => {
    needOpenssl()
    for (const [name, escaped] of names) {
      it(`${name} is ${escaped}`, async () => {
        const { cert } = await authority.issueClient({ name })
        const { text } = openssl(['x509', '-noout', '-subject', '-nameopt', 'RFC2253'], cert)
        expect(text).to.equal(`subject=${escaped}\n`)
      })
    }
  })

  it('of an authority is copied to the byte into what it signs', async () => {
    const odd = await createAuthority({ name: 'Ünion, "Ltd"' })
    const { cert } = await odd.issueServer({ name: 'a, b' })
    expect(new X509Certificate(cert).checkIssued(new X509Certificate(odd.cert))).to.equal(true)
  })

  it('has at most 64 characters, counted as people count them', async () => {
    subjectOf('😀'.repeat(64))
    await expectRefused('ERR_CERTS_NAME', () => subjectOf('a'.repeat(65)), '64')
  })

  for (const name of ['', '  ', 'a\u0000b', 'a\nb', 'a\u2028b', '\ud800']) {
    it(`cannot be ${JSON.stringify(name)}`, () => expectRefused('ERR_CERTS_NAME', () => subjectOf(name)))
  }
})
