import { createSecretKey } from 'node:crypto'
import { certificates } from '@token-server/test-helpers'
import { expect } from 'chai'
import { createVerifier, type VerifierOptions } from '../lib'
import { codeOf, refusalOf } from './helpers/refusal'
import {
  CLAIMS,
  clockAtNow,
  EC,
  ED,
  eddsa,
  es256,
  good,
  hs256,
  RSA,
  rs256,
  SECRET,
  token
} from './helpers/tokens'

const secretIssuer = { secret: SECRET }

const WRONG: readonly (readonly [string, unknown, RegExp])[] = [
  ['no options', undefined, /the options are no object/],
  ['no issuer', { issuers: [] }, /issuers has 0 entries/],
  ['17 issuers', { issuers: Array.from({ length: 17 }, () => secretIssuer) }, /has 17 entries, 1 to 16/],
  ['an issuer without a key', { issuers: {} }, /issuers has no key, exactly one/],
  ['an issuer of two keys', { issuers: { secret: SECRET, jwksUrl: 'https://a' } }, /has secret and jwksUrl/],
  ['null for an issuer', { issuers: [secretIssuer, null] }, /issuers\[1\] is no object/],
  ['an option that is misspelt', { issuers: secretIssuer, tolerance: 5 }, /there is no option tolerance/],
  [
    'an issuer whose option is misspelt',
    { issuers: { ...secretIssuer, aud: 'x' } },
    /no option issuers\.aud/
  ],
  ['a timeout for a secret', { issuers: { ...secretIssuer, timeout: 5 } }, /no option issuers\.timeout/],
  ['a secret of 31 bytes', { issuers: { secret: SECRET.slice(1) } }, /31 bytes long, the least is 32/],
  ['the secret of the seed', { issuers: { secret: 'shhhhh' } }, /6 bytes long.*openssl rand/],
  [
    'an empty secret, also in development',
    { issuers: { secret: '' }, dev: true },
    /0 bytes long, the least is 1/
  ],
  ['a secret that is a number', { issuers: { secret: 7 } }, /neither a string nor bytes/],
  [
    'a public key for a secret',
    { issuers: { secret: RSA.publicKey.export({ type: 'spki', format: 'pem' }) } },
    /secret is a PEM/
  ],
  [
    'a private key for a public one',
    { issuers: { publicKey: RSA.privateKey.export({ type: 'pkcs8', format: 'pem' }) } },
    /is a private key/
  ],
  ['a private KeyObject', { issuers: { publicKey: EC.privateKey } }, /is a private key/],
  ['a secret KeyObject', { issuers: { publicKey: createSecretKey(Buffer.from(SECRET)) } }, /is a secret key/],
  ['a private JWK', { issuers: { publicKey: EC.privateKey.export({ format: 'jwk' }) } }, /is a private key/],
  ['a secret JWK', { issuers: { publicKey: { kty: 'oct', k: 'AAAA' } } }, /is a private key/],
  ['a JWK that is none', { issuers: { publicKey: { kty: 'EC' } } }, /can't be used: it is no public key/],
  ['no PEM', { issuers: { publicKey: 'ssh-rsa AAAA' } }, /no PEM of a public key/],
  ['an empty list of keys', { issuers: { publicKey: [] } }, /an empty list/],
  ['a URL that is none', { issuers: { jwksUrl: 'keys' } }, /is no URL/],
  ['a URL of a file', { issuers: { jwksUrl: 'file:///etc/keys.json' } }, /begins with file:\/\//],
  ['plain HTTP to another host', { issuers: { jwksUrl: 'http://127.0.0.1.example/' } }, /must with https/],
  ['keys that are stale too soon', { issuers: { jwksUrl: 'https://a', maxStale: 1000 } }, /from 600000 to/],
  ['an audience that is a number', { issuers: { ...secretIssuer, audience: 7 } }, /audience is neither/],
  ['an audience that is empty', { issuers: { ...secretIssuer, audience: '' } }, /audience is neither/],
  ['no audiences', { issuers: { ...secretIssuer, audience: [] } }, /audience is neither/],
  ['an issuer that is empty', { issuers: { ...secretIssuer, issuer: '' } }, /issuer is no text/],
  ['a kind that there is not', { issuers: { ...secretIssuer, kinds: ['root'] } }, /kinds is no list/],
  ['a tolerance of an hour', { issuers: secretIssuer, clockTolerance: 3_600_000 }, /from 0 to 300000/],
  ['tokens of half a byte', { issuers: secretIssuer, maxTokenBytes: 64.5 }, /maxTokenBytes is 64\.5/],
  [
    'a list that is no list of revocations',
    { issuers: secretIssuer, revocations: new Set() },
    /createRevocations/
  ],
  ['dev that is a text', { issuers: secretIssuer, dev: 'false' }, /dev is no boolean/],
  ['a clock that is none', { issuers: secretIssuer, clock: 5 }, /clock is none/],
  ['authorities that are a number', { issuers: { jwksUrl: 'https://a', ca: 5 } }, /issuers\.ca is no PEM/],
  ['a listener that is none', { issuers: secretIssuer, onWarning: true }, /onWarning is no function/]
]

describe('The options of a verifier', () => {
  for (const [what, options, words] of WRONG) {
    it(`are refused with ${what}, in words that show no secret`, async () => {
      const { code, message } = await refusalOf(() => createVerifier(options as VerifierOptions))
      expect(code).to.equal('ERR_JWT_OPTIONS')
      expect(message)
        .to.match(words)
        .and.match(/^Cannot check tokens: /)
      expect(message).to.not.include('shhhhh').and.not.include(SECRET.slice(1, 20)).and.not.include('MII')
    })
  }

  it('may have a secret of any length in development', async () => {
    const verifier = createVerifier({ issuers: { secret: 'shhhhh' }, dev: true, clock: clockAtNow() })
    const text = token({ alg: 'HS256' }, CLAIMS, hs256('shhhhh'))
    expect((await verifier.verify(text)).id).to.equal('68946')
  })

  it('may have a secret of bytes', async () => {
    const verifier = createVerifier({ issuers: { secret: Buffer.from(SECRET) }, clock: clockAtNow() })
    expect((await verifier.verify(good())).id).to.equal('68946')
  })

  it('may have public keys as PEM, certificate, JWK and KeyObject, of which each verifies its own', async () => {
    const { server } = await certificates()
    const publicKey = [
      RSA.publicKey.export({ type: 'spki', format: 'pem' }) as string,
      { ...EC.publicKey.export({ format: 'jwk' }), kid: 'ec' },
      ED.publicKey,
      server.cert
    ]
    const verifier = createVerifier({ issuers: { publicKey }, clock: clockAtNow() })
    await verifier.ready()
    for (const text of [
      token({ alg: 'RS256', kid: 'whatever' }, CLAIMS, rs256()),
      token({ alg: 'ES256', kid: 'ec' }, CLAIMS, es256()),
      token({ alg: 'EdDSA' }, CLAIMS, eddsa())
    ]) {
      expect((await verifier.verify(text)).id).to.equal('68946')
    }
    const wrongKey = createVerifier({ issuers: { publicKey: server.cert }, clock: clockAtNow() })
    expect(await codeOf(wrongKey.verify(token({ alg: 'ES256' }, CLAIMS, es256())))).to.equal(
      'ERR_JWT_SIGNATURE'
    )
  })

  it('that name several issuers accept the tokens of each by its own rules', async () => {
    const other = 'another secret, of 32 bytes or so'
    const verifier = createVerifier({
      issuers: [
        { secret: SECRET, issuer: 'a', audience: ['x', 'y'] },
        { secret: other, issuer: 'b', kinds: ['user'] },
        { publicKey: EC.publicKey }
      ],
      clock: clockAtNow()
    })
    const of = (claims: object, secret = SECRET) =>
      verifier.verify(token({ alg: 'HS256' }, { ...CLAIMS, ...claims }, hs256(secret)))
    expect((await of({ iss: 'a', aud: ['z', 'y'] })).issuer).to.equal('a')
    expect((await of({ iss: 'b' }, other)).issuer).to.equal('b')
    expect(await codeOf(of({ iss: 'b' }))).to.equal('ERR_JWT_SIGNATURE')
    expect(await codeOf(of({ iss: 'a' }))).to.equal('ERR_JWT_AUDIENCE')
    expect(await codeOf(of({ iss: 'c' }))).to.equal('ERR_JWT_ISSUER')
    expect(await codeOf(of({ iss: 'b', kind: 'guest' }, other))).to.equal('ERR_JWT_KIND')
    expect((await verifier.verify(token({ alg: 'ES256' }, CLAIMS, es256()))).id).to.equal('68946')
  })

  it('let a secret make an admin, and a public key only when they say so', async () => {
    const admin = { ...CLAIMS, kind: 'admin' }
    const clock = clockAtNow()
    const bySecret = createVerifier({ issuers: { secret: SECRET }, clock })
    const byKey = createVerifier({ issuers: { publicKey: EC.publicKey }, clock })
    const bySaying = createVerifier({ issuers: { publicKey: EC.publicKey, kinds: ['admin'] }, clock })
    expect((await bySecret.verify(good(admin))).kind).to.equal('admin')
    const text = token({ alg: 'ES256' }, admin, es256())
    expect(await codeOf(byKey.verify(text))).to.equal('ERR_JWT_KIND')
    expect((await bySaying.verify(text)).kind).to.equal('admin')
  })

  it('bound the length of a token', async () => {
    const text = good()
    const clock = clockAtNow()
    const exact = createVerifier({ issuers: secretIssuer, maxTokenBytes: text.length, clock })
    const less = createVerifier({ issuers: secretIssuer, maxTokenBytes: text.length - 1, clock })
    expect((await exact.verify(text)).id).to.equal('68946')
    expect(await codeOf(less.verify(text))).to.equal('ERR_JWT_SIZE')
  })
})
