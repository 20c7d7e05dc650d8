import { certificates, closesWhatItOpened, isLong, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes, randomId } from '../../lib/encoding/random-id'
import { Server } from '../../lib/server/server'
import { RelayServer } from '../helpers/running-relay'

/** Each of them shakes hands by TLS and by HPKE, all in this process. */
const CLIENTS = isLong ? 1_000 : 100
const KEY = toBase64url(randomBytes(32))

describe(`${CLIENTS} clients that ask one device at once`, function () {
  closesWhatItOpened()
  this.timeout(isLong ? 300_000 : 90_000)
  let relay: RelayServer

  before(async () => {
    const limits = { maxClientsPerDevice: CLIENTS + 10 }
    relay = await RelayServer.start({ config: { OPEN_DEVICES: true, LOG_LEVEL: 'warn' }, limits })
  })
  after(() => relay.stop())

  /** Says who asked what, so that a reply at the wrong client would be seen. */
  const handler = ({ payload }: { payload: unknown }) => ({ answerTo: payload })

  async function median(url: string, ca: string | Buffer): Promise<{ all: number; one: number }> {
    const clients: Client[] = []
    onCleanUp(() => {
      for (const client of clients) client.close()
    })
    for (let first = 0; first < CLIENTS; first += 10) {
      const some = Array.from(
        { length: 10 },
        () =>
          new Client({ tls: { ca, servername: 'localhost' }, timeoutLength: 60_000, connectTimeout: 60_000 })
      )
      clients.push(...some)
      await Promise.all(some.map(client => client.connect(url, KEY)))
      await Promise.all(some.map(client => client.send('warm', 0)))
    }
    const times = await Promise.all(
      clients.flatMap((client, number) =>
        [1, 2].map(async turn => {
          const asked = { client: number, turn, secret: randomId() }
          const start = performance.now()
          expect(await client.send('ask', asked)).to.deep.equal({ answerTo: asked })
          return performance.now() - start
        })
      )
    )
    const alone: number[] = []
    for (let turn = 0; turn < 200; turn++) {
      const start = performance.now()
      await clients[0]?.send('ask', turn)
      alone.push(performance.now() - start)
    }
    return { all: middle(times), one: middle(alone) }
  }

  it('each get their own reply, directly and by a relay', async () => {
    const certs = await certificates()
    const device = new Server({ maxQueuedCommands: 2 * CLIENTS + 10 })
    onCleanUp(() => device.close({ timeout: 0 }))
    const { port } = await device.host(handler, KEY, { port: 0, tls: certs.server })
    const direct = await median(`wss://127.0.0.1:${port}`, certs.ca)
    const relayed = new Server({ maxQueuedCommands: 2 * CLIENTS + 10 })
    onCleanUp(() => relayed.close({ timeout: 0 }))
    await relayed.hostMiddleware(relay.url('tokens'), handler, KEY, { tls: relay.tls })
    const byRelay = await median(`${relay.url('wss')}?device=${relayed.hub.deviceId}`, relay.ca)
    const words = ({ all, one }: { all: number; one: number }) =>
      `${all.toFixed(1)} ms all at once, ${one.toFixed(2)} ms one alone`
    console.log(`      p50: direct ${words(direct)}; by a relay ${words(byRelay)}`)
    expect(relay.running.relay.counters.foreignFrames).to.equal(0)
  })
})

function middle(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] as number
}
