import { once } from 'node:events'
import { certificates, closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client } from '../../lib/doors/node-client'
import { Server } from '../../lib/server/server'
import { refusalOf } from '../helpers/pairing-scene'
import { RelayServer } from '../helpers/running-relay'

describe('A phone without a camera', () => {
  closesWhatItOpened()

  async function startDevice() {
    const { ca, server: tls } = await certificates()
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 100 }))
    const { port } = await device.host(({ event }) => `${event} is done`, undefined, { port: 0, tls })
    const url = `https://127.0.0.1:${port}`
    await device.keys.setAddress(url)
    const phone = () => {
      const client = new Client({ tls: { ca } })
      onCleanUp(() => client.close())
      return client
    }
    return { device, url, phone }
  }

  it('is paired by the code that its owner reads out, which counts once', async () => {
    const { device, url, phone } = await startDevice()
    const { code = '', endsAt } = await device.keys.invite({ asks: false, code: true })
    expect(endsAt - Date.now()).to.be.within(100_000, 120_000)
    const ann = phone()
    const typed = code.toLowerCase().replace('-', ' ')
    await paired(() => ann.pairByCode(url, typed, 'Ann'))
    expect(await ann.send('on')).to.equal('on is done')
    expect(device.keys.phones().map(({ name }) => name)).to.deep.equal(['Ann'])
    expect(await refusalOf(phone().pairByCode(url, code, 'Eve'))).to.equal('disconnected unknown-device')
  })

  for (const scheme of ['wss', 'tokens'] as const)
    it(`is paired through a relay that the device dials by ${scheme}:, which gives the invitation out once`, async () => {
      const relay = await RelayServer.start({
        config: { OPEN_DEVICES: true },
        limits: { joinGrace: 300 },
        page: async () => undefined
      })
      onCleanUp(() => relay.stop())
      const device = new Server()
      onCleanUp(() => device.close({ timeout: 0 }))
      await device.hostMiddleware(relay.url(scheme), () => 'done', undefined, { tls: relay.tls })
      expect(device.keys.address).to.equal(relay.url('https'))
      const { code = '' } = await device.keys.invite({ asks: false, code: true })
      const phones = [new Client({ tls: relay.tls }), new Client({ tls: relay.tls })] as const
      for (const phone of phones) onCleanUp(() => phone.close())
      await paired(() => phones[0].pairByCode(relay.url('https'), code, 'Ann'))
      expect(await phones[0].send('on')).to.equal('done')
      expect(await refusalOf(phones[1].pairByCode(relay.url('https'), code, 'Eve'))).to.equal(
        'disconnected unknown-device'
      )
    })

  it('is refused with a code that is none, or under which nothing lies', async () => {
    const { url, phone } = await startDevice()
    expect(await refusalOf(phone().pairByCode(url, 'lamp', 'Ann'))).to.equal('invalid')
    expect(await refusalOf(phone().pairByCode(url, '00000-00000', 'Ann'))).to.equal(
      'disconnected unknown-device'
    )
  })

  it('says to the owner that nobody holds the invitation, when no listener and no relay is there', async () => {
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 100 }))
    const { port } = await device.host(() => 'done', undefined, { port: 0, page: false })
    await device.keys.setAddress(`http://127.0.0.1:${port}`)
    const failed = once(device.keys, 'failed')
    for (let count = 0; count < 5; count++) await device.keys.invite({ code: true })
    expect(String((await failed)[0])).to.include('no relay holds the invitation')
  })
})

/** The device posts the invitation in a moment: a person types for longer. */
async function paired(pair: () => Promise<unknown>): Promise<void> {
  for (;;)
    try {
      await pair()
      return
    } catch (error) {
      expect((error as { code?: string }).code).to.equal('disconnected')
    }
}
