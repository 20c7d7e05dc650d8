import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Authority, createAuthority, openAuthority } from '../lib'
import { meet } from './helpers/mutual-tls'
import { needOpenssl, openssl } from './helpers/openssl'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

describe('an authority', () => {
  let authority: Authority
  before(async () => {
    authority = await createAuthority()
  })

  it('makes P-256 keys that fit their certificates', async () => {
    const pairs = [authority, await authority.issueServer(), await authority.issueClient({ name: 'ann' })]
    for (const { key, cert } of pairs) {
      const privateKey = createPrivateKey(key)
      expect(privateKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1')
      expect(new X509Certificate(cert).checkPrivateKey(privateKey)).to.equal(true)
    }
  })

  it('gives every certificate its own positive serial number of more than 64 bits', async () => {
    const certs = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => (await authority.issueClient({ name: `c${i}` })).cert)
    )
    const serials = certs.map(cert => new X509Certificate(cert).serialNumber)
    expect(new Set(serials).size).to.equal(40)
    // 128 random bits: one in 2^56 would be shorter than this.
    for (const serial of serials) expect(serial).to.match(/^[0-9A-F]{18,32}$/)
  })

  it('holds for ten years, its certificates for one, and none starts in the future', async () => {
    const { cert } = await authority.issueServer()
    const day = 86_400_000
    const days = (pem: string) => (Date.parse(new X509Certificate(pem).validTo) - Date.now()) / day
    expect(days(authority.cert)).to.be.closeTo(3650, 0.01)
    expect(days(cert)).to.be.closeTo(365, 0.01)
    expect(Date.parse(new X509Certificate(cert).validFrom)).to.be.closeTo(Date.now() - 3_600_000, 60_000)
  })

  it('never lets a certificate outlive it', async () => {
    const short = await createAuthority({ days: 2 })
    const { cert } = await short.issueServer({ days: 365 })
    expect(new X509Certificate(cert).validTo).to.equal(new X509Certificate(short.cert).validTo)
  })

  it('signs nothing more once it has expired', async () => {
    const expired = await createAuthority({ notAfter: new Date(Date.now() - 1000) })
    await expectRefused(
      'ERR_CERTS_AUTHORITY',
      () => expired.issueClient({ name: 'ann' }),
      'its authority ends'
    )
  })

  it('can be taken up again from its two texts', async () => {
    const again = await openAuthority({ key: authority.key, cert: authority.cert })
    const outcome = await meet({
      server: await authority.issueServer(),
      client: await again.issueClient({ name: 'ann' }),
      ca: authority.cert
    })
    expect(outcome).to.include({ ofClient: 'ok', ofServer: 'ok' })
  })

  it('is refused with another key, as a leaf, and as nonsense', async () => {
    const other = await createAuthority()
    const leaf = await authority.issueServer()
    const open = (key: string, cert: string) => () => openAuthority({ key, cert })
    await expectRefused('ERR_CERTS_AUTHORITY', open(other.key, authority.cert), 'another certificate')
    await expectRefused('ERR_CERTS_AUTHORITY', open(leaf.key, leaf.cert), 'CA:FALSE')
    await expectRefused('ERR_CERTS_AUTHORITY', open('', authority.cert), "can't be read")
    await expectRefused('ERR_CERTS_AUTHORITY', open(authority.key, 'x'), "can't be read")
  })

  it('never shows its key in an error, even where the key is broken', async () => {
    const key = authority.key.replaceAll('A', '!')
    const secret = key.split('\n')[1] ?? ''
    const error = await expectRefused('ERR_CERTS_AUTHORITY', () =>
      openAuthority({ key, cert: authority.cert })
    )
    expect(error.message).to.not.include(secret.slice(0, 12))
  })

  it('refuses hosts and names that cannot be, by rejecting and never by throwing', async () => {
    await expectRefused('ERR_CERTS_HOST', () => authority.issueServer({ hosts: [] }))
    await expectRefused('ERR_CERTS_NAME', () => authority.issueClient({ name: '' }))
    const promise = authority.issueClient({ name: '' })
    expect(promise).to.be.instanceOf(Promise)
    await promise.catch(() => undefined)
  })

  it('makes a whole set within ten seconds, as its keys are of elliptic curves', async () => {
    const start = performance.now()
    const one = await createAuthority()
    await Promise.all([one.issueServer(), one.issueClient({ name: 'ann' })])
    expect(performance.now() - start).to.be.below(10_000)
  })
})

