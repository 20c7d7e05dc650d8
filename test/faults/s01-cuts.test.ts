import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient } from '../../lib'
import { figures, isLong, MIB, numbersFrom } from '../helpers/figures'
import { closesWhatItOpened, makeClient, startServer, until } from '../helpers/loopback'
import { TcpProxy } from '../helpers/tcp-proxy'

const CUTS = isLong ? 1_000 : 60
/** Tokens by `send()`, and as many by `deliver()`, each way. */
const TOKENS = isLong ? 100_000 : 6_000
const KIB = 1024

/** The tokens of one direction: each follows from its place, so that a wrong one shows even when it is empty. */
class Plan {
  readonly lengths: number[] = []
  readonly bytes: number
  readonly #name: string

  constructor(name: string, random: () => number) {
    this.#name = name
    for (let i = 0; i < 2 * TOKENS; i++) this.lengths.push(lengthFrom(random))
    this.bytes = this.lengths.reduce((sum, length) => sum + length, 0)
  }

  token(index: number): Buffer {
    return Buffer.alloc(this.lengths[index] as number, `${this.#name}${index}·`)
  }
}

/** Mostly small, some empty, some so long that they leave in parts. */
function lengthFrom(random: () => number): number {
  const kind = random()
  if (kind < 0.02) return 0
  if (kind < 0.96) return Math.floor(random() * 300)
  if (kind < 0.996) return Math.floor(random() * 20 * KIB)
  return Math.floor(random() * 100 * KIB) + 200 * KIB
}

describe('S1 sessions over a connection that is cut', () => {
  closesWhatItOpened()

  it(`S1 ${CUTS} cuts under ${2 * TOKENS} tokens each way: all arrive, in order, once, on one connection`, async function () {
    this.timeout(isLong ? 900_000 : 60_000)
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    figures(`seed ${seed}`)
    const numbers = numbersFrom(seed)
    const random = () => numbers() / 2 ** 32
    const up = new Plan('up ', random)
    const down = new Plan('down ', random)

    const { server, port } = await startServer({ session: true })
    const proxy = await TcpProxy.to(port)
    const connections = new Set<Connection>()
    server.on('connection', connection => connections.add(connection))
    const client = await makeClient(proxy.port, { session: true, reconnect: () => 1 })
    const seen = { connect: 0, resumed: 0, disconnect: 0 }
    for (const name of ['connect', 'resumed', 'disconnect'] as const) client.on(name, () => seen[name]++)
    client.on('session-lost', loss => expect.fail(`session lost: ${JSON.stringify(loss)}`))
    await Promise.all([once(server, 'connection'), once(client, 'connect')])
    const own = client.connection as Connection
    const [theirs] = [...connections] as [Connection]
    const each = (up.bytes + down.bytes) / CUTS
    proxy.cutAfter(() => {
      if (proxy.cuts >= CUTS) return Number.POSITIVE_INFINITY
      // One in five within the handshake of TLS and the HELLOs: nothing goes on by those.
      return 1 + Math.floor(random() * (random() < 0.2 ? 6 * KIB : each))
    })

    const begin = performance.now()
    const atServer = expectAll(theirs, up)
    const atClient = expectAll(own, down)
    proxy.cutAll()
    await Promise.all([sendAll(client, up), sendAll(theirs, down), atServer.done, atClient.done])
    const seconds = (performance.now() - begin) / 1000
    figures(
      `${proxy.cuts} cuts, ${seen.resumed} resumed, ${seen.disconnect} disconnects, ${proxy.dials} dials; ` +
        `${((up.bytes + down.bytes) / MIB).toFixed(0)} MiB in ${seconds.toFixed(1)} s`
    )
    expect([atServer.faults, atClient.faults]).to.deep.equal([[], []])
    expect([atServer.count, atClient.count]).to.deep.equal([2 * TOKENS, 2 * TOKENS])
    expect(proxy.cuts, 'cuts under the tokens').to.equal(CUTS)
    expect(seen.connect).to.equal(1)
    expect([...connections]).to.deep.equal([theirs])
    expect(client.connection).to.equal(own)
    // What stays of it: nothing is kept, and the session ends in order on both sides.
    await until(() => own.retainedBytes === 0 && theirs.retainedBytes === 0)
    client.close()
    expect(await client.closed).to.include({ hadError: false, unsent: 0, unconfirmed: 0 })
    expect(await theirs.closed).to.include({ hadError: false, unsent: 0, unconfirmed: 0 })
    expect(own.tokensSent).to.equal(2 * TOKENS)
  })

  interface Arrivals {
    count: number
    readonly faults: string[]
    done: Promise<void>
  }

  function expectAll(connection: Connection, plan: Plan): Arrivals {
    const arrivals: Arrivals = { count: 0, faults: [], done: Promise.resolve() }
    arrivals.done = new Promise(resolve => {
      connection.on('token', token => {
        const index = arrivals.count++
        if (index >= plan.lengths.length) arrivals.faults.push(`a token beyond the last, of ${token.length}`)
        else if (!token.equals(plan.token(index))) arrivals.faults.push(`token ${index} is another`)
        if (arrivals.count === plan.lengths.length) resolve()
      })
    })
    return arrivals
  }

  /** Every second one by `deliver()`; resolves when each of these promises has. */
  async function sendAll(sender: TokenClient | Connection, plan: Plan): Promise<void> {
    const promises = new Set<Promise<void>>()
    const failed: unknown[] = []
    for (let index = 0; index < plan.lengths.length; index++) {
      if (sender.writableNeedDrain) await once(sender, 'drain')
      if (index % 2 === 0) {
        expect(sender.send(plan.token(index)), 'taken').to.equal(true)
        continue
      }
      const promise = sender.deliver(plan.token(index))
      promises.add(promise)
      promise.then(
        () => promises.delete(promise),
        error => failed.push(error)
      )
      if (promises.size >= 200) await Promise.race(promises)
    }
    await Promise.all(promises)
    expect(failed).to.deep.equal([])
  }
})
