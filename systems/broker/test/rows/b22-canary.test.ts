import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as ask, type OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { loadCertificates } from '@token-server/certs'
import { signToken } from '@token-server/identity'
import { closesWhatItOpened, freePort, onCleanUp, remove, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import mqtt, { type IClientOptions } from 'mqtt'
import WebSocket from 'ws'
import { TopicClient } from '../../lib/client'
import { encodeFrame } from '../../lib/wire/token-frame'
import { ended } from '../helpers/packets'
import { closed, inSeconds, until } from '../helpers/test-broker'

const PROGRAM = join(__dirname, '../../../bin/token-broker.js')
const SECRET = 'canary-secret-of-the-issuer-0123456789abcdef'
const ADMIN_TOKEN = 'canary-admin-token-0123456789abcdef'
const PAYLOAD = 'canary-payload-4711'

describe('B22: a canary', () => {
  closesWhatItOpened()

  it('in secrets, tokens, passwords and payloads stands in nothing that the server writes or answers', async function () {
    this.timeout(60_000)
    const folder = temporaryFolder()
    onCleanUp(() => remove(folder))
    const adminPort = await freePort()
    const { program, port, written } = await start(folder, adminPort)
    const ca = readFileSync(join(folder, 'certs/ca/ca.crt'))
    /** All that anybody was told, with what is written. */
    const told: string[] = []
    const tokens: string[] = []
    const sign = async (claims: object, secret = SECRET) => {
      const token = await signToken({ exp: inSeconds(60), canary: 'canary-claim', ...claims }, { secret })
      tokens.push(token)
      return token
    }
    const device = await sign({ user_id: '7' })
    const handler = await sign({ user_id: 'h', handler: { name: 'h', ip: '127.0.0.1' } })
    const forged = await sign({ user_id: '7' }, 'another secret of at least 32 bytes, to forge with')
    const expired = await sign({ user_id: '7', exp: inSeconds(-60) })
    const other = await sign({ user_id: '8' })

    const by = async (
      password: string,
      act: (client: mqtt.MqttClient) => unknown,
      more: IClientOptions = {}
    ) => {
      const client = mqtt.connect({
        host: 'localhost',
        port,
        protocol: 'mqtts',
        ca,
        username: 'JWT',
        password,
        reconnectPeriod: 0,
        ...more
      })
      client.on('error', error => told.push(String(error)))
      const end = closed(client)
      client.once('connect', () => act(client))
      await end
      client.end(true)
    }
    const leave = (client: mqtt.MqttClient) => client.end()
    const will = { topic: 'canary_topic', payload: Buffer.from(PAYLOAD), qos: 1 as const, retain: false }

    // By MQTT and by WebSocket: what is allowed, and each kind of refusal.
    for (const way of [{}, { protocol: 'wss', path: `/mqtt?token=${device}` } as const]) {
      const go = (password: string, act: Parameters<typeof by>[1], more: IClientOptions = {}) =>
        by(password, act, { ...way, ...more })
      await go(device, async client => {
        for (const qos of [0, 1, 2] as const) await client.publishAsync('canary_topic', PAYLOAD, { qos })
        await client.publishAsync('canary_topic', JSON.stringify({ user_id: '9', text: PAYLOAD }), {
          qos: 1,
          retain: true
        })
        await client.publishAsync('$token', await sign({ user_id: '7' }), { qos: 1 })
        await client.subscribeAsync('8_x').catch(error => told.push(String(error)))
        client.publish('8_x', PAYLOAD, { qos: 1 })
      })
      for (const [topic, payload, options] of [
        ['$token', other, { qos: 1 }],
        ['$token', forged, { qos: 1 }],
        ['$token', device, { qos: 0, retain: true }],
        ['canary_topic', Buffer.alloc(300_000, PAYLOAD), { qos: 1 }]
      ] as const)
        await go(device, client => client.publish(topic, payload, options))
      for (const password of [forged, expired, `${device}x`, device.slice(0, -2), PAYLOAD, 'canary-password'])
        await go(password, leave, { will })
      await go(PAYLOAD, leave, { username: 'canary-password' })
      await go(handler, client => client.stream.destroy(), { will })
    }

    // By the token door.
    const own = loadCertificates(join(folder, 'certs'), 'client')
    const reach = { host: 'localhost', port, ...own }
    for (const token of [handler, device, forged, expired, `${handler}x`]) {
      const client = new TopicClient({ connect: { ...reach, reconnect: false, session: false }, token })
      client.on('error', error => told.push(String(error)))
      client.on('warning', error => told.push(String(error)))
      onCleanUp(() => client.close({ timeout: 0 }))
      const noted = (promise: Promise<unknown>) =>
        promise.catch(error => told.push(String(error), JSON.stringify(error)))
      await noted(client.publish('canary_topic', PAYLOAD))
      await noted(client.publish('8_x', PAYLOAD))
      await noted(client.publish('#', PAYLOAD))
      await noted(client.subscribe('$SYS/#', () => undefined))
      await noted(client.renew(forged))
      await client.close()
    }

    // What is no protocol at all, and HTTP with what does not belong there.
    for (const bytes of [
      Buffer.from(`${PAYLOAD}\r\n\r\n`),
      Buffer.from(`\x10\x30\0\x04MQTT\x04\xc2\0\0${PAYLOAD}`, 'latin1'),
      encodeFrame({ type: 'publish', topic: 'canary_topic' }, Buffer.from(PAYLOAD))
    ]) {
      const socket = connect({ host: 'localhost', port, ca })
      socket.on('error', () => undefined)
      await once(socket, 'secureConnect')
      socket.on('data', chunk => told.push(String(chunk)))
      socket.end(bytes)
      await ended(socket)
    }
    const headers = { authorization: `Bearer ${device}`, cookie: 'canary-cookie=1' }
    for (const path of ['/', '/health', '/ready', `/x?token=${device}`, `/mqtt?password=canary-password`])
      told.push(await answerOf(request({ host: 'localhost', port, ca, path, headers, agent: false })))
    const stranger = new WebSocket(`wss://localhost:${port}/mqtt?token=${device}`, ['chat'], { ca, headers })
    told.push(String((await once(stranger, 'error'))[0]))
    for (const path of ['/metrics', '/ready', '/health', '/', '/status', '/status.json', '/nothing'])
      for (const authorization of [`Bearer ${ADMIN_TOKEN}`, 'Bearer canary-password', `Bearer ${device}`, ''])
        told.push(
          await answerOf(ask({ host: '127.0.0.1', port: adminPort, path, headers: { authorization } }))
        )

    const end = once(program, 'exit')
    program.kill('SIGTERM')
    expect((await end)[0]).to.equal(0)

    const all = [...told, ...written].join('\n')
    for (const shown of [
      'canary_topic',
      'refused publish',
      'refused connect',
      'token renewed',
      'mqtt_published_total'
    ])
      expect(all, 'the search finds what is there').to.include(shown)
    const canaries = [
      SECRET,
      ADMIN_TOKEN,
      'canary-password',
      'canary-cookie',
      'canary-claim',
      'PRIVATE KEY',
      ...tokens,
      ...tokens.map(token => token.split('.')[2] as string)
    ]
    const forms = [PAYLOAD, SECRET, ADMIN_TOKEN].flatMap(text => {
      const bytes = Buffer.from(text)
      return [text, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, ''), [...bytes].join(',')]
    })
    for (const canary of [...canaries, ...forms]) {
      const at = all.indexOf(canary)
      expect(at === -1 ? '' : all.slice(Math.max(at - 200, 0), at + 20), canary.slice(0, 30)).to.equal('')
    }
  })
})

interface Started {
  readonly program: ChildProcess
  readonly port: number
  readonly written: string[]
}

async function start(folder: string, adminPort: number): Promise<Started> {
  const program = spawn(process.execPath, [PROGRAM], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HOST: 'localhost',
      PORT: '0',
      ADMIN_PORT: String(adminPort),
      ADMIN_TOKEN,
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'trace',
      CERTS_DIR: join(folder, 'certs'),
      STORE_DIR: join(folder, 'store')
    }
  })
  onCleanUp(() => program.kill('SIGKILL'))
  const written: string[] = []
  for (const stream of [program.stdout, program.stderr])
    stream?.on('data', chunk => written.push(String(chunk)))
  await until('it listens', () => /mqtts:\/\/localhost:\d+/.test(written.join('')), 30_000)
  const [, port] = /mqtts:\/\/localhost:(\d+)/.exec(written.join('')) ?? []
  return { program, port: Number(port), written }
}

async function answerOf(asked: ReturnType<typeof ask>): Promise<string> {
  asked.end()
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage]
  const headers: OutgoingHttpHeaders = response.headers
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return `${response.statusCode} ${JSON.stringify(headers)} ${body}`
}
