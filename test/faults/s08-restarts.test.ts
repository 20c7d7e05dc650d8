import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenServer } from '../../lib'
import { figures, isLong, numbersFrom } from '../helpers/figures'
import { closesWhatItOpened, freePort, makeClient, makeServer, until } from '../helpers/loopback'

const RESTARTS = isLong ? 200 : 20
/** Of each client, for each life of the server. */
const TOKENS = 300

/** What one client has sent, and what the servers have had of it. */
interface Stream {
  readonly client: TokenClient
  readonly name: string
  readonly had: number[]
  sent: number
  handed: number
  readonly wrong: string[]
  /** Tokens that came back when a server closed. */
  back: number
}

describe('S8 servers that close in order, one after the other', () => {
  closesWhatItOpened()

  for (const kind of ['listeners and loops', 'handlers'] as const) {
    it(`S8 ${RESTARTS} restarts under two clients, servers with ${kind}: all that was taken arrives once and in order, and every promise is kept`, async function () {
      this.timeout(RESTARTS * 3_000)
      await run(kind === 'handlers')
    })
  }

  /** @param handles the servers take tokens by handlers, which answer requests */
  async function run(handles: boolean): Promise<void> {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    figures(`seed ${seed}`)
    const random = numbersFrom(seed)
    const below = (bound: number) => random() % bound
    const port = await freePort()
    const streams: Stream[] = []

    /** Takes tokens by handlers, by listeners or by a loop, some at once and some slowly. */
    async function take(connection: Connection): Promise<void> {
      if (handles) {
        connection.handle(answer, { concurrency: 1 + below(8) })
        return
      }
      if (below(2) === 0) {
        connection.on('token', had)
        return
      }
      for await (const token of connection) {
        had(token)
        if (below(10) === 0) await new Promise(resolve => setTimeout(resolve, below(3)))
      }
    }
    async function answer(token: Buffer): Promise<Buffer> {
      const number = had(token)
      if (below(5) === 0) await new Promise(resolve => setTimeout(resolve, below(5)))
      return Buffer.from(`${number}`)
    }
    function had(token: Buffer): number {
      const [name, number] = token.toString('latin1', 0, 20).split(' ') as [string, string]
      streams.find(stream => stream.name === name)?.had.push(Number(number))
      return Number(number)
    }
    async function start(): Promise<TokenServer> {
      const server = await makeServer({ port, session: true, receiveWindow: 1 + below(100_000) })
      server.on('connection', connection => void take(connection))
      await once(server, 'connect')
      return server
    }

    async function send(stream: Stream, count: number): Promise<void> {
      for (let i = 0; i < count; i++) {
        if (stream.client.writableNeedDrain) await once(stream.client, 'drain')
        const text = `${stream.name} ${stream.sent + 1} `
        const token = Buffer.alloc(Math.max(text.length, below(below(50) === 0 ? 100_000 : 200)), text)
        if (below(2) === 0) {
          expect(stream.client.send(token), 'taken').to.equal(true)
          stream.sent++
          continue
        }
        const number = ++stream.sent
        const asks = handles && below(2) === 0
        const promise: Promise<unknown> = asks ? stream.client.request(token) : stream.client.deliver(token)
        promise.then(
          answer => {
            stream.handed++
            if (!stream.had.includes(number)) stream.wrong.push(`${number} was told handed and was not`)
            if (asks && String(answer) !== `${number}`) stream.wrong.push(`${number} was answered ${answer}`)
          },
          error => stream.wrong.push(`${number}: ${error.code} ${error.reason}`)
        )
        if (below(20) === 0) await new Promise(resolve => setTimeout(resolve, below(3)))
      }
    }

    let server = await start()
    for (const name of ['reconnect', 'session']) {
      const client = await makeClient(port, { reconnect: () => 1 + below(20), session: name === 'session' })
      const stream: Stream = { client, name, had: [], sent: 0, handed: 0, wrong: [], back: 0 }
      streams.push(stream)
      client.on('disconnect', info => {
        stream.back += client.bufferedAmount
        if (info.unconfirmed + info.unsent > 0)
          stream.wrong.push(`disconnect ${info.code} ${info.unsent} ${info.unconfirmed}`)
      })
      client.on('session-lost', loss => stream.wrong.push(`session-lost ${loss.reason}`))
      await once(client, 'connect')
    }
    for (let restart = 0; restart < RESTARTS; restart++) {
      const sending = streams.map(stream => send(stream, TOKENS))
      await new Promise(resolve => setTimeout(resolve, below(30)))
      server.close()
      await server.closed
      server = await start()
      await Promise.all(sending)
    }
    for (const { client } of streams) client.close()
    for (const { client } of streams)
      expect(await client.closed).to.include({ hadError: false, unsent: 0, unconfirmed: 0 })
    await until(() => streams.every(({ had, sent }) => had.length >= sent))
    for (const { name, had, sent, handed, wrong, back } of streams) {
      figures(`${name}: ${sent} sent, ${had.length} had, ${handed} promises kept, ${back} bytes came back`)
      expect(wrong).to.deep.equal([])
      expect(had, 'none missing, none twice, in order').to.deep.equal(
        Array.from({ length: sent }, (_, i) => i + 1)
      )
      expect(back).to.be.above(0)
    }
  }
})
