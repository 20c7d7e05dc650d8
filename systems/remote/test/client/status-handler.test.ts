import { expect } from 'chai'
import { RemoteClient } from '../../lib/client/remote-client'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { nodeSuite } from '../../lib/sealing/node-suite'
import { systemClock } from '../../lib/time/clock'
import { type DialReason, unreachable } from '../../lib/transport/dial-error'

describe('The status handler of a client', () => {
  it('is told why there is no connection: each reason once, however often it is tried', async () => {
    const reasons: DialReason[] = ['unreachable', 'unreachable', 'not-trusted', 'unreachable']
    const told: string[] = []
    const tried = new Promise<void>(resolve => {
      const client = new RemoteClient({
        suite: nodeSuite(),
        scrypt: nodeScrypt,
        clock: { ...systemClock, setTimeout: callback => systemClock.setTimeout(callback, 0) },
        dial: () => {
          const reason = reasons.shift()
          if (reason !== undefined) return Promise.reject(unreachable(reason))
          client.close()
          resolve()
          return new Promise(() => {})
        }
      })
      client.setStatusHandler((status, error) => told.push(`${status} ${error?.reason ?? ''}`.trim()))
      client.connect('wss://relay.example', 'A'.repeat(43), true).catch(() => {})
    })
    await tried
    expect(told).to.deep.equal([
      'connecting',
      'connecting unreachable',
      'connecting not-trusted',
      'connecting unreachable',
      'closed'
    ])
  })
})
