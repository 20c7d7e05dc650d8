import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { admissionTag, deviceIdOf, tagHash, textKey } from '../../lib/sealing/keys'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { webScrypt } from '../../lib/sealing/web-scrypt'

const noScrypt = () => Promise.reject(new Error('scrypt was called'))

describe('The key that a text stands for', () => {
  it('seals nothing when the text is empty', async () => {
    const { mode, psk } = await textKey('', 'lamp', noScrypt)
    expect([mode, psk.length]).to.deep.equal(['plain', 0])
  })

  it('is the 32 bytes themselves when the text is their base64url', async () => {
    const bytes = randomBytes(32)
    const { mode, psk } = await textKey(toBase64url(bytes), 'lamp', noScrypt)
    expect(mode).to.equal('shared')
    expect(psk).to.deep.equal(bytes)
  })

  it('comes from scrypt for a passphrase, the same on Node and in a browser, another one for each device', async function () {
    this.timeout(20_000)
    const key = await textKey('debug_encryption_key', 'lamp', nodeScrypt)
    expect(key.psk.length).to.equal(32)
    expect(await textKey('debug_encryption_key', 'lamp', webScrypt)).to.deep.equal(key)
    const other = await textKey('debug_encryption_key', 'door', nodeScrypt)
    expect(other.psk).not.to.deep.equal(key.psk)
    expect(other.id).not.to.equal(key.id)
  })

  it('is a passphrase, too, when 43 characters have bits left over', async () => {
    const text = `${'A'.repeat(42)}B`
    expect((await textKey(text, 'lamp', nodeScrypt)).psk).not.to.deep.equal(new Uint8Array(32))
  })

  it('is the same however an accent was typed', async () => {
    const [composed, combining] = await Promise.all(
      ['caf\u00e9', 'cafe\u0301'].map(text => textKey(text, 'lamp', nodeScrypt))
    )
    expect(composed).to.deep.equal(combining)
  })

  it('has an id that another key has not, in 12 characters', async () => {
    const texts = Array.from({ length: 50 }, () => toBase64url(randomBytes(32)))
    const ids = await Promise.all(texts.map(async text => (await textKey(text, 'lamp', noScrypt)).id))
    for (const id of ids) expect(id).to.match(/^k[\w-]{11}$/)
    expect(new Set(ids).size).to.equal(50)
  })
})

describe('What follows from a key', () => {
  it('the id of a device is 22 characters of the hash of its public key', async () => {
    expect(await deviceIdOf(utf8('abc'))).to.equal('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'.slice(0, 22))
  })

  it('the tag of a key is 16 bytes, and its hash is told to the relay', async () => {
    const [tag, other] = await Promise.all([admissionTag(new Uint8Array(32)), admissionTag(randomBytes(32))])
    expect([tag.length, other.length]).to.deep.equal([16, 16])
    expect(tag).not.to.deep.equal(other)
    expect(await tagHash(tag)).to.match(/^[\w-]{43}$/)
  })
})
