import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { CommandContext, CommandRequest } from '../../lib/device/handler'
import { Client } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { Server } from '../../lib/server/server'
import { failureOf } from '../helpers/device-and-client'
import { RelayServer } from '../helpers/running-relay'

const KEY = toBase64url(randomBytes(32))

describe('A device that closes', () => {
  closesWhatItOpened()
  let relay: RelayServer

  before(async () => {
    relay = await RelayServer.start({ config: { OPEN_DEVICES: true, LOG_LEVEL: 'warn' } })
  })
  after(() => relay.stop())

  for (const way of ['its own port', 'a relay', 'a relay, over https']) {
    /** One command that runs, and one that waits. */
    async function start() {
      const at: { finish?: (answer: unknown) => void; signal?: AbortSignal; ran: string[] } = { ran: [] }
      const handler = ({ event }: CommandRequest, { signal }: CommandContext) => {
        at.ran.push(event)
        at.signal = signal
        return new Promise(resolve => {
          at.finish = resolve
        })
      }
      const device = new Server()
      onCleanUp(() => device.close({ timeout: 0 }))
      const client = new Client({ tls: relay.tls })
      onCleanUp(() => client.close())
      if (way === 'its own port') {
        const { port } = await device.host(handler, KEY, { port: 0 })
        await client.connect(`ws://127.0.0.1:${port}`, KEY)
      } else {
        await device.hostMiddleware(relay.url('wss'), handler, KEY, { tls: relay.tls })
        const url = relay.url(way === 'a relay' ? 'wss' : 'https')
        await client.connect(`${url}?device=${device.hub.deviceId}`, KEY)
      }
      const running = client.send('runs')
      running.catch(() => undefined)
      await until(() => at.ran.length === 1)
      const waiting = failureOf(client.send('waits'))
      await until(() => device.hub.stats.commands === 2)
      return { at, device, client, outcomes: { running, waiting } }
    }

    it(`gives a handler the time to finish, and answers it: at ${way}`, async () => {
      const { at, device, client, outcomes } = await start()
      const closed = device.close({ timeout: 20_000 })
      expect(await outcomes.waiting).to.include({ code: 'refused', reason: 'shutting-down', ran: 'no' })
      expect(await failureOf(client.send('late'))).to.include({ reason: 'shutting-down', ran: 'no' })
      expect(at.signal?.aborted).to.equal(false)
      at.finish?.('x'.repeat(900_000))
      expect(await outcomes.running).to.have.length(900_000)
      await closed
      expect(at.ran).to.deep.equal(['runs'])
    })

    it(`says of a handler that takes longer that it ran, and tells it: at ${way}`, async () => {
      const { at, device, outcomes } = await start()
      await device.close({ timeout: 100 })
      expect(await failureOf(outcomes.running)).to.include({ reason: 'shutting-down', ran: 'yes' })
      expect(await outcomes.waiting).to.include({ reason: 'shutting-down', ran: 'no' })
      expect(at.signal?.aborted).to.equal(true)
    })
  }

  it('takes nobody new meanwhile', async () => {
    let finish = (_: unknown) => {}
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    const { port } = await device.host(() => new Promise(resolve => (finish = resolve)), KEY, { port: 0 })
    const client = new Client()
    onCleanUp(() => client.close())
    await client.connect(`ws://127.0.0.1:${port}`, KEY)
    const running = client.send('runs')
    await until(() => device.hub.stats.commands === 1)
    const closed = device.close({ timeout: 20_000 })
    const late = new Client()
    onCleanUp(() => late.close())
    await late.connect(`ws://127.0.0.1:${port}`, KEY).catch(() => undefined)
    await until(() => device.hub.stats.clients === 1)
    expect(await failureOf(late.send('late', null, { timeout: 300 }))).to.include({ ran: 'no' })
    finish('done')
    expect(await running).to.equal('done')
    await closed
  })
})
