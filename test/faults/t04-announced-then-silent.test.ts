import { expect } from 'chai'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong } from '../helpers/figures'
import { closesWhatItOpened } from '../helpers/loopback'
import type { ServerReport } from './programs/server'
import type { StrangersReport } from './programs/strangers'

const PEERS = isLong ? 1000 : 500
const FRAME_TIMEOUT = 500

describe('T4 a frame that is announced and does not come', () => {
  closesWhatItOpened()

  it(`T4 cuts ${PEERS} peers, silent ones and dribblers, after frameTimeout`, async function () {
    this.timeout(60_000)
    const [server, strangers] = await Promise.all([startProgram('server'), startProgram('strangers')])
    const { port } = await server.ask<ServerReport>({
      ask: 'listen',
      options: { frameTimeout: FRAME_TIMEOUT }
    })
    await strangers.ask({ ask: 'announce', port, count: PEERS, interval: 100 })
    const report = await strangers.ask<StrangersReport>({ ask: 'awaitClosed' })
    const after = await server.ask<ServerReport>({ ask: 'report' })
    figures(`slowest cut after ${report.slowest.toFixed(0)} ms, frameTimeout ${FRAME_TIMEOUT} ms`)
    expect(report).to.include({ open: 0, closed: PEERS })
    expect(after.codes).to.deep.equal({ ERR_FRAME_TIMEOUT: PEERS })
    expect(after).to.deep.include({ connections: 0, pendingHandshakes: 0, uncaught: [] })
  })
})
