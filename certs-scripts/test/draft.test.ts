import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { generate } from 'selfsigned'
import { openAuthority } from '../lib'
import { createDraft } from '../lib/draft'
import { needOpenssl, openssl } from './helpers/openssl'
import { useTemporaryFolder } from './helpers/temporary-folder'

const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000) }

describe('a draft', () => {
  it('carries its key, dates, usages and hosts', async () => {
    const draft = await createDraft({
      kind: 'leaf',
      validity,
      usages: ['serverAuth', 'emailProtection'],
      hosts: [
        { type: 'dns', value: 'a.example' },
        { type: 'ip', value: '10.0.0.1' }
      ]
    })
    const cert = new X509Certificate(draft.cert)
    expect(cert.verify(cert.publicKey)).to.equal(true)
    expect(cert.subjectAltName).to.equal('DNS:a.example, IP Address:10.0.0.1')
    expect(cert.toLegacyObject().ext_key_usage).to.deep.equal(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.4'])
    expect(draft.key).to.match(/^-----BEGIN PRIVATE KEY-----\n/)
  })

  it('leaves out what it is not given', async () => {
    const cert = new X509Certificate((await createDraft({ kind: 'leaf', validity, usages: [] })).cert)
    expect(cert.subjectAltName).to.equal(undefined)
    expect(cert.toLegacyObject().ext_key_usage).to.equal(undefined)
  })
})

// When one of these fails, selfsigned has learnt it, and signDraft can shrink.
describe('selfsigned alone', () => {
  it('makes two CNs of one that holds a comma, which is why drafts have no name of their own', async () => {
    const { cert } = await generate([{ name: 'commonName', value: 'a, CN=admin' }], { keyType: 'ec' })
    expect(new X509Certificate(cert).subject).to.equal('CN=a\nCN=admin')
  })

  describe('in openssl’s eyes', () => {
    needOpenssl()
    const folder = useTemporaryFolder()
    it('writes no key identifiers, which is why drafts are signed anew', async () => {
      const draft = await createDraft({ kind: 'authority', validity })
      const { cert } = await (await openAuthority(draft)).issueServer()
      const file = join(folder(), 'draft.crt')
      writeFileSync(file, draft.cert)
      const { text } = openssl(['verify', '-x509_strict', '-CAfile', file], cert)
      expect(text).to.match(/missing subject key identifier/i)
    })
  })
})
