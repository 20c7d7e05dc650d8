import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient } from '../../lib'
import { controlOf } from '../../lib/connection/connection'
import { memory } from '../helpers/fault-program'
import { figures, isLong, MIB, numbersFrom } from '../helpers/figures'
import { closesWhatItOpened, makeClient, startServer, until } from '../helpers/loopback'
import { TcpProxy } from '../helpers/tcp-proxy'

const CUTS = 50
const REQUESTS = isLong ? 100_000 : 10_000
const OUTSTANDING = 200

describe('H5 requests under cuts', () => {
  closesWhatItOpened()

  it(`H5 ${REQUESTS} requests each way under ${CUTS} cuts: each is answered once and rightly, and nothing stays`, async function () {
    this.timeout(600_000)
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    figures(`seed ${seed}`)
    const number = numbersFrom(seed)
    const { server, port } = await startServer({ session: true })
    const handled = [new Map<string, number>(), new Map<string, number>()] as const
    const handler = (counts: Map<string, number>) => async (token: Buffer) => {
      const name = String(token.subarray(0, 10))
      counts.set(name, (counts.get(name) ?? 0) + 1)
      // Some at once, some in a later turn, so that they are settled out of order.
      if (token.length % 3 === 0) await new Promise(setImmediate)
      return Buffer.from(`re ${token}`)
    }
    server.handle(handler(handled[0]), { concurrency: 50 })
    const proxy = await TcpProxy.to(port)
    const accepted = once(server, 'connection')
    const client = await makeClient(proxy.port, { session: true, reconnect: () => 1 })
    client.handle(handler(handled[1]), { concurrency: 50 })
    client.on('session-lost', loss => expect.fail(`session lost: ${JSON.stringify(loss)}`))
    const [theirs] = (await accepted) as [Connection]
    if (client.connection === null) await once(client, 'connect')

    let settled = 0
    const faults: string[] = []
    const ask = async (asker: TokenClient | Connection, from: number, count: number) => {
      let next = from
      await Promise.all(
        Array.from({ length: OUTSTANDING }, async () => {
          while (next < from + count) {
            const text = String(next++).padStart(10, '0') + 'x'.repeat(number() % 300)
            const answer = String(await asker.request(Buffer.from(text)))
            settled++
            if (answer !== `re ${text}`) faults.push(`${text} got ${answer}`)
          }
        })
      )
    }
    await Promise.all([ask(client, 0, 1000), ask(theirs, 0, 1000)])
    const before = memory().used
    settled = 0
    const bytes = (2 * REQUESTS * 400) / CUTS
    proxy.cutAfter(() => {
      if (proxy.cuts >= CUTS) return Number.POSITIVE_INFINITY
      return 1 + (number() % Math.floor(number() % 5 === 0 ? 6 * 1024 : bytes))
    })
    proxy.cutAll()
    const begin = performance.now()
    await Promise.all([ask(client, 1000, REQUESTS), ask(theirs, 1000, REQUESTS)])
    const seconds = (performance.now() - begin) / 1000
    expect([faults, settled]).to.deep.equal([[], 2 * REQUESTS])
    for (const counts of handled) {
      expect(counts.size).to.equal(REQUESTS + 1000)
      expect([...counts].filter(([, times]) => times !== 1)).to.deep.equal([])
      counts.clear()
    }
    for (const connection of [client.connection as Connection, theirs]) {
      await until(() => connection.retainedBytes === 0 && connection.bufferedAmount === 0)
      const { deliveries } = controlOf(connection).session
      expect([deliveries.size, deliveries.unanswered]).to.deep.equal([0, 0])
    }
    const grown = memory().used - before
    figures(`${proxy.cuts} cuts in ${seconds.toFixed(1)} s, ${(grown / MIB).toFixed(1)} MiB more in use`)
    expect(proxy.cuts).to.be.greaterThan(CUTS / 2)
    expect(grown).to.be.below(16 * MIB)
  })
})
