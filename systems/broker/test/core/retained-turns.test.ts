import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { type Packet, parser } from 'mqtt-packet'
import { RetainedTurns } from '../../lib/core/retained-turns'
import { bytesOf, connectBytes, logIn } from '../helpers/packets'
import { deviceToken, TestBroker, until } from '../helpers/test-broker'

describe('What is retained for one client', () => {
  it('is searched for once at a time, and each filter that waits only once', async () => {
    const turns = new RetainedTurns()
    const searches: string[] = []
    const finish: (() => void)[] = []
    async function* search(filters: readonly string[]) {
      searches.push(filters.join())
      await new Promise<void>(resolve => finish.push(resolve))
      yield* filters
    }
    const ask = async (...filters: string[]) => {
      const found: string[] = []
      for await (const each of turns.find(filters, search)) found.push(each)
      return found
    }
    const first = ask('a')
    await until('the first has begun', () => finish.length > 0)
    const all = Promise.all([first, ask('a', 'b'), ask('b'), ask('c'), ask('c', 'b', 'a')])
    await nextTurn()
    expect(searches).to.deep.equal(['a'])
    const steps = setInterval(() => finish.shift()?.())
    const found = await all
    clearInterval(steps)
    expect(searches).to.deep.equal(['a', 'a,b', 'c'])
    expect(found).to.deep.equal([['a'], ['a', 'b'], [], ['c'], []])
    const broken = turns.find(['a'], () => {
      throw new Error('no')
    })
    expect(await broken.next().catch((error: Error) => error.message)).to.equal('no')
    const again = ask('a')
    await until('it is searched for behind one that failed', () => finish.length > 0)
    finish.shift()?.()
    expect(await again).to.deep.equal(['a'])
  })

  it('comes behind each subscription, however many come at once', async () => {
    const test = await TestBroker.start()
    try {
      await test.broker.publish({ topic: '1_photo', payload: Buffer.alloc(100_000), qos: 1, retain: true })
      const socket = await test.socket()
      await logIn(socket, connectBytes(await deviceToken('1')))
      const got: Packet[] = []
      const reader = parser()
      reader.on('packet', packet => got.push(packet))
      socket.on('data', bytes => reader.parse(bytes))
      const COUNT = 1_000
      const subscribe = (messageId: number) =>
        bytesOf({ cmd: 'subscribe', messageId, subscriptions: [{ topic: '1_photo', qos: 1 }] })
      socket.write(Buffer.concat(Array.from({ length: COUNT }, (_, i) => subscribe(i + 1))))
      const count = (cmd: string) => got.filter(packet => packet.cmd === cmd).length
      await until('the last packet is what is retained', () => {
        return count('suback') === COUNT && got.at(-1)?.cmd === 'publish'
      })
      expect(count('publish')).to.be.lessThan(COUNT / 10)
      socket.destroy()
      await once(socket, 'close')
    } finally {
      await test.stop()
    }
  })
})
