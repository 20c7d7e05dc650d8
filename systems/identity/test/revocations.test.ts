import { expect } from 'chai'
import fc from 'fast-check'
import { createRevocations, type Revocation } from '../lib'
import { codeOf, refusalOf } from './helpers/refusal'
import { clockAtNow, NOW } from './helpers/tokens'

const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

describe('A list of revocations', () => {
  it('holds a token by its number and an id, until they are allowed again', () => {
    const list = createRevocations()
    list.revoke({ tokenId: 't' })
    list.revoke({ id: 'a' })
    expect(list.isRevoked({ id: 'x', tokenId: 't' })).to.equal(true)
    expect(list.isRevoked({ id: 'a', tokenId: 'x' })).to.equal(true)
    expect(list.isRevoked({ id: 't', tokenId: 'a' })).to.equal(false)
    list.allow({ tokenId: 't' })
    list.allow({ id: 'a' })
    expect(list.isRevoked({ id: 'a', tokenId: 't' })).to.equal(false)
    expect(list.size).to.equal(0)
  })

  it('forgets an entry at its time, and makes room by that', async () => {
    const clock = clockAtNow()
    const list = createRevocations({ clock, maxEntries: 2 })
    list.revoke({ id: 'x', until: NOW * 1000 + 60_000 })
    list.revoke({ id: 'a' })
    expect(await codeOf(() => list.revoke({ id: 'b' }))).to.equal('ERR_JWT_REVOCATIONS_FULL')
    list.revoke({ id: 'a', issuedBefore: 5 })
    await clock.elapse(60_000)
    expect(list.isRevoked({ id: 'x' })).to.equal(false)
    list.revoke({ id: 'b' })
    expect(list.list()).to.deep.equal([{ id: 'a', issuedBefore: 5 }, { id: 'b' }])
  })

  it('holds a token five minutes longer than the token says, for that is the longest tolerance', async () => {
    const clock = clockAtNow()
    const list = createRevocations({ clock })
    list.revoke({ tokenId: 't', until: NOW * 1000 + 60_000 })
    await clock.elapse(359_999)
    expect(list.isRevoked({ id: 'x', tokenId: 't' })).to.equal(true)
    await clock.elapse(1)
    expect(list.isRevoked({ id: 'x', tokenId: 't' })).to.equal(false)
    expect(list.list()).to.deep.equal([])
  })

  it('that tells another one, which tells it back, comes to an end', () => {
    const [here, there] = [createRevocations(), createRevocations()]
    let told = 0
    here.subscribe(entry => {
      told++
      there.revoke(entry)
    })
    there.subscribe(entry => {
      told++
      here.revoke(entry)
    })
    here.revoke({ id: 'a' })
    there.revoke({ id: 'a', issuedBefore: 5 })
    there.revoke({ tokenId: 't' })
    expect(told).to.equal(6)
    expect(there.list()).to.have.deep.members(here.list())
  })

  it('says in words what it can not take', async () => {
    const list = createRevocations()
    const wrong: object[] = [
      {},
      { tokenId: 't', id: 'a' },
      { id: '' },
      { tokenId: 7 },
      { id: 'a'.repeat(257) },
      { tokenId: 't', issuedBefore: 1 },
      { id: 'a', until: 'soon' },
      { id: 'a', issuedBefore: Number.NaN }
    ]
    for (const entry of wrong) {
      const { code, message } = await refusalOf(() => list.revoke(entry as Revocation))
      expect(code, JSON.stringify(entry)).to.equal('ERR_JWT_OPTIONS')
      expect(message).to.match(/^Cannot revoke: /)
    }
    expect(await codeOf(() => createRevocations({ maxEntries: 0 }))).to.equal('ERR_JWT_OPTIONS')
  })

  it('tells who listens of each entry, before revoke() returns, until they go', () => {
    const list = createRevocations()
    const told: Revocation[] = []
    const end = list.subscribe(entry => told.push(entry))
    list.revoke({ id: 'a', until: NOW * 1e6 })
    expect(told).to.deep.equal([{ id: 'a', until: NOW * 1e6 }])
    end()
    list.revoke({ id: 'b' })
    expect(told).to.have.lengthOf(1)
  })

  it('is the same in another process that is told its entries (by chance)', () => {
    const entry: fc.Arbitrary<Revocation> = fc.oneof(
      fc.record({ tokenId: fc.constantFrom('t', 'u', 'v') }),
      fc.record({ id: fc.constantFrom('a', 'b'), issuedBefore: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ id: fc.constantFrom('a', 'b', 'c') })
    )
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), entries => {
        const [here, told, loaded] = [createRevocations(), createRevocations(), createRevocations()]
        here.subscribe(entry => told.revoke(JSON.parse(JSON.stringify(entry))))
        for (const entry of entries) here.revoke(entry)
        for (const entry of here.list()) loaded.revoke(entry)
        for (const id of ['a', 'b', 'c']) {
          for (const tokenId of ['t', 'u', 'v']) {
            for (const issuedAt of [4, 9]) {
              const identity = { id, tokenId, issuedAt }
              expect(told.isRevoked(identity)).to.equal(here.isRevoked(identity))
              expect(loaded.isRevoked(identity)).to.equal(here.isRevoked(identity))
            }
          }
        }
      }),
      { numRuns: 300, ...parameters }
    )
  })
})
