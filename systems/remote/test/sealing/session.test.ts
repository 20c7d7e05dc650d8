import { expect } from 'chai'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { frameOf, refused, sealedPair } from '../helpers/sealed-pair'

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
})
