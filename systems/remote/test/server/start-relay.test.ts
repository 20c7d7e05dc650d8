import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, type ClientOptions, RemoteError, Server, startRelay } from '../../lib'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { dialNode } from '../../lib/transport/node-dial'
import { Person } from '../helpers/relay-people'
import { RelayServer } from '../helpers/running-relay'
import { SECRET, tokenOf } from '../helpers/secret'

const KEY = toBase64url(randomBytes(32))
const OTHER_KEY = toBase64url(randomBytes(32))

describe('The relay as a server', () => {
  closesWhatItOpened()
  let server: RelayServer

  before(async () => {
    server = await RelayServer.start({
      config: { OPEN_DEVICES: true, ADMIN_PORT: 0, ADMIN_TOKEN: 'a-token-of-the-admin' },
      limits: { joinGrace: 300 },
      page: async request => (new URL(request.url).pathname === '/r' ? new Response('the page') : undefined)
    })
  })
  after(() => server.stop())

  async function startDevice(scheme: 'wss' | 'tokens' = 'wss', jwt?: string): Promise<Server> {
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    const handler = ({ event, payload }: { event: string; payload: unknown }) => [event, payload]
    await device.hostMiddleware(server.url(scheme), handler, KEY, { tls: server.tls, ...(jwt && { jwt }) })
    return device
  }

  async function connect(
    device: Server,
    scheme: 'wss' | 'tokens' | 'https',
    options: ClientOptions = {},
    key = KEY
  ) {
    const client = new Client({ tls: server.tls, ...options })
    onCleanUp(() => client.close())
    await client.connect(`${server.url(scheme)}?device=${device.hub.deviceId}`, key, false)
    return client
  }

  const admin = (path: string, init: RequestInit = {}, token = 'a-token-of-the-admin') =>
    fetch(`http://127.0.0.1:${server.running.service.admin?.address.port}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers }
    })

  it('has places for those that are let in, however many others sit there and ask nothing', async () => {
    const small = await RelayServer.start({
      config: { OPEN_DEVICES: true, MAX_CONNECTIONS: 40 },
      limits: { joinTimeout: 60_000, joinGrace: 60_000 }
    })
    onCleanUp(() => small.stop())
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    await device.hostMiddleware(small.url('tokens'), ({ payload }) => payload, KEY, { tls: small.tls })
    const enter = async (scheme: 'wss' | 'tokens') => {
      const client = new Client({ tls: small.tls })
      onCleanUp(() => client.close())
      await client.connect(`${small.url(scheme)}?device=${device.hub.deviceId}`, KEY, true)
      return client
    }
    const before = await enter('wss')
    let closed = 0
    for (let count = 0; count < 60; count++) {
      const socket = connectTls({ ...small.tls, host: 'localhost', port: small.port })
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      socket.on('close', () => closed++)
      // A request that does not end, nothing at all, and one that waits for a device.
      await once(socket, 'secureConnect')
      if (count % 2 === 0) socket.write('GET /r HTTP/1.1\r\nhost: x\r\n')
      else {
        const waiting = new Person(await dialNode({ tls: small.tls })({ url: small.url('tokens') }))
        waiting.say({ do: 'join', device: 'nobody' })
        onCleanUp(() => waiting.link.close())
      }
    }
    for (const client of [before, await enter('wss'), await enter('tokens')])
      expect(await client.send('echo', 'here')).to.equal('here')
    expect(closed).to.be.at.least(20)
    expect(small.running.relay.now.waiting).to.be.at.most(5)
  })

  it('on a port that is taken does not start, and its log says no more than that', async () => {
    const log: { level: string; msg: string }[] = []
    const logTo = { write: (line: string) => void log.push(JSON.parse(line)) }
    const config = {
      HOST: '127.0.0.1',
      PORT: server.port,
      CERTS_DIR: server.folder,
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'warn' as const
    }
    const failed = await startRelay({ config, signals: false, logTo }).catch((error: Error) => error)
    expect(failed).to.be.instanceOf(Error)
    expect((failed as Error).message).to.include('EADDRINUSE')
    expect(log.map(({ level }) => level).filter(level => level !== 'fatal')).to.deep.equal([])
  })

  it('brings requests to a device over WebSockets and tokens, and by a request without a connection', async () => {
    for (const way of ['wss', 'tokens'] as const) {
      const device = await startDevice(way)
      for (const scheme of ['wss', 'tokens', 'https'] as const) {
        const client = await connect(device, scheme)
        expect(await client.send('light', { on: true }), `${scheme} to ${way}`).to.deep.equal([
          'light',
          { on: true }
        ])
      }
    }
    expect(server.running.relay.counters.onceAnswered).to.be.at.least(2)
  })

  it('lets a client in by its token, and one with neither token nor key stays out, as from a device that is not there', async () => {
    const device = await startDevice('wss', await tokenOf({ userId: '7' }))
    const client = await connect(
      device,
      'wss',
      { jwt: await tokenOf({ userId: '7' }), timeoutLength: 60_000 },
      OTHER_KEY
    )
    const errors: unknown[] = []
    client.setErrorHandler(error => errors.push(error))
    client.send('light').catch(() => undefined)
    await until(() => errors.length > 0)
    const failed = await client.send('light', null, { timeout: 100 }).catch((error: unknown) => error)
    expect(failed).to.be.instanceOf(RemoteError)
    expect(failed).to.include({ code: 'bad-key' })
    expect(errors).to.include('invalid_encryption')
    const messages = new Set<string>()
    for (const scheme of ['wss', 'https'] as const) {
      const options = { jwt: await tokenOf({ userId: '8' }) }
      const error = await connect(device, scheme, options, OTHER_KEY).catch((why: Error) => why)
      expect(error).to.be.instanceOf(RemoteError)
      messages.add(String(error))
      const nobody = { hub: { deviceId: 'A'.repeat(22) } } as Server
      messages.add(String(await connect(nobody, scheme, options).catch((why: Error) => why)))
    }
    expect(messages.size).to.equal(2)
  })

  it('says that a device is away, and brings its clients back to it', async () => {
    const device = await startDevice()
    const client = await connect(device, 'wss')
    expect(await client.send('one')).to.deep.equal(['one', null])
    const ids = server.running.relay
      .list()
      .devices.filter(({ online }) => online)
      .map(({ device: id }) => id)
    expect(ids).to.include(device.hub.deviceId)
    await device.close()
    await until(() => client.status === 'offline')
    const failed = await connect(device, 'https')
      .then(once => once.send('two'))
      .catch((error: unknown) => error)
    expect(failed).to.include({ code: 'disconnected', reason: 'device-offline' })
  })

  it('lists devices and clients for the admin, and kicks one', async () => {
    const device = await startDevice('wss', await tokenOf({ userId: '7' }))
    const client = await connect(device, 'wss')
    const list = async () =>
      (await (await admin('/relay.json')).json()) as ReturnType<typeof server.running.relay.list>
    const { devices, clients } = await list()
    expect(devices.find(({ device: id }) => id === device.hub.deviceId)).to.include({
      owner: '7',
      clients: 1,
      online: true
    })
    const found = clients.find(({ device: id }) => id === device.hub.deviceId)
    expect(
      (await admin(`/kick/${found?.client}`, { method: 'POST', headers: { origin: 'https://evil.example' } }))
        .status
    ).to.equal(403)
    expect((await admin(`/kick/${found?.client}`, { method: 'POST' })).status).to.equal(200)
    await until(() => client.status === 'closed')
    expect((await list()).clients.some(({ client: id }) => id === found?.client)).to.equal(false)
    expect((await admin('/relay.json', {}, 'wrong')).status).to.equal(401)
    expect((await admin('/nothing')).status).to.equal(404)
  })

  it('shows what it counts as metrics', async () => {
    const text = await (await admin('/metrics')).text()
    for (const name of Object.keys(server.running.relay.counters))
      expect(text).to.include(`relay_${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}_total`)
    expect(text).to.match(/^relay_registered_total\S* [1-9]/m)
    expect(text).to.match(/^relay_clients\S* \d/m)
  })

  it('logs who comes and goes, and no token, no tag and nothing of what is sent', async () => {
    const jwt = await tokenOf({ userId: 'canary-user' })
    const device = await startDevice('wss', jwt)
    const client = await connect(device, 'wss', { jwt })
    await client.send('canary-event', 'canary-payload')
    expect(server.log).to.include(device.hub.deviceId)
    for (const secret of [jwt, 'canary-event', 'canary-payload', KEY, ...device.keys.tagHashes])
      expect(server.log, secret).not.to.include(secret)
  })

  it('tells devices and clients nothing but the end when it stops', async () => {
    const own = await RelayServer.start({ config: { OPEN_DEVICES: true } })
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    await device.hostMiddleware(own.url('wss'), () => 1, KEY, { tls: own.tls })
    const lost = new Promise<{ isFinal: boolean }>(resolve => device.once('relay', resolve))
    await own.stop()
    expect((await lost).isFinal).to.equal(false)
  })
})
