import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'chai'
import { PatientDeadline } from '../../lib/runtime/patient-deadline'
import { FakeClock } from '../../lib/testing'
import { closesWhatItOpened, makeClient, onCleanUp, startServer, until } from '../helpers/loopback'
import { block, settled } from '../helpers/moments'

describe('PatientDeadline', () => {
  const clock = new FakeClock()
  let restore: () => void

  before(() => {
    restore = clock.install()
  })
  after(() => restore())

  function expiries(milliseconds: number): { deadline: PatientDeadline; count(): number } {
    let count = 0
    const deadline = new PatientDeadline(milliseconds, () => count++)
    return { deadline, count: () => count }
  }

  /** Lets time pass in steps of one millisecond, as it does for a process that is not blocked. */
  async function pass(milliseconds: number): Promise<void> {
    for (let i = 0; i < milliseconds; i++) await clock.elapse(1)
  }

  for (const milliseconds of [1, 39, 40, 41, 100, 103]) {
    it(`expires once, at its time: ${milliseconds} ms`, async () => {
      const { deadline, count } = expiries(milliseconds)
      deadline.arm()
      await pass(milliseconds - 1)
      expect(count()).to.equal(0)
      await pass(4)
      expect(count()).to.equal(1)
      await pass(200)
      expect(count()).to.equal(1)
    })
  }

  it('has three quarters left after the longest block, and says so', async () => {
    const { deadline, count } = expiries(100)
    deadline.arm()
    clock.advance(1_000_000)
    await settled()
    expect([count(), deadline.timeLeft]).to.deep.equal([0, 75])
    await pass(74)
    expect(count()).to.equal(0)
    await pass(2)
    expect(count()).to.equal(1)
  })

  it('tells what is left, never 0, and starts anew when it is armed again', async () => {
    const { deadline, count } = expiries(100)
    expect(deadline.isArmed).to.equal(false)
    deadline.arm()
    for (const [after, left] of [
      [0, 100],
      [10, 90],
      [30, 60],
      [59, 1]
    ] as const) {
      await pass(after)
      expect(deadline.timeLeft).to.equal(left)
    }
    expect(deadline.isArmed).to.equal(true)
    deadline.arm()
    expect(deadline.timeLeft).to.equal(100)
    await pass(99)
    expect(count()).to.equal(0)
    deadline.clear()
    await pass(200)
    expect(count()).to.equal(0)
  })

  it('never expires with 0 and Infinity', async () => {
    for (const milliseconds of [0, Infinity]) {
      const { deadline, count } = expiries(milliseconds)
      deadline.arm()
      await clock.elapse(1_000_000)
      expect([count(), deadline.timeLeft]).to.deep.equal([0, Infinity])
    }
  })
})

describe('a process that is blocked for longer than a timeout blames nobody for it', () => {
  closesWhatItOpened()

  const TIMEOUT = 200
  const BLOCK = 500

  for (const protocol of ['token/1', 'token/2'] as const) {
    it(`connectTimeout, ${protocol}: the dial goes on`, async () => {
      const { server, port } = await startServer()
      const client = await makeClient(port, { protocol, connectTimeout: TIMEOUT })
      client.send(Buffer.from('x'))
      block(BLOCK)
      expect(String((await once(server, 'token'))[0])).to.equal('x')
    })

    for (const moment of ['accepted', 'asked'] as const) {
      it(`handshakeTimeout, ${protocol}, when a client is ${moment}: the handshake goes on`, async () => {
        let isAsked = false
        const { server, port } = await startServer({
          handshakeTimeout: TIMEOUT,
          authorize: async () => {
            isAsked = true
            // Several turns of the event loop, as a question to a database takes.
            for (let i = 0; i < 3; i++) await settled()
            return true
          }
        })
        const refusals: string[] = []
        server.on('refused', ({ error }) => refusals.push(error.message))
        const raw = connect(port, '127.0.0.1')
        onCleanUp(() => raw.destroy())
        await once(raw, 'connect')
        await until(() => server.pendingHandshakes === 1)
        if (moment === 'accepted') setImmediate(block, BLOCK)
        const client = await makeClient(port, { socket: raw, protocol, servername: 'localhost' })
        client.send(Buffer.from('x'))
        if (moment === 'asked') void until(() => isAsked).then(() => block(BLOCK))
        const token = once(server, 'token')
        await Promise.race([token, once(server, 'refused')])
        expect(refusals).to.deep.equal([])
        expect(String((await token)[0])).to.equal('x')
      })
    }
  }

  it('deliver({ timeout }): before connect and after, it is delivered', async () => {
    const { server, port } = await startServer()
    server.on('token', () => {})
    const client = await makeClient(port)
    for (let i = 0; i < 2; i++) {
      const fate = client.deliver(Buffer.from('x'), { timeout: TIMEOUT })
      block(BLOCK)
      await fate
    }
  })

  it('close({ timeout }): before connect and after, everything is flushed and it ends in order', async () => {
    const { server, port } = await startServer()
    server.on('token', () => {})
    for (const isOpen of [false, true]) {
      const client = await makeClient(port)
      if (isOpen) await once(client, 'connect')
      client.send(Buffer.from('x'))
      client.close({ timeout: TIMEOUT })
      block(BLOCK)
      expect(await client.closed).to.include({ code: 'normal', unsent: 0 })
    }
  })

  it('resumeTimeout: the session goes on', async () => {
    const { server, port } = await startServer({ session: { resumeTimeout: TIMEOUT } })
    server.on('token', () => {})
    const client = await makeClient(port, { session: { resumeTimeout: TIMEOUT }, reconnect: () => 5 })
    await once(client, 'connect')
    const lost: unknown[] = []
    client.on('session-lost', loss => lost.push(loss))
    const detached = once([...server.connections][0] as NodeJS.EventEmitter, 'detached')
    client.connection?.socket.destroy()
    const fate = client.deliver(Buffer.from('x'))
    await detached
    block(BLOCK)
    await fate
    expect(lost).to.deep.equal([])
  })
})
