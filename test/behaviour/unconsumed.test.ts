import { once } from 'node:events'
import { expect } from 'chai'
import { Connection, type ConnectionOptions, type TokenError, type UnconsumedTokens } from '../../lib'
import { type FakeClock, memoryPair } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'
import { closesWhatItOpened, connectPair, startServer } from '../helpers/loopback'

const TIMEOUT = 1000

describe('Tokens that nobody takes', () => {
  for (const protocol of ['token/1', 'token/2'] as const) {
    describe(`on a connection of ${protocol}`, () => {
      let clock: FakeClock
      let sender: Connection
      let receiver: Connection
      let told: UnconsumedTokens[]
      usesFakeClock(own => {
        clock = own
      })

      async function open(options: ConnectionOptions = {}): Promise<void> {
        const { a, b } = memoryPair()
        const shared = { protocol, heartbeat: 0, consumerTimeout: TIMEOUT, ...options }
        sender = new Connection(a, { ...shared, role: 'client' })
        receiver = new Connection(b, { ...shared, role: 'server' })
        told = []
        receiver.on('unconsumed', waiting => told.push(waiting))
        await clock.settle()
      }
      beforeEach(() => open())
      afterEach(close)

      async function close(): Promise<void> {
        sender.destroy()
        receiver.destroy()
        await clock.settle()
      }

      async function send(...tokens: string[]): Promise<void> {
        for (const token of tokens) sender.send(Buffer.from(token))
        await clock.settle()
      }

      it('are told once when there is no consumer, consumerTimeout after the first', async () => {
        await send('one', 'two')
        await clock.elapse(TIMEOUT - 1)
        expect(told).to.deep.equal([])
        await clock.elapse(1)
        expect(told).to.deep.equal([{ bytes: 14, hasConsumer: false }])
        expect(told[0]).to.be.frozen
        await send('three')
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.have.length(1)
      })

      it('are told again when some were taken meanwhile and the rest is not', async () => {
        await send('one', 'two', 'three')
        await clock.elapse(TIMEOUT)
        const iterator = receiver[Symbol.asyncIterator]()
        await iterator.next()
        await clock.elapse(TIMEOUT)
        expect(told).to.deep.equal([
          { bytes: 23, hasConsumer: false },
          { bytes: 16, hasConsumer: true }
        ])
      })

      it('are told when a loop over them threw and was caught outside', async () => {
        const loop = (async () => {
          for await (const token of receiver) throw new Error(`cannot handle ${token}`)
        })().catch(error => error)
        await send('one')
        expect(await loop).to.have.property('message', 'cannot handle one')
        await send('two')
        await clock.elapse(TIMEOUT)
        expect(told).to.deep.equal([{ bytes: 7, hasConsumer: false }])
      })

      it('are told when an iterator does not ask for the next one', async () => {
        const iterator = receiver[Symbol.asyncIterator]()
        const first = iterator.next()
        await send('one', 'two')
        await first
        await clock.elapse(2 * TIMEOUT)
        expect(told).to.deep.equal([{ bytes: 7, hasConsumer: true }])
      })

      it('are told when a handler hangs with the one before them, and not while it works on the last one', async () => {
        const jobs: (() => void)[] = []
        receiver.handle(() => new Promise<void>(resolve => jobs.push(resolve)))
        await send('one')
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.deep.equal([])
        await send('two')
        await clock.elapse(TIMEOUT)
        expect(told).to.deep.equal([{ bytes: 7, hasConsumer: true }])
        for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
          job()
          await clock.settle()
        }
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.have.length(1)
      })

      it('are told when nobody reads the stream that has them', async () => {
        receiver.stream().on('error', () => {})
        await send('one', 'two')
        await clock.elapse(2 * TIMEOUT)
        expect(told.map(({ hasConsumer }) => hasConsumer)).to.deep.equal([true])
      })

      it('are told when a handler settles none of those that it has', async () => {
        const begun: string[] = []
        receiver.handle(
          token => {
            begun.push(`${token}`)
            return new Promise<void>(() => {})
          },
          { concurrency: 2 }
        )
        await send('one', 'two')
        await clock.elapse(2 * TIMEOUT)
        expect([begun, told]).to.deep.equal([['one', 'two'], []])
        await send('three')
        await clock.elapse(TIMEOUT)
        expect(begun).to.have.length(2)
        expect(told).to.deep.equal([{ bytes: 9, hasConsumer: true }])
      })

      it('are not told of a consumer that is slow, but takes one in each consumerTimeout', async () => {
        await send('one', 'two', 'three', 'four', 'five', 'six')
        for await (const token of receiver) {
          await clock.elapse(TIMEOUT - 1)
          if (String(token) === 'six') break
        }
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.deep.equal([])
      })

      it('are none when the last one is still worked on, or when one has begun and is not whole', async () => {
        const iterator = receiver[Symbol.asyncIterator]()
        const first = iterator.next()
        await send('one')
        await first
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.deep.equal([])
      })

      it('are none once listeners have taken them', async () => {
        await send('one')
        await clock.elapse(TIMEOUT - 1)
        receiver.on('token', () => {})
        await send('two')
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.deep.equal([])
      })

      for (const consumerTimeout of [0, Number.POSITIVE_INFINITY]) {
        it(`are never told with consumerTimeout: ${consumerTimeout}`, async () => {
          await close()
          await open({ consumerTimeout })
          await send('one')
          await clock.elapse(86_400_000)
          expect(told).to.deep.equal([])
        })
      }

      it('are told no more when the connection has closed', async () => {
        await send('one')
        receiver.destroy()
        await clock.settle()
        await clock.elapse(10 * TIMEOUT)
        expect(told).to.deep.equal([])
        expect(clock.pending).to.equal(0)
      })
    })
  }

  describe('on a connection of a server and a client', () => {
    closesWhatItOpened()

    it('are told by the server too, for example when nobody listens for `token` there', async () => {
      const { server } = await startServer({ consumerTimeout: 20 })
      const { client, connection } = await connectPair(server)
      const fate = client.deliver(Buffer.from('two')).catch((error: TokenError) => error.code)
      const [waiting, from] = await once(server, 'unconsumed')
      expect(waiting).to.deep.equal({ bytes: 7, hasConsumer: false })
      expect(from).to.equal(connection)
      // Who is told can mend it.
      server.on('token', () => {})
      expect(await fate).to.equal(undefined)
    })

    it('are told by the client too', async () => {
      const { server } = await startServer()
      const { client, connection } = await connectPair(server, { consumerTimeout: 20 })
      connection.send(Buffer.from('one'))
      const [waiting] = await once(client, 'unconsumed')
      expect(waiting).to.deep.equal({ bytes: 7, hasConsumer: false })
    })
  })
})
