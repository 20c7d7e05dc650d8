import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { connectBytes, ended, logIn } from '../helpers/packets'
import { connack, deviceToken, TestBroker, until } from '../helpers/test-broker'

const CLIENTS = 100
/** Seconds. */
const KEEP_ALIVE = 2
const CUT_AFTER = 1_500 * KEEP_ALIVE
const TOLERANCE = 1_000

/** Hands on what clients and broker write, until it is silent: then nothing passes any more, and no end either. */
class SilentProxy {
  readonly #server: Server
  readonly #sockets: Socket[] = []
  #isSilent = false
  /** Milliseconds from the last byte that the broker was handed on a connection to its end of it. */
  readonly cutAfter: number[] = []

  constructor(brokerPort: number) {
    this.#server = createServer(client => {
      const broker = connect(brokerPort, '127.0.0.1')
      let lastAt = performance.now()
      this.#sockets.push(client, broker)
      for (const socket of [client, broker]) socket.on('error', () => undefined)
      client.on('data', bytes => {
        if (this.#isSilent) return
        lastAt = performance.now()
        broker.write(bytes)
      })
      broker.on('data', bytes => {
        if (!this.#isSilent) client.write(bytes)
      })
      broker.on('close', () => this.cutAfter.push(performance.now() - lastAt))
    })
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  fallSilent(): void {
    this.#isSilent = true
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

describe('B18: a client of which nothing is heard', () => {
  let test: TestBroker
  let wills: string[]

  beforeEach(async () => {
    test = await TestBroker.start({ limits: { maxConnectionsPerDevice: CLIENTS } })
    wills = []
    test.broker.subscribe('gone', ({ payload }) => wills.push(payload.toString()))
  })
  afterEach(() => test.stop())

  async function expectEachCut(times: readonly number[]): Promise<void> {
    await until('all wills come', () => wills.length >= CLIENTS)
    expect(times).to.have.length(CLIENTS)
    expect(Math.min(...times)).to.be.at.least(CUT_AFTER - TOLERANCE)
    expect(Math.max(...times)).to.be.at.most(CUT_AFTER + TOLERANCE)
    expect(wills.sort((a, b) => Number(a) - Number(b))).to.deep.equal(
      Array.from({ length: CLIENTS }, (_, i) => String(i))
    )
    expect(test.broker.counters.keepAliveTimeouts).to.equal(CLIENTS)
  }

  it('is cut at 1.5 times its keep alive, 100 of 100, and its will is sent once', async function () {
    this.timeout(30_000)
    const token = await deviceToken('1')
    const times = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, i) => {
        const socket = await test.socket()
        const will = { topic: 'gone', payload: Buffer.from(String(i)), qos: 1 as const, retain: false }
        await logIn(socket, connectBytes(token, { clientId: `c${i}`, keepalive: KEEP_ALIVE, will }))
        const begun = performance.now()
        await ended(socket)
        return performance.now() - begun
      })
    )
    await expectEachCut(times)
  })

  it('as long as its pings come it stays; behind a link that falls silent it is cut, and its will is sent once', async function () {
    this.timeout(30_000)
    const proxy = new SilentProxy(test.port)
    try {
      const port = await proxy.listen()
      const token = await deviceToken('1')
      await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) => {
          const will = { topic: 'gone', payload: Buffer.from(String(i)), qos: 1 as const, retain: false }
          return connack(test.dial(token, { port, clientId: `c${i}`, keepalive: KEEP_ALIVE, will }))
        })
      )
      await new Promise(resolve => setTimeout(resolve, 2 * CUT_AFTER))
      expect(proxy.cutAfter, 'cut while their pings came').to.deep.equal([])
      proxy.fallSilent()
      await until('all are cut', () => proxy.cutAfter.length >= CLIENTS)
      await expectEachCut(proxy.cutAfter)
    } finally {
      proxy.close()
    }
  })
})
