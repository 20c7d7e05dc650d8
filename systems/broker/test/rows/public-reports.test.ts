import { once } from 'node:events'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import type { MqttClient } from 'mqtt'
import { bytesOf, collectGarbage, connectBytes, logIn } from '../helpers/packets'
import { deviceToken, handlerToken, inbox, TestBroker, until } from '../helpers/test-broker'

/** Bytes of the heap that are in use, when garbage is collected. */
function heapInUse(): number {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed
}

// docs/known-reports.md has the others.
describe('Public reports', () => {
  let test: TestBroker

  beforeEach(async () => {
    test = await TestBroker.start({ limits: { maxConnectionsPerDevice: 300 } })
  })
  afterEach(() => test.stop())

  it('moscajs/aedes#966: memory does not grow while the connections stay the same', async function () {
    this.timeout(180_000)
    const [connections, pings] = [300, 20]
    const token = await deviceToken('1')
    const ping = bytesOf({ cmd: 'pingreq' })
    const publish = (qos: 0 | 1) =>
      bytesOf({ cmd: 'publish', topic: 'c', payload: 'x', qos, messageId: 1, dup: false, retain: false })
    const subscribe = bytesOf({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: '1_t', qos: 0 }] })
    const unsubscribe = bytesOf({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['1_t'] })
    const turn = Buffer.concat([...Array(pings).fill(ping), publish(0), publish(1), subscribe, unsubscribe])
    /** PINGRESPs, PUBACK, SUBACK and UNSUBACK. */
    const answer = 2 * pings + 4 + 5 + 4
    let received = 0
    const sockets: Socket[] = []
    for (let i = 0; i < connections; i++) {
      const socket = await test.socket()
      await logIn(socket, connectBytes(token, { clientId: `c${i}`, clean: i % 2 === 0, keepalive: 60 }))
      socket.on('data', ({ length }) => (received += length))
      sockets.push(socket)
    }
    const rounds = async (count: number) => {
      for (let i = 0; i < count; i++) {
        received = 0
        for (const socket of sockets) socket.write(turn)
        await until('all is answered', () => received >= connections * answer)
      }
    }
    await rounds(10)
    test.lines.length = 0
    const before = heapInUse()
    await rounds(15)
    test.lines.length = 0
    const grown = heapInUse() - before
    const packets = 15 * connections * (pings + 4)
    expect(grown, `${grown} bytes in ${packets} packets`).to.be.lessThan(8 * packets)
    expect(test.broker.counters.connections).to.equal(connections)
  })

  /** More than the bus of aedes gives out at once, 100: there each that is not taken keeps its place. */
  const MANY = 400

  it('moscajs/aedes#483: subscribers that take nothing do not stop SUBSCRIBE and PUBLISH of others', async function () {
    this.timeout(60_000)
    for (const [qos, clean] of [
      [0, true],
      [1, true],
      [2, true],
      [1, false],
      [2, false]
    ] as const) {
      for (let i = 0; i < 3; i++) await stuck(`stuck-${qos}-${clean}-${i}`, qos, clean)
    }
    const publisher = await test.handler('publisher')
    const payload = Buffer.alloc(16_384)
    await Promise.all(
      Array.from({ length: MANY }, (_, i) => {
        return publisher.publishAsync('flood', payload, { qos: (i % 3) as 0 | 1 | 2 })
      })
    )
    await expectLife(publisher)
  })

  it('moscajs/aedes#483: neither do subscribers that are cut in the middle of what they are sent', async function () {
    this.timeout(60_000)
    const publisher = await test.handler('publisher')
    for (let round = 0; round < 40; round++) {
      const sockets = await Promise.all(
        ([0, 1, 2] as const).flatMap(qos =>
          [true, false].map(clean => stuck(`cut-${qos}-${clean}`, qos, clean))
        )
      )
      const published = Array.from({ length: 10 }, (_, i) =>
        publisher.publishAsync('flood', Buffer.alloc(100_000), { qos: (i % 3) as 0 | 1 | 2 })
      )
      for (const socket of sockets) socket.resetAndDestroy()
      await Promise.all(published)
    }
    await expectLife(publisher)
  })

  /** A handler that subscribes to `flood`, and then neither reads nor acknowledges. */
  async function stuck(clientId: string, qos: 0 | 1 | 2, clean: boolean): Promise<Socket> {
    const socket = await test.socket()
    await logIn(socket, connectBytes(await handlerToken(clientId), { clientId, clean }))
    socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos }] }))
    await once(socket, 'data')
    socket.pause()
    return socket
  }

  /** Somebody who comes now, and somebody who was here, publish and subscribe with each QoS. */
  async function expectLife(publisher: MqttClient): Promise<void> {
    const fresh = await test.handler('fresh')
    const received = inbox(fresh)
    await fresh.subscribeAsync('life/+', { qos: 2 })
    for (const client of [publisher, fresh]) {
      for (const qos of [0, 1, 2] as const) await client.publishAsync(`life/${qos}`, 'on', { qos })
    }
    await until('all come', () => received.length >= 6)
    expect(received.map(({ topic }) => topic).sort()).to.deep.equal([
      'life/0',
      'life/0',
      'life/1',
      'life/1',
      'life/2',
      'life/2'
    ])
  }
})
