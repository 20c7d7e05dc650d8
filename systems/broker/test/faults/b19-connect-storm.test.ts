import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { freePort, isLong, remove, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import { TestServer } from '../helpers/running-broker'
import { until } from '../helpers/test-broker'

/** LONG=1: so many devices, in so many processes. */
const [DEVICES, PROCESSES] = isLong ? [2_000, 4] : [200, 1]

const FLEET = join(__dirname, '../programs/device-fleet.js')

/** Milliseconds. */
const WITHIN = 30_000

describe('B19: a broker that is started again', () => {
  it(`lets in ${DEVICES} devices that come back at once over TLS within ${WITHIN / 1000} s, and refuses none`, async function () {
    this.timeout(8 * WITHIN)
    const folder = temporaryFolder()
    const config = {
      PORT: await freePort(),
      CERTS_DIR: `${folder}/certs`,
      MAX_CONNECTIONS_PER_ADDRESS: 0,
      MAX_CONNECT_RATE_PER_ADDRESS: 0
    }
    const fleets: ChildProcess[] = []
    let server = await TestServer.start(config)
    try {
      const each = DEVICES / PROCESSES
      const counts = Array.from({ length: PROCESSES }, (_, index) => {
        const args = [config.PORT, `${folder}/certs/ca/ca.crt`, 1_000 + index * each, each].map(String)
        const fleet = fork(FLEET, args)
        fleets.push(fleet)
        const count = { connected: 0 }
        fleet.on('message', connected => {
          count.connected = connected as number
        })
        return count
      })
      const areIn = () => counts.every(({ connected }) => connected === each)
      await until('all are in', areIn, 4 * WITHIN)
      await server.running.service.close()
      await until('all are out', () => counts.every(({ connected }) => connected === 0), WITHIN)
      const first = server
      server = await TestServer.start(config)
      const begin = Date.now()
      await until('all are in again', areIn, WITHIN)
      if (isLong) console.log(`${DEVICES} devices: all in again after ${(Date.now() - begin) / 1000} s`)
      expect(server.running.broker.refusals()).to.deep.equal([])
      expect(server.running.broker.counters.accepted).to.equal(DEVICES)
      await first.stop()
    } finally {
      for (const fleet of fleets) fleet.kill()
      await server.stop()
      remove(folder)
    }
  })
})
