import type { X509Certificate } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { fingerprintBytes, peerOf } from '../lib/peer'
import { destroyPairs, memoryPair } from './helpers/pairs'

const FINGERPRINT = Array(32).fill('AB').join(':')

/** A TLS socket that never shook hands and says it saw `certificate`. */
function socketWith(certificate: Partial<X509Certificate> | undefined, authorized = true): TLSSocket {
  const socket = new TLSSocket(memoryPair()[0] as never)
  Object.assign(socket, { getPeerX509Certificate: () => certificate, authorized })
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
} as Partial<X509Certificate>

describe('peerOf', () => {
  afterEach(destroyPairs)

  it('is null for a Duplex without TLS', () => {
    expect(peerOf(memoryPair()[0])).to.equal(null)
  })

  it('is null for a TLS peer that showed no certificate', () => {
    expect(peerOf(socketWith(undefined))).to.equal(null)
  })

  it('says what the certificate states, frozen', () => {
    const peer = peerOf(socketWith(certificate))
    expect(peer).to.deep.equal({
      subject: 'CN=client',
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

  it('says that the chain leads to no CA of ours', () => {
    expect(peerOf(socketWith(certificate, false))?.isAuthorized).to.equal(false)
  })

  it('takes no name out of the middle of another one', () => {
    const peer = peerOf(socketWith({ ...certificate, subjectAltName: 'DNS:"a, DNS:admin, b"' } as never))
    expect(peer?.sans).to.deep.equal(['DNS:a, DNS:admin, b'])
  })

  it('has empty names for a certificate without any', () => {
    const bare = { ...certificate, subject: undefined, issuer: undefined, subjectAltName: undefined }
    expect(peerOf(socketWith(bare as never))).to.deep.include({ subject: '', issuer: '', sans: [] })
  })
})

describe('fingerprintBytes', () => {
  it('is 32 bytes, all zero without a certificate', () => {
    expect(fingerprintBytes({ fingerprint: FINGERPRINT })).to.deep.equal(Buffer.alloc(32, 0xab))
    expect(fingerprintBytes(null)).to.deep.equal(Buffer.alloc(32))
  })
})
