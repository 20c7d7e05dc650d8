import { expect } from 'chai'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { openOnce, sealOnce } from '../../lib/sealing/once'
import type { SealingKey } from '../../lib/sealing/session'
import { frameOf, refused, sharedKey, suite, testDevice } from '../helpers/sealed-pair'

describe('A request without a connection', () => {
  const key = sharedKey()
  const find = (id: string) => (id === key.id ? key : undefined)

  it('is opened by the device that it is for, and its answer by the one who asked', async () => {
    const device = await testDevice()
    const asked = await sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('on?'))
    const opened = await openOnce(suite, device.keys, frameOf(asked.frame), find)
    expect([textOf(opened.plain), opened.mode]).to.deep.equal(['on?', 'shared'])
    const answer = frameOf(await opened.seal(utf8('yes')))
    expect(textOf(await asked.openAnswer(answer))).to.equal('yes')
  })

  it('has an answer that opens no other request', async () => {
    const device = await testDevice()
    const ask = () => sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('on?'))
    const [one, two] = [await ask(), await ask()]
    const opened = await openOnce(suite, device.keys, frameOf(one.frame), find)
    const answer = frameOf(await opened.seal(utf8('yes')))
    expect(await refused(two.openAnswer(answer))).to.equal(true)
    expect(await refused(one.openAnswer({ ...answer, body: answer.body.subarray(0, 40) }))).to.equal(true)
    expect(textOf(await one.openAnswer(answer))).to.equal('yes')
  })

  it('is refused by another device, under another key, of another mode, and with any byte changed', async () => {
    const [device, other] = [await testDevice(), await testDevice()]
    const { frame } = await sealOnce(suite, device.publicKey, { device: device.id }, key, utf8('on?'))
    const open = (bytes: Uint8Array, keys = device.keys, known: SealingKey | undefined = key) => {
      const decoded = frameOf(bytes)
      return refused(decoded ? openOnce(suite, keys, decoded, () => known) : Promise.reject())
    }
    expect(await open(frame)).to.equal(false)
    expect(await open(frame, other.keys)).to.equal(true)
    expect(await open(frame, device.keys, sharedKey())).to.equal(true)
    expect(await open(frame, device.keys, { ...key, mode: 'paired' })).to.equal(true)
    expect(await refused(openOnce(suite, device.keys, frameOf(frame), () => undefined))).to.equal(true)
    for (let index = 0; index < frame.length; index++) {
      const changed = frame.slice()
      changed[index] = (changed[index] as number) ^ 1
      expect(await open(changed), `byte ${index}`).to.equal(true)
    }
  })

  it('is not sealed to a static key that is not of the device, nor under the empty key', async () => {
    const [device, other] = [await testDevice(), await testDevice()]
    const plain: SealingKey = { id: '', mode: 'plain', psk: new Uint8Array() }
    const ask = (publicKey: Uint8Array, under: SealingKey) =>
      sealOnce(suite, publicKey, { device: device.id }, under, utf8('on?'))
    expect(await refused(ask(other.publicKey, key))).to.equal(true)
    expect(await refused(ask(new Uint8Array(7), key))).to.equal(true)
    expect(await refused(ask(device.publicKey, plain))).to.equal(true)
  })
})
