import { join } from 'node:path'
import { runNode } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { FakeClock } from 'token-server/testing'
import { createRevocations, createVerifier, type JwtErrorCode, type Verifier } from '../lib'
import { codeOf } from './helpers/refusal'
import { CLAIMS, clockAtNow, good, NOW, SECRET } from './helpers/tokens'

const DAY = 86_400_000

describe('The token of an open connection', () => {
  let clock: FakeClock
  let verifier: Verifier
  let ends: JwtErrorCode[]

  beforeEach(() => {
    clock = clockAtNow()
    verifier = createVerifier({ issuers: { secret: SECRET }, clock })
    ends = []
  })
  afterEach(() => {
    verifier.close()
    expect(clock.pending, 'timers').to.equal(0)
  })

  async function watched(claims: object = {}) {
    const identity = await verifier.verify(good({ ...CLAIMS, ...claims }))
    return verifier.watch(identity, ({ code }) => ends.push(code))
  }

  it('ends at exp, once, to the millisecond', async () => {
    await watched({ exp: NOW + 3600 })
    await clock.elapse(3_599_999)
    expect(ends).to.deep.equal([])
    await clock.elapse(1)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
    await clock.elapse(DAY)
    expect(ends).to.have.lengthOf(1)
  })

  it('ends when the tolerance is over, when it was shown within it', async () => {
    await watched({ exp: NOW - 2 })
    await clock.elapse(2999)
    expect(ends).to.deep.equal([])
    await clock.elapse(1)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
  })

  it('ends in time although that is more than 2^31 ms away', async () => {
    await watched({ exp: NOW + 26 * 86_400 })
    await clock.elapse(26 * DAY - 1)
    expect(ends).to.deep.equal([])
    await clock.elapse(1)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
  })

  it('is good for centuries when it says so', async () => {
    await watched({ exp: '9999999999999' })
    await clock.elapse(DAY)
    expect(ends).to.deep.equal([])
  })

  it('ends within a minute after the clock of the machine was set forward', async () => {
    let skipped = 0
    const skipping = {
      now: () => clock.now(),
      date: () => clock.date() + skipped,
      setTimeout: (callback: () => void, delay: number) => clock.setTimeout(callback, delay),
      clearTimeout: (timer: never) => clock.clearTimeout(timer)
    }
    const other = createVerifier({ issuers: { secret: SECRET }, clock: skipping })
    other.watch(await other.verify(good()), ({ code }) => ends.push(code))
    skipped = DAY
    await clock.elapse(60_000)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
  })

  it('ends at once when it is revoked by its jti, and no other does', async () => {
    await watched({ jti: 'first' })
    await watched({ jti: 'second' })
    await watched()
    verifier.revocations.revoke({ tokenId: 'first' })
    expect(ends).to.deep.equal(['ERR_JWT_REVOKED'])
    expect(await codeOf(verifier.verify(good({ ...CLAIMS, jti: 'first' })))).to.equal('ERR_JWT_REVOKED')
  })

  it('is not accepted again within the tolerance, when it was revoked until its end', async () => {
    const { identity } = await watched({ jti: 'first' })
    verifier.revocations.revoke({ tokenId: 'first', until: identity.expiresAt })
    await clock.elapse(3_600_001)
    expect(await codeOf(verifier.verify(good({ ...CLAIMS, jti: 'first' })))).to.equal('ERR_JWT_REVOKED')
  })

  it('ends at once when its id is revoked, and those of all its connections do', async () => {
    await watched()
    await watched({ jti: 'x' })
    await watched({ user_id: '6894' })
    verifier.revocations.revoke({ id: '68946' })
    expect(ends).to.deep.equal(['ERR_JWT_REVOKED', 'ERR_JWT_REVOKED'])
  })

  it('goes on when only older tokens of its id are revoked', async () => {
    await watched({ iat: NOW - 60 })
    await watched({ iat: NOW - 30 })
    await watched({ iat: undefined })
    verifier.revocations.revoke({ id: '68946', issuedBefore: (NOW - 60) * 1000 })
    expect(ends).to.deep.equal(['ERR_JWT_REVOKED', 'ERR_JWT_REVOKED'])
    expect((await verifier.verify(good())).id).to.equal('68946')
  })

  it('ends behind watch(), never in it, when it was revoked since it was verified', async () => {
    const identity = await verifier.verify(good())
    verifier.revocations.revoke({ id: '68946' })
    let isMade = false
    verifier.watch(identity, ({ code }) => ends.push(isMade ? code : 'ERR_JWT_OPTIONS'))
    isMade = true
    await clock.settle()
    expect(ends).to.deep.equal(['ERR_JWT_REVOKED'])
  })

  it('never ends when it is stopped before', async () => {
    const watch = await watched()
    watch.stop()
    watch.stop()
    verifier.revocations.revoke({ id: '68946' })
    await clock.elapse(DAY)
    expect(ends).to.deep.equal([])
  })

  it('is renewed by a fresh one: the later end and the new grants hold, the old number counts no more', async () => {
    const watch = await watched({ jti: 'old' })
    const fresh = { ...CLAIMS, exp: NOW + 7200, jti: 'new', subscribe: ['${id}/x'] }
    expect(await watch.renew(good(fresh))).to.equal(watch.identity)
    expect(watch.identity).to.deep.include({ tokenId: 'new', subscribe: ['68946/x'] })
    verifier.revocations.revoke({ tokenId: 'old' })
    await clock.elapse(7_199_999)
    expect(ends).to.deep.equal([])
    await clock.elapse(1)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
  })

  it('is renewed by one that ends earlier, and ends then', async () => {
    const watch = await watched()
    await watch.renew(good({ ...CLAIMS, exp: NOW + 60 }))
    await clock.elapse(60_000)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
  })

  it('is revoked by the number of the fresh one', async () => {
    const watch = await watched({ jti: 'old' })
    await watch.renew(good({ ...CLAIMS, jti: 'new' }))
    verifier.revocations.revoke({ tokenId: 'new' })
    expect(ends).to.deep.equal(['ERR_JWT_REVOKED'])
  })

  it("is not renewed by somebody else's, nor by one of another kind, nor by a bad one, and goes on", async () => {
    const watch = await watched()
    const before = watch.identity
    expect(await codeOf(watch.renew(good({ ...CLAIMS, user_id: '6894' })))).to.equal('ERR_JWT_SUBJECT')
    expect(await codeOf(watch.renew(good({ ...CLAIMS, kind: 'admin' })))).to.equal('ERR_JWT_SUBJECT')
    expect(await codeOf(watch.renew(good({ ...CLAIMS, exp: NOW - 60 })))).to.equal('ERR_JWT_EXPIRED')
    expect(await codeOf(watch.renew('shhhhh'))).to.equal('ERR_JWT_MALFORMED')
    expect(watch.identity).to.equal(before)
    await clock.elapse(3_600_000)
    expect(ends).to.deep.equal(['ERR_JWT_EXPIRED'])
  })

  it('is not renewed when it ended or was stopped meanwhile', async () => {
    const ended = await watched()
    const renewing = ended.renew(good({ ...CLAIMS, exp: NOW + 7200, jti: 'new' }))
    verifier.revocations.revoke({ id: '68946', issuedBefore: NOW * 1000 })
    verifier.revocations.allow({ id: '68946' })
    expect(await codeOf(renewing)).to.equal('ERR_JWT_REVOKED')
    expect(await codeOf(ended.renew(good()))).to.equal('ERR_JWT_REVOKED')
    const stopped = await watched()
    const late = stopped.renew(good())
    stopped.stop()
    expect(await codeOf(late)).to.equal('ERR_JWT_SUBJECT')
    expect(ends).to.have.lengthOf(1)
  })

  it('ends also when the listener of another one throws, whose error is thrown by itself', async () => {
    const identity = await verifier.verify(good())
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const uncaught = new Promise<Error>(resolve => process.once('uncaughtException', resolve))
    try {
      verifier.watch(identity, () => {
        throw new Error('of the application')
      })
      verifier.watch(identity, ({ code }) => ends.push(code))
      verifier.revocations.revoke({ id: '68946' })
      expect(ends).to.deep.equal(['ERR_JWT_REVOKED'])
      expect((await uncaught).message).to.equal('of the application')
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  it('is watched by each verifier that shares a list, and a verifier without connections does not listen', async () => {
    const revocations = createRevocations({ clock })
    const verifiers = [1, 2].map(() => createVerifier({ issuers: { secret: SECRET }, clock, revocations }))
    for (const verifier of verifiers) {
      verifier.watch(await verifier.verify(good()), ({ code }) => ends.push(code))
    }
    revocations.revoke({ id: '68946' })
    expect(ends).to.deep.equal(['ERR_JWT_REVOKED', 'ERR_JWT_REVOKED'])
  })

  it('does not keep the process alive', async () => {
    const program = `
      const { createVerifier, signToken, tokenClaims } = require('./dist/lib')
      const secret = 'x'.repeat(32)
      const verifier = createVerifier({ issuers: { secret } })
      signToken(tokenClaims({ userId: '7' }), { secret })
        .then(token => verifier.verify(token))
        .then(identity => verifier.watch(identity, () => console.log('ended')))
        .then(watch => console.log('watched', watch.identity.id))`
    const { code, stdout, stderr } = await runNode(['-e', program], join(__dirname, '../..'))
    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: 'watched 7\n', stderr: '' })
  })

  it('needs one timer each, and none when all have gone', async () => {
    const watches = await Promise.all([watched(), watched({ jti: 'a' }), watched({ user_id: 7 })])
    expect(clock.pending).to.equal(3)
    for (const watch of watches) watch.stop()
    expect(clock.pending).to.equal(0)
  })
})
