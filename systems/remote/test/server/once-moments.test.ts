import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, type RemoteError, Server } from '../../lib'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { MemoryStore } from '../../lib/keys/key-store'
import { RelayServer } from '../helpers/running-relay'

const KEY = toBase64url(randomBytes(32))
/** At least so many are asked, until somebody is gone. */
const REQUESTS = 24
/** Milliseconds that a handler takes. */
const WORK = 40

/** Ends the device, the relay or the client while requests without a connection are on their way, at the device, and on the way back. */
describe('A request without a connection while somebody goes', () => {
  closesWhatItOpened()

  const goes: Record<string, (world: World) => unknown> = {
    'the device is closed': ({ device }) => device.close({ timeout: 0 }),
    'the device is replaced by itself': ({ twin }) => twin(),
    'the relay is closed': ({ relay }) => relay.running.relay.close(),
    'the relay is cut': ({ relay }) => {
      relay.running.service.server.close({ timeout: 0 })
      relay.running.relay.close()
    },
    'the client is closed': ({ client }) => client.close()
  }

  for (const [name, go] of Object.entries(goes))
    it(`${name}: nothing that ran is told not to have run`, async () => {
      const world = await makeWorld()
      const { client, ran } = world
      const settled = new Map<number, string>()
      const ask = async (index: number) => {
        const failure: RemoteError | undefined = await client.send('x', index).then(
          () => undefined,
          error => error
        )
        settled.set(index, failure?.ran ?? 'answered')
      }
      let isGone = false
      const requests: Promise<void>[] = []
      const asking = (async () => {
        for (let index = 0; index < REQUESTS || !isGone; index++) {
          requests.push(ask(index))
          await wait(index < REQUESTS ? 5 : WORK)
        }
      })()
      await until(() => ran.length >= 6)
      await go(world)
      isGone = true
      await asking
      await Promise.all(requests)
      await wait(2 * WORK)
      for (const [index, did] of settled) {
        const runs = ran.filter(each => each === index).length
        expect(runs, `request ${index}`).to.be.at.most(1)
        if (did === 'no') expect(runs, `request ${index}, which is told not to have run`).to.equal(0)
        if (did === 'yes' || did === 'answered') expect(runs, `request ${index}`).to.equal(1)
      }
      expect(ran).not.to.have.length(0)
    })
})

type World = Awaited<ReturnType<typeof makeWorld>>

async function makeWorld() {
  const relay = await RelayServer.start({
    config: { OPEN_DEVICES: true },
    limits: { joinGrace: 200, maxOncePerSecond: 1_000 }
  })
  onCleanUp(() => relay.stop())
  const [ran, store]: [unknown[], MemoryStore] = [[], new MemoryStore()]
  const handler = async ({ payload }: { payload: unknown }) => {
    ran.push(payload)
    await wait(WORK)
    return payload
  }
  const open = async () => {
    const device = new Server({ keys: { store }, concurrent: true })
    onCleanUp(() => device.close({ timeout: 0 }))
    device.on('relay', () => {})
    await device.hostMiddleware(relay.url('wss'), handler, KEY, { tls: relay.tls })
    return device
  }
  const device = await open()
  const client = new Client({ tls: relay.tls, timeoutLength: 1_500 })
  onCleanUp(() => client.close())
  await client.connect(`${relay.url('https')}?device=${device.hub.deviceId}`, KEY)
  await client.send('x', 'first')
  await until(() => ran.length === 1)
  ran.length = 0
  return { relay, device, client, ran, twin: open }
}
