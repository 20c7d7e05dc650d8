import { execFileSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import { TokenError } from '../lib/errors'
import { type Credentials, ownCertificates, validatePair } from '../lib/own-certificate'
import { type Certificates, certificates } from './helpers/certificates'

const PASSPHRASE = 'correct horse'

describe('own certificate', () => {
  let all: Certificates
  let ann: X509Certificate

  before(async () => {
    all = await certificates()
    ann = new X509Certificate(all.client.cert)
  })

  describe('ownCertificates', () => {
    it('is the leaf, its SHA-256 and its end', () => {
      const [own, ...more] = ownCertificates(all.client)
      expect(more).to.deep.equal([])
      expect(own?.certificate.fingerprint256).to.equal(ann.fingerprint256)
      expect(own?.fingerprint.toString('hex')).to.equal(ann.fingerprint256.replaceAll(':', '').toLowerCase())
      expect(own?.validTo).to.deep.equal(new Date(ann.validTo))
    })

    it('is the first of a bundle, with whatever stands around it', () => {
      const bundle = `subject=/CN=ann\n${all.client.cert}\nissuer\n${all.ca}`
      for (const cert of [bundle, Buffer.from(bundle), [bundle]]) {
        const own = ownCertificates({ cert })
        expect(own.map(({ certificate }) => certificate.fingerprint256)).to.deep.equal([ann.fingerprint256])
      }
    })

    it('is one for each type of key', () => {
      const own = ownCertificates({ cert: [all.client.cert, Buffer.from(all.server.cert)] })
      expect(own.map(({ certificate }) => certificate.subject)).to.deep.equal(['CN=ann', 'CN=server'])
    })

    it('is none where none is set', () => {
      expect(ownCertificates({ ca: all.ca })).to.deep.equal([])
    })

    it('refuses what holds no certificate', () => {
      for (const cert of ['', 'nonsense', Buffer.alloc(0), all.client.key, [all.client.cert, '']]) {
        refuses({ cert }, /option cert/, ownCertificates)
      }
      refuses({ cert: broken(all.client.cert) }, /option cert/, ownCertificates)
      refuses({ cert: 7 as unknown as string }, /option cert/, ownCertificates)
      refuses({ pfx: Buffer.from('nonsense') }, /option pfx/, ownCertificates)
    })

    it('is that of a pfx', function () {
      const pfx = pfxOf(all.client, PASSPHRASE)
      if (pfx === null) return this.skip()
      for (const options of [
        { pfx, passphrase: PASSPHRASE },
        { pfx: [pfx], passphrase: PASSPHRASE },
        { pfx: [{ buf: pfx, passphrase: PASSPHRASE }] }
      ]) {
        const [own] = ownCertificates(options)
        expect(own?.certificate.fingerprint256).to.equal(ann.fingerprint256)
        validatePair(options)
      }
      refuses({ pfx, passphrase: 'wrong' }, /option pfx/, ownCertificates)
      refuses({ pfx, passphrase: 'wrong' }, /pfx/)
    })
  })

  describe('validatePair', () => {
    it('takes what fits', () => {
      const { client, ca, otherCa, crl } = all
      validatePair({})
      validatePair({ ca })
      validatePair({ ...client, ca, crl })
      validatePair({ ...client, ca: [ca, Buffer.from(otherCa)] })
      validatePair({ ...client, ca: `${ca}\n${otherCa}` })
      validatePair({ key: Buffer.from(client.key), cert: [Buffer.from(client.cert + ca)] })
      validatePair({ key: [{ pem: client.key }], cert: client.cert })
    })

    it('takes a key behind its passphrase, and not behind another', () => {
      const { cert, key } = all.client
      const pem = createPrivateKey(key)
        .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })
        .toString()
      validatePair({ key: pem, cert, passphrase: PASSPHRASE })
      validatePair({ key: [{ pem, passphrase: PASSPHRASE }], cert })
      refuses({ key: pem, cert }, /option key/)
      refuses({ key: pem, cert, passphrase: 'wrong' }, /option key/)
    })

    it('refuses a key and a certificate that are not a pair', () => {
      const { client, server, ca } = all
      refuses({ key: server.key, cert: client.cert }, /option cert/)
      refuses({ key: client.key }, /option key/)
      refuses({ cert: client.cert }, /option cert/)
      refuses({ key: [client.key, server.key], cert: client.cert }, /option key/)
      refuses({ key: client.key, cert: [client.cert, server.cert] }, /option cert/)
      // The leaf must come first: Node would take the authority's certificate for it.
      refuses({ key: client.key, cert: ca + client.cert }, /option cert/)
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const rsa = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      refuses({ key: rsa, cert: client.cert }, /option cert/)
    })

    it('refuses what can not be read', () => {
      const { client, ca } = all
      for (const wrong of ['', 'nonsense', Buffer.alloc(0)]) {
        refuses({ key: wrong, cert: client.cert }, /option key/)
        refuses({ key: client.key, cert: wrong }, /option cert/)
        refuses({ ...client, ca: wrong }, /option ca/)
        refuses({ ...client, ca: [ca, wrong] }, /option ca/)
      }
      refuses({ ...client, ca: broken(ca) }, /option ca/)
      refuses({ ...client, ca, crl: 'nonsense' }, /crl/)
      refuses({ ...client, ca, crl: broken(all.crl) }, /crl/)
    })

    it('refuses an empty ca, which Node takes for nobody, or for the whole web', () => {
      for (const ca of [[], '', null]) refuses({ ca: ca as string }, /option ca/)
    })

    it('says nothing of a key, in the message or in a cause', () => {
      const { key, cert } = all.client
      const secret = key.split('\n')[1] as string
      for (const options of [
        { key: broken(key), cert },
        { key, cert: all.server.cert },
        { key: key.slice(0, 60), cert },
        { key: { secret } as unknown as string, cert },
        { key: [{ pem: key, passphrase: { secret } as unknown as string }], cert },
        { key, cert, passphrase: { secret } as unknown as string }
      ]) {
        const error = refuses(options, /./)
        expect(error.cause).to.equal(undefined)
        for (const piece of [secret.slice(0, 12), PASSPHRASE]) expect(error.message).to.not.include(piece)
      }
    })
  })
})

/** The same with the middle of its base64 cut out. */
function broken(pem: string): string {
  const lines = pem.split('\n')
  return [...lines.slice(0, 2), ...lines.slice(3)].join('\n')
}

function refuses(
  options: Credentials,
  message: RegExp,
  use: (options: Credentials) => unknown = validatePair
): TokenError {
  let thrown: unknown
  try {
    use(options)
  } catch (error) {
    thrown = error
  }
  expect(thrown).to.be.instanceOf(TokenError)
  const error = thrown as TokenError
  expect(error.code).to.equal('ERR_OPTION')
  expect(error.message).to.match(message)
  return error
}

/** A PKCS #12 file; Node can read but not write one. Null where there is no openssl, which a CI has to have. */
function pfxOf({ key, cert }: KeyAndCert, passphrase: string): Buffer | null {
  const folder = mkdtempSync(join(tmpdir(), 'token-server-'))
  const path = (name: string) => join(folder, name)
  try {
    writeFileSync(path('key'), key, { mode: 0o600 })
    writeFileSync(path('cert'), cert)
    const files = ['-inkey', path('key'), '-in', path('cert'), '-out', path('pfx')]
    execFileSync('openssl', ['pkcs12', '-export', ...files, '-passout', `pass:${passphrase}`])
    return readFileSync(path('pfx'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI) throw error
    return null
  } finally {
    rmSync(folder, { recursive: true })
  }
}
