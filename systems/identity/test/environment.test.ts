import { expect } from 'chai'
import { createVerifier, verifierOptionsOf } from '../lib'
import { codeOf, refusalOf } from './helpers/refusal'
import { CLAIMS, clockAtNow, good, SECRET } from './helpers/tokens'

const OTHER = 'another secret, of 32 bytes or so'

describe('The environment', () => {
  it('may have the secret under its old name, with a word', () => {
    const { options, notes } = verifierOptionsOf({ JWT_SECRET: '', JWT_MASTER_SECRET: SECRET })
    expect(options.issuers).to.deep.equal([{ secret: SECRET }])
    expect(notes).to.deep.equal(['JWT_MASTER_SECRET is an old name: it is read as JWT_SECRET'])
    expect(verifierOptionsOf({ JWT_SECRET: SECRET }).notes).to.deep.equal([])
  })

  it('may have both names: that of today is used, and a note says so when they differ, without a value', () => {
    expect(verifierOptionsOf({ JWT_SECRET: SECRET, JWT_MASTER_SECRET: SECRET }).notes).to.deep.equal([])
    const { options, notes } = verifierOptionsOf({ JWT_SECRET: SECRET, JWT_MASTER_SECRET: OTHER })
    expect(options.issuers).to.deep.equal([{ secret: SECRET }])
    expect(notes).to.deep.equal(['JWT_SECRET and JWT_MASTER_SECRET disagree: JWT_SECRET is used'])
  })

  it('is warned of when a URL has no audience: tokens for other applications would be good', () => {
    expect(verifierOptionsOf({ JWT_JWKS_URL: 'https://a/' }).notes.join()).to.include('AUDIENCE is not')
    expect(verifierOptionsOf({ JWT_JWKS_URL: 'https://a/', AUDIENCE: 'x' }).notes).to.deep.equal([])
  })

  it('becomes the options of a verifier, whose tokens are checked by all that is set', async () => {
    const { options, notes } = verifierOptionsOf({
      JWT_MASTER_SECRET: SECRET,
      AUDIENCE: 'broker',
      ISSUER: 'idp'
    })
    expect(notes).to.have.lengthOf(1)
    const verifier = createVerifier({ ...options, clock: clockAtNow() })
    expect((await verifier.verify(good({ ...CLAIMS, aud: 'broker', iss: 'idp' }))).issuer).to.equal('idp')
    expect(await codeOf(verifier.verify(good({ ...CLAIMS, iss: 'idp' })))).to.equal('ERR_JWT_AUDIENCE')
    expect(await codeOf(verifier.verify(good({ ...CLAIMS, aud: 'broker' })))).to.equal('ERR_JWT_ISSUER')
  })

  it('with a secret and a URL names two issuers', () => {
    const { options } = verifierOptionsOf(
      { JWT_SECRET: SECRET, JWT_JWKS_URL: 'https://a/keys' },
      { dev: true }
    )
    expect(options).to.deep.equal({
      issuers: [{ secret: SECRET }, { jwksUrl: 'https://a/keys' }],
      dev: true
    })
  })

  it('without a secret and a URL is refused, and what is wrong is told by the name of its variable', async () => {
    const { code, message } = await refusalOf(() => verifierOptionsOf({ JWT_SECRET: '' }))
    expect(code).to.equal('ERR_JWT_OPTIONS')
    expect(message).to.include('neither JWT_SECRET nor JWT_JWKS_URL is set')
    const wrong = [
      [{ JWT_SECRET: 'shhhhh' }, 'JWT_SECRET is 6 bytes long'],
      [{ JWT_MASTER_SECRET: 'shhhhh' }, 'JWT_MASTER_SECRET is 6 bytes long'],
      [{ JWT_SECRET: SECRET, JWT_JWKS_URL: 'http://a.example/' }, 'JWT_JWKS_URL begins with http://']
    ] as const
    for (const [env, words] of wrong) {
      const refusal = await refusalOf(() => verifierOptionsOf(env))
      expect(refusal.code).to.equal('ERR_JWT_OPTIONS')
      expect(refusal.message)
        .to.match(new RegExp(`^Cannot check tokens: ${words}`))
        .and.not.include('shhhhh')
    }
    const { options: lax } = verifierOptionsOf({ JWT_MASTER_SECRET: 'shhhhh' }, { dev: true })
    createVerifier(lax)
  })
})
