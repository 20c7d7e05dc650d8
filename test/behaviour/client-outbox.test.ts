import { once } from 'node:events'
import { expect } from 'chai'
import type { TokenClient, TokenClientOptions, TokenError } from '../../lib'
import {
  closesWhatItOpened,
  eventsOf,
  freePort,
  makeClient,
  plainServer,
  startServer,
  until
} from '../helpers/loopback'
import { escapedDuring } from '../helpers/moments'

describe('the outbox of a client', () => {
  closesWhatItOpened()

  describe('requests above maxPendingRequests', () => {
    /** Asks, and tells each fate as soon as it is known. */
    function asking(client: TokenClient) {
      const told: string[] = []
      const ask = (text: string, options = {}) =>
        client.request(Buffer.from(text), options).then(
          answer => void told.push(`${text}: ${answer}`),
          (error: TokenError) => void told.push(`${text}: ${error.code} ${error.reason}`)
        )
      return { told, ask }
    }

    it('are refused at the call while the others wait for a connection, and none is refused later', async () => {
      const port = await freePort()
      const client = await makeClient(port, { maxPendingRequests: 2, reconnect: () => 5 })
      const { told, ask } = asking(client)
      const fates = ['a', 'b', 'c'].map(text => ask(text))
      await fates[2]
      expect(told).to.deep.equal(['c: ERR_NOT_SENT too-many-requests'])
      const { server } = await startServer({ port })
      server.handle(token => token)
      await Promise.all(fates)
      await ask('d')
      expect(told.slice(1)).to.deep.equal(['a: a', 'b: b', 'd: d'])
    })

    it('that were given up before they left make room', async () => {
      const over = { maxPendingRequests: 1, refusedRetryTimeout: 0, reconnect: () => 60_000 }
      const client = await makeClient(await freePort(), over)
      await once(client, 'disconnect')
      const { told, ask } = asking(client)
      await ask('a', { timeout: 5 })
      await ask('b', { timeout: 5 })
      expect(told).to.deep.equal(['a: ERR_NOT_SENT unreachable', 'b: ERR_NOT_SENT unreachable'])
    })

    it('count over a restart of the server, which gives those back that it has not answered', async () => {
      const { server, port } = await startServer()
      const client = await makeClient(port, { maxPendingRequests: 2, reconnect: () => 5 })
      await client.ready
      const { told, ask } = asking(client)
      // Nobody takes them.
      const fates = ['a', 'b'].map(text => ask(text))
      server.close()
      await Promise.all([server.closed, once(client, 'disconnect')])
      await ask('c')
      const { server: next } = await startServer({ port })
      next.handle(token => token)
      await Promise.all(fates)
      expect(told).to.deep.equal(['c: ERR_NOT_SENT too-many-requests', 'a: a', 'b: b'])
    })
  })

  describe("a listener of 'undeliverable'", () => {
    /** Sends A, B, which is too long, C, D, and delivers E, before the connection is up. */
    async function run(listener: (client: TokenClient) => void) {
      const { server, port } = await startServer({ maxTokenLength: 100 })
      const got: string[] = []
      server.on('token', token => got.push(String(token)))
      const client = await makeClient(port)
      const told: string[] = []
      client.prependListener('undeliverable', token => told.push(`undeliverable ${token.length}`))
      client.on('undeliverable', () => listener(client))
      client.on('connect', () => told.push('connect'))
      for (const text of ['A', 'B'.repeat(200), 'C', 'D']) client.send(Buffer.from(text))
      const fate = client.deliver(Buffer.from('E')).then(
        () => 'handed',
        error => error.code
      )
      return { client, got, told, fate }
    }

    it('a listener that throws takes nothing from the tokens behind it', async () => {
      const { uncaught, unhandled } = await escapedDuring(async () => {
        const { client, got, told, fate } = await run(() => {
          throw new Error('of the listener')
        })
        expect(await fate).to.equal('handed')
        client.close()
        expect(await client.closed).to.include({ code: 'normal', unsent: 0 })
        expect([got, told]).to.deep.equal([
          ['A', 'C', 'D', 'E'],
          ['undeliverable 200', 'connect']
        ])
      })
      expect([uncaught.length, unhandled.length]).to.deep.equal([1, 0])
    })

    it('a listener that sends something in its place sends it behind the rest', async () => {
      const { client, got, fate } = await run(self => self.send(Buffer.from('cut B')))
      expect(await fate).to.equal('handed')
      client.close()
      await client.closed
      expect(got).to.deep.equal(['A', 'C', 'D', 'E', 'cut B'])
    })

    it('a listener that destroys the connection takes away only what has not left, and it is counted', async () => {
      let isTaken: boolean | null = null
      const { client, got, fate } = await run(self => {
        self.connection?.destroy()
        isTaken = self.send(Buffer.from('X'))
      })
      const { unsent, unconfirmed } = await client.closed
      expect(isTaken).to.equal(false)
      expect(await fate).to.be.oneOf(['ERR_NOT_SENT', 'ERR_FATE_UNKNOWN'])
      expect(unsent + unconfirmed).to.equal(4)
      expect(['A', 'C', 'D', 'E'].slice(0, got.length)).to.deep.equal(got)
    })

    it('a listener that closes the client flushes what was sent', async () => {
      const { client, got, fate } = await run(self => self.close())
      expect(await fate).to.equal('handed')
      await client.closed
      expect(got).to.deep.equal(['A', 'C', 'D', 'E'])
    })
  })

  it("takes what a listener of 'session-lost' sends, and close() there ends the client", async () => {
    const { server, port } = await startServer({ session: { resumeTimeout: 20 } })
    const client = await makeClient(port, { session: true, reconnect: () => 100 })
    await once(client, 'connect')
    let isClosed: boolean | null = null
    client.on('session-lost', () => {
      isClosed = client.close()
    })
    client.connection?.socket.destroy()
    await client.closed
    expect(isClosed).to.equal(true)
    expect(client.close()).to.equal(false)
    server.close()
  })

  describe('close()', () => {
    const KINDS: Readonly<Record<string, Partial<TokenClientOptions>>> = {
      'token/1': { protocol: 'token/1' },
      'token/2': { protocol: 'token/2' },
      'a session': { session: true }
    }

    /** Where a client stands when tokens are sent and it is closed. */
    const MOMENTS: Readonly<Record<string, (port: number, over: object) => Promise<TokenClient>>> = {
      'while it dials': (port, over) => makeClient(port, over),
      'while it waits for connect(delay)': async (port, over) => {
        const client = await makeClient(port, over)
        client.close()
        await client.closed
        client.connect(30)
        return client
      },
      'while it waits to dial again': async (port, over) => {
        const client = await makeClient(await freePort(), {
          ...over,
          port: undefined,
          servers: [await freePort(), port].map(each => ({ host: '127.0.0.1', port: each })),
          refusedRetryTimeout: 0,
          reconnect: () => 30
        })
        await once(client, 'reconnecting')
        return client
      },
      'while it dials again': async (port, over) => {
        const client = await makeClient(port, { ...over, reconnect: () => 0 })
        await once(client, 'connect')
        client.connection?.destroy()
        await once(client, 'disconnect')
        return client
      }
    }

    for (const [kind, options] of Object.entries(KINDS)) {
      for (const [moment, reach] of Object.entries(MOMENTS)) {
        it(`close() ${moment} lets everything leave, in order, and ends the client in order (${kind})`, async () => {
          const { server, port } = await startServer({ ...(options.session && { session: true }) })
          const got: string[] = []
          server.on('token', token => got.push(String(token)))
          const client = await reach(port, options)
          expect(client.send(Buffer.from('1'))).to.equal(true)
          const fate =
            kind === 'token/1'
              ? client.send(Buffer.from('2'))
              : client.deliver(Buffer.from('2')).then(() => true)
          expect(client.send(Buffer.from('3'))).to.equal(true)
          expect(client.close()).to.equal(true)
          expect(client.close()).to.equal(false)
          expect(client.send(Buffer.from('late'))).to.equal(false)
          const late = await client.deliver(Buffer.from('late')).catch((error: TokenError) => error.code)
          expect(late).to.equal('ERR_NOT_SENT')
          expect(await client.closed).to.include({ code: 'normal', hadError: false, unsent: 0 })
          expect(await fate).to.equal(true)
          await until(() => got.length === 3)
          expect(got).to.deep.equal(['1', '2', '3'])
        })
      }

      it(`await using lets everything leave before the client ends (${kind})`, async () => {
        const { server, port } = await startServer({ ...(options.session && { session: true }) })
        const got = once(server, 'token')
        const client = await makeClient(port, options)
        client.send(Buffer.from('one shot'))
        await client[Symbol.asyncDispose]()
        expect(String((await got)[0])).to.equal('one shot')
      })
    }

    for (const kind of ['token/2', 'a session']) {
      it(`close() of a half-closed client whose server holds it open sends everything by the next connection (${kind})`, async () => {
        const { server, port } = await startServer({ session: kind === 'a session' })
        const got: string[] = []
        server.on('token', token => got.push(String(token)))
        server.once('connection', connection =>
          connection.stream().resume().write(Buffer.from('more may follow'))
        )
        const client = await makeClient(port, { ...KINDS[kind], reconnect: () => 0 })
        client.on('token', () => {})
        await once(client, 'connect')
        client.connection?.stream().resume().end()
        expect(client.send(Buffer.from('behind'))).to.equal(true)
        expect(client.close()).to.equal(true)
        expect(await client.closed).to.include({ code: 'normal', unsent: 0 })
        expect(got).to.deep.equal(['behind'])
      })
    }

    it('close() sends what waits behind a connection that is full', async () => {
      const { server, port } = await startServer()
      const limits = { outboxBytes: 40_000, maxTokenLength: 20_000 }
      const client = await makeClient(port, { ...limits, highWaterMark: 1000 })
      for (let i = 0; i < 2; i++) expect(client.send(Buffer.alloc(19_996, i))).to.equal(true)
      await once(client, 'connect')
      let sent = 2
      while (client.send(Buffer.alloc(19_996, sent))) sent++
      client.close()
      const got: number[] = []
      server.on('token', token => got.push(token[0] as number))
      expect(await client.closed).to.include({ code: 'normal', unsent: 0 })
      expect(got).to.deep.equal(Array.from({ length: sent }, (_, i) => i))
    })

    it('close() without reconnect tells the error of a dial that fails, and counts the tokens', async () => {
      const client = await makeClient(await freePort(), { refusedRetryTimeout: 0 })
      client.send(Buffer.from('x'))
      const fate = client.deliver(Buffer.from('y')).catch((error: TokenError) => error.code)
      client.close()
      expect(await client.closed).to.include({ code: 'ERR_CONNECT', hadError: true, unsent: 2 })
      expect(await fate).to.equal('ERR_NOT_SENT')
    })

    for (const [what, reach] of Object.entries({
      'a server that is not there': freePort,
      'a server that never answers': plainServer
    })) {
      it(`close() with reconnect and ${what} ends at its timeout, and says that tokens were thrown away`, async () => {
        const client = await makeClient(await reach(), { reconnect: () => 5 })
        client.send(Buffer.from('x'))
        const fate = client.deliver(Buffer.from('y')).catch((error: TokenError) => error.code)
        const events = eventsOf(client)
        const begin = performance.now()
        expect(client.close({ timeout: 80 })).to.equal(true)
        expect(await client.closed).to.include({ code: 'ERR_CLOSE_TIMEOUT', hadError: true, unsent: 2 })
        expect(performance.now() - begin).to.be.at.least(78)
        expect([await fate, events]).to.deep.equal(['ERR_NOT_SENT', ['close(true)']])
      })
    }

    it('a second close() with a timeout of 0 cuts the first one short', async () => {
      const client = await makeClient(await plainServer(), { reconnect: () => 5 })
      client.send(Buffer.from('x'))
      expect([client.close(), client.close({ timeout: 0 }), client.close({ timeout: 0 })]).to.deep.equal([
        true,
        true,
        false
      ])
      expect(await client.closed).to.include({ code: 'ERR_CLOSE_TIMEOUT', unsent: 1 })
    })

    it('close() while the client waits for longer than the timeout ends it at once, and says that tokens were thrown away', async () => {
      const client = await makeClient(await freePort(), {
        reconnect: () => 3_600_000,
        refusedRetryTimeout: 0
      })
      await once(client, 'reconnecting')
      client.send(Buffer.from('x'))
      expect(client.close()).to.equal(true)
      expect(await client.closed).to.include({ code: 'ERR_CLOSE_TIMEOUT', hadError: true, unsent: 1 })
    })

    it('close() ends with the error of a dial that fails when the next would come too late', async () => {
      const client = await makeClient(await freePort(), {
        reconnect: () => 3_600_000,
        refusedRetryTimeout: 0
      })
      client.send(Buffer.from('x'))
      client.close()
      expect(await client.closed).to.include({ code: 'ERR_CONNECT', hadError: true, unsent: 1 })
    })

    it('close() cancels a dial at once when nothing waits', async () => {
      const client = await makeClient(await plainServer(), { reconnect: () => 5 })
      expect(client.close()).to.equal(true)
      expect(await client.closed).to.include({ code: 'normal', hadError: false, unsent: 0 })
    })

    it('connect() works again after such a close()', async () => {
      const { server, port } = await startServer()
      const got: string[] = []
      server.on('token', token => got.push(String(token)))
      const client = await makeClient(port)
      for (let i = 0; i < 3; i++) {
        expect(client.send(Buffer.from(`${i}`))).to.equal(true)
        client.close()
        expect((await client.closed).code).to.equal('normal')
        client.connect()
      }
      expect(got).to.deep.equal(['0', '1', '2'])
    })
  })
})
