import tls from 'node:tls'
import { expect } from 'chai'
import { TokenError } from '../../lib'
import { clientCredentials } from '../../lib/client/client-credentials'
import { type Certificates, certificates } from '../helpers/certificates'

describe('clientCredentials', () => {
  let all: Certificates

  before(async () => {
    all = await certificates()
  })

  it('are shared by clients with the same key, certificate and CAs', () => {
    const { ca, client } = all
    const first = clientCredentials({ ca, ...client })
    expect(clientCredentials({ ca, ...client })).to.equal(first)
  })

  it('are not by those with another one, another option, or another form of it', () => {
    const { ca, client, server, otherCa } = all
    const options = [
      { ca, ...client },
      { ca, ...server },
      { ca: otherCa, ...client },
      { ca: [ca, otherCa], ...client },
      { ca: ca + otherCa, ...client },
      { ca, ...client, ciphers: 'TLS_AES_128_GCM_SHA256' },
      { ca, ...client, minVersion: 'TLSv1.2' as const },
      { ca }
    ]
    const made = options.map(option => clientCredentials(option))
    expect(new Set(made).size).to.equal(options.length)
  })

  it('are read anew from a Buffer that was changed', () => {
    const { ca, client, server } = all
    const key = Buffer.from(client.key)
    const first = clientCredentials({ ca, key, cert: client.cert })
    key.fill(0)
    expect(() => clientCredentials({ ca, key, cert: client.cert })).to.throw(TokenError, /option key/)
    expect(clientCredentials({ ca, ...server })).not.to.equal(first)
  })

  it("are never shared where Node's own CAs count, nor where an option is no plain value", () => {
    const { ca, client } = all
    for (const options of [client, { ca, cert: client.cert, key: [{ pem: client.key }] }]) {
      expect(clientCredentials(options)).not.to.equal(clientCredentials(options))
    }
  })

  it("are not shared when Node's defaults have changed", () => {
    const { ca, client } = all
    const { DEFAULT_ECDH_CURVE } = tls
    const first = clientCredentials({ ca, ...client })
    try {
      tls.DEFAULT_ECDH_CURVE = 'P-384'
      expect(clientCredentials({ ca, ...client })).not.to.equal(first)
    } finally {
      tls.DEFAULT_ECDH_CURVE = DEFAULT_ECDH_CURVE
    }
  })
})
