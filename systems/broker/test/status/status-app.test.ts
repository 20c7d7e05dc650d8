import { expect } from 'chai'
import { COUNTER_MEANINGS } from '../../lib/core/counters'
import type { StatusReport } from '../../lib/status/status-report'
import { ADMIN, ADMIN_TOKEN, ask, BEARER } from '../helpers/admin-page'
import { TestServer } from '../helpers/running-broker'
import { connack, deviceToken, handlerToken, returnCode, until } from '../helpers/test-broker'

const basic = (password: string) => `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`

describe('The status page', () => {
  let server: TestServer

  before(async () => {
    server = await TestServer.start(ADMIN)
  })
  after(() => server.stop())

  async function report(): Promise<StatusReport> {
    return JSON.parse((await ask(server, '/status.json', BEARER)).body)
  }

  it('is for those who have the token of the admin, as a password or as a bearer token, as is its JSON', async () => {
    for (const path of ['/', '/status', '/status.json', '/metrics']) {
      const expected = path === '/' ? 302 : 200
      for (const authorization of [
        undefined,
        '',
        'Bearer',
        'Basic',
        'Basic !',
        'Bearer x',
        basic(''),
        basic('x')
      ]) {
        const { status, body, headers } = await ask(server, path, authorization)
        expect(status, `${path} ${authorization}`).to.equal(401)
        expect(headers['www-authenticate']).to.match(/^Basic /)
        expect(body).to.equal('The password is the token of the admin; the user name does not matter.\n')
      }
      for (const wrong of [
        ADMIN_TOKEN.slice(1),
        ADMIN_TOKEN.slice(0, -1),
        `${ADMIN_TOKEN}x`,
        ADMIN_TOKEN.toUpperCase()
      ]) {
        expect((await ask(server, path, `Bearer ${wrong}`)).status).to.equal(401)
        expect((await ask(server, path, basic(wrong))).status).to.equal(401)
      }
      expect((await ask(server, path, BEARER)).status).to.equal(expected)
      expect((await ask(server, path, basic(ADMIN_TOKEN))).status).to.equal(expected)
    }
  })

  it('takes no token in its address, no token of a handler, and no other method', async () => {
    expect((await ask(server, `/status?token=${ADMIN_TOKEN}`)).status).to.equal(401)
    expect((await ask(server, '/status', `Bearer ${await handlerToken('h')}`)).status).to.equal(401)
    expect((await ask(server, '/other', BEARER)).status).to.equal(404)
  })

  it('logs that somebody had a wrong token, a few times, and never a token', async () => {
    const wrong = 'a-wrong-token-of-somebody'
    for (let count = 0; count < 20; count++) await ask(server, '/status', basic(wrong))
    await ask(server, '/status', BEARER)
    const lines = server.log.split('\n').filter(line => line.includes('wrong token for the admin listener'))
    expect(lines).to.have.lengthOf(5)
    expect(lines[0]).to.include('"address":"127.0.0.1"')
    for (const secret of [wrong, ADMIN_TOKEN, basic(wrong), basic(ADMIN_TOKEN)])
      expect(server.log).not.to.include(secret)
    for (const path of ['/status', '/status.json']) {
      expect((await ask(server, path, BEARER)).body).not.to.include(ADMIN_TOKEN)
    }
  })

  it('lets a browser run its own script and style only, and nobody keep or frame it', async () => {
    const { headers } = await ask(server, '/status', BEARER)
    expect(headers['content-security-policy']).to.match(
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/
    )
    for (const path of ['/status', '/status.json', '/other']) {
      expect((await ask(server, path, BEARER)).headers).to.include({
        'cache-control': 'no-store',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY'
      })
    }
    expect((await ask(server, '/status.json', BEARER)).headers['content-type']).to.equal('application/json')
  })

  it('says in JSON what was published, delivered and refused, with reasons and ids that the log has too', async () => {
    const device = server.dial(await deviceToken('7'), { clientId: 'phone' })
    const handler = server.dial(await handlerToken('h'))
    await Promise.all([connack(device), connack(handler)])
    await device.subscribeAsync('7_list', { qos: 1 })
    await device.subscribeAsync('8_list').catch(() => undefined)
    await returnCode(server.dial('nonsense', { clientId: '<b>' }))
    await report() // begins to count the topics
    for (let count = 0; count < 10; count++) await handler.publishAsync('7_list', 'twelve bytes', { qos: 1 })
    const { refusals, topTopics, connections, counters, host } = await report()
    expect(connections).to.deep.equal({ open: 2, most: 50_000 })
    expect(counters).to.include({
      published: 10,
      delivered: 10,
      deliveredBytes: 120,
      refusedSubscriptions: 1
    })
    expect(counters).to.have.all.keys('connections', ...Object.keys(COUNTER_MEANINGS))
    expect(host).to.be.a('string')
    const [busiest] = topTopics.topics
    expect(busiest?.topic).to.equal('7_list')
    expect(busiest?.bytesPerSecond).to.be.closeTo(12 * (busiest?.messagesPerSecond as number), 1e-6)
    expect(topTopics.uncertainty).to.equal(0)
    expect(refusals.map(({ what }) => what)).to.deep.equal(['connect', 'subscribe'])
    expect(refusals[1]).to.include({
      topic: '8_list',
      user: 'user:7',
      why: 'a device subscribes below its own id only'
    })
    const page = (await ask(server, '/status', BEARER)).body
    for (const { id, why } of refusals) {
      expect(server.log).to.match(new RegExp(`"refusal":"${id}".*refused`))
      expect(page).to.include(id).and.include(why)
    }
    device.end(true)
    handler.end(true)
  })

  it('tells each second what happened in it, and who is slow', async function () {
    this.timeout(15_000)
    const device = server.dial(await deviceToken('9'), { clientId: 'slow' })
    const handler = server.dial(await handlerToken('h'))
    await Promise.all([connack(device), connack(handler)])
    await device.subscribeAsync('9/big')
    device.stream.on('resume', () => device.stream.pause())
    device.stream.pause()
    const flood = setInterval(() => handler.publish('9/big', Buffer.alloc(100_000)), 5)
    try {
      await until('messages are dropped', () => server.running.broker.counters.droppedSlow > 0)
      let told = await report()
      for (const end = Date.now() + 5_000; told.lastMinute.dropped === 0 && Date.now() < end; )
        told = await report()
      expect(told.lastMinute.dropped).to.be.above(0)
      expect(told.seconds.at(-1)?.published).to.be.above(0)
      expect(told.slowConsumers).to.have.lengthOf(1)
      expect(told.slowConsumers[0]).to.include({ user: 'user:9', address: '127.0.0.1' })
      expect(told.slowConsumers[0]?.waitingBytes).to.be.within(
        0.5 * told.maxWaitingBytes,
        told.maxWaitingBytes
      )
    } finally {
      clearInterval(flood)
      device.end(true)
      handler.end(true)
    }
  })
})

describe('The status page of a broker without ADMIN_TOKEN', () => {
  it('is shown to nobody, on this machine either', async () => {
    const server = await TestServer.start({ ADMIN_PORT: 0 })
    try {
      for (const path of ['/status', '/status.json', '/']) {
        expect(await ask(server, path)).to.include({
          status: 403,
          body: 'Set ADMIN_TOKEN to see the status page.\n'
        })
      }
      expect((await ask(server, '/metrics')).status).to.equal(200)
    } finally {
      await server.stop()
    }
  })
})
