import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { now, type Payload, writePayload } from '../../bench/load/payload'
import { publishHeader } from '../../bench/load/publishers'
import { Subscribers } from '../../bench/load/subscribers'
import type { LoadOptions } from '../../bench/load/tasks'
import { Topics } from '../../bench/topics'
import { until } from '../helpers/test-broker'

const OPTIONS: LoadOptions = { connections: 2, subscriptions: 4, fanOut: 1, qos: 0, payload: 40 }
const ROUND = 7

describe('A subscriber of the load test', () => {
  let server: Server
  let broker: Socket
  let subscribers: Subscribers

  /** A broker that says yes to CONNECT and SUBSCRIBE. */
  beforeEach(async () => {
    server = createServer(socket => {
      broker = socket
      socket.once('data', () => {
        socket.write(Buffer.from([0x20, 2, 0, 0]))
        socket.once('data', () => socket.write(Buffer.from([0x90, 4, 0, 1, 0, 0])))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    subscribers = new Subscribers(OPTIONS, 0, 2)
    await subscribers.open({ port: (server.address() as AddressInfo).port }, 1, undefined)
    subscribers.expect(ROUND)
  })
  afterEach(() => {
    broker.destroy()
    server.close()
  })

  /** Topics 2 and 3 are those of the second connection. */
  function message(more: Partial<Payload> = {}, topicName = more.topic ?? 2): Buffer {
    const payload = { topic: 2, number: 1, round: ROUND, sentAt: now() - 50, ...more }
    const header = publishHeader(new Topics(OPTIONS).nameOf(topicName), OPTIONS.payload, 0)
    const bytes = Buffer.alloc(header.length + OPTIONS.payload)
    header.copy(bytes)
    writePayload(bytes, header.length, OPTIONS.payload, payload)
    return bytes
  }

  /** What is counted when all of these have come, cut in the middle. */
  async function counted(...messages: Buffer[]) {
    const bytes = Buffer.concat(messages)
    const middle = Math.floor(bytes.length / 2) - 3
    broker.write(bytes.subarray(0, middle))
    setImmediate(() => broker.write(bytes.subarray(middle)))
    const counts = () => {
      const { received, unordered, wrong, stale } = subscribers.collect()
      return { received, unordered, wrong, stale }
    }
    await until('all have come', () => {
      return Object.values(counts()).reduce((sum, count) => sum + count) === messages.length
    })
    return counts()
  }

  it('counts what comes in order, each topic by itself, gaps or not', async () => {
    const counts = await counted(
      message({ number: 1 }),
      message({ topic: 3, number: 1 }),
      message({ number: 2 }),
      message({ number: 5 })
    )
    expect(counts).to.deep.equal({ received: 4, unordered: 0, wrong: 0, stale: 0 })
  })

  it('sees a message that comes twice, or behind a later one', async () => {
    const counts = await counted(message({ number: 2 }), message({ number: 2 }), message({ number: 1 }))
    expect(counts).to.deep.equal({ received: 1, unordered: 2, wrong: 0, stale: 0 })
  })

  it('sees a changed message, one of somebody else, and one under the name of another topic', async () => {
    const changed = message({ number: 1 })
    changed[changed.length - 1] = (changed.at(-1) as number) ^ 1
    const counts = await counted(changed, message({ topic: 0, number: 1 }), message({ number: 2 }, 3))
    expect(counts).to.deep.equal({ received: 0, unordered: 0, wrong: 3, stale: 0 })
  })

  it('does not count a message of a round before', async () => {
    const counts = await counted(message({ round: ROUND - 1 }), message({ number: 1 }))
    expect(counts).to.deep.equal({ received: 1, unordered: 0, wrong: 0, stale: 1 })
  })

  it('tells that the broker closed its connection', async () => {
    broker.destroy()
    await until('it is seen', () => {
      try {
        return subscribers.count < 0
      } catch (error) {
        return (error as Error).message.startsWith('a subscriber is gone: ')
      }
    })
  })
})
