import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, type ClientOptions, type RemoteError, Server } from '../../lib'
import { failureOf } from '../helpers/device-and-client'
import { RelayServer } from '../helpers/running-relay'
import { tokenOf } from '../helpers/secret'

const KEY = 'A'.repeat(43)
const USER = { userId: '7' }
/** Of a token that ends soon. */
const SHORT = 3_000

describe('A token that is renewed at a relay', () => {
  closesWhatItOpened()
  let relay: RelayServer
  before(async () => {
    relay = await RelayServer.start()
  })
  after(() => relay.stop())

  async function startDevice(scheme: 'wss' | 'tokens', jwt: string) {
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    await device.hostMiddleware(relay.url(scheme), ({ payload }) => payload, KEY, { tls: relay.tls, jwt })
    const lost: unknown[] = []
    device.on('relay', ({ error }) => lost.push(error?.reason))
    return { device, lost }
  }

  async function connect(device: Server, scheme: 'wss' | 'tokens' | 'https', jwt: ClientOptions['jwt']) {
    const client = new Client({ tls: relay.tls, jwt })
    onCleanUp(() => client.close())
    await client.connect(`${relay.url(scheme)}?device=${device.hub.deviceId}`, KEY)
    await client.send('a')
    const lost: string[] = []
    client.setStatusHandler((status, error) => lost.push(`${status} ${error?.reason}`))
    return { client, lost }
  }

  for (const scheme of ['wss', 'tokens'] as const)
    it(`keeps the connections of a device and its clients open, over ${scheme}`, async function () {
      this.timeout(20_000)
      const short = () => tokenOf({ ...USER, ttl: SHORT })
      // Each is renewed at once: a busy machine needs its time for four of them.
      const { device, lost } = await startDevice(scheme, await short())
      await device.relays[0]?.renewJwt(await tokenOf(USER))
      const given = await connect(device, scheme, await short())
      await given.client.renewJwt(await tokenOf(USER))
      let token = await short()
      const called = await connect(device, scheme, () => token)
      token = await tokenOf(USER)
      await called.client.renewJwt()
      // Its token ends after those that the others had.
      const cut = await connect(device, scheme, await short())
      await until(() => cut.lost.length > 0)
      expect(cut.lost[0]).to.equal('connecting unauthenticated')
      expect([lost, given.lost, called.lost]).to.deep.equal([[], [], []])
      expect(await given.client.send('a', 1)).to.equal(1)
    })

  it('that is not good, or is of somebody else, is refused, and the one of before goes on', async () => {
    const { device, lost } = await startDevice('wss', await tokenOf(USER))
    const { client } = await connect(device, 'wss', await tokenOf(USER))
    const refused = { code: 'refused', reason: 'unauthenticated', ran: 'no' }
    const [none, others, good] = ['a.b.c', await tokenOf({ userId: '8' }), await tokenOf(USER)]
    for (const who of [client, device.relays[0] as Server['relays'][number]]) {
      const asked = [none, others, good].map(jwt => who.renewJwt(jwt).catch((error: RemoteError) => error))
      const [first, second, third] = await Promise.all(asked)
      expect(first).to.include(refused)
      expect(second).to.include(refused)
      expect(third).to.equal(undefined)
      for (const wrong of [undefined, 7 as never])
        expect(await failureOf(who.renewJwt(wrong))).to.include({ code: 'invalid' })
    }
    expect(lost).to.deep.equal([])
    expect(await client.send('a', 1)).to.equal(1)
  })

  it('counts for later connections, of a client that has none, too', async () => {
    const { device } = await startDevice('wss', await tokenOf(USER))
    for (const scheme of ['wss', 'https'] as const) {
      const client = new Client({ tls: relay.tls, jwt: 'a.b.c' })
      onCleanUp(() => client.close())
      await client.renewJwt(await tokenOf(USER))
      // With another key than that of the device, only the token lets it in.
      await client.connect(`${relay.url(scheme)}?device=${device.hub.deviceId}`, 'B'.repeat(43))
    }
  })
})
