import { X509Certificate } from 'node:crypto'
import { createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'
import { byFingerprint, bySan, bySubject } from '../../lib/tls/matchers'
import { type Peer, peerFrom } from '../../lib/tls/peer'
import { HOSTILE } from '../helpers/hostile-certificate'

const FINGERPRINT = Array(32).fill('0A').join(':')

function peer(over: Partial<Peer> = {}): Peer {
  return {
    subject: 'CN=ann',
    commonName: 'ann',
    issuer: 'CN=authority',
    sans: [],
    serialNumber: '01',
    fingerprint: FINGERPRINT,
    validFrom: new Date(0),
    validTo: new Date(1),
    isAuthorized: true,
    ...over
  }
}

describe('matchers', () => {
  describe('byFingerprint', () => {
    it('matches the listed certificates in any spelling, and no others', () => {
      const plain = 'ab'.repeat(32)
      const matches = byFingerprint(FINGERPRINT, plain)
      expect(matches(peer())).to.equal(true)
      expect(matches(peer({ fingerprint: Array(32).fill('AB').join(':') }))).to.equal(true)
      expect(matches(peer({ fingerprint: Array(32).fill('AC').join(':') }))).to.equal(false)
    })

    it('asks for the certificate alone, not for who signed it', () => {
      expect(byFingerprint(FINGERPRINT)(peer({ isAuthorized: false }))).to.equal(true)
    })

    it('refuses what is no SHA-256', () => {
      for (const wrong of [[], [''], ['0a'.repeat(20)], [`${FINGERPRINT}:0A`], ['zz'.repeat(32)]]) {
        refusesOption(() => byFingerprint(...wrong))
      }
    })
  })

  describe('bySubject', () => {
    it('matches a common name in full', () => {
      const matches = bySubject('ann', 'bob')
      expect(matches(peer())).to.equal(true)
      expect(matches(peer({ subject: 'O=Example\nCN=bob' }))).to.equal(true)
      for (const subject of ['CN=Ann', 'CN=anna', 'CN=an', 'O=ann', 'CN=', '', 'CN=\\ ann', 'CN=ann\\ ']) {
        expect(matches(peer({ subject })), subject).to.equal(false)
      }
    })

    it('matches a whole subject, each attribute in it and no further one', () => {
      const matches = bySubject({ CN: 'ann', O: 'Example, Inc.', OU: ['a', 'b'] })
      expect(matches(peer({ subject: 'O=Example\\, Inc.\nOU=a\nOU=b\nCN=ann' }))).to.equal(true)
      expect(matches(peer({ subject: 'CN=ann + OU=a\nO=Example\\, Inc.\nOU=b' }))).to.equal(true)
      for (const subject of [
        'CN=ann',
        'O=Example\\, Inc.\nOU=a\nCN=ann',
        'O=Example\\, Inc.\nOU=b\nOU=a\nCN=ann',
        'O=Example\\, Inc.\nOU=a\nOU=b\nCN=ann\nC=DE',
        'O=Example\\, Inc.\nOU=a\nOU=b\nCN=ann\nCN=ann'
      ]) {
        expect(matches(peer({ subject })), subject).to.equal(false)
      }
    })

    it('takes no name out of another attribute or value', () => {
      const matches = bySubject('admin', { CN: 'admin' }, { O: 'Ex', CN: 'admin' })
      for (const subject of [
        'CN=a\\0ACN=admin',
        'CN=a\\, CN=admin',
        'CN=a \\+ CN=admin',
        'CN=a + OU=b \\+ CN=admin',
        'O=Ex\\0ACN=admin',
        'O=Ex\\\\\\+ CN=admin',
        'CN=admin\\00.example',
        'CN=ann\nCN=admin',
        'CN=admin\nCN=ann',
        'CN=ann + CN=admin'
      ]) {
        expect(matches(peer({ subject })), subject).to.equal(false)
      }
      expect(matches(peerFrom(new X509Certificate(HOSTILE), true))).to.equal(false)
      expect(matches(peer({ subject: 'O=Ex\nCN=admin' }))).to.equal(true)
    })

    it('matches nothing in a text that Node does not write', () => {
      for (const subject of [
        'CN=admin, O=Ex',
        'admin',
        'CN=admin\n',
        'CN=admin\nx',
        'CN=admin\\',
        '/CN=admin'
      ]) {
        expect(bySubject('admin')(peer({ subject })), subject).to.equal(false)
      }
    })

    it('believes no subject without a trusted chain', () => {
      expect(bySubject('ann')(peer({ isAuthorized: false }))).to.equal(false)
    })

    it('tells people whose names differ by one escaped character apart', async () => {
      const authority = await createAuthority()
      const names = ['a,b', 'a\\,b', 'a+b', ' a', 'a ', '#a', 'a"b', 'é中😀', 'a=b', 'a<b>;c', '\\0A']
      const peers = await Promise.all(
        names.map(async name =>
          peerFrom(new X509Certificate((await authority.issueClient({ name })).cert), true)
        )
      )
      for (const name of names) {
        expect(peers.map(bySubject(name)).map(Number), name).to.deep.equal(
          names.map(other => Number(other === name))
        )
      }
    })

    it('refuses what is no subject', () => {
      const wrong = [[], [''], ['CN=ann'], [{}], [{ CN: [] }], [{ CN: 1 }], [null], [['ann']]] as string[][]
      for (const subjects of wrong) refusesOption(() => bySubject(...subjects))
    })
  })

  describe('bySan', () => {
    it('matches one of the names in full', () => {
      const matches = bySan('DNS:a.example', 'URI:spiffe://x/y', 'IP Address:10.0.0.1', 'email:a@b')
      for (const san of ['DNS:a.example', 'URI:spiffe://x/y', 'IP Address:10.0.0.1', 'email:a@b']) {
        expect(matches(peer({ sans: ['DNS:other', san] })), san).to.equal(true)
      }
      for (const san of [
        'DNS:b.a.example',
        'DNS:*.example',
        'DNS:A.example',
        'URI:a.example',
        'DNS:10.0.0.1'
      ]) {
        expect(matches(peer({ sans: [san] })), san).to.equal(false)
      }
      expect(matches(peer())).to.equal(false)
    })

    it('knows an IPv6 address in any spelling', () => {
      const sans = ['IP Address:2001:DB8:0:0:0:0:0:A']
      for (const san of ['2001:db8::a', '2001:DB8:0:0:0:0:0:A', '2001:0db8:0000::000a']) {
        expect(bySan(`IP Address:${san}`)(peer({ sans })), san).to.equal(true)
      }
      expect(bySan('IP Address:2001:db8::b')(peer({ sans }))).to.equal(false)
      expect(bySan('IP Address:1.2.3.4')(peer({ sans: ['IP Address:0:0:0:0:0:FFFF:102:304'] }))).to.equal(
        false
      )
    })

    it('takes no name out of the value of another', () => {
      const hostile = peerFrom(new X509Certificate(HOSTILE), true)
      expect(bySan('DNS:admin')(hostile)).to.equal(false)
      expect(bySan('DNS:plain')(hostile)).to.equal(true)
      expect(bySan('DNS:a, DNS:admin')(hostile)).to.equal(true)
    })

    it('believes no name without a trusted chain', () => {
      expect(bySan('DNS:a')(peer({ sans: ['DNS:a'], isAuthorized: false }))).to.equal(false)
    })

    it('refuses what is no name', () => {
      for (const wrong of [[], [''], ['a.example'], ['DNS:'], ['dns:a'], ['IP:1.2.3.4'], ['DirName:CN=a']]) {
        refusesOption(() => bySan(...wrong))
      }
    })
  })

  it('let nobody in who has no certificate', () => {
    for (const matches of [byFingerprint('00'.repeat(32)), bySubject('ann'), bySan('DNS:a')]) {
      expect(matches(null)).to.equal(false)
    }
  })
})

function refusesOption(make: () => unknown): void {
  expect(make).to.throw(TokenError).with.property('code', 'ERR_OPTION')
}
