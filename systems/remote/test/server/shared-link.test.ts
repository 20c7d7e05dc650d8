import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import type { RelayChange } from '../../lib/server/relay-connection'
import { type Handlers, Server } from '../../lib/server/server'
import type { ServerOptions } from '../../lib/server/server-options'
import { failureOf } from '../helpers/device-and-client'
import { RelayServer } from '../helpers/running-relay'

const KEY = toBase64url(randomBytes(32))
/** Together more than may wait on a connection. */
const CLIENTS = 20
const LONG = 1_000_000

describe('A device’s connection to its relay', function () {
  closesWhatItOpened()
  this.timeout(60_000)
  let relay: RelayServer
  let changes: RelayChange[]

  before(async () => {
    relay = await RelayServer.start({ config: { OPEN_DEVICES: true, LOG_LEVEL: 'warn' } })
  })
  after(() => relay.stop())

  async function start(handler: Handlers, options: ServerOptions = {}): Promise<Server> {
    const device = new Server(options)
    onCleanUp(() => device.close({ timeout: 0 }))
    await device.hostMiddleware(relay.url('wss'), handler, KEY, { tls: relay.tls })
    changes = []
    device.on('relay', change => changes.push(change))
    return device
  }

  async function connect(device: Server): Promise<Client> {
    const client = new Client({ tls: relay.tls, timeoutLength: 30_000 })
    onCleanUp(() => client.close())
    await client.connect(`${relay.url('wss')}?device=${device.hub.deviceId}`, KEY)
    return client
  }

  const connectAll = (device: Server) => Promise.all(Array.from({ length: CLIENTS }, () => connect(device)))

  it('stays when a long state is told to many watchers at once, each of whom hears of the last one', async () => {
    const device = await start(() => 'ok', { watch: true })
    const other = await connect(device)
    const last = new Map<Client, unknown>()
    for (const client of await connectAll(device))
      await client.watch({ onState: ({ value }) => last.set(client, String(value).slice(0, 1)) })
    for (const name of ['a', 'b', 'c']) {
      device.state.set(name.padEnd(LONG, 'x'))
      expect(await other.send('x')).to.equal('ok')
    }
    await until(() => [...last.values()].every(value => value === 'c'), 30_000)
    expect(last.size).to.equal(CLIENTS)
    expect(changes).to.deep.equal([])
  })

  it('stays when long answers to many clients are there at once, and all of them arrive', async () => {
    let go = () => {}
    let waiting = 0
    const gate = new Promise<void>(resolve => {
      go = resolve
    })
    const device = await start(
      async () => {
        waiting++
        await gate
        return 'x'.repeat(LONG)
      },
      { concurrent: true }
    )
    const answers = (await connectAll(device)).map(client => client.send('x'))
    await until(() => waiting === CLIENTS)
    go()
    for (const answer of await Promise.all(answers)) expect(answer).to.have.length(LONG)
    expect(changes).to.deep.equal([])
  })

  it('stays when long answers to requests without a connection are there at once, and all of them arrive', async () => {
    let go = () => {}
    let waiting = 0
    const gate = new Promise<void>(resolve => {
      go = resolve
    })
    const device = await start(
      async ({ event }) => {
        if (event === 'now') return event
        waiting++
        await gate
        return 'x'.repeat(LONG)
      },
      { concurrent: true }
    )
    const client = new Client({ tls: relay.tls, timeoutLength: 30_000 })
    onCleanUp(() => client.close())
    await client.connect(`${relay.url('https')}?device=${device.hub.deviceId}`, KEY)
    const other = await connect(device)
    const answers = Array.from({ length: 2 * CLIENTS }, () => client.send('x'))
    await until(() => waiting === answers.length)
    go()
    expect(await other.send('now')).to.equal('now')
    for (const answer of await Promise.all(answers)) expect(answer).to.have.length(LONG)
    expect(changes).to.deep.equal([])
  })

  it('stays when an answer or a state is longer than the relay takes: that alone fails', async () => {
    const device = await start(({ event }) => (event === 'long' ? 'x'.repeat(2 * LONG) : 'ok'), {
      watch: true,
      maxMessageBytes: 4 * LONG,
      limits: { maxFrameBytes: 8 * LONG }
    })
    const client = await connect(device)
    const states: unknown[] = []
    await client.watch({ onState: ({ value }) => states.push(value) })
    expect(await failureOf(client.send('long'))).to.include({
      code: 'handler-failed',
      reason: 'answer-too-large',
      ran: 'yes'
    })
    const once = new Client({ tls: relay.tls })
    onCleanUp(() => once.close())
    await once.connect(`${relay.url('https')}?device=${device.hub.deviceId}`, KEY)
    expect(await failureOf(once.send('long'))).to.include({ reason: 'answer-too-large', ran: 'yes' })
    device.state.set('x'.repeat(2 * LONG))
    expect(await failureOf(client.state())).to.include({ code: 'handler-failed', reason: 'answer-too-large' })
    device.state.set('short')
    await until(() => states.includes('short'))
    expect(states).to.deep.equal([null, 'short'])
    expect(await client.send('x')).to.equal('ok')
    expect(changes).to.deep.equal([])
  })
})

describe('A device’s own listener', () => {
  closesWhatItOpened()

  it('keeps a connection when an answer is longer than a frame may be: the answer fails', async () => {
    const device = new Server({ limits: { maxFrameBytes: 16_384 } })
    onCleanUp(() => device.close({ timeout: 0 }))
    const { port } = await device.host(({ payload }) => 'ü'.repeat(Number(payload)), KEY, { port: 0 })
    const client = new Client()
    onCleanUp(() => client.close())
    await client.connect(`ws://127.0.0.1:${port}`, KEY)
    for (const length of [7_000, 8_000, 9_000, 100_000])
      if (length < 7_500) expect(await client.send('x', length)).to.have.length(length)
      else expect(await failureOf(client.send('x', length))).to.include({ reason: 'answer-too-large' })
    // Many short ones in one turn.
    const many = await Promise.all(Array.from({ length: 60 }, () => client.send('x', 1_000)))
    for (const answer of many) expect(answer).to.have.length(1_000)
    expect(client.status).to.equal('ready')
  })
})
