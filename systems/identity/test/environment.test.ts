import { expect } from 'chai'
import { createVerifier, currentEnvironment, verifierOptionsOf } from '../lib'
import { codeOf, refusalOf } from './helpers/refusal'
import { CLAIMS, clockAtNow, good, SECRET } from './helpers/tokens'

const OTHER = 'another secret, of 32 bytes or so'

describe('The environment', () => {
  it('of today is left as it is, without a word', () => {
    const env = { PORT: '8883', JWT_SECRET: SECRET, HOME: '/root' }
    expect(currentEnvironment(env)).to.deep.equal({ env, notes: [] })
  })

  const renamed = [
    ['BROKER_PORT', 'PORT'],
    ['TLS_KEY_FILE', 'TLS_KEY'],
    ['TLS_CERT_FILE', 'TLS_CERT'],
    ['CA_CERT_FILE', 'TLS_CA'],
    ['JWT_MASTER_SECRET', 'JWT_SECRET']
  ] as const
  for (const [old, name] of renamed) {
    it(`may have ${old}, which is read as ${name}`, () => {
      const { env, notes } = currentEnvironment({ [old]: 'x' })
      expect(env[name]).to.equal('x')
      expect(notes).to.deep.equal([`${old} is an old name: it is read as ${name}`])
    })

    it(`may have ${old} beside ${name}, which wins: a note says so when they differ, without their values`, () => {
      expect(currentEnvironment({ [old]: 'x', [name]: 'x' }).notes).to.deep.equal([])
      const { env, notes } = currentEnvironment({ [old]: 'old value', [name]: 'new value' })
      expect(env[name]).to.equal('new value')
      expect(notes).to.deep.equal([`${name} and ${old} disagree: ${name} is used`])
    })
  }

  it('counts an empty value as none', () => {
    expect(currentEnvironment({ JWT_SECRET: '', JWT_MASTER_SECRET: 'x' }).env.JWT_SECRET).to.equal('x')
    expect(currentEnvironment({ JWT_SECRET: 'x', JWT_MASTER_SECRET: '' })).to.deep.include({ notes: [] })
  })

  it('has a URL of the database from the parts of seed 004', () => {
    const parts = { DB_NAME: 'chat', DB_HOST: 'db', DB_USERNAME: 'ann', DB_PASSWORD: 'p@ss/word' }
    const { env, notes } = currentEnvironment(parts)
    expect(env.DATABASE_URL).to.equal('postgres://ann:p%40ss%2Fword@db/chat')
    expect(notes).to.deep.equal([
      'DB_NAME, DB_HOST, DB_USERNAME, DB_PASSWORD is an old name: it is read as DATABASE_URL'
    ])
    const both = currentEnvironment({ ...parts, DATABASE_URL: 'postgres://other/chat' })
    expect(both.env.DATABASE_URL).to.equal('postgres://other/chat')
    expect(both.notes.join()).to.include('DATABASE_URL is used').and.not.include('p@ss')
    expect(currentEnvironment({ DB_NAME: 'chat' }).notes).to.deep.equal([
      'DB_NAME is not used: the name of the host is missing'
    ])
  })

  it('has a URL of Redis from the parts of seed 003, its misprint included; that of the queue wins', () => {
    expect(currentEnvironment({ REDIS_MQ_HOST: 'r' }).env.REDIS_URL).to.equal('redis://r:6379')
    expect(currentEnvironment({ REDIS_DB_HOST: 'r', REDIS_DB_POST: '7' }).env.REDIS_URL).to.equal(
      'redis://r:7'
    )
    const { env, notes } = currentEnvironment({
      REDIS_MQ_HOST: 'mq',
      REDIS_MQ_PORT: '1',
      REDIS_DB_HOST: 'db'
    })
    expect(env.REDIS_URL).to.equal('redis://mq:1')
    expect(notes.at(-1)).to.equal(
      'REDIS_MQ_HOST, REDIS_MQ_PORT and REDIS_DB_HOST disagree: REDIS_MQ_HOST, REDIS_MQ_PORT is used'
    )
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

  it('uses the secret of today when both are set', async () => {
    const { options } = verifierOptionsOf({ JWT_SECRET: SECRET, JWT_MASTER_SECRET: OTHER })
    const verifier = createVerifier({ ...options, clock: clockAtNow() })
    expect((await verifier.verify(good())).id).to.equal('68946')
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

  it('without a secret and a URL is refused, as is a short secret, also under its old name', async () => {
    const { code, message } = await refusalOf(() => verifierOptionsOf({ JWT_SECRET: '' }))
    expect(code).to.equal('ERR_JWT_OPTIONS')
    expect(message).to.include('neither JWT_SECRET nor JWT_JWKS_URL is set')
    const { options } = verifierOptionsOf({ JWT_MASTER_SECRET: 'shhhhh' })
    expect(await codeOf(() => createVerifier(options))).to.equal('ERR_JWT_OPTIONS')
    const { options: lax } = verifierOptionsOf({ JWT_MASTER_SECRET: 'shhhhh' }, { dev: true })
    createVerifier(lax)
  })
})
