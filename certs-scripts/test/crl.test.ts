import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as tls from 'node:tls'
import { expect } from 'chai'
import { type Authority, createAuthority, type KeyAndCert } from '../lib'
import { meet } from './helpers/mutual-tls'
import { needOpenssl, openssl } from './helpers/openssl'
import { expectRefused } from './helpers/refused'

describe('a revocation list', () => {
  let authority: Authority
  let server: KeyAndCert
  let ann: KeyAndCert
  let bob: KeyAndCert
  before(async () => {
    authority = await createAuthority()
    server = await authority.issueServer()
    ann = await authority.issueClient({ name: 'ann' })
    bob = await authority.issueClient({ name: 'bob' })
  })
  const verdictOn = async (client: KeyAndCert, crl: string) =>
    (await meet({ server, client, ca: authority.cert, crl })).ofClient

  it('makes Node refuse a revoked client and no other', async () => {
    const crl = await authority.createCrl([ann.cert, ann.cert])
    expect(await verdictOn(ann, crl)).to.equal('CERT_REVOKED')
    expect(await verdictOn(bob, crl)).to.equal('ok')
  })

  it('keeps a revoked client from being heard by a server that insists', async () => {
    const crl = await authority.createCrl([ann.cert])
    const listener = tls.createServer({ ...server, ca: authority.cert, crl, requestCert: true })
    let heard = 0
    listener.on('secureConnection', () => {
      heard += 1
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    const socket = tls.connect({
      ...ann,
      ca: authority.cert,
      port,
      host: '127.0.0.1',
      servername: 'localhost'
    })
    socket.on('error', () => undefined)
    socket.resume()
    await once(socket, 'close')
    listener.close()
    expect(heard).to.equal(0)
  })

  it('a revocation list that is empty refuses nobody', async () => {
    expect(await verdictOn(ann, await authority.createCrl([]))).to.equal('ok')
  })

  it('a revocation list that is overdue makes Node refuse everybody', async () => {
    const crl = await authority.createCrl([], { nextUpdate: new Date(Date.now() - 60_000) })
    expect(await verdictOn(bob, crl)).to.equal('CRL_HAS_EXPIRED')
  })

  it('takes no certificate that another authority signed', async () => {
    const other = await createAuthority()
    await expectRefused('ERR_CERTS_AUTHORITY', () => other.createCrl([ann.cert]), 'CN=ann')
  })

  it('takes no text that is no certificate', () =>
    expectRefused('ERR_CERTS_CERTIFICATE', () => authority.createCrl(['ann'])))

  it('takes no dates that cannot be', () =>
    expectRefused('ERR_CERTS_VALIDITY', () => authority.createCrl([], { days: 0 })))

  it('says PEM label X509 CRL, which is the one that OpenSSL reads', async () => {
    expect(await authority.createCrl([])).to.match(
      /^-----BEGIN X509 CRL-----\n[^-]+\n-----END X509 CRL-----\n$/
    )
  })

  describe('in openssl’s eyes', () => {
    needOpenssl()
    const text = async (number: number) => {
      const thisUpdate = new Date('2030-01-01T00:00:00Z')
      const crl = await authority.createCrl([ann.cert], { thisUpdate, days: 7, number })
      return openssl(['crl', '-noout', '-text'], crl).text.replace(/\s+/g, ' ')
    }

    it('has its dates, its number, its authority’s key identifier and a reason', async () => {
      const shown = await text(1)
      expect(shown).to.include('Last Update: Jan 1 00:00:00 2030 GMT Next Update: Jan 8 00:00:00 2030 GMT')
      expect(shown).to.match(/Authority Key Identifier: ([0-9A-F]{2}:){19}/)
      expect(shown).to.include('CRL Reason Code: Privilege Withdrawn')
    })

    for (const number of [0, 1, 127, 128, 255, 256, 32_768, Number.MAX_SAFE_INTEGER]) {
      it(`counts ${number} as ${number}`, async () => {
        const shown = await text(number)
        const found = /CRL Number: (\S+)/.exec(shown)?.[1] ?? ''
        expect(BigInt(found)).to.equal(BigInt(number))
      })
    }
  })
})
