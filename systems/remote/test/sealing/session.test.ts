import { expect } from 'chai'
import { type AEADFactory, CipherSuite } from 'hpke'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { nodeAead } from '../../lib/sealing/node-aead'
import { nodeKdf } from '../../lib/sealing/node-kdf'
import { nodeKem } from '../../lib/sealing/node-kem'
import { frameOf, refused, sealedPair } from '../helpers/sealed-pair'

/** Takes longer for what comes earlier, so that what overlaps would come in the wrong order. */
const slowing: AEADFactory = () => {
  const made = nodeAead()
  let wait = 20
  const later = () => {
    wait = Math.max(0, wait - 1)
    return new Promise(done => setTimeout(done, wait))
  }
  return {
    ...made,
    Seal: async (...parameters) => {
      await later()
      return await made.Seal(...parameters)
    },
    Open: async (...parameters) => {
      await later()
      return await made.Open(...parameters)
    }
  }
}

describe('A sealed session', () => {
  it('carries frames both ways, strictly in order', async () => {
    const { client, device } = await sealedPair()
    const [one, two] = [await client.seal(utf8('one')), await client.seal(utf8('two'))]
    expect(await refused(device.open(frameOf(two)))).to.equal(true)
    expect(textOf(await device.open(frameOf(one)))).to.equal('one')
    expect(await refused(device.open(frameOf(one)))).to.equal(true)
    expect(textOf(await device.open(frameOf(two)))).to.equal('two')
    expect(textOf(await client.open(frameOf(await device.seal(utf8('back')))))).to.equal('back')
    expect(await client.export('sas', 4)).to.deep.equal(await device.export('sas', 4))
  })

  it('seals and opens in the order of the calls when they overlap, a refused one among them', async () => {
    const slow = new CipherSuite(nodeKem, nodeKdf, slowing)
    const { client, device } = await sealedPair({ suites: [slow, slow] })
    const words = Array.from({ length: 10 }, (_, index) => `word ${index}`)
    const sealed: Uint8Array[] = []
    await Promise.all(words.map(word => client.seal(utf8(word)).then(frame => sealed.push(frame))))
    const opened: string[] = []
    const openings = sealed.flatMap((frame, index) => [
      device.open(frameOf(frame)).then(plain => opened.push(textOf(plain))),
      ...(index === 4 ? [refused(device.open(frameOf(frame)))] : [])
    ])
    const ends = await Promise.all(openings)
    expect(ends.filter(end => end === true).length).to.equal(1)
    expect(opened).to.deep.equal(words)
  })

  it('carries an empty text', async () => {
    const { client, device } = await sealedPair()
    expect((await device.open(frameOf(await client.seal(new Uint8Array())))).length).to.equal(0)
  })

  for (const length of [0, 1, 15])
    it(`refuses a body of ${length} bytes, which has no room for a tag`, async () => {
      const { client, device } = await sealedPair()
      const frame = frameOf(await client.seal(utf8('on')))
      const short = { ...frame, body: frame.body.subarray(0, length) }
      expect(await refused(device.open(short))).to.equal(true)
      expect(textOf(await device.open(frame))).to.equal('on')
    })
})
