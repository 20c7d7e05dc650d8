import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import type {
  CloseInfo,
  Connection,
  TokenClient,
  TokenClientOptions,
  TokenError,
  TokenServer,
  TokenServerOptions
} from '../../lib'
import { closesWhatItOpened, freePort, makeClient, makeServer, startServer, until } from '../helpers/loopback'

type Take = (connection: Connection, got: string[]) => unknown

/** So slowly that many have arrived and were not taken when the server closes. */
const slowly: Take = async (connection, got) => {
  for await (const token of connection) {
    got.push(String(token))
    if (got.length % 5 === 0) await wait(1)
  }
}

const atOnce: Take = (connection, got) => connection.on('token', token => got.push(String(token)))

/** The first ones, and not one more. */
function only(count: number): Take {
  return async (connection, got) => {
    if (count === 0) return
    for await (const token of connection) if (got.push(String(token)) === count) await new Promise(() => {})
  }
}

/** A server on one port that is started again and again, and all that its application was handed. */
class Restarted {
  readonly got: string[] = []
  server!: TokenServer
  #port = 0

  async start(take: Take, over: TokenServerOptions): Promise<number> {
    if (this.#port === 0) this.#port = await freePort()
    this.server = await makeServer({ port: this.#port, ...over })
    this.server.on('connection', connection => void take(connection, this.got))
    await once(this.server, 'connect')
    return this.#port
  }

  async close(): Promise<void> {
    this.server.close()
    await this.server.closed
  }
}

const fateOf = (promise: Promise<void>) =>
  promise.then(
    () => 'handed',
    (error: TokenError) => `${error.code} ${error.reason}`
  )

const transfer = ({ buffer }: Uint8Array<ArrayBuffer>) => void structuredClone(buffer, { transfer: [buffer] })

describe('a server that closes in order and is started again', () => {
  closesWhatItOpened()

  for (const kind of ['reconnect', 'session'] as const) {
    const session = kind === 'session'

    async function begin(take: Take, over: Partial<TokenClientOptions> = {}, there: TokenServerOptions = {}) {
      const world = new Restarted()
      const port = await world.start(take, { session, ...there })
      const client = await makeClient(port, { reconnect: () => 5, ...(session && { session }), ...over })
      const disconnects: CloseInfo[] = []
      client.on('disconnect', info => disconnects.push(info))
      client.on('session-lost', loss => expect.fail(`session-lost ${JSON.stringify(loss)}`))
      await once(client, 'connect')
      return { world, client, disconnects }
    }

    /** All that may leave has left, and the server closes. */
    async function closedAmid(world: Restarted, client: TokenClient): Promise<void> {
      const { connection } = client
      await until(() => (connection?.retainedBytes ?? 0) > 0)
      const gone = once(client, 'disconnect')
      await world.close()
      await gone
    }

    describe(`and a client with ${kind}`, () => {
      it('loses and doubles nothing of 2,000 tokens of send(), and keeps their order', async () => {
        const { world, client, disconnects } = await begin(slowly)
        let restarted: Promise<unknown> | undefined
        let backThere = 0
        client.on('disconnect', () => {
          backThere = client.bufferedAmount
        })
        for (let i = 1; i <= 2_000; i++) {
          expect(client.send(Buffer.from(`${i}`))).to.equal(true)
          if (i % 20 === 0) await wait(1)
          if (i === 1_000) restarted = world.close().then(() => world.start(slowly, { session }))
        }
        await restarted
        await until(() => world.got.length >= 2_000)
        client.close()
        await client.closed
        expect(world.got).to.deep.equal(Array.from({ length: 2_000 }, (_, i) => `${i + 1}`))
        expect(disconnects).to.have.length(1)
        expect(disconnects[0]).to.include({ code: 'shutdown', hadError: false, unsent: 0, unconfirmed: 0 })
        expect(backThere).to.be.above(0)
      })

      it('has the next connection send what had left, then what had not, then what came meanwhile', async () => {
        const { world, client } = await begin(only(2), {}, { receiveWindow: 100 })
        const all = [client.deliver(Buffer.from('1')), client.deliver(Buffer.from('2'))]
        all.push(client.deliver(Buffer.from('3')))
        client.send(Buffer.alloc(200, '4'))
        all.push(client.deliver(Buffer.alloc(200, '5')))
        client.send(Buffer.from('6'))
        await until(() => world.got.length === 2)
        expect(client.bufferedAmount).to.be.above(0)
        client.once('disconnect', () => client.send(Buffer.from('7')))
        await closedAmid(world, client)
        client.send(Buffer.from('8'))
        all.push(client.deliver(Buffer.from('9')))
        await world.start(atOnce, { session })
        await Promise.all(all)
        expect(world.got.map(text => text[0])).to.deep.equal(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
      })

      it('takes back more than the outbox may hold; send() says false until there is room, and drain comes', async () => {
        const limits = { outboxBytes: 1_000, maxTokenLength: 200, highWaterMark: 500 }
        const { world, client } = await begin(only(0), limits)
        for (let i = 0; i < 50; i++) {
          if (!client.send(Buffer.alloc(200, i))) {
            await once(client, 'drain')
            i--
          }
        }
        await until(() => client.bufferedAmount === 0)
        await closedAmid(world, client)
        expect(client.bufferedAmount).to.equal(50 * 204)
        expect([client.send(Buffer.alloc(0)), client.writableNeedDrain]).to.deep.equal([false, true])
        const drained = once(client, 'drain')
        await world.start(atOnce, { session })
        await drained
        expect(client.send(Buffer.alloc(200, 50))).to.equal(true)
        await until(() => world.got.length === 51)
        expect(world.got.map(text => text.charCodeAt(0))).to.deep.equal(
          Array.from({ length: 51 }, (_, i) => i)
        )
      })

      it('lets a promise that waits again be given up, and sends its token to nobody', async () => {
        const { world, client } = await begin(only(0))
        const abort = new AbortController()
        const late = client.deliver(Buffer.from('late'), { timeout: 150 }).catch((error: TokenError) => error)
        const given = fateOf(client.deliver(Buffer.from('aborted'), { signal: abort.signal }))
        const kept = client.deliver(Buffer.from('kept'), { timeout: 60_000 })
        await closedAmid(world, client)
        abort.abort()
        const error = (await late) as TokenError
        expect([error.code, error.reason, (error.cause as TokenError).code]).to.deep.equal([
          'ERR_NOT_SENT',
          'unreachable',
          'ERR_CONNECT'
        ])
        expect(await given).to.equal('ERR_NOT_SENT aborted')
        await world.start(atOnce, { session })
        await kept
        expect(world.got).to.deep.equal(['kept'])
      })

      it('does not send again what was given up after it had left', async () => {
        const { world, client } = await begin(only(0))
        const fate = fateOf(client.deliver(Buffer.from('given up'), { timeout: 20 }))
        client.send(Buffer.from('kept'))
        expect(await fate).to.equal('ERR_FATE_UNKNOWN timeout')
        await closedAmid(world, client)
        await world.start(atOnce, { session })
        await until(() => world.got.length > 0)
        expect(world.got).to.deep.equal(['kept'])
      })

      it('tells of tokens whose memory has gone away meanwhile, and sends the others', async () => {
        const { world, client } = await begin(only(0))
        const [plain, promised] = [new Uint8Array(10), new Uint8Array(10)]
        const undeliverable: Uint8Array[] = []
        client.on('undeliverable', token => undeliverable.push(token))
        client.send(Buffer.from('1'))
        client.send(plain)
        const fate = fateOf(client.deliver(promised))
        const last = client.deliver(Buffer.from('2'))
        await closedAmid(world, client)
        for (const token of [plain, promised]) transfer(token)
        await world.start(atOnce, { session })
        await last
        expect([await fate, undeliverable]).to.deep.equal(['ERR_NOT_SENT memory-lost', [plain]])
        expect(world.got).to.deep.equal(['1', '2'])
      })

      it('tells of tokens that are too long for the next server, and sends the others', async () => {
        const { world, client } = await begin(only(0))
        const undeliverable: number[] = []
        client.on('undeliverable', token => undeliverable.push(token.length))
        client.send(Buffer.from('1'))
        client.send(Buffer.alloc(200))
        const fate = fateOf(client.deliver(Buffer.alloc(300)))
        const last = client.deliver(Buffer.from('2'))
        await closedAmid(world, client)
        await world.start(atOnce, { session, maxTokenLength: 100 })
        await last
        expect([await fate, undeliverable]).to.deep.equal(['ERR_TOKEN_TOO_LARGE undefined', [200]])
        expect(world.got).to.deep.equal(['1', '2'])
      })

      it('rejects a token from a stream, which can not be sent again, and sends the others', async () => {
        const { world, client } = await begin(only(0))
        const connection = client.connection as Connection
        client.send(Buffer.from('1'))
        const whole = fateOf(connection.sendFrom(Readable.from([Buffer.alloc(100)])))
        const last = client.deliver(Buffer.from('2'))
        await until(() => connection.tokensUnsent === 0)
        await closedAmid(world, client)
        await world.start(atOnce, { session })
        await last
        expect(await whole).to.equal('ERR_NOT_SENT stream-cut')
        expect(world.got).to.deep.equal(['1', '2'])
      })

      it('lets close() of a client go on until all has left, within its timeout', async () => {
        const { world, client } = await begin(only(0))
        client.send(Buffer.from('1'))
        const fate = client.deliver(Buffer.from('2'))
        await closedAmid(world, client)
        expect(client.close()).to.equal(true)
        await world.start(atOnce, { session })
        await fate
        expect(await client.closed).to.include({ code: 'normal', unsent: 0, unconfirmed: 0 })
        expect(world.got).to.deep.equal(['1', '2'])
      })

      it('lets close() of a client go on when the server closes at the same moment', async () => {
        const { world, client } = await begin(only(1))
        for (const text of ['1', '2']) client.send(Buffer.from(text))
        const fate = client.deliver(Buffer.from('3'))
        await until(() => world.got.length === 1 && client.bufferedAmount === 0)
        const closed = world.close()
        expect(client.close()).to.equal(true)
        expect(client.send(Buffer.from('late'))).to.equal(false)
        await closed
        await world.start(atOnce, { session })
        await fate
        expect(await client.closed).to.include({ code: 'normal', unsent: 0, unconfirmed: 0 })
        expect(world.got).to.deep.equal(['1', '2', '3'])
      })

      it('counts what it could not send before the timeout of close(), and tells the reason', async () => {
        const { world, client } = await begin(only(0), { reconnect: () => 3_600_000 })
        client.send(Buffer.from('1'))
        const fate = fateOf(client.deliver(Buffer.from('2')))
        await closedAmid(world, client)
        client.close({ timeout: 50 })
        const info = await client.closed
        expect(info).to.include({ code: 'ERR_CLOSE_TIMEOUT', unsent: 2, unconfirmed: 0 })
        expect(await fate).to.equal('ERR_NOT_SENT close-timeout')
      })

      it('counts what goes to nobody when the policy gives up', async () => {
        const { world, client } = await begin(only(0), { reconnect: () => false })
        client.send(Buffer.from('1'))
        const fate = fateOf(client.deliver(Buffer.from('2')))
        await until(() => (client.connection?.retainedBytes ?? 0) > 0)
        await world.close()
        expect(await client.closed).to.include({ code: 'shutdown', unsent: 2, unconfirmed: 0 })
        expect(await fate).to.equal('ERR_NOT_SENT peer-closed')
      })

      it('asks the next server what the handler of the first one had not begun, and leaves the rest unknown', async () => {
        let calls = 0
        const hangs: Take = (connection, got) =>
          connection.handle(
            async token => {
              got.push(String(token))
              // The second one never ends.
              if (++calls === 2) await new Promise(() => {})
              return Buffer.from(`first: ${token}`)
            },
            { concurrency: 1 }
          )
        const answers: Take = (connection, got) =>
          connection.handle(token => {
            got.push(String(token))
            return Buffer.from(`second: ${token}`)
          })
        const { world, client } = await begin(hangs, {}, { closeTimeout: 200 })
        const ask = (text: string) =>
          client
            .request(Buffer.from(text))
            .then(String, (error: TokenError) => `${error.code} ${error.reason}`)
        const asked = ['1', '2', '3'].map(ask)
        client.send(Buffer.from('4'))
        asked.push(ask('5'))
        await until(() => world.got.length === 2 && client.bufferedAmount === 0)
        const gone = once(client, 'disconnect')
        await world.close()
        const [info] = (await gone) as [CloseInfo]
        await world.start(answers, { session })
        const [one, two, ...others] = await Promise.all(asked)
        expect([one, ...others]).to.deep.equal(['first: 1', 'second: 3', 'second: 5'])
        expect(two).to.equal('ERR_FATE_UNKNOWN peer-closed')
        expect([world.got, info.unconfirmed, info.unsent]).to.deep.equal([['1', '2', '3', '4', '5'], 1, 0])
      })

      /** A client of two servers: the first one takes one token of the three that are sent. */
      async function withAnother() {
        const there: string[] = []
        const { server: other, port } = await startServer({ session })
        other.on('token', token => there.push(String(token)))
        const world = new Restarted()
        const home = await world.start(only(1), { session })
        const servers = [home, port].map(each => ({ host: '127.0.0.1', port: each }))
        const client = await makeClient(home, { servers, reconnect: () => 5, ...(session && { session }) })
        await once(client, 'connect')
        for (const text of ['1', '2', '3']) client.send(Buffer.from(text))
        return { there, world, client }
      }

      it('goes on at another of its servers, in order', async () => {
        const { there, world, client } = await withAnother()
        const fate = client.deliver(Buffer.from('4'))
        await until(() => world.got.length === 1)
        await closedAmid(world, client)
        await fate
        expect([world.got, there]).to.deep.equal([['1'], ['2', '3', '4']])
      })

      it('hands over in order to the connection that takes over after GOAWAY', async () => {
        const { there, world, client } = await withAnother()
        await until(() => world.got.length === 1)
        const left = world.server.drain({ code: 'shutdown', timeout: 200 })
        await once(client, 'goaway')
        client.send(Buffer.from('4'))
        await left
        await world.close()
        await client.deliver(Buffer.from('5'))
        expect([...world.got, ...there]).to.deep.equal(['1', '2', '3', '4', '5'])
      })
    })
  }

  it('leaves a client without reconnect with ERR_NOT_SENT, and counts what was not handed', async () => {
    const world = new Restarted()
    const client = await makeClient(await world.start(only(1), {}))
    await once(client, 'connect')
    client.send(Buffer.from('1'))
    client.send(Buffer.from('2'))
    const fate = fateOf(client.deliver(Buffer.from('3')))
    await until(() => world.got.length === 1)
    await world.close()
    expect(await client.closed).to.include({ code: 'shutdown', hadError: false, unsent: 0, unconfirmed: 2 })
    expect(await fate).to.equal('ERR_NOT_SENT peer-closed')
  })
})
