import { closesWhatItOpened, needProgram, onCleanUp, RedisServer } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { MqttClient } from 'mqtt'
import { TestServer } from '../helpers/running-broker'
import { connack, deviceToken, handlerToken, inbox, until } from '../helpers/test-broker'

describe('Two servers on one Redis', () => {
  closesWhatItOpened()

  let redis: RedisServer
  let one: TestServer
  let other: TestServer

  beforeEach(async function () {
    needProgram(this, 'redis-server')
    redis = await RedisServer.start()
    onCleanUp(() => redis.remove())
    one = await start()
    other = await start()
  })

  async function start(): Promise<TestServer> {
    const server = await TestServer.start({ REDIS_URL: redis.url, ADMIN_PORT: 0 })
    onCleanUp(() => server.stop())
    return server
  }

  async function dial(server: TestServer, token: string, clean: boolean): Promise<MqttClient> {
    const client = server.dial(token, { clientId: 'phone', clean })
    await connack(client)
    return client
  }

  async function ask(server: TestServer, path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${server.running.service.admin?.address.port}${path}`)
    return { status: response.status, text: await response.text() }
  }

  it('are one: a command crosses, and a session with its queue goes on at the other', async () => {
    const handler = await dial(other, await handlerToken('h'), false)
    await handler.subscribeAsync('ping', { qos: 1 })
    const commands = inbox(handler)
    const device = await dial(one, await deviceToken('7'), false)
    await device.subscribeAsync('7_news', { qos: 1 })
    await device.publishAsync('ping', '{}', { qos: 1 })
    await until('the command comes', () => commands.length === 1)
    expect(commands[0]?.payload).to.equal('{"user_id":"7"}')
    await device.endAsync()
    await handler.publishAsync('7_news', 'while it was away', { qos: 1 })
    const again = other.dial(await deviceToken('7'), { clientId: 'phone', clean: false })
    const news = inbox(again)
    expect((await connack(again)).sessionPresent).to.equal(true)
    await until('the news comes', () => news.length === 1)
  })

  it('are not ready while Redis is away, say so, and are ready again within five seconds', async function () {
    this.timeout(30_000)
    expect((await ask(one, '/ready')).status).to.equal(200)
    await redis.kill()
    await until('the store is missed', () => one.running.broker.whyStoreDown !== undefined)
    await until('the bus is missed', () => !one.running.service.bus.isUp)
    const { status, text } = await ask(one, '/ready')
    expect(status).to.equal(503)
    expect(text).to.include('bus').and.to.include('store')
    await redis.start()
    const isReady = (server: TestServer) => server.running.service.readiness.isReady
    await until('both are ready', () => isReady(one) && isReady(other), 5_000)
    for (const words of ['The bus has lost Redis', 'the store is away', 'the store is back']) {
      expect(one.log).to.include(words)
    }
  })

  it('say what the bus does in their metrics', async () => {
    const { text } = await ask(one, '/metrics')
    expect(text).to.match(/bus_up\{?.*\}? 1/)
    expect(text).to.include('mqtt_catch_ups_total')
  })
})

describe('A server whose Redis cannot be reached', () => {
  it('does not start, and says why', async function () {
    this.timeout(20_000)
    const error = await TestServer.start({ REDIS_URL: 'redis://127.0.0.1:1' }).catch((error: Error) => error)
    expect(error).to.have.property('code', 'ERR_BROKER_STORE')
    expect((error as Error).message).to.include('127.0.0.1:1')
  })
})
