import { expect } from 'chai'
import { ended, residentMiB } from '../helpers/packets'
import { deviceToken, TestBroker } from '../helpers/test-broker'

describe('B4: before CONNECT', () => {
  let test: TestBroker

  afterEach(() => test.stop())

  it('100 sockets that announce 256 MiB are cut at once and cost nothing', async () => {
    test = await TestBroker.start()
    const before = residentMiB()
    const sockets = await Promise.all(Array.from({ length: 100 }, () => test.socket()))
    const ends = sockets.map(socket => ended(socket))
    for (const socket of sockets) socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
    await Promise.all(ends)
    expect(residentMiB() - before).to.be.lessThan(20)
    expect(test.broker.counters.violations).to.equal(100)
  })

  it('100 sockets that announce the longest CONNECT and dribble are cut in time and cost what they sent', async () => {
    test = await TestBroker.start({ limits: { connectTimeout: 300 } })
    const before = residentMiB()
    const begun = performance.now()
    const sockets = await Promise.all(Array.from({ length: 100 }, () => test.socket()))
    const ends = sockets.map(socket => ended(socket))
    for (const socket of sockets) socket.write(Buffer.from([0x10, 0x80, 0x80, 0x04]))
    const dribble = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write(Buffer.from([0]))
    }, 20)
    await Promise.all(ends)
    clearInterval(dribble)
    expect(performance.now() - begun).to.be.within(200, 3_000)
    expect(residentMiB() - before).to.be.lessThan(20)
    expect(test.broker.counters.connectTimeouts).to.equal(100)
  })

  it('a socket that says nothing is cut at the timeout', async () => {
    test = await TestBroker.start({ limits: { connectTimeout: 300 } })
    const begun = performance.now()
    const socket = await test.socket()
    await ended(socket)
    expect(performance.now() - begun).to.be.within(200, 3_000)
  })

  it('a first packet that is not CONNECT, and a second CONNECT, close the connection', async () => {
    test = await TestBroker.start()
    const socket = await test.socket()
    socket.write(Buffer.from([0xc0, 0]))
    await ended(socket)
    const client = await test.client(await deviceToken('1'))
    client.stream.write(Buffer.from([0x10, 0]))
    await new Promise<void>(resolve => client.once('close', () => resolve()))
    expect(test.broker.counters.violations).to.equal(2)
  })
})
