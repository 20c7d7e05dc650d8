import { expect } from 'chai'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import { nodeAead } from '../../lib/sealing/node-aead'
import type { SealingKey } from '../../lib/sealing/session'
import { createSuite } from '../../lib/sealing/suite'
import { decodeFrame, type Frame } from '../../lib/wire/frame'

const suite = createSuite({ aead: nodeAead })

function frameOf(bytes: Uint8Array): Frame {
  return decodeFrame(bytes) as Frame
}

describe('A sealed session', () => {
  it('carries frames both ways, strictly in order', async () => {
    const key: SealingKey = { id: 'k', mode: 'shared', psk: randomBytes(32) }
    const device = await DeviceHandshake.create(suite, 'lamp', 'c1')
    const client = await ClientHandshake.begin(
      suite,
      frameOf(device.hello()),
      key,
      utf8('first'),
      randomBytes(8)
    )
    const accepted = await device.open(frameOf(client.start), id => (id === 'k' ? key : undefined))
    expect(textOf(accepted.first)).to.equal('first')
    const { session, reply } = await client.finish(frameOf(await accepted.accept(utf8('welcome'))))
    expect(textOf(reply)).to.equal('welcome')
    const [one, two] = [await session.seal(utf8('one')), await session.seal(utf8('two'))]
    expect(await refused(accepted.session.open(frameOf(two)))).to.equal(true)
    expect(textOf(await accepted.session.open(frameOf(one)))).to.equal('one')
    expect(await refused(accepted.session.open(frameOf(one)))).to.equal(true)
    expect(textOf(await accepted.session.open(frameOf(two)))).to.equal('two')
    expect(textOf(await session.open(frameOf(await accepted.session.seal(utf8('back')))))).to.equal('back')
    expect(await session.export('sas', 4)).to.deep.equal(await accepted.session.export('sas', 4))
  })
})

function refused(opening: Promise<unknown>): Promise<boolean> {
  return opening.then(
    () => false,
    () => true
  )
}
