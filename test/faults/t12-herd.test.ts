import { once } from 'node:events'
import { expect } from 'chai'
import { type FaultProgram, startProgram } from '../helpers/fault-program'
import { figures, isLong } from '../helpers/figures'
import { closesWhatItOpened, freePort, startServer, until } from '../helpers/loopback'
import { needFiles } from '../helpers/need'
import type { HerdReport } from './programs/herd'
import type { ServerReport } from './programs/server'

const CLIENTS = isLong ? 1_000 : 60
/**
 * Demanded: 3. The policy's own simulation has it at 3.1 on average when the server is away for less than a wait.
 * Of 60 clients a tenth of the time holds 6: by chance it holds 27 in 3 of 10,000 restarts, and 36 in none of 2,000,000.
 */
const MOST_OF_MEAN = isLong ? 4 : 6.5

describe('T12 a herd of clients', () => {
  closesWhatItOpened()

  async function listen(port: number): Promise<FaultProgram> {
    const server = await startProgram('server')
    await server.ask<ServerReport>({
      ask: 'listen',
      options: { port, maxConnectionsPerIdentity: 2_000, maxConnectionsPerAddress: 2_000 }
    })
    return server
  }

  for (const how of ['kill -9', 'close()'] as const) {
    it(`T12 ${CLIENTS} clients of a server that was restarted (${how}) are all back, and not all at once`, async function () {
      this.timeout(120_000)
      needFiles(this, CLIENTS + 200)
      const port = await freePort()
      const [server, herd] = await Promise.all([listen(port), startProgram('herd')])
      await herd.ask<HerdReport>({ ask: 'start', count: CLIENTS, options: { port, reconnect: true } })

      const cut = performance.timeOrigin + performance.now()
      if (how === 'close()') await server.ask({ ask: 'close' })
      await server.kill()
      const next = await listen(port)
      const up = performance.timeOrigin + performance.now()
      const { connects, dials, codes } = await herd.ask<HerdReport>({ ask: 'awaitBack' })

      const back = Math.max(...connects) - cut
      const times = dials.map(at => at - cut).sort((one, other) => one - other)
      const first = times[0] as number
      const last = times.at(-1) as number
      const bins = new Array<number>(10).fill(0)
      for (const time of times) {
        const bin = Math.min(9, Math.floor(((time - first) / (last - first)) * 10))
        bins[bin] = (bins[bin] as number) + 1
      }
      const peak = Math.max(...bins) / (times.length / 10)
      figures(
        `server away for ${(up - cut).toFixed(0)} ms; all back after ${back.toFixed(0)} ms (demanded: 10,000)`
      )
      figures(
        `dialled from ${first.toFixed(0)} to ${last.toFixed(0)} ms, in tenths of that time: ${bins.join(' ')}; the busiest is ${peak.toFixed(1)} × the mean (demanded: 3)`
      )
      figures(`told: ${JSON.stringify(codes)}`)
      expect(times.length).to.be.at.least(CLIENTS)
      expect(back).to.be.below(30_000)
      expect(peak).to.be.at.most(MOST_OF_MEAN)
      expect(new Set(times.map(time => Math.round(time))).size, 'jitter').to.be.greaterThan(20)
      const report = await next.ask<ServerReport>({ ask: 'report' })
      expect(report).to.deep.include({ connections: CLIENTS, uncaught: [] })
      const { connected } = await herd.ask<HerdReport>({ ask: 'close' })
      expect(connected).to.equal(0)
    })
  }

  it('T12 a client killed with kill -9 is noticed at once, without a heartbeat', async () => {
    const { server, port } = await startServer()
    server.on('token', (token, connection) => void connection.send(token))
    const herd = await startProgram('herd')
    for (const protocol of ['token/2', 'token/1'] as const) {
      await herd.ask<HerdReport>({ ask: 'start', count: 5, options: { port, protocol } })
    }
    await herd.ask<HerdReport>({ ask: 'load', pause: 1 })
    await once(server, 'token')
    await until(() => server.connections.size === 10)
    const closes: string[] = []
    for (const connection of server.connections) {
      connection.on('close', (_hadError, info) => closes.push(`${connection.protocol} ${info.code}`))
    }
    const begin = performance.now()
    await herd.kill()
    await until(() => server.connections.size === 0)
    figures(
      `noticed after ${(performance.now() - begin).toFixed(0)} ms: ${JSON.stringify([...new Set(closes)])}`
    )
    expect(closes).to.have.length(10)
    // Whoever speaks token/2 says CLOSE: an end without it is a loss. On token/1 it may look like an orderly end.
    for (const close of closes.filter(text => text.startsWith('token/2'))) {
      expect(close).to.be.oneOf(['token/2 ERR_LOST', 'token/2 ERR_SOCKET', 'token/2 ERR_TRUNCATED'])
    }
  })
})
