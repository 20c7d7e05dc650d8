import { expect } from 'chai'
import { connectBytes, ended, logIn } from '../helpers/packets'
import { deviceToken, TestBroker, until } from '../helpers/test-broker'

describe('B18: a client of which nothing is heard', () => {
  it('is cut at 1.5 times its keep alive, 100 of 100, and its will is sent once', async function () {
    this.timeout(30_000)
    const test = await TestBroker.start({ limits: { maxConnectionsPerDevice: 100 } })
    try {
      const wills: string[] = []
      test.broker.subscribe('gone', ({ payload }) => wills.push(payload.toString()))
      const token = await deviceToken('1')
      const times = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const socket = await test.socket()
          const will = { topic: 'gone', payload: Buffer.from(String(i)), qos: 1 as const, retain: false }
          await logIn(socket, connectBytes(token, { clientId: `c${i}`, keepalive: 2, will }))
          const begun = performance.now()
          await ended(socket)
          return performance.now() - begun
        })
      )
      expect(Math.min(...times)).to.be.greaterThan(2_000)
      expect(Math.max(...times)).to.be.lessThan(4_000)
      await until('all wills come', () => wills.length >= 100)
      expect(new Set(wills).size).to.equal(100)
      expect(wills).to.have.length(100)
      expect(test.broker.counters.keepAliveTimeouts).to.equal(100)
    } finally {
      await test.stop()
    }
  })
})
