import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { createVerifier, type JwtErrorCode, peerAnswer, type Verifier } from '../lib'
import { refusalOf } from './helpers/refusal'
import {
  CLAIMS,
  clockAtNow,
  EC,
  ED,
  eddsa,
  es256,
  good,
  hs256,
  NOW,
  part,
  ps256,
  RSA,
  rs256,
  SECRET,
  token
} from './helpers/tokens'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

const JWT = { typ: 'JWT' }
const HS = { alg: 'HS256', ...JWT }
const RS = { alg: 'RS256', ...JWT }

const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsaPem = RSA.publicKey.export({ type: 'spki', format: 'pem' }) as string
const [goodHeader, goodPayload, goodSignature] = good(claims({})).split('.') as [string, string, string]

/** With all that the verifiers below demand. */
function claims(changes: object): Record<string, unknown> {
  return { ...CLAIMS, iss: 'https://issuer.example', aud: 'broker', ...changes }
}

const without = (name: string): object => ({ ...claims({}), [name]: undefined })
const unsigned = () => Buffer.alloc(0)

interface Forged {
  readonly what: string
  readonly text: string
  readonly code: JwtErrorCode
}

/** Shown to a verifier that knows the secret, and no public key. */
const TO_A_SECRET: readonly Forged[] = [
  ...['none', 'None', 'NONE', 'nOnE', ''].map(alg => ({
    what: `without a signature, of the algorithm "${alg}"`,
    text: token({ alg, ...JWT }, claims({}), unsigned),
    code: 'ERR_JWT_ALGORITHM' as const
  })),
  {
    what: 'of the algorithm none, with a good signature',
    text: token({ alg: 'none' }, claims({}), hs256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'without an algorithm',
    text: token(JWT, claims({}), hs256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'whose algorithm is a list',
    text: token({ alg: ['HS256'], ...JWT }, claims({}), hs256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'of HS512, which is no algorithm of ours',
    text: token({ alg: 'HS512', ...JWT }, claims({}), hs256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'of hs256 in small letters',
    text: token({ alg: 'hs256', ...JWT }, claims({}), hs256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'whose signature is taken away',
    text: `${goodHeader}.${goodPayload}.`,
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose signature is cut',
    text: `${goodHeader}.${goodPayload}.${Buffer.from(goodSignature, 'base64url').subarray(0, 31).toString('base64url')}`,
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose third part is taken away',
    text: `${goodHeader}.${goodPayload}`,
    code: 'ERR_JWT_MALFORMED'
  },
  {
    what: 'whose payload is exchanged',
    text: `${goodHeader}.${part(claims({ user_id: '1' }))}.${goodSignature}`,
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose header is exchanged',
    text: `${part({ ...HS, kid: 'x' })}.${goodPayload}.${goodSignature}`,
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'signed with another secret',
    text: token(HS, claims({}), hs256('another secret of 32 bytes or mo')),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'signed with an empty secret, whose kid names an empty file',
    text: token({ ...HS, kid: '../../../../dev/null' }, claims({}), hs256('')),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose kid is a query of a database that gives the signing secret',
    text: token({ ...HS, kid: "x' UNION SELECT 'mine' -- " }, claims({}), hs256('mine')),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose kid is no text',
    text: token({ ...HS, kid: 7 }, claims({}), hs256()),
    code: 'ERR_JWT_HEADER'
  },
  {
    what: 'whose kid is endless',
    text: token({ ...HS, kid: 'k'.repeat(257) }, claims({}), hs256()),
    code: 'ERR_JWT_HEADER'
  },
  {
    what: 'for another audience',
    text: good(claims({ aud: 'chat' })),
    code: 'ERR_JWT_AUDIENCE'
  },
  {
    what: 'for audiences of which none is ours',
    text: good(claims({ aud: ['chat', 'brokers', ['broker'], { broker: 1 }] })),
    code: 'ERR_JWT_AUDIENCE'
  },
  {
    what: 'for no audience',
    text: good(without('aud')),
    code: 'ERR_JWT_AUDIENCE'
  },
  {
    what: 'of another issuer',
    text: good(claims({ iss: 'https://issuer.example.evil.example' })),
    code: 'ERR_JWT_ISSUER'
  },
  {
    what: 'of a list of issuers',
    text: good(claims({ iss: ['https://issuer.example'] })),
    code: 'ERR_JWT_ISSUER'
  },
  {
    what: 'of no issuer',
    text: good(without('iss')),
    code: 'ERR_JWT_ISSUER'
  },
  {
    what: 'that ended five seconds ago',
    text: good(claims({ exp: NOW - 5 })),
    code: 'ERR_JWT_EXPIRED'
  },
  {
    what: 'that ended in 1970',
    text: good(claims({ exp: '1767229200' })),
    code: 'ERR_JWT_EXPIRED'
  },
  {
    what: 'that never ends',
    text: good(without('exp')),
    code: 'ERR_JWT_EXPIRY'
  },
  ...[
    null,
    true,
    '',
    ' 9999999999999',
    '9999999999999.5',
    '1e13',
    '-1',
    '٩٩٩٩٩٩٩٩٩٩٩٩٩',
    [NOW + 60],
    { $gt: 0 },
    0,
    -1
  ].map(exp => ({
    what: `whose exp is ${JSON.stringify(exp)}`,
    text: good(claims({ exp })),
    code: 'ERR_JWT_EXPIRY' as const
  })),
  {
    what: 'whose exp is a number beyond all numbers',
    text: good(JSON.stringify(claims({})).replace(String(NOW + 3600), '1e999')),
    code: 'ERR_JWT_EXPIRY'
  },
  {
    what: 'whose exp is a number of milliseconds',
    text: good(claims({ exp: (NOW + 3600) * 1000 })),
    code: 'ERR_JWT_EXPIRY'
  },
  {
    what: 'that begins in the future',
    text: good(claims({ nbf: NOW + 6 })),
    code: 'ERR_JWT_NOT_YET'
  },
  {
    what: 'that was made in the future',
    text: good(claims({ iat: NOW + 6 })),
    code: 'ERR_JWT_NOT_YET'
  },
  {
    what: 'whose nbf is a text',
    text: good(claims({ nbf: '0' })),
    code: 'ERR_JWT_CLAIM'
  },
  {
    what: 'whose iat is below 0',
    text: good(claims({ iat: -1 })),
    code: 'ERR_JWT_CLAIM'
  },
  {
    what: 'with crit',
    text: good(claims({}), { crit: ['b64'], b64: true }),
    code: 'ERR_JWT_HEADER'
  },
  {
    what: 'with an empty crit',
    text: good(claims({}), { crit: [] }),
    code: 'ERR_JWT_HEADER'
  },
  {
    what: 'with b64 and no crit',
    text: good(claims({}), { b64: false }),
    code: 'ERR_JWT_HEADER'
  },
  {
    what: 'with zip',
    text: good(claims({}), { zip: 'DEF' }),
    code: 'ERR_JWT_HEADER'
  },
  ...['at+JWT2', 'dpop+jwt', 'logout+jwt', 'JOSE', 'secevent+jwt', 'JWT ', '', 1, null].map(typ => ({
    what: `whose typ is ${JSON.stringify(typ)}`,
    text: good(claims({}), { typ }),
    code: 'ERR_JWT_TYPE' as const
  })),
  { what: 'that is empty', text: '', code: 'ERR_JWT_MALFORMED' },
  { what: 'that is two dots', text: '..', code: 'ERR_JWT_MALFORMED' },
  { what: 'that is no token', text: 'shhhhh', code: 'ERR_JWT_MALFORMED' },
  { what: 'that is encrypted', text: 'a.b.c.d.e', code: 'ERR_JWT_MALFORMED' },
  { what: 'with a space behind it', text: `${good(claims({}))} `, code: 'ERR_JWT_MALFORMED' },
  { what: 'with the end of a line behind it', text: `${good(claims({}))}\n`, code: 'ERR_JWT_MALFORMED' },
  { what: 'in base64 with padding', text: `${good(claims({}))}=`, code: 'ERR_JWT_MALFORMED' },
  {
    what: 'whose signature is spelt in another way',
    text: good(claims({})).replace(/.$/, last =>
      last === 'A' ? 'B' : String.fromCharCode(last.charCodeAt(0) + 1)
    ),
    code: 'ERR_JWT_MALFORMED'
  },
  {
    what: 'whose payload is a list',
    text: token(HS, '[]', hs256()),
    code: 'ERR_JWT_MALFORMED'
  },
  {
    what: 'whose payload is null',
    text: token(HS, 'null', hs256()),
    code: 'ERR_JWT_MALFORMED'
  },
  {
    what: 'whose payload is no JSON',
    text: token(HS, '{"user_id":', hs256()),
    code: 'ERR_JWT_MALFORMED'
  },
  {
    what: 'whose payload begins with a byte order mark',
    text: token(HS, `\ufeff${JSON.stringify(claims({}))}`, hs256()),
    code: 'ERR_JWT_MALFORMED'
  },
  {
    what: 'whose payload is no UTF-8',
    text: notUtf8(),
    code: 'ERR_JWT_MALFORMED'
  },
  { what: 'of 1 MiB', text: 'a'.repeat(1_048_576), code: 'ERR_JWT_SIZE' },
  {
    what: 'of 1 MiB, with a good signature',
    text: good(claims({ x: 'x'.repeat(786_000) })),
    code: 'ERR_JWT_SIZE'
  },
  {
    what: 'with a claim that is there twice',
    text: good(
      `{"user_id":"1","user_id":"68946","iss":"https://issuer.example","aud":"broker","exp":${NOW + 60}}`
    ),
    code: 'ERR_JWT_DUPLICATE'
  },
  {
    what: 'with a claim that is there twice, once in escapes',
    text: good(
      `{"user_id":"1","user\\u005fid":"68946","iss":"https://issuer.example","aud":"broker","exp":${NOW + 60}}`
    ),
    code: 'ERR_JWT_DUPLICATE'
  },
  {
    what: 'with a claim that is there twice, within another one',
    text: good(`{"user_id":"1","handler":{"name":"a","name":"b"},"exp":${NOW + 60}}`),
    code: 'ERR_JWT_DUPLICATE'
  },
  {
    what: 'whose algorithm is there twice',
    text: token('{"alg":"none","alg":"HS256"}', claims({}), hs256()),
    code: 'ERR_JWT_DUPLICATE'
  },
  {
    what: 'that brings its own key',
    text: token(
      { alg: 'RS256', jwk: stranger.publicKey.export({ format: 'jwk' }), ...JWT },
      claims({}),
      rs256(stranger.privateKey)
    ),
    code: 'ERR_JWT_HEADER'
  },
  {
    what: 'of nobody',
    text: good(without('user_id')),
    code: 'ERR_JWT_ID'
  },
  ...['', 68.5, -1, 2 ** 53, true, [], {}, 'a\nb', 'a\0b', '\ud800', 'i'.repeat(257)].map(id => ({
    what: `whose user_id is ${JSON.stringify(id).slice(0, 20)}`,
    text: good(claims({ user_id: id })),
    code: 'ERR_JWT_ID' as const
  }))
]

/** Shown to a verifier that knows one RSA key, and no secret. */
const TO_A_PUBLIC_KEY: readonly Forged[] = [
  ...[
    rsaPem,
    rsaPem.trim(),
    rsaPem.replace(/\n/g, '\r\n'),
    JSON.stringify(RSA.publicKey.export({ format: 'jwk' }))
  ].map((secret, i) => ({
    what: `of HS256 whose secret is the public key (${['PEM', 'trimmed', 'with CRLF', 'JWK'][i]})`,
    text: token(HS, claims({}), hs256(secret)),
    code: 'ERR_JWT_ALGORITHM' as const
  })),
  {
    what: 'of HS256 whose secret is the public key in DER',
    text: token(HS, claims({}), hs256(RSA.publicKey.export({ type: 'spki', format: 'der' }))),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'of none',
    text: token({ alg: 'none' }, claims({}), unsigned),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'of PS256 with the right key',
    text: token({ alg: 'PS256', ...JWT }, claims({}), ps256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'of ES256',
    text: token({ alg: 'ES256', ...JWT }, claims({}), es256()),
    code: 'ERR_JWT_ALGORITHM'
  },
  {
    what: 'of RS256 with a signature of PS256',
    text: token(RS, claims({}), ps256()),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: "of a stranger's key",
    text: token(RS, claims({}), rs256(stranger.privateKey)),
    code: 'ERR_JWT_SIGNATURE'
  },
  ...(
    [
      ['jwk', stranger.publicKey.export({ format: 'jwk' })],
      ['jku', 'https://evil.example/jwks.json'],
      ['x5u', 'https://evil.example/cert.pem']
    ] as const
  ).flatMap(([name, value]) => [
    {
      what: `of a stranger's key, with ${name}`,
      text: token({ ...RS, [name]: value }, claims({}), rs256(stranger.privateKey)),
      code: 'ERR_JWT_HEADER' as const
    },
    {
      what: `of the right key, with ${name}`,
      text: token({ ...RS, [name]: value }, claims({}), rs256()),
      code: 'ERR_JWT_HEADER' as const
    }
  ]),
  {
    what: "of a stranger's key, whose certificate it brings",
    text: token({ ...RS, x5c: ['MIIB'] }, claims({}), rs256(stranger.privateKey)),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose signature is all zeros',
    text: token(RS, claims({}), () => Buffer.alloc(256)),
    code: 'ERR_JWT_SIGNATURE'
  }
]

/** Shown to a verifier that knows one EC key. */
const TO_AN_EC_KEY: readonly Forged[] = [
  {
    what: 'whose signature is r = 0, s = 0',
    text: token({ alg: 'ES256', ...JWT }, claims({}), () => Buffer.alloc(64)),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'whose signature is empty',
    text: token({ alg: 'ES256', ...JWT }, claims({}), unsigned),
    code: 'ERR_JWT_SIGNATURE'
  },
  {
    what: 'of EdDSA',
    text: token({ alg: 'EdDSA', ...JWT }, claims({}), eddsa(ED.privateKey)),
    code: 'ERR_JWT_ALGORITHM'
  }
]

describe('B6: a forged token', () => {
  const clock = clockAtNow()
  const rules = { issuer: 'https://issuer.example', audience: 'broker' }
  const bySecret = createVerifier({ issuers: { secret: SECRET, ...rules }, clock })
  const byPublicKey = createVerifier({ issuers: { publicKey: rsaPem, ...rules }, clock })
  const byEc = createVerifier({ issuers: { publicKey: EC.publicKey, ...rules }, clock })
  const byBoth = createVerifier({
    issuers: [
      { secret: SECRET, ...rules },
      { publicKey: rsaPem, ...rules }
    ],
    clock
  })

  it('is none of the good ones, which are accepted', async () => {
    expect((await bySecret.verify(good(claims({})))).id).to.equal('68946')
    expect((await byPublicKey.verify(token(RS, claims({}), rs256()))).id).to.equal('68946')
    expect((await byEc.verify(token({ alg: 'ES256' }, claims({}), es256()))).id).to.equal('68946')
    for (const text of [good(claims({})), token(RS, claims({}), rs256())]) {
      expect((await byBoth.verify(text)).id).to.equal('68946')
    }
  })

  isRefused('by a secret', bySecret, TO_A_SECRET)
  isRefused('by a public key', byPublicKey, TO_A_PUBLIC_KEY)
  isRefused('by an EC key', byEc, TO_AN_EC_KEY)

  it('of HS256 whose secret is the public key is refused where secrets are known as well', async () => {
    const { code } = await refusalOf(byBoth.verify(token(HS, claims({}), hs256(rsaPem))))
    expect(code).to.equal('ERR_JWT_SIGNATURE')
  })

  it('has no claims that are looked at: by words and code a wrong audience is no other than a right one', async () => {
    const signer = hs256('a secret that is not ours, 32 byte')
    const errors = await Promise.all(
      [
        claims({}),
        claims({ aud: 'chat' }),
        claims({ exp: 1 }),
        claims({ user_id: '' }),
        claims({ nbf: 1e10 })
      ].map(wrong => refusalOf(bySecret.verify(token(HS, wrong, signer))))
    )
    expect(new Set(errors.map(({ code, message }) => `${code} ${message}`)).size).to.equal(1)
  })

  it('that was changed at any place is refused (by chance)', async () => {
    const text = good(claims({}))
    const digit = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.')
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), digit, fc.nat(2), async (at, digit, dropped) => {
        const changed = text.slice(0, at) + digit + text.slice(at + dropped)
        fc.pre(changed !== text)
        await refusalOf(bySecret.verify(changed))
      }),
      { numRuns: 1000, ...parameters }
    )
  })

  it('takes as long to refuse whatever is wrong with it, once its signature is looked at', async () => {
    const wrong = [
      token(HS, claims({}), hs256('another secret of 32 bytes or mo')),
      `${goodHeader}.${part(claims({ user_id: '1' }))}.${goodSignature}`,
      `${goodHeader}.${goodPayload}.`,
      good(claims({ aud: 'chat' })),
      good(claims({ exp: NOW - 60 })),
      good(claims({ user_id: '' }))
    ]
    const times = wrong.map((): number[] => [])
    // In turns, so that whatever else the machine does is the same for all.
    for (let round = 0; round < 400; round++) {
      for (const [i, text] of wrong.entries()) {
        const begun = performance.now()
        await refusalOf(bySecret.verify(text))
        times[i]?.push(performance.now() - begun)
      }
    }
    const medians = times.map(list => list.sort((a, b) => a - b)[list.length / 2] as number)
    expect(Math.max(...medians) / Math.min(...medians), medians.join(' ')).to.be.below(2)
  })

  it('that is no string is refused, as a token that is', async () => {
    for (const value of [undefined, null, 7, {}, [good(claims({}))], Buffer.from(good(claims({})))]) {
      const { code } = await refusalOf(bySecret.verify(value as unknown as string))
      expect(code).to.equal('ERR_JWT_MALFORMED')
    }
  })

  function isRefused(how: string, verifier: Verifier, forged: readonly Forged[]): void {
    describe(`shown to a verifier ${how}`, () => {
      for (const { what, text, code } of forged) {
        it(`${what} is refused with ${code}, and shown nowhere`, async () => {
          const error = await refusalOf(verifier.verify(text))
          expect(error.code, error.message).to.equal(code)
          expect(error.message).to.match(/^Cannot (accept|read|check) /)
          const shown = inspect(error, { depth: 9, showHidden: true })
          for (const piece of text.split('.').filter(piece => piece.length >= 12)) {
            expect(shown).to.not.include(piece.slice(0, 64))
          }
          const isForm = ['ERR_JWT_MALFORMED', 'ERR_JWT_SIZE'].includes(code)
          expect(peerAnswer(error).kind).to.equal(isForm ? 'malformed' : 'refused')
        })
      }
    })
  }
})

function notUtf8(): string {
  const payload = Buffer.from(JSON.stringify(claims({ name: 'X' })))
    .toString('latin1')
    .replace('"X"', '"\xff"')
  const input = `${part(HS)}.${Buffer.from(payload, 'latin1').toString('base64url')}`
  return `${input}.${hs256()(input).toString('base64url')}`
}
