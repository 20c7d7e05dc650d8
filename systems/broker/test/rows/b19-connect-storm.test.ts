import { freePort, remove, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import { TestServer } from '../helpers/running-broker'
import { deviceToken, until } from '../helpers/test-broker'

/** They and the broker share this process. */
const DEVICES = 200

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
    let server = await TestServer.start(config)
    try {
      const clients = await Promise.all(
        Array.from({ length: DEVICES }, async (_, index) => {
          const token = await deviceToken(1_000 + index)
          return server.dial(token, { clientId: 'phone', clean: false, reconnectPeriod: 500 })
        })
      )
      const areIn = () => clients.every(({ connected }) => connected)
      await until('all are in', areIn, 4 * WITHIN)
      await server.running.service.close()
      await until('all are out', () => clients.every(({ connected }) => !connected), WITHIN)
      const first = server
      server = await TestServer.start(config)
      await until('all are in again', areIn, WITHIN)
      expect(server.running.broker.refusals()).to.deep.equal([])
      expect(server.running.broker.counters.accepted).to.equal(DEVICES)
      await first.stop()
    } finally {
      await server.stop()
      remove(folder)
    }
  })
})
