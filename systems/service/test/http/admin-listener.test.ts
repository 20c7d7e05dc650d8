import { closesWhatItOpened, freePort, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { type AdminOptions, createMetrics, listenForAdmin, Readiness, ServiceError } from '../../lib'
import { askPlain, startService } from '../helpers/services'

describe('listenForAdmin', () => {
  closesWhatItOpened()

  const TOKEN = 'a token of the admin'

  async function start(over: Partial<AdminOptions> = {}) {
    const readiness = new Readiness()
    const admin = await listenForAdmin({ port: 0, readiness, metrics: createMetrics('test'), ...over })
    onCleanUp(() => admin.close())
    return { readiness, port: admin.address.port }
  }

  it('tells health, readiness with what is in the way, and metrics', async () => {
    const { readiness, port } = await start()
    expect(await askPlain(port, '/health')).to.include({ status: 200, body: '{"status":"running"}' })
    expect(await askPlain(port, '/ready')).to.include({ status: 200, body: '{"ready":true}' })
    readiness.set('bus', 'Redis is away')
    expect(await askPlain(port, '/ready')).to.include({
      status: 503,
      body: '{"ready":false,"because":{"bus":"Redis is away"}}'
    })
    const { headers, body } = await askPlain(port, '/metrics')
    expect(headers['content-type']).to.match(/^text\/plain/)
    expect(body).to.match(/^process_cpu_seconds_total\{service="test"\} [\d.]+$/m)
    expect((await askPlain(port, '/other')).status).to.equal(404)
    expect((await askPlain(port, '/health', { method: 'DELETE' })).status).to.equal(405)
  })

  it('demands its token of all but health and readiness, as a bearer token or as a password', async () => {
    const { port } = await start({ token: TOKEN, fetch: () => new Response('page') })
    const status = async (path: string, authorization?: string) =>
      (await askPlain(port, path, { headers: authorization === undefined ? {} : { authorization } })).status
    expect(await status('/health')).to.equal(200)
    expect(await status('/ready')).to.equal(200)
    for (const path of ['/metrics', '/', '/health/']) {
      expect(await status(path)).to.equal(401)
      expect(await status(path, `Bearer ${TOKEN}`.slice(0, -1))).to.equal(401)
      expect(await status(path, `Basic ${btoa(`admin:${TOKEN}x`)}`)).to.equal(401)
      expect(await status(path, 'Basic !')).to.equal(401)
      expect(await status(path, `Basic ${btoa(`admin:${TOKEN}`)}`)).to.equal(200)
    }
    expect(await status('/', `bearer ${TOKEN.replaceAll(' ', '')}`)).to.equal(401)
    const { headers, body } = await askPlain(port, '/')
    expect(headers['www-authenticate']).to.match(/^Basic /)
    expect(body).to.equal('The password is the token of the admin; the user name does not matter.\n')
  })

  it('says who has shown a wrong token, but not that there was none', async () => {
    const told: unknown[] = []
    const { port } = await start({ token: TOKEN, onWrongToken: address => told.push(address) })
    await askPlain(port, '/')
    expect(told).to.deep.equal([])
    await askPlain(port, '/', { headers: { authorization: 'Bearer x' } })
    expect(told).to.deep.equal(['127.0.0.1'])
    await askPlain(port, '/', { headers: { authorization: `Basic ${btoa(`admin:${TOKEN}`)}` } })
    expect(told).to.have.lengthOf(1)
  })

  it('refuses to listen for everybody without a token', async () => {
    const failure = await start({ host: '0.0.0.0' }).catch(error => error as ServiceError)
    expect(failure).to.be.instanceOf(ServiceError)
    expect(failure).to.have.property('code', 'ERR_ADMIN')
    await start({ host: '0.0.0.0', token: TOKEN })
  })

  it('refuses a page that made its own name point here', async () => {
    const { port } = await start()
    const status = async (host: string) => (await askPlain(port, '/ready', { headers: { host } })).status
    expect(await status('evil.example')).to.equal(403)
    expect(await status(`evil.example:${port}`)).to.equal(403)
    expect(await status(`localhost:${port}`)).to.equal(200)
    expect(await status(`[::1]:${port}`)).to.equal(200)
  })

  it('says why it can not listen', async () => {
    const { port } = await start()
    const failure = await start({ port }).catch(error => error as ServiceError)
    expect(failure).to.have.property(
      'message',
      `Cannot listen for the admin at 127.0.0.1, port ${port}: EADDRINUSE`
    )
  })

  it('belongs to a service that has ADMIN_PORT, with what its port counts', async () => {
    const { service } = await startService({
      config: { ADMIN_PORT: await freePort() },
      admin: { fetch: () => new Response('status page') }
    })
    const port = service.admin?.address.port as number
    expect((await askPlain(port, '/')).body).to.equal('status page')
    const { body } = await askPlain(port, '/metrics')
    expect(body).to.match(/^tokens_connections\{service="test"\} 0$/m)
    expect(body).to.match(/^http_answers_total\{status="2xx",service="test"\} 0$/m)
    expect(body).to.match(/^tokens_accepted_total\{service="test"\} 0$/m)
    await service.close()
    const failure = await askPlain(port, '/health').catch(error => error as Error)
    expect(failure).to.have.property('code', 'ECONNREFUSED')
  })
})