describe('what the authority signs, in openssl’s strict judgement', () => {
  needOpenssl()
  const folder = useTemporaryFolder()
  const verify = (ca: string, cert: string, purpose: string) => {
    writeFileSync(join(folder(), 'ca.crt'), ca)
    return openssl(['verify', '-x509_strict', '-CAfile', join(folder(), 'ca.crt'), '-purpose', purpose], cert)
  }

  it('is a server and no client, or a client and no server', async () => {
    const authority = await createAuthority()
    const server = await authority.issueServer()
    const client = await authority.issueClient({ name: 'ann' })
    expect(verify(authority.cert, server.cert, 'sslserver')).to.deep.equal({ text: 'stdin: OK\n', code: 0 })
    expect(verify(authority.cert, client.cert, 'sslclient')).to.deep.equal({ text: 'stdin: OK\n', code: 0 })
    expect(verify(authority.cert, server.cert, 'sslclient').text).to.include('unsuitable certificate purpose')
    expect(verify(authority.cert, client.cert, 'sslserver').text).to.include('unsuitable certificate purpose')
  })

  it('has the extensions that its part asks for, critical where they must be', async () => {
    const authority = await createAuthority()
    const text = (pem: string) => openssl(['x509', '-noout', '-text'], pem).text.replace(/\s+/g, ' ')
    const ca = text(authority.cert)
    expect(ca).to.include('Basic Constraints: critical CA:TRUE, pathlen:0')
    expect(ca).to.include('Key Usage: critical Certificate Sign, CRL Sign X509v3')
    const id = /Subject Key Identifier: (\S+)/.exec(ca)?.[1]
    for (const [pem, usage] of [
      [(await authority.issueServer()).cert, 'TLS Web Server Authentication'],
      [(await authority.issueClient({ name: 'ann' })).cert, 'TLS Web Client Authentication']
    ] as const) {
      const leaf = text(pem)
      expect(leaf).to.include('Basic Constraints: critical CA:FALSE')
      expect(leaf).to.include('Key Usage: critical Digital Signature X509v3')
      expect(leaf).to.include(`Extended Key Usage: ${usage} X509v3`)
      expect(leaf).to.include(`Authority Key Identifier: ${id} `)
      expect(leaf).to.match(/Subject Key Identifier: ([0-9A-F]{2}:){19}/)
    }
  })

  it('holds under an authority that openssl made, whose key identifier it takes over', async () => {
    const key = join(folder(), 'foreign.key')
    openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key])
    const subject = ['-subj', '/O=Acme, Inc./CN=Foreign', '-addext', 'keyUsage=critical,keyCertSign']
    const made = openssl(['req', '-x509', '-key', key, ...subject, '-days', '30'])
    const keyText = openssl(['pkcs8', '-topk8', '-nocrypt', '-in', key]).text
    const foreign = await openAuthority({ key: keyText, cert: made.text })
    const { cert } = await foreign.issueServer()
    expect(verify(made.text, cert, 'sslserver').text).to.equal('stdin: OK\n')
  })

  it('is refused under an authority without a key identifier, though the name and the key are right', async () => {
    const key = join(folder(), 'plain.key')
    openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key])
    const args = ['req', '-x509', '-key', key, '-subj', '/CN=Plain', '-days', '30']
    const extensions = [
      'subjectKeyIdentifier=none',
      'authorityKeyIdentifier=none',
      'keyUsage=critical,keyCertSign'
    ]
    const made = openssl([...args, ...extensions.flatMap(extension => ['-addext', extension])])
    const plain = await openAuthority({
      key: openssl(['pkcs8', '-topk8', '-nocrypt', '-in', key]).text,
      cert: made.text
    })
    const { cert } = await plain.issueServer()
    expect(verify(made.text, cert, 'sslserver').text).to.match(/missing subject key identifier/i)
  })

  it('takes no authority whose key is not P-256', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const file = join(folder(), 'p384.key')
    writeFileSync(file, key)
    const cert = openssl(['req', '-x509', '-key', file, '-subj', '/CN=Big', '-days', '30']).text
    await expectRefused('ERR_CERTS_AUTHORITY', () => openAuthority({ key, cert }), "can't be read")
  })
})

