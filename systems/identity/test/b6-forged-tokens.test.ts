import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import { createVerifier, peerAnswer, type Verifier } from '../lib'
import { type ForgedToken, forgedForPublicKey, forgedForSecret } from '../lib/testing'
import { unsigned } from '../lib/testing/hand-made-token'
import { refusalOf } from './helpers/refusal'
import {
  CLAIMS,
  clockAtNow,
  EC,
  eddsa,
  es256,
  good,
  hs256,
  NOW,
  part,
  RSA,
  rs256,
  SECRET,
  token
} from './helpers/tokens'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

const HS = { alg: 'HS256', typ: 'JWT' }
const RS = { alg: 'RS256', typ: 'JWT' }
const ES = { alg: 'ES256', typ: 'JWT' }

const rsaPem = RSA.publicKey.export({ type: 'spki', format: 'pem' }) as string
const [goodHeader, goodPayload, goodSignature] = good(claims({})).split('.') as [string, string, string]

/** With all that the verifiers below demand. */
function claims(changes: object): Record<string, unknown> {
  return { ...CLAIMS, iss: 'https://issuer.example', aud: 'broker', ...changes }
}

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

  isRefused(
    'that knows a secret',
    bySecret,
    forgedForSecret({ secret: SECRET, claims: claims({}), now: NOW * 1000 })
  )
  isRefused(
    'that knows an RSA key',
    byPublicKey,
    forgedForPublicKey({ privateKey: RSA.privateKey, claims: claims({}) })
  )
  isRefused('that knows an EC key', byEc, [
    {
      what: 'whose signature is r = 0, s = 0',
      token: token(ES, claims({}), () => Buffer.alloc(64)),
      code: 'ERR_JWT_SIGNATURE'
    },
    { what: 'without its signature', token: token(ES, claims({}), unsigned), code: 'ERR_JWT_SIGNATURE' },
    { what: 'of EdDSA', token: token({ alg: 'EdDSA' }, claims({}), eddsa()), code: 'ERR_JWT_ALGORITHM' }
  ])

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
    const medians = async () => {
      const times = wrong.map((): number[] => [])
      // In turns, so that whatever else the machine does is the same for all.
      for (let round = 0; round < 400; round++) {
        for (const [i, text] of wrong.entries()) {
          const begun = performance.now()
          await refusalOf(bySecret.verify(text))
          times[i]?.push(performance.now() - begun)
        }
      }
      return times.map(list => list.sort((a, b) => a - b)[list.length / 2] as number)
    }
    const ratio = (all: readonly number[]) => Math.max(...all) / Math.min(...all)
    // What a machine does beside it may be in step with the turns, but not each time.
    let found = await medians()
    for (let tries = 0; tries < 4 && ratio(found) >= 2; tries++) found = await medians()
    expect(ratio(found), found.join(' ')).to.be.below(2)
  })

  it('that is no string is refused, as a token that is', async () => {
    for (const value of [undefined, null, 7, {}, [good(claims({}))], Buffer.from(good(claims({})))]) {
      const { code } = await refusalOf(bySecret.verify(value as unknown as string))
      expect(code).to.equal('ERR_JWT_MALFORMED')
    }
  })

  function isRefused(how: string, verifier: Verifier, forged: readonly ForgedToken[]): void {
    describe(`shown to a verifier ${how},`, () => {
      for (const { what, token: text, code } of forged) {
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
