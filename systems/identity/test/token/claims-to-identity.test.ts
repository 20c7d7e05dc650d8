import { expect } from 'chai'
import fc from 'fast-check'
import type { Identity } from '../../lib'
import { JwtError } from '../../lib'
import { claimsToIdentity } from '../../lib/token/claims-to-identity'
import { codeOf } from '../helpers/refusal'

const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }
const UUID = '3f2c8a52-6f7e-4b8e-9a8e-0c2a5d0f7e11'
const ORG = '8f7d5c0e-1f2a-4f6b-8f6e-2d9c1b7a3e55'

function identityOf(claims: object): Identity {
  return claimsToIdentity({ ...claims }, { expiresAt: 1, issuedAt: undefined })
}

function refusal(claims: object): Promise<string> {
  return codeOf(() => identityOf(claims))
}

describe('The identity of a token', () => {
  it('of seed 004 has the user, the organization and the level there, which is a string in the token', () => {
    const claims = {
      aud: 'chat.nano-messaging.net',
      iss: 'api.nano-messaging.net',
      exp: '9999999999999',
      sub: 'not this one',
      entityUUID: ORG,
      userUUID: UUID,
      levelOnEntity: '100'
    }
    expect(claimsToIdentity(claims, { expiresAt: 9_999_999_999_999, issuedAt: undefined })).to.deep.equal({
      id: UUID,
      kind: 'user',
      org: ORG,
      level: 100,
      expiresAt: 9_999_999_999_999,
      issuer: 'api.nano-messaging.net'
    })
  })

  it('of seed 003 has a user_id that is a number or a string, and the same for both', () => {
    expect(identityOf({ user_id: 139871238127389 }).id).to.equal('139871238127389')
    expect(identityOf({ user_id: '139871238127389' }).id).to.equal('139871238127389')
    expect(identityOf({ user_id: 0 }).id).to.equal('0')
  })

  it('of a handler of seed 003 has its name, and an id of its own when the token has none', () => {
    const handler = { name: 'contacts', ip: '10.0.0.7' }
    expect(identityOf({ handler })).to.deep.equal({
      id: 'handler:contacts',
      kind: 'handler',
      name: 'contacts',
      expiresAt: 1
    })
    expect(identityOf({ handler, user_id: 7 })).to.include({ id: '7', kind: 'handler', name: 'contacts' })
  })

  it('of a device has the name of the device, when there is one', () => {
    expect(identityOf({ sub: 'a', device: 'thermostat' })).to.include({ kind: 'device', name: 'thermostat' })
    expect(identityOf({ sub: 'a', device: { name: 'thermostat' } })).to.include({ name: 'thermostat' })
    expect(identityOf({ sub: 'a', device: true })).to.include({ kind: 'device' })
    expect(identityOf({ sub: 'a', device: false })).to.include({ kind: 'user' })
  })

  it('is taken from the first claim that is there: userUUID, user_id, sub', () => {
    expect(identityOf({ sub: 's', user_id: 'u', userUUID: 'x' }).id).to.equal('x')
    expect(identityOf({ sub: 's', user_id: 'u' }).id).to.equal('u')
    expect(identityOf({ sub: 's', user_id: null }).id).to.equal('s')
  })

  it('is no other one when the first claim is empty', async () => {
    expect(await refusal({ sub: 's', user_id: '' })).to.equal('ERR_JWT_ID')
    expect(await refusal({ sub: 's', userUUID: '' })).to.equal('ERR_JWT_ID')
  })

  it('is nobody when no claim says who', async () => {
    expect(await refusal({})).to.equal('ERR_JWT_ID')
    expect(await refusal({ handler: {} })).to.equal('ERR_JWT_CLAIM')
    expect(await refusal({ kind: 'handler' })).to.equal('ERR_JWT_ID')
  })

  it('is a guest or an admin by the claim kind, which can not contradict the others', async () => {
    expect(identityOf({ sub: 'a', kind: 'guest' }).kind).to.equal('guest')
    expect(identityOf({ sub: 'a', kind: 'admin' }).kind).to.equal('admin')
    expect(identityOf({ handler: { name: 'a' }, kind: 'handler' }).kind).to.equal('handler')
    expect(await refusal({ handler: { name: 'a' }, kind: 'admin' })).to.equal('ERR_JWT_CLAIM')
    expect(await refusal({ sub: 'a', device: 'd', kind: 'user' })).to.equal('ERR_JWT_CLAIM')
    expect(await refusal({ sub: 'a', device: 'd', handler: { name: 'a' } })).to.equal('ERR_JWT_CLAIM')
    expect(await refusal({ sub: 'a', kind: 'root' })).to.equal('ERR_JWT_CLAIM')
  })

  it('has patterns of topics with the id and the organization filled in', () => {
    const claims = {
      user_id: 68946,
      entityUUID: ORG,
      publish: ['request_contact', '${id}_$' + '{org}/#'],
      subscribe: ['${id}/+', '$' + '{id}_$' + '{id}']
    }
    const { publish, subscribe } = identityOf(claims)
    expect(publish).to.deep.equal(['request_contact', `68946_${ORG}/#`])
    expect(subscribe).to.deep.equal(['68946/+', '68946_68946'])
    expect(Object.isFrozen(publish)).to.equal(true)
    expect(identityOf({ sub: 'a', publish: [] }).publish).to.deep.equal([])
    expect(identityOf({ sub: 'a' })).to.not.have.any.keys('publish', 'subscribe')
  })

  it('is refused when its id would bring a wildcard or a level into a pattern', async () => {
    for (const sub of ['#', '+', 'a/b', '1/#']) {
      expect(identityOf({ sub, publish: ['x'] }).id).to.equal(sub)
      expect(await refusal({ sub, subscribe: ['${id}/inbox'] })).to.equal('ERR_JWT_CLAIM')
      expect(await refusal({ sub: 'a', entityUUID: sub, publish: ['${org}'] })).to.equal('ERR_JWT_CLAIM')
    }
  })

  it('does not fill in what $& and $1 mean to a replacement', () => {
    expect(identityOf({ sub: '$&$1', subscribe: ['${id}/x'] }).subscribe).to.deep.equal(['$&$1/x'])
  })

  it('is refused when a claim is there and can not be used', async () => {
    const unusable: object[] = [
      { publish: 'all' },
      { publish: [7] },
      { publish: [''] },
      { subscribe: ['${user}/x'] },
      { subscribe: ['${org}/x'] },
      { subscribe: ['a\0'] },
      { subscribe: Array.from({ length: 257 }, () => 'a') },
      { subscribe: ['a'.repeat(1025)] },
      { levelOnEntity: '' },
      { levelOnEntity: '1e3' },
      { levelOnEntity: 1.5 },
      { levelOnEntity: {} },
      { entityUUID: 7 },
      { entityUUID: '' },
      { entityUUID: 'a\u0085' },
      { jti: 7 },
      { handler: 'contacts' },
      { handler: true },
      { handler: ['contacts'] },
      { handler: { name: '' } },
      { device: 7 },
      { device: [] },
      { device: '' },
      { kind: 'Admin' }
    ]
    for (const claims of unusable) {
      expect(await refusal({ sub: 'a', ...claims }), JSON.stringify(claims)).to.equal('ERR_JWT_CLAIM')
    }
  })

  it('has the name of a user for people, and none that can not be shown', () => {
    expect(identityOf({ sub: 'a', name: 'Ann Lee' }).name).to.equal('Ann Lee')
    expect(identityOf({ sub: 'a', name: 'Ann\u001b[2J' })).to.not.have.property('name')
  })

  it('is frozen', () => {
    expect(Object.isFrozen(identityOf({ sub: 'a' }))).to.equal(true)
  })

  it('is, whatever the claims are, refused or what it promises to be (by chance)', function () {
    this.timeout(120_000)
    const names =
      'userUUID user_id sub entityUUID levelOnEntity handler device kind name publish subscribe jti iss'
    const claim = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('guest', { name: 'n' }, ['${id}/x'], ['${org}'], '7', 7, '#', '+')
    )
    let accepted = 0
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...names.split(' ')), claim, { noNullPrototype: true }),
        claims => {
          try {
            const identity = identityOf(claims)
            accepted++
            expect(identity.id).to.match(/^[^\p{Control}\p{Surrogate}]{1,256}$/u)
            expect(identity.kind).to.be.oneOf(['user', 'device', 'handler', 'guest', 'admin'])
            for (const pattern of [...(identity.publish ?? []), ...(identity.subscribe ?? [])]) {
              expect(pattern).to.be.a('string').and.not.match(/\$\{/)
            }
          } catch (error) {
            expect(error, String(error)).to.be.an.instanceOf(JwtError)
          }
        }
      ),
      { numRuns: 2000, ...parameters }
    )
    expect(accepted).to.be.greaterThan(10)
  })
})
