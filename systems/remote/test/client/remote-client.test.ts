import { expect } from 'chai'
import { RemoteError } from '../../lib/errors/remote-error'
import { failureOf, makeScene } from '../helpers/device-and-client'

describe('A client and a device', () => {
  it('ask and answer, in the words of the program on both sides', async () => {
    const scene = await makeScene({ handler: ({ event, payload }) => ({ event, payload }) })
    expect(await scene.client.send('example-event', { key: 'example' })).to.deep.equal({
      event: 'example-event',
      payload: { key: 'example' }
    })
    expect(scene.client.pending).to.equal(0)
    await scene.close()
  })

  it('do not connect without a key, and with what is none', async () => {
    const scene = await makeScene({ handler: () => 1 })
    for (const url of ['ws://device', `https://device?device=${scene.hub.deviceId}`])
      expect(await failureOf(scene.another().connect(url))).to.include({ code: 'invalid', ran: 'no' })
    const wrong = [7, {}, new Uint8Array(32), { id: 'a', psk: 'text' }, null]
    for (const key of wrong.slice(0, 4))
      expect(await failureOf(scene.another().connect('ws://device', key as never))).to.include({
        code: 'invalid'
      })
    for (const url of wrong)
      expect(await failureOf(scene.another().connect(url as never, scene.key))).to.include({
        code: 'invalid'
      })
    const client = scene.another()
    expect(() => client.setEncryption(7 as never)).to.throw(RemoteError)
    client.setEncryption(scene.key)
    await client.connect('ws://device')
    expect(await client.send('a')).to.equal(1)
    await scene.close()
  })

  it('refuse a payload that is no JSON, and take undefined for null', async () => {
    const ring: unknown[] = []
    ring.push(ring)
    const scene = await makeScene({ handler: ({ payload }) => ({ payload }) })
    const none: unknown[] = [() => 1, Symbol('a'), 1n, ring, { toJSON: () => undefined }]
    for (const payload of none)
      expect(await failureOf(scene.client.send('a', payload)), typeof payload).to.include({
        code: 'invalid',
        event: 'a',
        ran: 'no'
      })
    expect(await scene.client.send('a')).to.deep.equal({ payload: null })
    await scene.close()
  })
})
