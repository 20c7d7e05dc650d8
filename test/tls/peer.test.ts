import { X509Certificate } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { fingerprintBytes, identityOf, peerFrom, peerOf } from '../../lib/tls/peer'
import { certificates } from '../helpers/certificates'
import { destroyPairs, memoryPair } from '../helpers/pairs'
import { ecKey, extension, makeCertificate, seq, tlv } from '../helpers/x509-maker'

const FINGERPRINT = Array(32).fill('AB').join(':')

/** A TLS socket that never shook hands and says it saw `certificate`. */
function socketWith(certificate: X509Certificate | undefined, authorized = true): TLSSocket {
  const socket = new TLSSocket(memoryPair()[0] as never)
  Object.assign(socket, { getPeerCertificate: () => ({ raw: certificate?.raw }), authorized })
  socket.on('error', () => {})
  return socket
}

const certificate = {
  subject: 'CN=client',
  issuer: 'CN=authority',
  subjectAltName: 'DNS:localhost, IP Address:127.0.0.1',
  serialNumber: '0102',
  fingerprint256: FINGERPRINT,
  validFrom: 'Jan  1 00:00:00 2026 GMT',
  validTo: 'Jan  1 00:00:00 2027 GMT'
}

/** The certificate above, changed. */
function certificateWith(changes: Record<string, unknown>): X509Certificate {
  return { ...certificate, ...changes } as never
}

describe('peerOf', () => {
  afterEach(destroyPairs)

  it('is null for a Duplex without TLS', () => {
    expect(peerOf(memoryPair()[0])).to.equal(null)
  })

  it('is null for a TLS peer that showed no certificate', () => {
    expect(peerOf(socketWith(undefined))).to.equal(null)
  })

  it('says what the certificate of a TLS peer states', async () => {
    const real = new X509Certificate((await certificates()).client.cert)
    const peer = peerOf(socketWith(real))
    expect(peer).to.deep.equal(peerFrom(real, true))
    expect([peer?.subject, peer?.fingerprint]).to.deep.equal([real.subject, real.fingerprint256])
  })

  it('leaves the chain of a client as it is, however often it is asked', async () => {
    const { client } = await certificates()
    const socket = socketWith(new X509Certificate(client.cert))
    Object.assign(socket, {
      getPeerX509Certificate: () => {
        throw new Error('takes one out of the chain')
      }
    })
    expect(peerOf(socket)).to.deep.equal(peerOf(socket))
  })

  it('says that the chain leads to no CA of ours', async () => {
    const real = new X509Certificate((await certificates()).client.cert)
    expect(peerOf(socketWith(real, false))?.isAuthorized).to.equal(false)
  })
})

describe('peerFrom', () => {
  it('says what the certificate states, frozen', () => {
    const peer = peerFrom(certificateWith({}), true)
    expect(peer).to.deep.equal({
      subject: 'CN=client',
      commonName: 'client',
      issuer: 'CN=authority',
      sans: ['DNS:localhost', 'IP Address:127.0.0.1'],
      serialNumber: '0102',
      fingerprint: FINGERPRINT,
      validFrom: new Date('2026-01-01T00:00:00Z'),
      validTo: new Date('2027-01-01T00:00:00Z'),
      isAuthorized: true
    })
    expect([Object.isFrozen(peer), Object.isFrozen(peer?.sans)]).to.deep.equal([true, true])
  })

  it('takes no name out of the middle of another one', () => {
    const peer = peerFrom(certificateWith({ subjectAltName: 'DNS:"a, DNS:admin, b"' }), true)
    expect(peer?.sans).to.deep.equal(['DNS:a, DNS:admin, b'])
  })

  it('has empty names for a certificate without any', () => {
    const bare = certificateWith({ subject: undefined, issuer: undefined, subjectAltName: undefined })
    expect(peerFrom(bare, true)).to.deep.include({ subject: '', issuer: '', sans: [] })
  })

  it('gives the serial number, and the fingerprint as HELLO carries it, of a real certificate', async () => {
    const { client } = await certificates()
    const real = new X509Certificate(client.cert)
    const its = peerFrom(real, true)
    expect(its?.serialNumber).to.equal(real.serialNumber)
    expect(fingerprintBytes(its?.fingerprint ?? '').toString('hex')).to.equal(
      real.fingerprint256.replaceAll(':', '').toLowerCase()
    )
  })
})

describe('fingerprintBytes', () => {
  it('is 32 bytes, all zero without a certificate', () => {
    expect(fingerprintBytes(FINGERPRINT)).to.deep.equal(Buffer.alloc(32, 0xab))
  })
})

describe('identityOf', () => {
  it('is null for a peer without certificate', () => {
    expect(identityOf(null)).to.equal(null)
  })

  it('stays when the certificate is renewed, in whatever order its names stand', () => {
    const renewed = certificateWith({
      serialNumber: '09',
      subjectAltName: 'IP Address:127.0.0.1, DNS:localhost'
    })
    expect(identityOf(peerFrom(renewed, true))).to.equal(identityOf(peerFrom(certificateWith({}), true)))
  })

  it('is another one for another issuer, subject or name', () => {
    const others = [{ issuer: 'CN=other' }, { subject: 'CN=other' }, { subjectAltName: 'DNS:localhost' }]
    const identities = [{}, ...others].map(other => identityOf(peerFrom(certificateWith(other), true)))
    expect(new Set(identities).size).to.equal(4)
  })

  it('is the certificate alone where Node prints less of a name than there is', () => {
    const names = [
      { subjectAltName: 'othername:<unsupported>' },
      { subjectAltName: 'X400Name:<unsupported>, DNS:alice.example' },
      { subjectAltName: 'IP Address:<invalid>' },
      { subjectAltName: 'what Node never wrote' },
      { subjectAltName: 'DNS:\ufffd' },
      { subject: 'CN=\ufffd' },
      { issuer: 'CN=\ufffd' }
    ]
    for (const name of names) {
      const [one, again, other] = [FINGERPRINT, FINGERPRINT, FINGERPRINT.replaceAll('AB', 'CD')].map(
        fingerprint256 => identityOf(peerFrom(certificateWith({ ...name, fingerprint256 }), true))
      )
      expect(one).to.equal(again).and.to.not.equal(other)
    }
  })

  it('is one for those without any subject alternative name', () => {
    const bare = (fingerprint256: string) =>
      identityOf(peerFrom(certificateWith({ subjectAltName: undefined, fingerprint256 }), true))
    expect(bare(FINGERPRINT)).to.equal(bare(FINGERPRINT.replaceAll('AB', 'CD')))
  })

  it('differs for names that real certificates hold and Node does not print', () => {
    const by = makeCertificate({ name: 'ca', key: ecKey(), pathLength: 0 })
    const general = {
      otherName: (text: string) =>
        tlv(0xa0, Buffer.from('06032a0304', 'hex'), tlv(0xa0, tlv(12, Buffer.from(text)))),
      'DNS of other bytes': (text: string) => tlv(0x82, Buffer.from([0xc0 + text.length, 0x41])),
      'e-mail of other bytes': (text: string) => tlv(0x81, Buffer.from([0xf0 + text.length, 0x41]))
    }
    for (const name of Object.values(general)) {
      const [alice, bob] = ['alice', 'bob'].map(text => {
        const san = extension('2.5.29.17', seq(name(text)))
        const made = makeCertificate({ name: 'user', key: ecKey(), by, more: [san] })
        return identityOf(peerFrom(new X509Certificate(made.cert), true))
      })
      expect(alice).to.not.equal(bob)
    }
  })
})
