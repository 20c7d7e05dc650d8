import { expect } from 'chai'
import * as certs from '../lib'

describe('the package', () => {
  it('exports these names and no others', () => {
    expect(Object.keys(certs).sort()).to.deep.equal([
      'CertsError',
      'addClients',
      'createAuthority',
      'defaultHosts',
      'describeCertificate',
      'isSignedBy',
      'listCerts',
      'loadCertificates',
      'makeCerts',
      'openAuthority',
      'renewServer'
    ])
  })

  it('has types that refuse what cannot work', () => {
    const wrong = async (authority: certs.Authority) => {
      // @ts-expect-error a client without a name is nobody
      await authority.issueClient({})
      // @ts-expect-error exactOptionalPropertyTypes: leave it out instead
      await authority.issueServer({ hosts: undefined })
      // @ts-expect-error not a usage
      await authority.issueServer({ usages: ['everything'] })
      // @ts-expect-error the code is one of a closed union
      new certs.CertsError('ERR_OTHER', '')
    }
    expect(wrong).to.be.a('function')
  })
})
