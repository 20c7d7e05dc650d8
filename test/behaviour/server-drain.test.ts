import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect } from 'chai'
import type { Connection, Goaway, TokenClient, TokenError } from '../../lib'
import { closesWhatItOpened, connectPair, makeClient, startServer } from '../helpers/loopback'
import { escapedDuring } from '../helpers/moments'

describe('server.drain()', () => {
  closesWhatItOpened()

  const WRONG: Readonly<Record<string, Partial<Goaway>>> = {
    'a code that GOAWAY has not': { code: 'refused' },
    'no code': { code: 'nonsense' as 'drain' },
    'the name of a method': { code: 'toString' as 'drain' },
    'a retryAfter below 0': { retryAfter: -1 },
    'a retryAfter that is a fraction': { retryAfter: 1.5 }
  }
  for (const [what, goaway] of Object.entries(WRONG)) {
    for (const clients of [0, 1]) {
      it(`rejects ${what} at once, with ${clients} clients`, async () => {
        const { server } = await startServer()
        if (clients > 0) await connectPair(server)
        const code = await server.drain({ ...goaway, timeout: 200 }).catch((error: TokenError) => error.code)
        expect(code).to.equal('ERR_OPTION')
        expect(server.connections.size).to.equal(clients)
      })
    }
  }

  /** Delivers until its signal aborts, one after the other. @returns the fates */
  async function deliverAll(client: TokenClient, signal: AbortSignal): Promise<string[]> {
    const fates: Promise<string>[] = []
    while (!signal.aborted) {
      const fate = client.deliver(Buffer.from('x'))
      fates.push(
        fate.then(
          () => 'handed',
          (error: TokenError) => error.code
        )
      )
      await new Promise(setImmediate)
    }
    return [...new Set(await Promise.all(fates))]
  }

  for (const code of ['drain', 'overloaded'] as const) {
    for (const spread of [0, 100]) {
      it(`followed by close() cuts no session while it moves, and every fate is known (${code}, over ${spread} ms)`, async () => {
        const { server, port } = await startServer({ session: true })
        server.on('token', () => {})
        const errors: string[] = []
        server.on('connectionError', error => errors.push(error.code))
        server.on('refused', refusal => errors.push(refusal.code))
        const over = { session: true, reconnect: (attempt: number) => (attempt < 3 ? 5 : false) as number }
        const clients = await Promise.all([1, 2, 3].map(() => makeClient(port, over)))
        await Promise.all(clients.map(client => once(client, 'connect')))
        const stop = new AbortController()
        const resumed = clients.map(client => once(client, 'resumed'))
        const fates = clients.map(client => deliverAll(client, stop.signal))
        expect(await server.drain({ code, spread, timeout: 5_000 })).to.equal(0)
        server.close()
        stop.abort()
        await Promise.all(resumed)
        await server.closed
        expect(errors).to.deep.equal([])
        for (const client of clients) client.close({ timeout: 0 })
        for (const fate of await Promise.all(fates)) expect(fate).not.to.include('ERR_FATE_UNKNOWN')
      })
    }
  }

  for (const what of ['quiet', 'busy'] as const) {
    it(`moves a ${what} session without telling 'detached' on either side`, async () => {
      const { server } = await startServer({ session: true, maxTokenLength: 1_000_000 })
      const { client, connection } = await connectPair(server, { session: true })
      connection.handle(() => {})
      const told: string[] = []
      for (const [side, end] of Object.entries({
        server: connection,
        client: client.connection as Connection
      })) {
        for (const event of ['detached', 'resumed'] as const)
          end.on(event, () => told.push(`${side} ${event}`))
      }
      // Of a busy one the old transport is left in the middle of a token.
      const tokens = what === 'busy' ? 12 : 0
      const fates = Array.from({ length: tokens }, () => client.deliver(Buffer.alloc(1_000_000)))
      const resumed = Promise.all([once(client, 'resumed'), once(server, 'resumed')])
      expect(await server.drain({ timeout: 5_000 })).to.equal(0)
      await Promise.all([resumed, ...fates])
      client.close()
      await Promise.all([client.closed, connection.closed])
      expect(told.sort()).to.deep.equal(['client resumed', 'server resumed'])
    })
  }

  it('tells detached of a session that has let go of its transport and is not accepted on the next one', async () => {
    let isOpen = true
    const { server } = await startServer({ session: true, authorize: () => isOpen })
    const { client, connection } = await connectPair(server, {
      session: true,
      reconnect: attempt => (attempt === 1 ? 0 : 60_000)
    })
    isOpen = false
    const detached = Promise.all([
      once(connection, 'detached'),
      once(client.connection as Connection, 'detached')
    ])
    void server.drain({ timeout: 100 })
    await detached
    expect([connection.isDetached, client.connection?.isDetached]).to.deep.equal([true, true])
  })

  it('counts a session whose client does not come back in time', async () => {
    const { server } = await startServer({ session: true })
    const { client, connection } = await connectPair(server, { session: true, reconnect: () => 60_000 })
    const detached = once(connection, 'detached')
    client.once('goaway', () => client.connection?.socket.destroy())
    expect(await server.drain({ timeout: 100, spread: 0 })).to.equal(1)
    await detached
  })

  it("resolves although listeners of 'resumed' and 'detached' throw", async () => {
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const { server } = await startServer({ session: true })
      const { connection } = await connectPair(server, { session: true, reconnect: () => 5 })
      const explode = () => {
        throw new Error('of the listener')
      }
      server.on('resumed', explode)
      connection.on('resumed', explode)
      connection.on('detached', explode)
      expect(await server.drain({ timeout: 5_000 })).to.equal(0)
    })
    expect([uncaught.length >= 2, unhandled.length]).to.deep.equal([true, 0])
  })
})

describe('a stream of a connection', () => {
  closesWhatItOpened()

  for (const end of ['server', 'client']) {
    it(`goes on although a listener of 'drain' throws, at a ${end}`, async () => {
      const { uncaught, unhandled } = await escapedDuring(async () => {
        const { server } = await startServer({ highWaterMark: 1024 })
        const pair = await connectPair(server, { highWaterMark: 1024 })
        const ends = { server: pair.connection, client: pair.client.connection as Connection }
        const [from, to] = end === 'server' ? [ends.server, ends.client] : [ends.client, ends.server]
        let got = 0
        to.on('token', () => got++)
        from.on('drain', () => {
          throw new Error('of the listener')
        })
        const tokens = Array.from({ length: 20 }, () => Buffer.alloc(100_000))
        await pipeline(Readable.from(tokens), from.stream())
        expect(got).to.equal(20)
      })
      expect(uncaught.length).to.be.greaterThan(0)
      expect(unhandled).to.deep.equal([])
    })
  }
})
