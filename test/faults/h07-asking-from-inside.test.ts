import { expect } from 'chai'
import type { Connection, TokenServer } from '../../lib'
import { memory } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, connectPair, startServer } from '../helpers/loopback'

const DEPTH = 5_000

type Asker = Pick<Connection, 'request' | 'handle'>

/** A request that says how many more are to be made from inside its handler. */
function depthToken(depth: number, length = 4): Buffer {
  const token = Buffer.alloc(length, 'x')
  token.writeUInt32BE(depth)
  return token
}

describe('H7 two sides that ask each other from inside their handlers', () => {
  closesWhatItOpened()

  async function pair(
    over: object = {}
  ): Promise<{ client: Asker; connection: Connection; server: TokenServer }> {
    const { server } = await startServer(over)
    return { server, ...(await connectPair(server, over)) }
  }

  it(`H7 a chain of ${DEPTH} that nobody awaits, with concurrency 1`, async () => {
    const { client, connection } = await pair()
    let answers = 0
    let over: () => void = () => {}
    const isOver = new Promise<void>(resolve => (over = resolve))
    const handler = (other: Asker) => async (token: Buffer) => {
      const depth = token.readUInt32BE()
      await null
      if (depth === 0) over()
      else other.request(depthToken(depth - 1)).then(() => answers++, over)
    }
    connection.handle(handler(connection))
    client.handle(handler(client))
    await client.request(depthToken(DEPTH))
    await isOver
    await Promise.all([client.request(depthToken(0)), connection.request(depthToken(0))])
    expect(answers).to.equal(DEPTH)
  })

  it(`H7 a chain of ${DEPTH} where each awaits the next, with a concurrency of as many`, async () => {
    const { client, connection } = await pair()
    const handler = (other: Asker) => async (token: Buffer) => {
      const depth = token.readUInt32BE()
      if (depth === 0) return depthToken(0)
      const answer = await other.request(depthToken(depth - 1))
      return depthToken(answer.readUInt32BE() + 1)
    }
    connection.handle(handler(connection), { concurrency: DEPTH })
    client.handle(handler(client), { concurrency: DEPTH })
    expect((await client.request(depthToken(DEPTH))).readUInt32BE()).to.equal(DEPTH)
  })

  it('H7 with concurrency 1 a handler that waits for itself waits until the timeout of its request, and then goes on', async () => {
    const { client, connection } = await pair()
    const errors: string[] = []
    connection.handle(async token => {
      const depth = token.readUInt32BE()
      if (depth > 0)
        await connection
          .request(depthToken(depth - 1), { timeout: 200 })
          .catch(error => errors.push(error.code))
    })
    client.handle(async token => {
      const depth = token.readUInt32BE()
      if (depth > 0) await client.request(depthToken(depth - 1))
    })
    await client.request(depthToken(2))
    expect(errors).to.deep.equal(['ERR_FATE_UNKNOWN'])
    expect((await client.request(depthToken(0))).length).to.equal(0)
  })

  for (const session of [false, true]) {
    for (const [what, depth, outstanding, receiveWindow] of [
      ['windows full of them each way', 0, 40, MIB],
      ['a full window of those whose handlers ask back', 1, 20, 4 * MIB],
      ['each way and two deep, within the windows', 2, 4, 16 * MIB]
    ] as const) {
      it(`H7 requests and answers of 1 MiB, ${what}${session ? ', in a session' : ''}: no deadlock, and memory within bounds`, async function () {
        this.timeout(300_000)
        const { client, connection } = await pair({ session, receiveWindow, outboxBytes: 64 * MIB })
        const rounds = (isLong ? 600 : 40) / outstanding
        let held = 0
        let most = 0
        const handler = (other: Asker) => async (token: Buffer) => {
          most = Math.max(most, ++held)
          const left = token.readUInt32BE()
          if (left > 0) await other.request(depthToken(left - 1, MIB))
          held--
          return depthToken(left, MIB)
        }
        connection.handle(handler(connection), { concurrency: 100 })
        client.handle(handler(client), { concurrency: 100 })
        const before = memory().used
        let peak = 0
        let answers = 0
        const ask = async (asker: Asker) => {
          for (let round = 0; round < rounds; round++) {
            const answer = await asker.request(depthToken(depth, MIB))
            if (answer.length === MIB && answer.readUInt32BE() === depth) answers++
            if (answers % 10 === 0) peak = Math.max(peak, memory().used - before)
          }
        }
        // Where handlers ask back, only one side begins: both would fill the windows that both wait for.
        const askers = depth === 1 ? [client] : [client, connection]
        await Promise.all(Array.from({ length: outstanding }, () => askers.map(ask)).flat())
        expect(answers).to.equal(askers.length * outstanding * rounds)
        figures(`at most ${most} tokens with handlers, ${(peak / MIB).toFixed(0)} MiB in use`)
        // A window may be passed by the token that uses it up.
        expect(most).to.be.at.most(2 * (receiveWindow / MIB + 1))
        // Both ends are in this process: a request and an answer of each chain on both, and what waits in the windows.
        expect(peak).to.be.below(4 * askers.length * outstanding * MIB + 4 * receiveWindow + 40 * MIB)
      })
    }
  }

  it('H7 windows that are full of requests whose handlers ask back, on both sides, wait until a timeout, and then all goes on', async () => {
    const { client, connection } = await pair({ receiveWindow: 4 * 1024 })
    const handler = (other: Asker) => async (token: Buffer) => {
      if (token.readUInt32BE() > 0) await other.request(depthToken(0, 1020), { timeout: 300 }).catch(() => {})
      return token
    }
    connection.handle(handler(connection), { concurrency: 100 })
    client.handle(handler(client), { concurrency: 100 })
    const all = Array.from({ length: 12 }, () =>
      [client, connection].map(a => a.request(depthToken(1, 1020)))
    )
    expect(await Promise.all(all.flat())).to.have.length(24)
  })
})
