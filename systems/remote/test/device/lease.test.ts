import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { failureOf, makeScene, newKey, type Scene } from '../helpers/device-and-client'
import { PairingScene, refusalOf } from '../helpers/pairing-scene'

describe('A lease', () => {
  let scene: Scene
  let clock: FakeClock
  beforeEach(async () => {
    clock = new FakeClock({ date: Date.now() })
    scene = await makeScene({ handler: () => 'done', clock })
  })
  afterEach(() => scene.close())

  async function guest() {
    const client = scene.another()
    await client.connect('ws://device', scene.key)
    return client
  }

  it('ends 10 s after its holder has gone, and at its time when that is sooner', async () => {
    for (const [time, left] of [
      [600_000, 10_000],
      [5_000, 5_000]
    ] as const) {
      const holder = await guest()
      await holder.lease(time)
      holder.close()
      await until(() => scene.hub.stats.clients === 1)
      expect((await scene.client.state()).lease).to.deep.include({ mine: false, remaining: left })
      clock.advance(left - 1)
      expect(await failureOf(scene.client.send('a'))).to.include({ reason: 'leased', ran: 'no' })
      clock.advance(1)
      expect(await scene.client.send('a')).to.equal('done')
    }
  })

  it('goes on when its holder comes back in time', async () => {
    const holder = await guest()
    await holder.lease(600_000)
    scene.host.link.cut()
    await until(() => scene.hub.stats.clients === 1)
    await until(() => holder.status === 'ready')
    clock.advance(60_000)
    expect(await failureOf(scene.client.send('a'))).to.include({ reason: 'leased' })
    expect(await holder.send('a')).to.equal('done')
  })

  it('is ended by the owner of the device, whoever has it', async () => {
    expect(scene.hub.endLease()).to.equal(false)
    const holder = await guest()
    await holder.lease(600_000)
    expect(scene.hub.endLease()).to.equal(true)
    expect(await scene.client.send('a')).to.equal('done')
    expect((await holder.state()).lease).to.equal(undefined)
    expect(scene.hub.endLease()).to.equal(false)
  })

  it('is not for a phone that was paired for events without it', async () => {
    const phone = newKey('paired')
    scene.keys.keys.set(phone.id, phone)
    scene.keys.denials.set('lease', 'not-allowed')
    const client = scene.another()
    await client.connect('ws://device', phone)
    expect(await failureOf(client.lease(1_000))).to.include({
      code: 'refused',
      reason: 'not-allowed',
      ran: 'no'
    })
    const pairing = await PairingScene.open()
    for (const [events, end] of [
      [['on'], 'refused not-allowed'],
      [['on', 'lease'], 'taken']
    ] as const) {
      const { phone } = await pairing.paired('Ann', { events: [...events] })
      const lease = phone
        .lease(1_000)
        .then(taken => taken.release().then(() => Promise.reject(new Error('taken'))))
      expect(await refusalOf(lease)).to.equal(end)
    }
    await pairing.close()
  })
})
