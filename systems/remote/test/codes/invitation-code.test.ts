import { expect } from 'chai'
import { cleanCode, placeOfCode, randomCode } from '../../lib/codes/invitation-code'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { createSuite } from '../../lib/sealing/suite'
import { webScrypt } from '../../lib/sealing/web-scrypt'
import { builds } from '../helpers/builds'
import { suite } from '../helpers/key-rings'

const INVITATION = 'https://lamp.example/r#v=2&d=…'

describe('The code of an invitation', () => {
  it('has 50 bits, in characters that nobody takes for one another', () => {
    const codes = Array.from({ length: 1000 }, randomCode)
    expect(new Set(codes).size).to.equal(1000)
    for (const code of codes) expect(code).to.match(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/)
    expect(new Set(codes.join('')).size).to.equal(33)
  })

  it('is read as people type it', () => {
    for (const typed of ['0A1B2-C3D4E', 'oaib2c3d4e', ' 0a l b 2 - c3d4e '])
      expect(cleanCode(typed)).to.equal('0A1B2C3D4E')
    for (const typed of ['', '0A1B2-C3D4', '0A1B2-C3D4EF', '0A1B2-C3D4U', '0A1B2-C3D4!', 'ÀA1B2-C3D4E'])
      expect(cleanCode(typed), typed).to.equal(undefined)
  })

  it('says where the invitation lies and opens it, on Node and in JavaScript alone', async function () {
    this.timeout(60_000)
    const code = randomCode()
    const device = await placeOfCode(suite, nodeScrypt, code)
    const sealed = (await device?.seal(INVITATION)) ?? new Uint8Array()
    const phone = await placeOfCode(createSuite(builds.JavaScript), webScrypt, code.toLowerCase())
    expect(phone?.place).to.equal(device?.place)
    expect(await phone?.open(sealed)).to.equal(INVITATION)
    expect(Buffer.from(sealed).includes('lamp')).to.equal(false)
  })

  it('opens nothing of another code, and nothing that was changed', async () => {
    const [one, two] = [
      await placeOfCode(suite, nodeScrypt, '0A1B2-C3D4E'),
      await placeOfCode(suite, nodeScrypt, '0A1B2-C3D4F')
    ]
    const sealed = (await one?.seal(INVITATION)) ?? new Uint8Array()
    expect(one?.place).not.to.equal(two?.place)
    const changed = Uint8Array.from(sealed)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    for (const [place, bytes] of [
      [two, sealed],
      [one, changed],
      [one, new Uint8Array()],
      [one, sealed.subarray(0, 20)]
    ] as const)
      expect(
        await place?.open(bytes).then(
          () => 'opened',
          () => 'refused'
        )
      ).to.equal('refused')
    expect(await placeOfCode(suite, nodeScrypt, 'no code')).to.equal(undefined)
  })
})
