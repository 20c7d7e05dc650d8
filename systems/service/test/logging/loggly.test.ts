import { join } from 'node:path'
import { loadCertificates } from '@token-server/certs'
import { closesWhatItOpened, freePort, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { createLogger, Loggly, type LogglyOptions } from '../../lib'
import { LogglyStandIn } from '../helpers/loggly-stand-in'
import { certificateFolder, folder, Lines } from '../helpers/services'

const TOKEN = '0000000-0000-0000-9001-0000000000'

describe('Loggly', () => {
  closesWhatItOpened()

  async function logger(port: number, over: Partial<LogglyOptions> = {}) {
    const { ca } = loadCertificates(await certificateFolder(), 'client')
    const options = {
      token: TOKEN,
      url: `https://127.0.0.1:${port}`,
      ca: ca(),
      gatherTime: 20,
      retryDelay: 20
    }
    const loggly = new Loggly({ ...options, ...over })
    onCleanUp(() => loggly.close(0))
    const lines = new Lines()
    const log = createLogger({ name: 'test', destination: lines, also: [loggly] })
    loggly.reportTo(log)
    return { loggly, log, lines }
  }

  it('gets each line once, in order, in batches, under the token and its tags', async () => {
    const standIn = await LogglyStandIn.start()
    const { log, loggly } = await logger(standIn.port, { tags: ['Winston-NodeJS', 'a b'] })
    for (let i = 0; i < 500; i++) log.info({ i }, 'hello')
    await until(() => standIn.events.length === 500)
    expect(standIn.events.map(({ i }) => i)).to.deep.equal(Array.from({ length: 500 }, (_, i) => i))
    expect(standIn.requests.length).to.be.lessThan(10)
    expect(standIn.requests[0]?.path).to.equal(`/bulk/${TOKEN}/tag/Winston-NodeJS,a%20b/`)
    expect(standIn.events[0]).to.include({ name: 'test', level: 'info', msg: 'hello' })
    expect(standIn.events[0]?.timestamp).to.match(/^\d{4}-\d\d-\d\dT/)
    await until(() => loggly.queueLength === 0)
    expect(loggly.dropped).to.equal(0)
  })

  it('gets no secret', async () => {
    const standIn = await LogglyStandIn.start()
    const { log } = await logger(standIn.port)
    log.info({ password: 'canary-77' }, 'secret')
    await until(() => standIn.events.length === 1)
    expect(standIn.requests[0]?.body).not.to.include('canary-77')
  })

  it('is tried again after an error, and then has every line once', async () => {
    const standIn = await LogglyStandIn.start()
    standIn.statuses = [503, 429, 500, 200]
    const { log, lines, loggly } = await logger(standIn.port)
    log.info('1')
    log.info('2')
    await until(() => standIn.events.length >= 2)
    expect(standIn.events.slice(0, 2).map(({ msg }) => msg)).to.deep.equal(['1', '2'])
    expect(lines.with('Loggly: Loggly answers 503; what is logged waits')).to.have.length(1)
    expect(loggly.dropped).to.equal(0)
  })

  it('is tried again when it was not there, and when it gave no answer', async () => {
    const port = await freePort()
    const { log, lines } = await logger(port, { requestTimeout: 100 })
    log.info('early')
    await until(() => lines.with('no connection to Loggly: ECONNREFUSED').length === 1)
    const standIn = await LogglyStandIn.start(port)
    standIn.statuses = [0, 0, 200]
    await until(() => standIn.events.some(({ msg }) => msg === 'early'))
    expect(standIn.events.filter(({ msg }) => msg === 'early')).to.have.length(1)
  })

  it('drops what it refuses, and says how much and why', async () => {
    const standIn = await LogglyStandIn.start()
    standIn.statuses = [403]
    const { log, lines, loggly } = await logger(standIn.port)
    log.info('1')
    log.info('2')
    await until(() => loggly.dropped === 2)
    await loggly.close()
    expect(lines.with('Loggly: 2 lines were dropped, the last because Loggly answers 403')).to.have.length(1)
    expect(lines.text).not.to.include(TOKEN)
  })

  it('gives a batch up after maxTries', async () => {
    const { log, loggly } = await logger(await freePort(), { maxTries: 3 })
    log.info('in vain')
    await until(() => loggly.dropped > 0)
  })

  it('never keeps the logger waiting: above its bound lines are dropped, counted and told', async () => {
    const standIn = await LogglyStandIn.start()
    standIn.statuses = [0]
    const { log, lines, loggly } = await logger(standIn.port, { maxQueueLength: 100_000 })
    const begun = performance.now()
    for (let i = 0; i < 5_000; i++) log.info({ i }, 'x'.repeat(100))
    expect(performance.now() - begun).to.be.lessThan(2_000)
    expect(loggly.queueLength).to.be.within(90_000, 100_000)
    const { dropped } = loggly
    expect(dropped).to.be.within(4_000, 5_000)
    expect(lines.with('xxx')).to.have.length(5_000)
    await loggly.close(50)
    expect(loggly.dropped).to.equal(5_000)
    expect(
      lines.with('Loggly: 5000 lines were dropped, the last because there was no time left')
    ).to.have.length(1)
  })

  it('takes no line that is too long for it, and all others', async () => {
    const standIn = await LogglyStandIn.start()
    const { log, loggly } = await logger(standIn.port)
    log.info('x'.repeat(1_000_001))
    log.info('short')
    await until(() => standIn.events.length === 1)
    expect(standIn.events[0]).to.include({ msg: 'short' })
    expect(loggly.dropped).to.equal(1)
  })

  it('gets what waits when the log is closed, without a wait', async () => {
    const standIn = await LogglyStandIn.start()
    const { log, loggly } = await logger(standIn.port, { gatherTime: 60_000 })
    log.info('last words')
    await Promise.all([loggly.close(), loggly.close()])
    expect(standIn.events.map(({ msg }) => msg)).to.deep.equal(['last words'])
    log.info('too late')
    expect(loggly.dropped).to.equal(1)
  })

  it('loses what waits when its worker ends, says so, and does not take the process along', async () => {
    class Broken extends Loggly {
      protected override get workerFile(): string {
        return join(folder(), 'missing.js')
      }
    }
    const lines = new Lines()
    const loggly = new Broken({ token: TOKEN })
    loggly.reportTo(createLogger({ name: 'test', destination: lines }))
    for (let i = 0; i < 3; i++) loggly.write('{}\n')
    await until(() => loggly.dropped === 3)
    loggly.write('{}\n')
    await until(() => loggly.dropped === 4)
    await loggly.close()
    expect(lines.with('Loggly: 4 lines were dropped, the last because the worker has ended')).to.have.length(
      1
    )
  })

  it('refuses to send its token in clear', () => {
    expect(() => new Loggly({ token: TOKEN, url: 'http://127.0.0.1' })).to.throw(
      'url must begin with https://'
    )
  })
})
