import { expect } from 'chai'
import { makeScene } from '../helpers/device-and-client'

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
})
