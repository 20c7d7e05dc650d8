import { expect } from 'chai'
import { CipherSuite } from 'hpke'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { ClientHandshake, DeviceHandshake, HandshakeError } from '../../lib/sealing/handshake'
import { nodeAead } from '../../lib/sealing/node-aead'
import { nodeKdf } from '../../lib/sealing/node-kdf'
import { nodeKem } from '../../lib/sealing/node-kem'
import { openOnce, sealOnce } from '../../lib/sealing/once'
import type { SealingKey } from '../../lib/sealing/session'
import { createSuite } from '../../lib/sealing/suite'
import { frameOf, refused, sealedPair, sharedKey, suite, testDevice } from '../helpers/sealed-pair'

describe('A handshake', () => {
  it('says the first words of both sides, and begins a session between them', async () => {
    const [key, device] = [sharedKey(), await testDevice()]
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const own = await ClientHandshake.begin(
      suite,
      hello,
      device.publicKey,
      key,
      utf8('first'),
      randomBytes(8)
    )
    const { first, session, accept } = await theirs.open(frameOf(own.start), () => key)
    const { reply } = await own.finish(frameOf(await accept(utf8('welcome'))))
    expect([textOf(first), textOf(reply)]).to.deep.equal(['first', 'welcome'])
    expect(session.place).to.deep.equal(own.place)
  })

  it('works between Node and WebCrypto, both ways round', async () => {
    const web = createSuite()
    for (const suites of [[suite, web] as const, [web, suite] as const]) {
      const { client, device } = await sealedPair({ suites })
      expect(textOf(await device.open(frameOf(await client.seal(utf8('on')))))).to.equal('on')
      expect(textOf(await client.open(frameOf(await device.seal(utf8('done')))))).to.equal('done')
    }
  })

  it('takes, after any number of wrong ones, the right one', async () => {
    const [key, device] = [sharedKey(), await testDevice()]
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const begin = (under: SealingKey) =>
      ClientHandshake.begin(suite, hello, device.publicKey, under, utf8('first'), randomBytes(8))
    for (let count = 0; count < 3; count++) {
      const wrong = await begin(sharedKey())
      expect(await refused(theirs.open(frameOf(wrong.start), () => key))).to.equal(true)
    }
    const right = await begin(key)
    expect(await refused(theirs.open(frameOf(right.start), () => key))).to.equal(false)
  })

  it('tells a key that nobody has from a wrong one neither by words nor by work', async () => {
    let exchanges = 0
    const counting = new CipherSuite(
      () => {
        const made = nodeKem()
        return {
          ...made,
          Decap: (...parameters) => {
            exchanges++
            return made.Decap(...parameters)
          }
        }
      },
      nodeKdf,
      nodeAead
    )
    const [key, device] = [sharedKey(), await testDevice(counting)]
    const theirs = await DeviceHandshake.create(counting, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const own = await ClientHandshake.begin(suite, hello, device.publicKey, key, utf8('x'), randomBytes(8))
    const asked = await sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('x'))
    const told = async (open: () => Promise<unknown>) => {
      exchanges = 0
      const error: unknown = await open().catch((thrown: unknown) => thrown)
      expect(error).to.be.instanceOf(HandshakeError)
      return `${(error as Error).message}, ${exchanges}`
    }
    const [start, once] = [frameOf(own.start), frameOf(asked.frame)]
    expect(await told(() => theirs.open(start, () => undefined))).to.equal(
      await told(() => theirs.open(start, () => sharedKey()))
    )
    expect(await told(() => openOnce(counting, device.keys, once, () => undefined))).to.equal(
      await told(() => openOnce(counting, device.keys, once, () => sharedKey()))
    )
  })

  it('under the empty key seals nothing, and says so by its mode', async () => {
    const plain: SealingKey = { id: '', mode: 'plain', psk: new Uint8Array() }
    const { client, device, frames } = await sealedPair({ key: plain })
    expect(Buffer.from(frames.start).includes('first')).to.equal(true)
    expect([client.mode, device.mode]).to.deep.equal(['plain', 'plain'])
    expect(textOf(await device.open(frameOf(await client.seal(utf8('on')))))).to.equal('on')
    expect(await refused(client.export('sas', 4))).to.equal(true)
  })

  it('keeps nothing of the buffers in which its frames came', async () => {
    const [key, device] = [sharedKey(), await testDevice()]
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const own = await ClientHandshake.begin(suite, hello, device.publicKey, key, utf8('x'), randomBytes(8))
    const pooled = Buffer.from(own.start)
    const { session, accept } = await theirs.open(frameOf(pooled), () => key)
    pooled.fill(0)
    const { session: client } = await own.finish(frameOf(await accept(utf8('y'))))
    expect(textOf(await client.open(frameOf(await session.seal(utf8('done')))))).to.equal('done')
  })
})
