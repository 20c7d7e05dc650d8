import { once } from 'node:events'
import { expect } from 'chai'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong, p99 } from '../helpers/figures'
import { closesWhatItOpened, makeClient } from '../helpers/loopback'
import { needFiles } from '../helpers/need'
import type { IntrudersReport } from './programs/intruders'
import type { ServerReport } from './programs/server'

const RATE = 500
const SECONDS = isLong ? 30 : 3

describe('T6 a flood of handshakes from one address', () => {
  closesWhatItOpened()

  for (const [title, options, code] of [
    [
      'maxConnectionsPerAddress',
      { maxConnectionsPerAddress: 64, handshakeTimeout: 2_000 },
      'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS'
    ],
    [
      'maxPendingHandshakes',
      { maxPendingHandshakes: 128, handshakeTimeout: 2_000 },
      'ERR_TOO_MANY_HANDSHAKES'
    ]
  ] as const) {
    it(`T6 ${RATE} a second for ${SECONDS} s: ${title} drops early, and another address is served`, async function () {
      this.timeout(90_000)
      needFiles(this, 2_000)
      const [server, intruders] = await Promise.all([startProgram('server'), startProgram('intruders')])
      let { port, processorTime } = await server.ask<ServerReport>({ ask: 'listen', options })

      let isOver = false
      const flooded = intruders
        .ask<IntrudersReport>({ ask: 'flood', port, rate: RATE, seconds: SECONDS })
        .finally(() => {
          isOver = true
        })
      const dials: number[] = []
      const computed: number[] = []
      let again = 0
      let mostPending = 0
      let mostOpen = 0
      while (!isOver) {
        const begin = performance.now()
        const client = await makeClient(port, { localAddress: '127.0.0.2', reconnect: () => 20 })
        client.on('disconnect', () => again++)
        client.send(Buffer.from('echo'))
        await once(client, 'token')
        dials.push(performance.now() - begin)
        client.close()
        await client.closed
        const report = await server.ask<ServerReport>({ ask: 'report' })
        computed.push(report.processorTime - processorTime)
        processorTime = report.processorTime
        mostPending = Math.max(mostPending, report.pendingHandshakes)
        mostOpen = Math.max(mostOpen, report.descriptors)
      }
      const flood = await flooded
      await intruders.ask({ ask: 'leave' })
      let after: ServerReport
      do after = await server.ask<ServerReport>({ ask: 'report' })
      while (after.pendingHandshakes > 0 || after.connections > 0)
      figures(`${flood.dials} dials; told: ${JSON.stringify(after.codes)}; at most ${mostPending} pending`)
      figures(
        `another address: ${dials.length} dials and echoes, p99 ${p99(dials).toFixed(0)} ms (demanded: 500), longest ${Math.max(...dials).toFixed(0)} ms, ${again} dialled again; the server computed for ${Math.max(...computed).toFixed(0)} ms meanwhile`
      )
      expect(flood.dials).to.equal(RATE * SECONDS)
      expect(after.codes[code], code).to.be.greaterThan(10)
      expect(mostPending).to.be.at.most(129)
      expect(mostOpen).to.be.below(300)
      // How many fit into the flood, and how long each takes, depends on who else computes on the machine. For how long the server
      // computes before it serves one does not: the handshakes that may be pending before it.
      expect(dials.length).to.be.at.least(2)
      expect(Math.max(...computed), 'milliseconds of processor time').to.be.below(4_000)
      expect(after.uncaught).to.deep.equal([])
    })
  }

  it('T6 handshakes of one address above maxConnectionsPerAddress cost no TLS work, and a place is free again at once', async () => {
    const [server, intruders] = await Promise.all([startProgram('server'), startProgram('intruders')])
    const options = { maxConnectionsPerAddress: 5, heartbeat: 0 }
    const { port } = await server.ask<ServerReport>({ ask: 'listen', options })
    await intruders.ask({ ask: 'ignore', port, count: 5, window: 1 })
    const refused = await makeClient(port)
    const { error } = await refused.closed
    expect(error?.code).to.be.oneOf(['ERR_HANDSHAKE', 'ERR_CONNECT', 'ERR_SOCKET'])
    const other = await makeClient(port, { localAddress: '127.0.0.2' })
    await once(other, 'connect')
    await intruders.ask({ ask: 'leave' })
    const again = await makeClient(port, { reconnect: () => 10 })
    await once(again, 'connect')
    const { codes } = await server.ask<ServerReport>({ ask: 'report' })
    expect(codes.ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS).to.be.at.least(1)
  })
})
