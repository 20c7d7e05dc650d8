import { once } from 'node:events'
import { get } from 'node:https'
import { connect } from 'node:tls'
import { signToken } from '@token-server/identity'
import { expect } from 'chai'
import { generate } from 'mqtt-packet'
import WebSocket from 'ws'
import { TestServer } from '../helpers/running-broker'
import {
  connack,
  deviceToken,
  handlerToken,
  inbox,
  inSeconds,
  returnCode,
  SECRET,
  until
} from '../helpers/test-broker'

describe('The broker as a server', () => {
  let server: TestServer

  before(async function () {
    this.timeout(30_000)
    server = await TestServer.start()
  })
  after(() => server.stop())

  async function open(
    path = '/mqtt',
    protocols: string[] = ['mqtt'],
    options: object = {}
  ): Promise<WebSocket> {
    const socket = new WebSocket(`wss://localhost:${server.port}${path}`, protocols, {
      ca: server.ca,
      ...options
    })
    await once(socket, 'open')
    return socket
  }

  async function refusedUpgrade(path: string, protocols: string[], options: object = {}): Promise<string> {
    const error = await open(path, protocols, options).catch((reason: Error) => reason.message)
    return String(error)
  }

  async function connectPacket(): Promise<Buffer> {
    return generate({
      cmd: 'connect',
      clientId: 'w',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      keepalive: 0,
      username: 'JWT',
      password: Buffer.from(await deviceToken('7'))
    })
  }

  it('serves a device by TLS and a handler by WebSocket on one port, without certificates of theirs', async () => {
    const device = server.dial(await deviceToken('7'))
    const handler = server.dial(await handlerToken('h'), { protocol: 'wss', path: '/mqtt' })
    await Promise.all([connack(device), connack(handler)])
    await device.subscribeAsync('7_pong', { qos: 2 })
    await handler.subscribeAsync('ping', { qos: 1 })
    handler.on('message', () => handler.publish('7_pong', 'x'.repeat(200_000), { qos: 2 }))
    const received = inbox(device)
    await device.publishAsync('ping', '', { qos: 1 })
    await until('the answer comes', () => received.length === 1)
    expect(received[0]?.payload).to.have.length(200_000)
  })

  it('answers a refused token by CONNACK through TLS and WebSocket', async () => {
    const forged = await signToken({ user_id: '7', exp: inSeconds(60) }, { secret: `${SECRET} not` })
    for (const options of [{}, { protocol: 'wss', path: '/mqtt' } as const]) {
      expect(await returnCode(server.dial(forged, options))).to.equal(5)
    }
  })

  it('B21: takes packets that are split over messages, and many in one message', async () => {
    const socket = await open()
    const received: Buffer[] = []
    socket.on('message', data => received.push(data as Buffer))
    const packet = await connectPacket()
    for (const byte of packet) socket.send(Buffer.from([byte]))
    await until('CONNACK comes', () => Buffer.concat(received).length === 4)
    socket.send(Buffer.from([0xc0, 0, 0xc0, 0, 0xc0, 0]))
    await until('three PINGRESP come', () => Buffer.concat(received).length === 10)
    const longest = Buffer.alloc(server.running.broker.limits.maxPacketBytes - 'ping'.length - 4)
    const publish = (messageId: number) =>
      generate({
        cmd: 'publish',
        topic: 'ping',
        qos: 1,
        messageId,
        payload: longest,
        retain: false,
        dup: false
      })
    socket.send(Buffer.concat([1, 2, 3, 4].map(publish)))
    await until('four PUBACK come', () => Buffer.concat(received).length === 26)
    socket.close()
    await once(socket, 'close')
  })

  it('B21: closes a WebSocket that sends text', async () => {
    const socket = await open()
    socket.send('CONNECT')
    const [code] = (await once(socket, 'close')) as [number]
    expect(code).to.equal(1003)
  })

  it('B21: refuses a client without the subprotocol mqtt, a page of another site, and another path', async () => {
    expect(await refusedUpgrade('/mqtt', [])).to.include('400')
    expect(await refusedUpgrade('/mqtt', ['chat'])).to.include('400')
    expect(await refusedUpgrade('/mqtt', ['mqtt'], { origin: 'https://evil.example' })).to.include('403')
    expect(await refusedUpgrade('/other', ['mqtt'])).to.include('404')
    const own = await open('/mqtt', ['mqtt'], { origin: `https://localhost:${server.port}` })
    own.terminate()
  })

  it('B21: a token in the address opens nothing, and is not logged', async () => {
    const token = await deviceToken('7', { canary: 'in-the-address' })
    const socket = await open(`/mqtt?token=${token}`)
    socket.send(
      generate({
        cmd: 'connect',
        clientId: 'q',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        keepalive: 0
      })
    )
    const [data] = (await once(socket, 'message')) as [Buffer]
    expect([...data]).to.deep.equal([0x20, 2, 0, 4])
    await once(socket, 'close')
    expect(server.log).not.to.include(token)
  })

  it('B22: logs no token, no password and no payload, on the finest level', async () => {
    const token = await deviceToken('7')
    const refused = `${token}x`
    const device = server.dial(token)
    await connack(device)
    await device.publishAsync('ping', 'canary-payload', { qos: 1 })
    device.publish('8_x', 'canary-refused', { qos: 1 })
    await once(device.stream, 'close')
    await returnCode(
      server.dial(refused, {
        will: { topic: 'ping', payload: Buffer.from('canary-will'), qos: 0, retain: false }
      })
    )
    await returnCode(server.dial('canary-password', { username: 'canary-user' }))
    await until('the refusal is logged', () => server.log.includes('refused publish'))
    for (const secret of [token, refused, token.split('.')[2] as string, SECRET, 'canary-']) {
      expect(server.log, secret).not.to.include(secret)
    }
    expect(server.log).to.include('published')
  })

  it('speaks no MQTT without TLS, and closes what is nothing at all', async function () {
    this.timeout(20_000)
    const socket = connect({ port: server.port, host: 'localhost', ca: server.ca })
    await once(socket, 'secureConnect')
    const begun = performance.now()
    await once(socket.resume(), 'close')
    expect(performance.now() - begun).to.be.within(4_000, 9_000)
  })

  it('says by HTTP whether it is healthy', async () => {
    const status = await new Promise<number | undefined>(resolve => {
      get({ port: server.port, host: 'localhost', path: '/ready', ca: server.ca, agent: false }, response => {
        resolve(response.resume().statusCode)
      })
    })
    expect(status).to.equal(200)
  })

  it('shows what the broker counts as metrics', async () => {
    const text = await server.running.service.metrics.metrics()
    expect(text).to.match(/^mqtt_accepted_total\S* [1-9]/m)
    expect(text).to.match(/^mqtt_connections\S* \d/m)
    for (const name of Object.keys(server.running.broker.counters)) {
      expect(text).to.include(`mqtt_${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}`)
    }
  })
})

describe('The broker that is stopped', () => {
  it('sends the wills of its clients and closes in time', async function () {
    this.timeout(30_000)
    const server = await TestServer.start()
    const heard: string[] = []
    server.running.broker.subscribe('gone', ({ payload }) => heard.push(payload.toString()))
    const client = server.dial(await deviceToken('7'), {
      will: { topic: 'gone', payload: Buffer.from('bye'), qos: 1, retain: false }
    })
    await connack(client)
    await server.stop()
    expect(heard).to.deep.equal(['bye'])
  })
})
