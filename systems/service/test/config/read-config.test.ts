import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { z } from 'zod'
import {
  baseSchema,
  type Environment,
  jwtFields,
  onOrOff,
  type ReadConfigOptions,
  readConfig,
  renamed,
  ServiceError,
  wholeNumber
} from '../../lib'

describe('readConfig', () => {
  const schema = baseSchema.extend({
    ...jwtFields,
    MAX_DEVICES: wholeNumber(1, 1_000).default(100),
    WITH_PAGE: onOrOff().default(true)
  })
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'service-config-'))
  })

  after(() => rmSync(folder, { recursive: true }))

  function read(env: Environment, options: ReadConfigOptions = {}) {
    return readConfig(schema, { env, envFile: null, ...options })
  }

  function errorOf(env: Environment, options: ReadConfigOptions = {}): ServiceError {
    try {
      read(env, options)
    } catch (error) {
      expect(error).to.be.instanceOf(ServiceError)
      expect(error).to.have.property('code', 'ERR_CONFIG')
      return error as ServiceError
    }
    throw new Error('it was accepted')
  }

  function file(text: string): string {
    const name = join(folder, 'env')
    writeFileSync(name, text)
    return name
  }

  it('has a default for everything, frozen', () => {
    const { values, notices } = read({})
    expect(values).to.deep.equal({
      NODE_ENV: 'development',
      TLS_MIN_VERSION: 'TLSv1.3',
      CERTS_DIR: 'certs',
      LOG_LEVEL: 'info',
      ADMIN_HOST: '127.0.0.1',
      SHUTDOWN_TIMEOUT: 25_000,
      SHUTDOWN_DELAY: 0,
      MAX_DEVICES: 100,
      WITH_PAGE: true
    })
    expect(notices).to.deep.equal([])
    expect(Object.isFrozen(values)).to.equal(true)
  })

  it('reads numbers and switches, also those of the system that extends it', () => {
    const { values } = read({ PORT: '0', MAX_DEVICES: '7', WITH_PAGE: 'off' })
    expect(values).to.include({ PORT: 0, MAX_DEVICES: 7, WITH_PAGE: false })
  })

  it('takes an empty variable for one that is not set', () => {
    expect(read({ LOGGLY_TOKEN: '', PORT: '', MAX_DEVICES: '' }).values).to.include({ MAX_DEVICES: 100 })
  })

  it('reads a file of variables, over which the environment wins', () => {
    const envFile = file('# ours\nMAX_DEVICES=7\nPORT="1883" # quoted\nHOST=a.example\n')
    const { values } = read({ PORT: '8883' }, { envFile })
    expect(values).to.include({ MAX_DEVICES: 7, PORT: 8883, HOST: 'a.example' })
  })

  it('reads a file with a byte order mark, as Windows writes it', () => {
    const envFile = file('\uFEFFMAX_DEVICES=7\r\nHOST=a.example\r\n')
    expect(read({}, { envFile }).values).to.include({ MAX_DEVICES: 7, HOST: 'a.example' })
  })

  it('does not need a file .env, but one that was named must be there', () => {
    expect(() => readConfig(schema, { env: {} })).not.to.throw()
    const { message } = errorOf({}, { envFile: join(folder, 'missing') })
    expect(message).to.equal(`Cannot read the file ${join(folder, 'missing')}: ENOENT`)
  })

  it('lists all that is wrong at once, each with its value and its bound', () => {
    const { message } = errorOf({
      PORT: '70000',
      MAX_DEVICES: 'many',
      NODE_ENV: 'prod',
      LOG_LEVEL: 'loud',
      TLS_KEY: 'a.key',
      LOGGLY_SUBDOMAIN: 'a'
    })
    expect(message.split('\n')).to.deep.equal([
      'Cannot use the configuration:',
      '  - NODE_ENV is "prod": it must be one of development, test, production',
      '  - PORT is "70000": it must be a whole number from 0 to 65535',
      '  - LOG_LEVEL is "loud": it must be one of fatal, error, warn, info, debug, trace, silent',
      '  - MAX_DEVICES is "many": it must be a whole number from 1 to 1000',
      '  - TLS_KEY is set and TLS_CERT is not: a server needs both, or neither',
      '  - LOGGLY_SUBDOMAIN is set and LOGGLY_TOKEN is not: nothing would be sent'
    ])
  })

  it('says of a variable without a default that it is not set', () => {
    const demanding = baseSchema.extend({ ROOM: z.string() })
    expect(() => readConfig(demanding, { env: {}, envFile: null })).to.throw('  - ROOM is not set')
  })

  it("never shows a secret's value, whether its field says that it is one or its name does", () => {
    const canary = 'canary!'
    const more = schema.extend({
      DATABASE_PASSWORD: z.string().max(1),
      PIN: z.string().max(1).meta({ secret: true }).optional()
    })
    const env = {
      LOGGLY_TOKEN: canary,
      REDIS_URL: `http://user:${canary}@a`,
      ADMIN_TOKEN: canary,
      ADMIN_PORT: '1',
      JWT_JWKS_URL: `ftp://${canary}`,
      DATABASE_PASSWORD: canary,
      PIN: canary
    }
    try {
      readConfig(more, { env, envFile: null })
      expect.fail('it was accepted')
    } catch (error) {
      const { message } = error as Error
      expect(message).not.to.include(canary)
      for (const name of Object.keys(env))
        if (name !== 'ADMIN_PORT')
          expect(message).to.match(new RegExp(`  - ${name} \\(not shown\\) (must|can't be used) `))
    }
  })

  it('tells the values that no log may show', () => {
    const { secrets } = read({
      JWT_SECRET: 'a',
      REDIS_URL: 'redis://b',
      TLS_KEY: 'c',
      TLS_CERT: 'd',
      HOST: 'e'
    })
    expect(secrets).to.have.members(['a', 'redis://b'])
  })

  const contradicting: [string, Environment, string][] = [
    ['a certificate without its key', { TLS_CERT: 'a' }, 'TLS_CERT is set and TLS_KEY is not'],
    [
      'an admin token without a port',
      { ADMIN_TOKEN: 'x'.repeat(16) },
      'ADMIN_TOKEN is set and ADMIN_PORT is not'
    ],
    [
      'an admin listener for everybody without a token',
      { ADMIN_PORT: '9', ADMIN_HOST: '0.0.0.0' },
      'ADMIN_HOST is not this machine alone, and ADMIN_TOKEN is not set'
    ],
    ['one port for two listeners', { ADMIN_PORT: '9', PORT: '9' }, 'ADMIN_PORT is the same as PORT']
  ]
  for (const [what, env, words] of contradicting) {
    it(`refuses ${what}, in words`, () => expect(errorOf(env).message).to.include(words))
  }

  it('asks the system for contradictions of its own', () => {
    const { message } = errorOf(
      { MAX_DEVICES: '1' },
      { contradictions: env => [`MAX_DEVICES is ${env.MAX_DEVICES}`] }
    )
    expect(message).to.equal('Cannot use the configuration:\n  - MAX_DEVICES is 1')
  })

  describe('with names of earlier versions', () => {
    it('takes each of them, and says so', () => {
      const { values, notices } = read({
        BROKER_PORT: '1883',
        TLS_KEY_FILE: 'a.key',
        TLS_CERT_FILE: 'a.crt',
        CA_CERT_FILE: 'ca.crt',
        JWT_MASTER_SECRET: 's'
      })
      expect(values).to.include({
        PORT: 1883,
        TLS_KEY: 'a.key',
        TLS_CERT: 'a.crt',
        TLS_CA: 'ca.crt',
        JWT_SECRET: 's'
      })
      expect(notices).to.have.length(5)
      expect(notices[0]).to.equal(
        'PORT was taken from BROKER_PORT: the old name works, the name of today is PORT'
      )
    })

    it('makes a URL of host and port of Redis, also by the misspelt name', () => {
      const urlOf = (env: Environment) => read(env).values.REDIS_URL
      expect(urlOf({ REDIS_MQ_HOST: 'a', REDIS_MQ_PORT: '1' })).to.equal('redis://a:1')
      expect(urlOf({ REDIS_DB_HOST: 'a', REDIS_DB_POST: '1' })).to.equal('redis://a:1')
      expect(urlOf({ REDIS_MQ_HOST: '::1' })).to.equal('redis://[::1]:6379')
    })

    it('makes a URL of the four variables of a database', () => {
      const withDatabase = baseSchema.extend({ DATABASE_URL: z.string() })
      const env = { DB_HOST: 'a', DB_NAME: 'b', DB_USERNAME: 'c', DB_PASSWORD: 'd@/' }
      const { values, notices } = readConfig(withDatabase, { env, envFile: null })
      expect(values.DATABASE_URL).to.equal('postgres://c:d%40%2F@a/b')
      expect(notices.join()).not.to.include('d@/')
    })

    it('says which one won where two disagree, and shows neither value', () => {
      const { values, notices } = read({ JWT_SECRET: 'new-1', JWT_MASTER_SECRET: 'old-1' })
      expect(values.JWT_SECRET).to.equal('new-1')
      expect(notices).to.deep.equal(['JWT_MASTER_SECRET says something else than JWT_SECRET: JWT_SECRET won'])
    })

    it('says which of two old ones won', () => {
      const { values, notices } = read({ REDIS_MQ_HOST: 'a', REDIS_DB_HOST: 'b' })
      expect(values.REDIS_URL).to.equal('redis://a:6379')
      expect(notices[1]).to.equal('REDIS_DB_HOST says something else than REDIS_MQ_HOST: REDIS_MQ_HOST won')
    })

    it('says nothing where both agree', () => {
      expect(read({ TLS_CA: 'a', CA_CERT_FILE: 'a' }).notices).to.deep.equal([])
    })

    it('takes those of a system beside our own', () => {
      const oldNames = { MAX_DEVICES: [renamed('DEVICES')] }
      expect(read({ DEVICES: '5' }, { oldNames }).values.MAX_DEVICES).to.equal(5)
    })
  })

  describe('with a misspelt name', () => {
    it('refuses one in the file, and says what was meant', () => {
      const envFile = file('LOGGLY_TOKN=x\nredis_url=redis://a\nMAX_DEVIECS=3\n')
      const { message } = errorOf({}, { envFile })
      expect(message).to.include('LOGGLY_TOKN in the file is no name that is known: LOGGLY_TOKEN is one')
      expect(message).to.include('redis_url in the file is no name that is known: REDIS_URL is one')
      expect(message).to.include('MAX_DEVIECS in the file is no name that is known: MAX_DEVICES is one')
    })

    it('tells one in the environment, which may be meant for somebody else', () => {
      const { notices } = read({ LOGLEVEL: 'debug' })
      expect(notices).to.deep.equal([
        'The environment has LOGLEVEL, which nobody reads: if it is meant for this server, the name is LOG_LEVEL'
      ])
      expect(read({ LOGLEVEL: 'debug', LOG_LEVEL: 'info' }).notices).to.deep.equal([])
    })

    it("says nothing of OpenSSL's names in the environment, though one is near TLS_CERT_FILE", () => {
      expect(read({ SSL_CERT_FILE: '/a', SSL_CERT_DIR: '/b' }).notices).to.deep.equal([])
    })

    it('leaves names alone that only look a little like ours', () => {
      expect(
        read({ HOME: '/', HOSTNAME: 'a', TERM: 'x', PATH: '/', PWD: '/', HOSTTYPE: 'x' }).notices
      ).to.deep.equal([])
    })

    it('leaves names alone in the file that are like none of ours', () => {
      expect(read({}, { envFile: file('OF_ANOTHER_PROGRAM=1\n') }).notices).to.deep.equal([])
    })
  })
})
