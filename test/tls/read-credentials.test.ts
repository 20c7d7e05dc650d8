import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'
import { toPem } from '../../lib/tls/pem'
import { type Credentials, readCredentials } from '../../lib/tls/read-credentials'
import { type Certificates, certificates } from '../helpers/certificates'
import { pfxOf } from '../helpers/pfx'
import { makeCertificate } from '../helpers/x509-maker'

const PASSPHRASE = 'correct horse'

describe('own certificate', () => {
  let all: Certificates
  let ann: X509Certificate

  before(async () => {
    all = await certificates()
    ann = new X509Certificate(all.client.cert)
  })

  describe('its fingerprint', () => {
    it('is the leaf, and its SHA-256', () => {
      const { own, fingerprints } = readCredentials(all.client)
      expect(own.map(({ fingerprint256 }) => fingerprint256)).to.deep.equal([ann.fingerprint256])
      expect(fingerprints.map(bytes => bytes.toString('hex'))).to.deep.equal([
        ann.fingerprint256.replaceAll(':', '').toLowerCase()
      ])
    })

    it('is the first of a bundle, with whatever stands around it', () => {
      const bundle = `subject=/CN=ann\n${all.client.cert}\nissuer\n${all.ca}`
      for (const cert of [bundle, Buffer.from(bundle), [bundle]]) {
        const { own } = readCredentials({ key: all.client.key, cert })
        expect(own.map(({ fingerprint256 }) => fingerprint256)).to.deep.equal([ann.fingerprint256])
      }
    })

    it('is one for each type of key', () => {
      const { client } = all
      const rsa = makeCertificate({ name: 'rsa', key: generateKeyPairSync('rsa', { modulusLength: 2048 }) })
      const { own } = readCredentials({
        key: [client.key, rsa.key],
        cert: [client.cert, Buffer.from(rsa.cert)]
      })
      expect(own.map(({ subject }) => subject)).to.deep.equal(['CN=ann', 'CN=rsa'])
    })

    it('is none where none is set', () => {
      expect(readCredentials({ ca: all.ca }).own).to.deep.equal([])
    })

    it('refuses what holds no certificate', () => {
      for (const cert of ['', 'nonsense', Buffer.alloc(0), all.client.key, [all.client.cert, '']]) {
        refuses({ cert }, /option cert/)
      }
      refuses({ cert: broken(all.client.cert) }, /option cert/)
      refuses({ cert: 7 as unknown as string }, /option cert/)
      refuses({ pfx: Buffer.from('nonsense') }, /option pfx/)
    })

    it('is that of a pfx', function () {
      const pfx = pfxOf(all.client, PASSPHRASE)
      if (pfx === null) return this.skip()
      for (const options of [
        { pfx, passphrase: PASSPHRASE },
        { pfx: [pfx], passphrase: PASSPHRASE },
        { pfx: [{ buf: pfx, passphrase: PASSPHRASE }] }
      ]) {
        const {
          own: [own]
        } = readCredentials(options)
        expect(own?.fingerprint256).to.equal(ann.fingerprint256)
      }
      refuses({ pfx, passphrase: 'wrong' }, /option pfx/)
      refuses({ pfx, passphrase: 'wrong' }, /pfx/)
    })
  })

  describe('readCredentials', () => {
    it('takes what fits', () => {
      const { client, ca, otherCa, crl } = all
      readCredentials({})
      readCredentials({ ca })
      readCredentials({ ...client, ca, crl })
      readCredentials({ ...client, ca: [ca, Buffer.from(otherCa)] })
      readCredentials({ ...client, ca: `${ca}\n${otherCa}` })
      readCredentials({ key: Buffer.from(client.key), cert: [Buffer.from(client.cert + ca)] })
      readCredentials({ key: [{ pem: client.key }], cert: client.cert })
    })

    it('takes a key behind its passphrase, and not behind another', () => {
      const { cert, key } = all.client
      const pem = createPrivateKey(key)
        .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })
        .toString()
      readCredentials({ key: pem, cert, passphrase: PASSPHRASE })
      readCredentials({ key: [{ pem, passphrase: PASSPHRASE }], cert })
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

    describe('says what is seen of a key that can not be used', () => {
      const pem = (key: string, passphrase?: string) =>
        createPrivateKey(key)
          .export({ type: 'pkcs8', format: 'pem', ...(passphrase && { cipher: 'aes-256-cbc', passphrase }) })
          .toString()
      const keys: Record<
        string,
        readonly [(key: string, cert: string) => Credentials['key'], RegExp, string?]
      > = {
        'a path': [() => './server.key', /no private key.*\(a path\?\)/],
        nothing: [() => '', /is empty/],
        'a certificate': [(_, cert) => cert, /no private key.*holds CERTIFICATE/],
        'a public key': [
          key => createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
          /holds PUBLIC KEY/
        ],
        DER: [key => createPrivateKey(key).export({ type: 'pkcs8', format: 'der' }), /binary/],
        "OpenSSH's format": [key => key.replaceAll(' PRIVATE', ' OPENSSH PRIVATE'), /OpenSSH/],
        'newlines as two characters': [key => key.replaceAll('\n', '\\n'), /two characters/],
        'one line': [key => key.replaceAll('\n', ' '), /joined or indented/],
        'indented lines': [key => key.replaceAll('\n', '\n    '), /joined or indented/],
        'an encrypted one without a passphrase': [key => pem(key, PASSPHRASE), /passphrase is missing/],
        'an encrypted one with an empty passphrase': [
          key => pem(key, PASSPHRASE),
          /passphrase is missing/,
          ''
        ],
        'an encrypted one with another passphrase': [key => pem(key, PASSPHRASE), /does not open it/, 'x'],
        'a KeyObject': [key => createPrivateKey(key) as unknown as string, /neither a string nor a Buffer/]
      }
      for (const [name, [write, message, passphrase]] of Object.entries(keys)) {
        it(name, () => {
          const { key, cert } = all.client
          const options = { key: write(key, cert), cert, ...(passphrase !== undefined && { passphrase }) }
          refuses(options as Credentials, new RegExp(`^Cannot use option key: .*${message.source}`))
        })
      }

      it('a chain in the wrong order, or as a list', () => {
        const { client, ca } = all
        refuses({ key: client.key, cert: ca + client.cert }, /option cert: .*the key fits number 2/)
        refuses({ key: client.key, cert: [client.cert, ca] }, /option cert: .*a chain is one text/)
      })

      it('a pfx', function () {
        const pfx = pfxOf(all.client, PASSPHRASE)
        const keyless = pfxOf(all.client, PASSPHRASE, '', ['-nokeys'])
        if (pfx === null || keyless === null) return this.skip()
        const cases: readonly [pfx: string | Buffer, passphrase: string | undefined, RegExp][] = [
          [pfx, undefined, /passphrase is missing/],
          [pfx, '', /passphrase is missing/],
          [pfx, 'x', /passphrase does not open it/],
          [keyless, PASSPHRASE, /no private key/],
          ['./server.p12', PASSPHRASE, /no PKCS #12.*\(a path\?\)/],
          ['', PASSPHRASE, /is empty/],
          [pfx.toString(), PASSPHRASE, /a string and no Buffer/],
          [all.client.cert, PASSPHRASE, /is PEM/],
          [pfx.subarray(0, 100), PASSPHRASE, /Node refuses it with/]
        ]
        for (const [given, passphrase, message] of cases) {
          const options = { pfx: given, ...(passphrase !== undefined && { passphrase }) }
          refuses(options, new RegExp(`^Cannot use option pfx: .*${message.source}`))
        }
      })
    })

    it('names the option that Node refuses, and takes good ones right after', () => {
      const { client, ca, crl } = all
      const wrong = {
        ciphers: 'NOT-A-CIPHER',
        ecdhCurve: 'P-9',
        sigalgs: 'x',
        minVersion: '1.3',
        crl: toPem('X509 CRL', Buffer.from('300b3009020101300030003000', 'hex')),
        passphrase: 7
      }
      for (const [name, value] of Object.entries(wrong)) {
        const error = refuses({ ...client, ca, crl, [name]: value } as Credentials, /./)
        expect(error.message).to.match(new RegExp(`option ${name === 'passphrase' ? 'key' : name}: `))
        readCredentials({ ...client, ca, crl })
        const pfx = pfxOf(client, PASSPHRASE)
        if (pfx === null) continue
        refuses({ ...client, ca, crl, [name]: value } as Credentials, /./)
        readCredentials({ pfx, passphrase: PASSPHRASE })
      }
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

function refuses(options: Credentials, message: RegExp): TokenError {
  let thrown: unknown
  try {
    readCredentials(options)
  } catch (error) {
    thrown = error
  }
  expect(thrown).to.be.instanceOf(TokenError)
  const error = thrown as TokenError
  expect(error.code).to.equal('ERR_OPTION')
  expect(error.message).to.match(message)
  return error
}
