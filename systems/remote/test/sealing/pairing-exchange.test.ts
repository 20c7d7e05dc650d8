import { expect } from 'chai'
import { randomBytes } from '../../lib/encoding/random-id'
import { deviceIdOf } from '../../lib/sealing/keys'
import { finishPairing, PhonePairing } from '../../lib/sealing/pairing-exchange'
import type { SealingKey } from '../../lib/sealing/session'
import { createSuite } from '../../lib/sealing/suite'
import { builds } from '../helpers/builds'
import { suite } from '../helpers/key-rings'

const invitation: SealingKey = { id: 'i', mode: 'invitation', psk: randomBytes(32) }

async function device() {
  const keys = await suite.GenerateKeyPair()
  const publicKey = await suite.SerializePublicKey(keys.publicKey)
  const id = await deviceIdOf(publicKey)
  const finish = (phone: { enc: Uint8Array; commit: Uint8Array }, own: Uint8Array, number: Uint8Array) =>
    finishPairing(suite, keys, id, invitation, phone, own, number)
  return { id, publicKey, finish, begin: () => PhonePairing.begin(suite, publicKey, id, invitation) }
}

describe('The exchange of a pairing', () => {
  it('ends with the same key and the same four words at both ends, others each time', async () => {
    const { begin, finish } = await device()
    const words = new Set<string>()
    for (let count = 0; count < 5; count++) {
      const [phone, own] = [await begin(), randomBytes(32)]
      const ends = [await phone.finish(own), await finish(phone, own, phone.number)] as const
      expect(ends[0].key).to.deep.equal(ends[1].key)
      expect(ends[0].key.psk.length).to.equal(32)
      expect(ends[0].key.mode).to.equal('paired')
      for (const language of ['en', 'es'] as const)
        expect(ends[0].words(language)).to.equal(ends[1].words(language))
      expect(ends[0].words('en').split(' ').length).to.equal(4)
      words.add(ends[0].words('en'))
    }
    expect(words.size).to.equal(5)
  })

  for (const [name, parts] of Object.entries(builds))
    it(`of a phone whose build is ${name} fits a device on Node`, async () => {
      const { id, publicKey, finish } = await device()
      const phone = await PhonePairing.begin(createSuite(parts), publicKey, id, invitation)
      const own = randomBytes(32)
      const { key } = await phone.finish(own)
      expect((await finish(phone, own, phone.number)).key).to.deep.equal(key)
    })

  it('binds the phone to its number before it knows the device’s', async () => {
    const { begin, finish } = await device()
    const phone = await begin()
    for (const number of [randomBytes(32), new Uint8Array(), phone.number.subarray(1)])
      expect(await failure(finish(phone, randomBytes(32), number))).to.include('bound to another number')
  })

  it('binds the device to its number once the phone may have said its own', async () => {
    const phone = await (await device()).begin()
    const own = randomBytes(32)
    const { key } = await phone.finish(own)
    expect((await phone.finish(own)).key).to.deep.equal(key)
    expect(await failure(phone.finish(randomBytes(32)))).to.include('two numbers')
    expect(await failure((await (await device()).begin()).finish(new Uint8Array()))).to.include('no number')
  })

  it('needs the static key of the device, and not only the invitation', async () => {
    const [real, other] = [await device(), await device()]
    const [phone, own] = [await real.begin(), randomBytes(32)]
    const { key, words } = await phone.finish(own)
    const stolen = await other.finish(phone, own, phone.number)
    expect(stolen.key.id).not.to.equal(key.id)
    expect(stolen.words('en')).not.to.equal(words('en'))
  })

  it('refuses an encapsulated secret that is none, and a public key that is none', async () => {
    const { begin, finish, id } = await device()
    const phone = await begin()
    for (const enc of [new Uint8Array(), new Uint8Array(32), new Uint8Array(31)])
      expect(
        await failure(finish({ ...phone, enc, commit: phone.commit }, randomBytes(32), phone.number))
      ).to.include('no secret')
    expect(await failure(PhonePairing.begin(suite, new Uint8Array(31), id, invitation))).to.include(
      'can not be used'
    )
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
