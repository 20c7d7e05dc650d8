import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { createBus, MemoryHub } from '../../lib'
import { describeBus } from './contract'

describe('MemoryBus', () => {
  closesWhatItOpened()

  describeBus({
    async make(count) {
      const hub = new MemoryHub()
      const buses = Array.from({ length: count }, () => createBus({ name: 'test', hub }))
      await Promise.all(buses.map(({ ready }) => ready))
      return buses
    }
  })

  it('does not hear a bus that has another hub', async () => {
    const [a, b] = [createBus({ name: 'test' }), createBus({ name: 'test' })]
    let heard = 0
    b.subscribe(() => heard++)
    a.publish('t', Buffer.of())
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    expect(heard).to.equal(0)
    await Promise.all([a.close(), b.close()])
  })

  it('refuses a URL that is none of Redis, and shows nothing of it', () => {
    for (const url of ['', 'a:canary', 'http://:canary@b', 'redis//:canary@b'])
      expect(() => createBus({ name: 'test', url })).to.throw(
        /^Cannot make a bus: url must begin with redis:\/\/ or rediss:\/\/$/
      )
  })

  it('refuses limits that contradict', () => {
    expect(() => createBus({ name: 'test', maxQueueBytes: 10 })).to.throw(
      'Cannot make a bus: maxQueueBytes is 10, less than maxMessageBytes, 8388608'
    )
  })
})
