import { once } from 'node:events'
import { expect } from 'chai'
import { KeyRing } from '../../lib/keys/key-ring'
import { MemoryStore } from '../../lib/keys/key-store'
import { admissionTag, tagHash, textKey } from '../../lib/sealing/keys'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { parseInvitation } from '../../lib/wire/invitation'
import { ADDRESS, addPhone, openRing, suite } from '../helpers/key-rings'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

describe('A key ring', () => {
  it('makes a key pair and a shared key of 32 random bytes, another one each time', async () => {
    const [{ ring }, { ring: other }] = [await openRing(), await openRing()]
    expect(ring.shared.mode).to.equal('shared')
    expect(ring.shared.psk.length).to.equal(32)
    expect(ring.shared.psk).not.to.deep.equal(other.shared.psk)
    expect(ring.deviceId).not.to.equal(other.deviceId)
    expect(ring.find(ring.shared.id, 'shared')).to.deep.equal(ring.shared)
    expect(ring.mayUse(ring.shared.id, 'anything')).to.equal(true)
  })

  it('is the same when it is opened again', async () => {
    const store = new MemoryStore()
    const ring = await KeyRing.open({ suite, store })
    const phone = await addPhone(ring)
    await ring.close()
    const again = await KeyRing.open({ suite, store })
    expect(again.deviceId).to.equal(ring.deviceId)
    expect(again.shared).to.deep.equal(ring.shared)
    expect(again.phones().map(({ id }) => id)).to.deep.equal([phone])
  })

  it('finds a key in its own mode alone', async () => {
    const { ring } = await openRing()
    const phone = await addPhone(ring)
    for (const mode of ['shared', 'invitation', 'plain'] as const)
      expect(ring.find(phone, mode), mode).to.equal(undefined)
    expect(ring.find(phone, 'paired')?.id).to.equal(phone)
    expect(ring.find(ring.shared.id, 'paired')).to.equal(undefined)
    expect(ring.find('', 'plain')).to.equal(undefined)
  })

  it('takes a text as its shared key, and tells who has the one before', async () => {
    const { ring } = await openRing()
    const before = ring.shared.id
    const replaced = once(ring, 'replaced')
    await ring.setShared('debug_encryption_key')
    expect(await replaced).to.deep.equal([before])
    expect(ring.find(before, 'shared')).to.equal(undefined)
    const key = await textKey('debug_encryption_key', ring.deviceId, nodeScrypt)
    expect(ring.shared).to.deep.equal(key)
    await ring.setShared('')
    expect(ring.find('', 'plain')?.mode).to.equal('plain')
    expect(ring.tagHashes).to.deep.equal([])
    expect(() => ring.sharedInvitation(ADDRESS)).to.throw('it is empty')
  })

  it('hands its shared key on as an invitation, of a passphrase, too', async () => {
    const { ring } = await openRing()
    await ring.setShared('correct horse')
    const invitation = parseInvitation(ring.sharedInvitation(ADDRESS))
    expect(invitation).to.deep.include({ address: ADDRESS, device: ring.deviceId, mode: 'shared' })
    expect(invitation?.secret).to.deep.equal(ring.shared.psk)
    const text = Buffer.from(invitation?.secret ?? []).toString('base64url')
    expect((await textKey(text, ring.deviceId, nodeScrypt)).id).to.equal(ring.shared.id)
  })

  it('tells a relay the hashes of the tags of all that opens, and of nothing else', async () => {
    const { ring } = await openRing()
    const hashOf = async (psk: Uint8Array | undefined) =>
      await tagHash(await admissionTag(psk ?? new Uint8Array()))
    const phone = await addPhone(ring)
    ring.touched(phone)
    const changed = once(ring, 'change')
    const { url } = await ring.invite({ address: ADDRESS })
    await changed
    expect(ring.tagHashes).to.have.members([
      await hashOf(ring.shared.psk),
      await hashOf(ring.find(phone, 'paired')?.psk),
      await hashOf(ring.find(ring.phones()[0]?.invitation ?? '', 'invitation')?.psk),
      await hashOf(parseInvitation(url)?.secret)
    ])
    await ring.revoke(phone)
    expect(ring.tagHashes.length).to.equal(2)
  })

  it('revokes one phone at once, and leaves the others', async () => {
    const { ring } = await openRing()
    const [ann, bob] = [await addPhone(ring, { name: 'Ann' }), await addPhone(ring, { name: 'Bob' })]
    const revoked: string[] = []
    ring.on('revoked', id => revoked.push(id))
    expect(await ring.revoke(ann)).to.equal(true)
    expect(revoked).to.deep.equal([ann])
    expect(ring.find(ann, 'paired')).to.equal(undefined)
    expect(ring.mayUse(ann, 'on')).to.equal('unknown-key')
    expect(ring.mayUse(bob, 'on')).to.equal(true)
    expect(ring.phones().map(({ name }) => name)).to.deep.equal(['Bob'])
    expect(await ring.revoke(ann)).to.equal(false)
  })

  it('lets a phone do what it was paired for', async () => {
    const { ring } = await openRing()
    const phone = await addPhone(ring, { events: ['status', 'lamp.*'] })
    const verdicts = ['status', 'lamp.on', 'lamp.', 'lamp', 'statuses', 'door', '*', '__proto__'].map(event =>
      ring.mayUse(phone, event)
    )
    const no = 'not-allowed'
    expect(verdicts).to.deep.equal([true, true, true, no, no, no, no, no])
    expect(ring.mayUse(phone)).to.equal(true)
  })

  it('ends a share at its time, to the millisecond', async () => {
    const { ring, clock } = await openRing()
    const phone = await addPhone(ring, { until: clock.date() + 30 * DAY })
    const other = await addPhone(ring, { until: clock.date() + 31 * DAY })
    const revoked: string[] = []
    ring.on('revoked', id => revoked.push(id))
    clock.advance(30 * DAY - 1)
    expect(ring.mayUse(phone, 'on')).to.equal(true)
    expect(revoked).to.deep.equal([])
    clock.advance(1)
    expect(revoked).to.deep.equal([phone])
    expect(ring.find(phone, 'paired')).to.equal(undefined)
    expect(ring.mayUse(phone, 'on')).to.equal('unknown-key')
    expect(ring.mayUse(other, 'on')).to.equal(true)
    expect(ring.phones().map(({ state }) => state)).to.deep.equal(['ended', 'approved'])
  })

  it('ends an invitation at its time, which stands nowhere in the QR code', async () => {
    const { ring, clock } = await openRing()
    const { id, url } = await ring.invite({ address: ADDRESS })
    expect(new URLSearchParams(new URL(url).hash.slice(1)).size).to.equal(5)
    expect(ring.find(id, 'invitation')?.psk).to.deep.equal(parseInvitation(url)?.secret)
    clock.advance(10 * MINUTE)
    expect(ring.find(id, 'invitation')).to.equal(undefined)
    const claim = { enc: 'e', commit: 'c', nonce: 'n', name: '' }
    expect(await ring.claim(id, claim)).to.equal('unknown-key')
  })

  it('gives an invitation to the first of two phones that race, and the same answer to its second try', async () => {
    const { ring } = await openRing()
    const { id } = await ring.invite({ address: ADDRESS })
    const claimOf = (enc: string, nonce: string) => ({ enc, commit: 'c', nonce, name: enc })
    const answers = await Promise.all([
      ring.claim(id, claimOf('ann', '1')),
      ring.claim(id, claimOf('eve', '2')),
      ring.claim(id, claimOf('ann', '3'))
    ])
    expect(answers).to.deep.equal([claimOf('ann', '1'), 'used', claimOf('ann', '1')])
    const key = { id: 'p1', psk: new Uint8Array(32), words: '' }
    expect(await ring.admit(id, 'eve', key)).to.equal(undefined)
    expect((await ring.admit(id, 'ann', key))?.name).to.equal('ann')
    expect((await ring.admit(id, 'ann', { ...key, id: 'p2' }))?.id).to.equal('p1')
    expect(ring.phones().length).to.equal(1)
  })

  it('gives an invitation to nobody else once its phone has come, and says so until its time is over', async () => {
    const { ring, clock } = await openRing()
    const { id } = await ring.invite({ address: ADDRESS, asks: false })
    const claim = { enc: 'e', commit: 'c', nonce: 'n', name: '' }
    await ring.claim(id, claim)
    await ring.admit(id, 'e', { id: 'p1', psk: new Uint8Array(32), words: '' })
    ring.touched('p1')
    expect(await ring.claim(id, { ...claim, enc: 'eve' })).to.equal('used')
    expect(await ring.admit(id, 'eve', { id: 'p2', psk: new Uint8Array(32), words: '' })).to.equal(undefined)
    const replaced = once(ring, 'replaced')
    clock.advance(10 * MINUTE)
    expect(await replaced).to.deep.equal([id])
    expect(ring.find(id, 'invitation')).to.equal(undefined)
    expect(await ring.claim(id, claim)).to.equal('unknown-key')
    expect(ring.phones().map(phone => phone.invitation)).to.deep.equal([id])
  })

  it('asks the owner, with the words to compare, before a phone counts', async () => {
    const { ring } = await openRing()
    const asked = once(ring, 'asked')
    const phone = await addPhone(ring, { asks: true })
    expect((await asked)[0]).to.include({ id: phone, name: 'own name', words: 'four words of it' })
    expect(ring.mayUse(phone, 'on')).to.equal('not-approved')
    expect(ring.find(phone, 'paired')).not.to.equal(undefined)
    const approved = once(ring, 'approved')
    expect(await ring.approve(phone)).to.equal(true)
    expect(await approved).to.deep.equal([phone])
    expect(ring.mayUse(phone, 'on')).to.equal(true)
    expect(ring.phones()[0]).to.include({ state: 'approved', words: undefined })
    expect(await ring.approve(phone)).to.equal(false)
  })

  it('remembers when a phone was last seen, and writes it at most once a minute', async () => {
    const store = new MemoryStore()
    const { ring, clock } = await openRing({ store })
    const phone = await addPhone(ring)
    ring.touched(phone)
    await ring.approve('nobody')
    const lastSeenThere = async () => (await store.load())?.phones[0]?.lastSeen
    const first = clock.date()
    expect(await lastSeenThere()).to.equal(first)
    clock.advance(1000)
    ring.touched(phone)
    expect(ring.phones()[0]?.lastSeen).to.equal(first + 1000)
    expect(await lastSeenThere()).to.equal(first)
    clock.advance(MINUTE)
    await ring.approve('nobody')
    expect(await lastSeenThere()).to.equal(first + 1000)
    clock.advance(1000)
    ring.touched(phone)
    await ring.close()
    expect(await lastSeenThere()).to.equal(clock.date())
  })

  it('holds so many phones and open invitations, and no more; ended and used ones make room', async () => {
    const { ring, clock } = await openRing({ maxPhones: 2, maxInvitations: 2 })
    await addPhone(ring, { until: clock.date() + DAY })
    const last = await addPhone(ring)
    ring.touched(last)
    expect(await failure(addPhone(ring))).to.include('there are 2')
    clock.advance(DAY)
    await addPhone(ring)
    expect(ring.phones().length).to.equal(2)
    for (let count = 0; count < 2; count++) await ring.invite({ address: ADDRESS })
    expect(await failure(ring.invite({ address: ADDRESS }))).to.include('2 wait to be used')
  })

  it('refuses a scope that is none, and an address that can not be dialled', async () => {
    const { ring, clock } = await openRing()
    const invite = (options: object) => failure(ring.invite({ address: ADDRESS, ...options }))
    expect(await invite({ events: [] })).to.include('0 events')
    expect(await invite({ until: clock.date() })).to.include('not to come')
    expect(await invite({ until: Number.NaN })).to.include('not to come')
    expect(await invite({ lifetime: 0 })).to.include('lifetime')
    expect(await invite({ address: 'lamp' })).to.include('no URL')
    expect(await invite({ address: 'ftp://lamp' })).to.include('no URL')
  })

  it('shows a name that a stranger chose without control characters', async () => {
    const { ring } = await openRing()
    const { id } = await ring.invite({ address: ADDRESS })
    const name = '\u001b[2J\u202eAnn\n\u0007 phone'
    const { cleanName } = await import('../../lib/keys/phone.js')
    await ring.claim(id, { enc: 'e', commit: 'c', nonce: 'n', name: cleanName(name) })
    const phone = await ring.admit(id, 'e', { id: 'p1', psk: new Uint8Array(32), words: '' })
    expect(phone?.name).to.equal('[2J Ann phone')
  })
})

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('it was done')
}
