import { generateKeyPairSync } from 'node:crypto'
import { certificates } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { FakeClock } from 'token-server/testing'
import { createVerifier, type JwtError, type Verifier } from '../lib'
import { JwksServer } from './helpers/jwks-server'
import { codeOf } from './helpers/refusal'
import { CLAIMS, clockAtNow, EC, ED, eddsa, es256, NOW, RSA, rs256, token } from './helpers/tokens'

const SECONDS = 1000
const LONG_CLAIMS = { ...CLAIMS, exp: NOW + 1_000_000 }

describe('B8: the keys of an issuer, by a URL', () => {
  let server: JwksServer
  let clock: FakeClock
  let warnings: JwtError[]

  before(async () => {
    const { server: tls } = await certificates()
    server = new JwksServer(tls)
  })
  beforeEach(async () => {
    await server.listen()
    server.requests = 0
    server.answer = { keys: [jwk(RSA, 'rsa'), jwk(EC, 'ec'), jwk(ED, 'ed')] }
    clock = clockAtNow()
    warnings = []
  })
  afterEach(() => server.close())

  async function makeVerifier(options: object = {}): Promise<Verifier> {
    const { ca } = await certificates()
    return createVerifier({
      issuers: { jwksUrl: server.url, ca, ...options },
      clock,
      onWarning: warning => warnings.push(warning)
    })
  }

  it('verify RS256, ES256 and EdDSA, the last by both of its names, and are asked for once', async () => {
    const verifier = await makeVerifier()
    const texts = [
      token({ alg: 'RS256', kid: 'rsa' }, CLAIMS, rs256()),
      token({ alg: 'ES256', kid: 'ec' }, CLAIMS, es256()),
      token({ alg: 'EdDSA', kid: 'ed' }, CLAIMS, eddsa()),
      token({ alg: 'Ed25519', kid: 'ed' }, CLAIMS, eddsa()),
      token({ alg: 'ES256' }, CLAIMS, es256())
    ]
    const identities = await Promise.all([...texts, ...texts].map(text => verifier.verify(text)))
    expect(identities.map(({ id }) => id)).to.deep.equal(identities.map(() => '68946'))
    expect(server.requests).to.equal(1)
  })

  it('change without a good token refused: 0 of 10,000, under a flood of unknown kids', async () => {
    const [older, newer] = [generateEc(), generateEc()]
    server.answer = { keys: [jwk(older, 'older')] }
    const verifier = await makeVerifier()
    const olderToken = token({ alg: 'ES256', kid: 'older' }, LONG_CLAIMS, es256(older.privateKey))
    const newerToken = token({ alg: 'ES256', kid: 'newer' }, LONG_CLAIMS, es256(newer.privateKey))
    let refused = 0
    const play = async (text: string, rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const flood = token({ alg: 'ES256', kid: `unknown ${round}` }, LONG_CLAIMS, es256())
        await Promise.all([
          ...Array.from({ length: 10 }, () => verifier.verify(text).catch(() => refused++)),
          expectKeyError(verifier.verify(flood))
        ])
        await clock.elapse(200)
      }
    }
    await play(olderToken, 250)
    server.answer = { keys: [jwk(older, 'older'), jwk(newer, 'newer')] }
    // An issuer shows a key before it signs with it; the flood has taken the one request of 30 s.
    await play(olderToken, 250)
    await play(newerToken, 250)
    server.answer = { keys: [jwk(newer, 'newer')] }
    await play(newerToken, 250)
    expect(refused).to.equal(0)
    const most = 1 + Math.floor((1000 * 200) / (30 * SECONDS))
    expect(server.requests).to.be.within(3, most)
  })

  it('are asked for once by a thousand tokens at a time, and once by a flood of unknown kids', async () => {
    const verifier = await makeVerifier()
    const text = token({ alg: 'ES256', kid: 'ec' }, CLAIMS, es256())
    await Promise.all(Array.from({ length: 1000 }, () => verifier.verify(text)))
    expect(server.requests).to.equal(1)
    const flood = () =>
      Promise.all(
        Array.from({ length: 1000 }, (_, i) =>
          expectKeyError(verifier.verify(token({ alg: 'ES256', kid: `k${i}` }, CLAIMS, es256())))
        )
      )
    await flood()
    expect(server.requests, 'within 30 s of the first request').to.equal(1)
    await clock.elapse(30 * SECONDS)
    await flood()
    await flood()
    expect(server.requests).to.equal(2)
  })

  it('go on when the server of keys is away, and it is asked no more than every 30 s', async () => {
    const verifier = await makeVerifier()
    const text = token({ alg: 'ES256', kid: 'ec' }, LONG_CLAIMS, es256())
    await verifier.verify(text)
    server.answer = response => response.writeHead(503).end()
    for (let minute = 0; minute < 60; minute++) {
      await clock.elapse(60 * SECONDS)
      for (let i = 0; i < 20; i++) {
        await verifier.verify(text)
        const unknown = token({ alg: 'ES256', kid: `${minute} ${i}` }, LONG_CLAIMS, es256())
        expect(await codeOf(verifier.verify(unknown))).to.be.oneOf(['ERR_JWT_KEY', 'ERR_JWT_UNAVAILABLE'])
      }
    }
    expect(server.requests).to.equal(61)
    expect(warnings).to.have.lengthOf(60)
    expect(warnings[0]?.message).to.match(
      /^Cannot check tokens with the keys of localhost:\d+: the answer was status 503$/
    )
  })

  it('are used for a day after the last answer and no longer, and again as soon as there is one', async () => {
    const verifier = await makeVerifier()
    const text = token({ alg: 'ES256', kid: 'ec' }, LONG_CLAIMS, es256())
    await verifier.verify(text)
    await server.close()
    await clock.elapse(86_400 * SECONDS)
    expect((await verifier.verify(text)).id).to.equal('68946')
    await untilWarned(1)
    await clock.elapse(30 * SECONDS)
    expect(await codeOf(verifier.verify(text))).to.equal('ERR_JWT_UNAVAILABLE')
    expect(await codeOf(verifier.ready())).to.equal('ERR_JWT_UNAVAILABLE')
    await server.listen()
    expect(await codeOf(verifier.verify(text)), 'within 30 s').to.equal('ERR_JWT_UNAVAILABLE')
    await clock.elapse(30 * SECONDS)
    expect((await verifier.verify(text)).id).to.equal('68946')
    await verifier.ready()
  })

  it('that the issuer has taken away are refused within ten minutes', async () => {
    const verifier = await makeVerifier()
    const text = token({ alg: 'ES256', kid: 'ec' }, LONG_CLAIMS, es256())
    await verifier.verify(text)
    server.answer = { keys: [jwk(RSA, 'rsa')] }
    await clock.elapse(601 * SECONDS)
    // This one makes the request, and does not wait for it.
    await verifier.verify(text)
    while (server.requests < 2) await clock.settle()
    await expectKeyError(verifier.verify(token({ alg: 'ES256', kid: 'other' }, LONG_CLAIMS, es256())))
    await expectKeyError(verifier.verify(text))
  })

  it('that can not be used are left out: secrets, encryption keys, other curves, short RSA, private parts', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const secret = Buffer.from('0'.repeat(32))
    server.answer = {
      keys: [
        { kty: 'oct', k: secret.toString('base64url'), kid: 'oct', alg: 'HS256' },
        jwk(short, 'short'),
        jwk(p384, 'p384'),
        { ...jwk(EC, 'enc'), use: 'enc' },
        { kty: 'RSA' },
        null,
        'x',
        { ...EC.privateKey.export({ format: 'jwk' }), kid: 'ec' }
      ]
    }
    const verifier = await makeVerifier()
    expect((await verifier.verify(token({ alg: 'ES256', kid: 'ec' }, CLAIMS, es256()))).id).to.equal('68946')
    await expectKeyError(verifier.verify(token({ alg: 'ES256', kid: 'enc' }, CLAIMS, es256())))
    await expectKeyError(
      verifier.verify(token({ alg: 'RS256', kid: 'short' }, CLAIMS, rs256(short.privateKey)))
    )
  })

  it('are not mixed up: a kid whose key is of another kind is refused', async () => {
    const verifier = await makeVerifier()
    await expectKeyError(verifier.verify(token({ alg: 'RS256', kid: 'ec' }, CLAIMS, rs256())))
    await expectKeyError(verifier.verify(token({ alg: 'ES256', kid: '../ec' }, CLAIMS, es256())))
    expect(await codeOf(verifier.verify(token({ alg: 'HS256', kid: 'ec' }, CLAIMS, es256())))).to.equal(
      'ERR_JWT_ALGORITHM'
    )
  })

  it('without kids are tried in turn, and no more than eight', async () => {
    const many = Array.from({ length: 9 }, generateEc)
    server.answer = { keys: many.map(pair => pair.publicKey.export({ format: 'jwk' })) }
    const verifier = await makeVerifier()
    const signedBy = (i: number) => token({ alg: 'ES256' }, CLAIMS, es256(many[i]?.privateKey))
    expect((await verifier.verify(signedBy(0))).id).to.equal('68946')
    expect((await verifier.verify(signedBy(7))).id).to.equal('68946')
    expect(await codeOf(verifier.verify(signedBy(8)))).to.equal('ERR_JWT_SIGNATURE')
  })

  it('without kids verify a token that has one, and do not keep a new key with that kid from being asked for', async () => {
    const newer = generateEc()
    server.answer = { keys: [EC.publicKey.export({ format: 'jwk' })] }
    const verifier = await makeVerifier()
    const text = token({ alg: 'ES256', kid: 'newer' }, CLAIMS, es256())
    expect((await verifier.verify(text)).id).to.equal('68946')
    server.answer = { keys: [EC.publicKey.export({ format: 'jwk' }), jwk(newer, 'newer')] }
    await clock.elapse(30 * SECONDS)
    const fresh = token({ alg: 'ES256', kid: 'newer' }, CLAIMS, es256(newer.privateKey))
    expect((await verifier.verify(fresh)).id).to.equal('68946')
    expect(server.requests).to.equal(2)
  })

  const wrong: readonly (readonly [string, JwksServer['answer'], RegExp])[] = [
    ['is not 200', response => response.writeHead(500).end(), /status 500$/],
    [
      'leads elsewhere',
      response => response.writeHead(302, { location: 'https://evil.example/' }).end(),
      /status 302$/
    ],
    ['is no JSON', '<html>', /no JSON$/],
    ['is null', 'null', /no JSON Web Key Set$/],
    ['is another document', { keys: {} }, /no JSON Web Key Set$/],
    ['has no keys', { keys: [] }, /no usable key$/],
    ['has no key for us', { keys: [{ kty: 'oct', k: 'AAAA' }] }, /no usable key: it is no public key$/],
    ['has 101 keys', { keys: Array.from({ length: 101 }, () => jwk(EC, 'ec')) }, /had 101 keys, at most 100/],
    [
      'is too long',
      JSON.stringify({ keys: [jwk(EC, 'ec')], x: 'x'.repeat(262_144) }),
      /longer than 262144 bytes$/
    ],
    [
      'ends early',
      response => response.writeHead(200, { 'content-length': 9 }).end('{', () => response.destroy()),
      /./
    ],
    ['does not come', () => {}, /no answer within 500 ms$/],
    ['stops', response => void response.write('{'), /no answer within 500 ms$/]
  ]
  for (const [what, answer, words] of wrong) {
    it(`are out of reach when the answer ${what}: tokens are neither good nor bad`, async () => {
      server.answer = answer
      const verifier = await makeVerifier(words.test('no answer within 500 ms') ? { timeout: 500 } : {})
      const text = token({ alg: 'ES256', kid: 'ec' }, CLAIMS, es256())
      expect(await codeOf(verifier.verify(text))).to.equal('ERR_JWT_UNAVAILABLE')
      expect(warnings).to.have.lengthOf(1)
      expect(warnings[0]?.message).to.match(words)
      expect(server.requests).to.equal(1)
    })
  }

  it('are not taken from a server whose certificate nobody trusts', async () => {
    const { otherCa } = await certificates()
    const verifier = await makeVerifier({ ca: otherCa })
    expect(await codeOf(verifier.ready())).to.equal('ERR_JWT_UNAVAILABLE')
    expect(server.requests).to.equal(0)
  })

  it('are not asked for when the token names another issuer of ours', async () => {
    const plain = await new JwksServer().listen()
    try {
      plain.answer = { keys: [jwk(ED, 'ours')] }
      const { ca } = await certificates()
      const verifier = createVerifier({
        issuers: [
          { jwksUrl: plain.url, issuer: 'ours' },
          { jwksUrl: server.url, ca, issuer: 'theirs' }
        ],
        clock
      })
      const ours = token({ alg: 'EdDSA', kid: 'ours' }, { ...CLAIMS, iss: 'ours' }, eddsa())
      const mixed = token({ alg: 'EdDSA', kid: 'ours' }, { ...CLAIMS, iss: 'theirs' }, eddsa())
      expect((await verifier.verify(ours)).issuer).to.equal('ours')
      expect([plain.requests, server.requests]).to.deep.equal([1, 0])
      await expectKeyError(verifier.verify(mixed))
      await verifier.ready()
      expect([plain.requests, server.requests]).to.deep.equal([1, 1])
    } finally {
      await plain.close()
    }
  })

  it('that are away do not stop another issuer, and leave their own tokens undecided', async () => {
    const { ca } = await certificates()
    server.answer = response => response.writeHead(503).end()
    const verifier = createVerifier({
      issuers: [{ jwksUrl: server.url, ca }, { publicKey: EC.publicKey }],
      clock,
      onWarning: () => {}
    })
    expect((await verifier.verify(token({ alg: 'ES256', kid: 'ec' }, CLAIMS, es256()))).id).to.equal('68946')
    const unknown = token({ alg: 'ES256', kid: 'x' }, CLAIMS, es256(generateEc().privateKey))
    expect(await codeOf(verifier.verify(unknown))).to.equal('ERR_JWT_UNAVAILABLE')
  })

  async function untilWarned(count: number): Promise<void> {
    while (warnings.length < count) await clock.settle()
  }
})

async function expectKeyError(refused: Promise<unknown>): Promise<void> {
  expect(await codeOf(refused)).to.equal('ERR_JWT_KEY')
}

function generateEc() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function jwk({ publicKey }: Pick<typeof RSA, 'publicKey'>, kid: string): object {
  return { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' }
}