describe('certificates that are wrong on purpose', () => {
  let authority: Authority
  before(async () => {
    authority = await createAuthority()
  })
  const past = new Date(Date.now() - 60_000)
  const future = new Date(Date.now() + 3_600_000)

  it('a good pair comes through, so that the others can fail', async () => {
    const client = await authority.issueClient({ name: 'ann' })
    const outcome = await meet({ server: await authority.issueServer(), client, ca: authority.cert })
    expect(outcome).to.deep.equal({ ofClient: 'ok', ofServer: 'ok', protocol: 'TLSv1.3', read: 'hello' })
  })

  it('an expired one and one from tomorrow are refused for their dates', async () => {
    const server = await authority.issueServer()
    const expired = await authority.issueClient({ name: 'ann', notAfter: past })
    const early = await authority.issueClient({ name: 'ann', notBefore: future })
    expect((await meet({ server, client: expired, ca: authority.cert })).ofClient).to.equal(
      'CERT_HAS_EXPIRED'
    )
    expect((await meet({ server, client: early, ca: authority.cert })).ofClient).to.equal(
      'CERT_NOT_YET_VALID'
    )
  })

  it('a client that is only a server is refused for its usage, and without usages none is asked for', async () => {
    const server = await authority.issueServer()
    const wrong = await authority.issueClient({ name: 'ann', usages: ['serverAuth'] })
    const any = await authority.issueClient({ name: 'ann', usages: [] })
    expect((await meet({ server, client: wrong, ca: authority.cert })).ofClient).to.equal('INVALID_PURPOSE')
    expect((await meet({ server, client: any, ca: authority.cert })).ofClient).to.equal('ok')
  })

  it('one that a leaf signed is refused, with the leaf itself trusted and sent along', async () => {
    const leaf = await authority.issueServer()
    const issuer = await openAuthority(leaf, { allowLeaf: true })
    const child = await issuer.issueClient({ name: 'ann' })
    const client = { key: child.key, cert: child.cert + leaf.cert }
    const outcome = await meet({ server: await authority.issueServer(), client, ca: authority.cert })
    // OpenSSL says that its key usage rules out signing, for which Node has no code.
    expect(outcome.ofClient).to.be.oneOf(['UNSPECIFIED', 'INVALID_CA'])
  })

  it('one of an expired authority is refused although its own dates are good', async () => {
    const expired = await createAuthority({ notAfter: past })
    const client = await expired.issueClient({ name: 'ann', notAfter: future })
    const outcome = await meet({
      server: await authority.issueServer(),
      client,
      ca: [authority.cert, expired.cert]
    })
    expect(outcome.ofClient).to.equal('CERT_HAS_EXPIRED')
  })

  it('one of an unknown authority of the same name is refused, and taken once that is trusted as well', async () => {
    const other = await createAuthority()
    const server = await authority.issueServer()
    const client = await other.issueClient({ name: 'ann' })
    const unknown = await meet({ server, client, ca: authority.cert })
    expect(unknown.ofClient).to.equal('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
    const both = await meet({ server, client, ca: [authority.cert, other.cert] })
    expect(both).to.include({ ofClient: 'ok', ofServer: 'ok' })
  })
})
