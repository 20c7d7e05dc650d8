import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FileStore } from '../../lib/keys/file-store'
import { KeyRing } from '../../lib/keys/key-ring'
import { ADDRESS, addPhone, secretOf, suite } from '../helpers/key-rings'

describe('A key ring in a file', () => {
  let folder: string
  const rings: KeyRing[] = []

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'keys-')), 'remote-keys')
  })

  afterEach(async () => {
    for (const ring of rings.splice(0)) await ring.close()
    rmSync(join(folder, '..'), { recursive: true })
  })

  async function open(): Promise<KeyRing> {
    const ring = await KeyRing.open({ suite, store: new FileStore(folder) })
    rings.push(ring)
    return ring
  }

  it('lies in a file and a folder that only their owner can read, and leaves nothing beside', async () => {
    const ring = await open()
    await addPhone(ring)
    expect(statSync(folder).mode & 0o777).to.equal(0o700)
    expect(statSync(join(folder, 'keys.json')).mode & 0o777).to.equal(0o600)
    expect(readdirSync(folder)).to.deep.equal(['keys.json'])
  })

  it('is the same after a restart: keys, phones, their scopes and words, invitations and claims', async () => {
    const ring = await open()
    const phone = await addPhone(ring, {
      name: 'Ann',
      events: ['on'],
      until: Date.now() + 60_000,
      asks: true
    })
    const { id } = await ring.invite({ address: ADDRESS })
    const claim = { enc: 'e', commit: 'c', nonce: 'n', name: 'Bob' }
    await ring.claim(id, claim)
    await ring.close()
    const again = await open()
    expect(again.deviceId).to.equal(ring.deviceId)
    expect(again.tagHashes).to.deep.equal(ring.tagHashes)
    expect(again.phones()).to.deep.equal(ring.phones())
    expect(again.find(phone, 'paired')).to.deep.equal(ring.find(phone, 'paired'))
    expect(await again.claim(id, { ...claim, nonce: 'other' })).to.deep.equal(claim)
  })

  it('is not written again for what changes nothing, nor for a claim whose phone has gone', async () => {
    const ring = await open()
    const [first, second] = [await ring.invite({ address: ADDRESS }), await ring.invite({ address: ADDRESS })]
    const claim = { enc: 'e', commit: 'c', nonce: 'n', name: 'Ann' }
    await ring.claim(first.id, claim)
    const before = statSync(join(folder, 'keys.json')).ino
    const others = Array.from({ length: 200 }, (_, index) =>
      ring.claim(first.id, { ...claim, enc: `${index}` })
    )
    expect(new Set(await Promise.all(others))).to.deep.equal(new Set(['used']))
    expect(await ring.claim(first.id, claim)).to.deep.equal(claim)
    expect(await ring.claim('unknown', claim)).to.equal('unknown-key')
    await ring.claim(second.id, claim, () => false)
    expect(ring.claimOf(second.id)).to.equal(undefined)
    expect([await ring.revoke('unknown'), await ring.approve('unknown')]).to.deep.equal([false, false])
    expect(statSync(join(folder, 'keys.json')).ino).to.equal(before)
    // Of many at once the first one counts, and is the only one that is written.
    expect(
      await Promise.all([ring.claim(second.id, claim), ring.claim(second.id, { ...claim, enc: 'f' })])
    ).to.deep.equal([claim, 'used'])
  })

  for (const [what, mode, path] of [
    ['others can read', 0o644, 'keys.json'],
    ['the group can read', 0o640, 'keys.json'],
    ['others can replace', 0o777, '.']
  ] as const)
    it(`refuses a file that ${what}, and says how to mend it`, async () => {
      await (await open()).close()
      chmodSync(join(folder, path), mode)
      const why = await failure(open())
      expect(why).to.include('chmod go-rwx')
      chmodSync(join(folder, path), path === '.' ? 0o700 : 0o600)
      await open()
    })

  it('refuses what is no key file, and never starts anew over it', async () => {
    await (await open()).close()
    const file = join(folder, 'keys.json')
    const good = readFileSync(file, 'utf8')
    const { shared } = JSON.parse(good)
    for (const text of [
      '',
      good.slice(0, -10),
      good.replace('"version": 1', '"version": 2'),
      good.replace(shared.psk, 'short'),
      good.replace('"phones": []', '"phones": [{}]')
    ]) {
      writeFileSync(file, text)
      const why = await failure(open())
      expect(why).to.include('Cannot use the key file')
      expect(why).not.to.include(shared.psk)
      expect(readFileSync(file, 'utf8')).to.equal(text)
    }
  })

  it('keeps every change of two processes that write at once', async () => {
    const [one, two] = [await open(), await open()]
    await Promise.all([one, two, one, two, one, two].map(ring => addPhone(ring)))
    await one.reload()
    expect(one.phones().length).to.equal(6)
  })

  it('notices what another process has revoked or approved', async () => {
    const device = await open()
    const [ann, bob] = [await addPhone(device), await addPhone(device, { asks: true })]
    const owner = await open()
    const told = Promise.all([once(device, 'revoked'), once(device, 'approved')])
    await owner.revoke(ann)
    await owner.approve(bob)
    expect(await told).to.deep.equal([[ann], [bob]])
    expect(device.find(ann, 'paired')).to.equal(undefined)
    expect(device.mayUse(bob, 'on')).to.equal(true)
  })

  it('notices a change within a second of its writing, and while the file goes on changing', async () => {
    const device = await open()
    const [ann, bob] = [await addPhone(device), await addPhone(device)]
    const owner = await open()
    let revoked = once(device, 'revoked')
    await owner.revoke(ann)
    const written = performance.now()
    expect(await revoked).to.deep.equal([ann])
    expect(performance.now() - written).to.be.below(1_000)
    revoked = once(device, 'revoked')
    await owner.revoke(bob)
    let isOver = false
    const writing = (async () => {
      for (let count = 0; !isOver; count++) await owner.setAddress(`https://lamp${count}.example`)
    })()
    expect(await revoked).to.deep.equal([bob])
    isOver = true
    await writing
  })

  it('notices the changes in a folder that has replaced its own, of which no system tells', async () => {
    const device = await open()
    const phones = [await addPhone(device), await addPhone(device)]
    const moved = `${folder}-moved`
    renameSync(folder, moved)
    cpSync(moved, folder, { recursive: true })
    const owner = await open()
    for (const phone of phones) {
      const revoked = once(device, 'revoked')
      await owner.revoke(phone)
      expect(await revoked).to.deep.equal([phone])
    }
  })

  it('keeps what it knows, and says so, when the file becomes one that it can not use', async () => {
    const ring = await open()
    const phone = await addPhone(ring)
    const failed = once(ring, 'failed')
    writeFileSync(join(folder, 'keys.json'), 'nonsense')
    expect(String((await failed)[0])).to.include('it is no JSON')
    expect(ring.mayUse(phone)).to.equal(true)
  })

  it('takes over a lock whose process is gone, or has held it for too long', async () => {
    const ring = await open()
    const lock = join(folder, 'keys.lock')
    writeFileSync(lock, '4194305')
    await addPhone(ring)
    writeFileSync(lock, `${process.pid}`)
    const longAgo = Date.now() / 1000 - 11
    utimesSync(lock, longAgo, longAgo)
    await addPhone(ring)
    expect(readdirSync(folder)).to.deep.equal(['keys.json'])
  })

  it('keeps every change of those who find such a lock at once', async () => {
    const all = [await open(), await open(), await open()]
    for (let round = 0; round < 2; round++) {
      writeFileSync(join(folder, 'keys.lock'), '4194305')
      await Promise.all(all.map(ring => addPhone(ring)))
    }
    await all[0]?.reload()
    expect(all[0]?.phones().length).to.equal(6)
    expect(readdirSync(folder)).to.deep.equal(['keys.json'])
  })

  it('says no secret in an error', async () => {
    const ring = await open()
    const { url } = await ring.invite({ address: ADDRESS })
    chmodSync(join(folder, 'keys.json'), 0o644)
    const why = await failure(ring.invite({ address: ADDRESS }))
    expect(why).to.include('others can read it')
    expect(why).not.to.include(secretOf(url))
    chmodSync(join(folder, 'keys.json'), 0o600)
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
