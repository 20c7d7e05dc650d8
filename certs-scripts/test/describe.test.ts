import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { type Authority, createAuthority, describeCertificate, isSignedBy } from '../lib'
import { expectRefused } from './helpers/refused'

describe('a description of a certificate', () => {
  let authority: Authority
  before(async () => {
    authority = await createAuthority({ name: 'Acme, Inc.' })
  })

  it('says the same as Node', async () => {
    const { cert } = await authority.issueServer({ hosts: ['a.example', '10.0.0.1', '::1'] })
    const node = new X509Certificate(cert)
    const info = describeCertificate(cert)
    expect(info).to.include({ subject: 'CN=server', authority: false, fingerprint: node.fingerprint256 })
    expect(info.serialNumber).to.equal(node.serialNumber)
    expect(info.names).to.deep.equal(['a.example', '10.0.0.1', '::1'])
    expect(info.notAfter.getTime()).to.equal(Date.parse(node.validTo))
    expect(info.notBefore.getTime()).to.equal(Date.parse(node.validFrom))
  })

  it('escapes the subject and tells an authority', () => {
    const info = describeCertificate(authority.cert)
    expect(info).to.include({ subject: 'CN=Acme\\, Inc.', authority: true })
    expect(info.names).to.deep.equal([])
  })

  it('is refused for what is no certificate', async () => {
    await expectRefused('ERR_CERTS_CERTIFICATE', () => describeCertificate('x'))
    await expectRefused('ERR_CERTS_CERTIFICATE', () => describeCertificate(authority.key))
  })

  it('tells by the signature who signed, and not by the name', async () => {
    const namesake = await createAuthority({ name: 'Acme, Inc.' })
    const { cert } = await authority.issueServer()
    expect(isSignedBy(cert, authority.cert)).to.equal(true)
    expect(isSignedBy(cert, namesake.cert)).to.equal(false)
  })
})
