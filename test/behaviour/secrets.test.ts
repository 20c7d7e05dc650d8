import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { type TokenError, TokenServer } from '../../lib'
import { certificates } from '../helpers/certificates'
import { serverOptions } from '../helpers/loopback'
import { addSecretKey, addSecretPassphrase, secretIn } from '../helpers/secrets'

const PASSPHRASE = 'the passphrase of this test'

describe('secrets in errors', () => {
  const { privateKey: key } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' }
  })

  before(() => {
    addSecretKey(key)
    addSecretPassphrase(PASSPHRASE)
  })

  for (const [name, cause] of Object.entries<unknown>({
    'a passphrase in a message': new Error(`refused ${PASSPHRASE}`),
    'a part of a key in a message': new Error(`Received ${key.slice(900, 940)}`),
    'a key that Node quotes line by line': new Error(inspect({ key })),
    'a Buffer of a key': { key: Buffer.from(key) },
    'a key in a list of a cause of a cause': new Error('x', { cause: [[key]] }),
    'a key that is not enumerable': Object.defineProperty({}, 'key', { value: key }),
    'a key behind a symbol': { [Symbol('key')]: key },
    'a key in a Map': new Map([['key', key]]),
    'a key in one of several errors': new AggregateError([new Error(key)])
  })) {
    it(`the look at each error of the suite finds ${name}`, () => {
      expect(secretIn(new Error('x', { cause }))).not.to.equal(null)
    })
  }

  it('the look at each error of the suite takes no certificate for a secret', async () => {
    const { ca, server } = await certificates()
    addSecretKey(server.key)
    expect(secretIn(new Error('x', { cause: { ca, cert: server.cert } }))).to.equal(null)
  })

  it('an error of `listen`, which quotes its options, quotes no key and no passphrase', async () => {
    const path = '\0token-server-test'
    const { key, ...options } = await serverOptions({ path, readableAll: true })
    addSecretKey(key as string)
    const server = new TokenServer({ passphrase: PASSPHRASE, key, ...options })
    const [error] = (await once(server, 'error')) as [TokenError]
    expect(error).to.have.nested.property('cause.code', 'ERR_INVALID_ARG_VALUE')
    expect(secretIn(error)).to.equal(null)
  })
})
