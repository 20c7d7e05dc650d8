import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { type UntrustedPeer, whyUntrusted } from '../../lib/tls/why-untrusted'
import { HOSTILE } from '../helpers/hostile-certificate'
import { ecKey, extension, makeCertificate, seq, tlv } from '../helpers/x509-maker'

/** Every reason with words, and one without. */
const REASONS = [
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNSPECIFIED',
  'CERT_SIGNATURE_FAILURE'
]

describe('whyUntrusted', () => {
  const key = ecKey()
  const ca = makeCertificate({ name: 'ca', key, pathLength: 1 })
  const trust = { cas: [new X509Certificate(ca.cert)], lists: null }
  const certificate = (name: string) => new X509Certificate(makeCertificate({ name, key, by: ca }).cert)

  function why(reason: string, over: Partial<UntrustedPeer> = {}): string {
    const chain = [certificate('ann')]
    return whyUntrusted(reason, { role: 'client', chain, trust, now: new Date(), ...over })
  }

  it('is the code alone for one that it does not know, for the name of a method, and where no certificate is known', () => {
    for (const code of ['CERT_SIGNATURE_FAILURE', 'constructor', '']) expect(why(code)).to.equal(code)
    for (const code of REASONS) expect(why(code, { chain: [] })).to.equal(code)
  })

  it('has one line without control characters, and a bounded length, whatever the names of the peer are', () => {
    const long = certificate('x'.repeat(20_000))
    const turned = certificate('\u202emoc.elpmaxe\u2028\u0007')
    const hostile = new X509Certificate(HOSTILE)
    const wide = new X509Certificate(makeCertificate({ name: 'many', key, by: ca, more: [manyNames()] }).cert)
    for (const one of [long, turned, hostile, wide]) {
      for (const reason of REASONS) {
        for (const chain of [[one], [certificate('leaf'), one], [one, ...Array(90).fill(hostile)]]) {
          for (const sources of [
            trust,
            null,
            { cas: [], lists: null },
            { cas: Array(50).fill(one), lists: null }
          ]) {
            const text = why(reason, { chain, trust: sources, host: 'y'.repeat(5_000) })
            expect(text).to.match(/^[^\p{Cc}\p{Bidi_Control}\u2028\u2029]{4,2000}$/u)
          }
        }
      }
    }
  })

  it('names the authorities that are trusted, the first three of many', () => {
    const cas = ['a', 'b', 'c', 'd', 'e'].map(certificate)
    expect(why('SELF_SIGNED_CERT_IN_CHAIN', { trust: { cas, lists: null } })).to.match(
      /ca holds CN=a .*, CN=b .*, CN=c .* and 2 more/
    )
  })

  it('says of which authority above the peer the issuer is missing', () => {
    const middle = makeCertificate({ name: 'middle', key: ecKey(), by: ca, pathLength: 0 })
    const leaf = makeCertificate({ name: 'leaf', key: ecKey(), by: middle })
    const chain = [leaf, middle].map(({ cert }) => new X509Certificate(cert))
    const other = new X509Certificate(makeCertificate({ name: 'other', key: ecKey(), pathLength: 1 }).cert)
    expect(why('UNABLE_TO_GET_ISSUER_CERT', { chain, trust: { cas: [other], lists: null } })).to.contain(
      'CN=ca, the issuer of CN=middle above it, is neither in option ca nor was it sent'
    )
  })
})

/** A subject alternative name extension with 300 DNS names. */
function manyNames(): Buffer {
  const names = Array.from({ length: 300 }, (_, i) =>
    tlv(0x82, Buffer.from(`host-${i}.${'z'.repeat(200)}.example`))
  )
  return extension('2.5.29.17', seq(...names))
}
