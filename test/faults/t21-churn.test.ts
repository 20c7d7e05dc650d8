import { expect } from 'chai'
import { certificates } from '../helpers/certificates'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened } from '../helpers/loopback'
import type { HerdReport } from './programs/herd'
import type { ServerReport } from './programs/server'

const SECONDS = isLong ? 3_600 : 10
const WARM_UP = isLong ? 600 : 4
/** Connections of each kind in a round. */
const ROUND = 20

interface Sample {
  /** Seconds since the beginning. */
  at: number
  server: number
  clients: number
}

/** Bytes an hour, by least squares. */
function slope(samples: Sample[], side: 'server' | 'clients'): number {
  const meanAt = mean(samples.map(({ at }) => at))
  const meanUsed = mean(samples.map(sample => sample[side]))
  let above = 0
  let below = 0
  for (const sample of samples) {
    above += (sample.at - meanAt) * (sample[side] - meanUsed)
    below += (sample.at - meanAt) ** 2
  }
  return (above / below) * 3_600
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** What a server has when nobody is there: the handle by which it listens. */
const QUIET = { connections: 0, pendingHandshakes: 0, descriptors: 1 }

function isQuiet({ connections, pendingHandshakes, descriptors }: ServerReport): boolean {
  return connections + pendingHandshakes === 0 && descriptors === QUIET.descriptors
}

describe('T21 soak', () => {
  closesWhatItOpened()

  it(`T21 ${SECONDS} s of connections that come and go, in order, resumed, refused: memory and handles stay flat`, async function () {
    this.timeout((SECONDS + 120) * 1000)
    const { bad } = await certificates()
    const [server, herd] = await Promise.all([startProgram('server'), startProgram('herd')])
    const { port } = await server.ask<ServerReport>({ ask: 'listen', options: {} })
    const visit = (over: object) =>
      herd.ask<HerdReport>({ ask: 'visit', count: ROUND, options: { port, refusedRetryTimeout: 0, ...over } })

    const samples: Sample[] = []
    let rounds = 0
    let last!: { server: ServerReport; herd: HerdReport }
    const begin = performance.now()
    const seconds = () => (performance.now() - begin) / 1000
    const warmed = () => samples.filter(({ at }) => at > WARM_UP)
    // A slow machine makes few rounds in that time: the first and the last third of them are compared.
    while (seconds() < SECONDS || warmed().length < 3) {
      await visit({})
      await visit({ protocol: 'token/1' })
      await visit({ ...bad.stranger })
      // Many at once, which stay for a moment and are closed in order.
      await herd.ask({ ask: 'start', count: ROUND, options: { port } })
      await herd.ask({ ask: 'close' })
      const clients = await herd.ask<HerdReport>({ ask: 'report' })
      rounds++
      // The system's sockets are closed a little later than the connections.
      let report: ServerReport
      const late = performance.now() + 20_000
      do report = await server.ask<ServerReport>({ ask: 'report' })
      while (!isQuiet(report) && performance.now() < late)
      expect(report, `after round ${rounds}`).to.deep.include(QUIET)
      last = { server: report, herd: clients }
      samples.push({ at: seconds(), server: report.used, clients: clients.used })
    }
    const warm = warmed()
    const growth = (side: 'server' | 'clients') => {
      const third = Math.max(1, Math.floor(warm.length / 3))
      const values = warm.map(sample => sample[side])
      return mean(values.slice(-third)) - mean(values.slice(0, third))
    }
    figures(
      `${rounds} rounds, ${rounds * ROUND * 4} connections; in use +${(growth('server') / MIB).toFixed(2)} MiB at the server, +${(growth('clients') / MIB).toFixed(2)} MiB at the clients, after ${WARM_UP} s`
    )
    if (isLong) {
      figures(
        `slope ${(slope(warm, 'server') / MIB).toFixed(2)} and ${(slope(warm, 'clients') / MIB).toFixed(2)} MiB an hour (demanded: below 1)`
      )
    }
    if (isLong) expect(rounds).to.be.at.least(100)
    expect(last.server.codes).to.deep.equal({ ERR_CERTIFICATE: rounds * ROUND })
    expect(last.server.uncaught).to.deep.equal([])
    expect(last.herd.descriptors, 'handles of the clients').to.equal(0)
    expect(last.herd.subjects).to.deep.equal({ 'CN=server': rounds * ROUND * 2 })
    // Each of some thousand connections that left 1 KiB behind would show.
    const limit = isLong ? MIB : 0.75 * MIB + rounds * ROUND * 4 * 200
    expect(growth('server'), 'growth of the server').to.be.below(limit)
    expect(growth('clients'), 'growth of the clients').to.be.below(limit)
    if (isLong) {
      expect(slope(warm, 'server')).to.be.below(MIB)
      expect(slope(warm, 'clients')).to.be.below(MIB)
    }
  })
})
