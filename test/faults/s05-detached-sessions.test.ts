import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenServer, TokenServerOptions } from '../../lib'
import { type FaultProgram, startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, eventsOf, makeClient, startServer, until } from '../helpers/loopback'
import { needFiles } from '../helpers/need'
import { TcpProxy } from '../helpers/tcp-proxy'
import type { HerdReport } from './programs/herd'

const SESSIONS = isLong ? 10_000 : 500
/** Of the test that needs as many clients again. */
const PLACES = isLong ? 2_000 : 100
const BATCH = 250
const LIVE = 5
const KIB = 1024
const TOKEN = 8 * KIB
/** What a token costs in a queue. */
const COST = TOKEN + 4

interface Live {
  readonly client: TokenClient
  readonly connection: Connection
  readonly seen: string[]
}

interface World {
  readonly server: TokenServer
  readonly port: number
  readonly live: readonly Live[]
  /** A client that was cut before all others, and tries in vain to come back until it is told to. */
  readonly first: { client: TokenClient; connection: Connection; seen: string[]; comesBack: () => void }
  /** In the order in which they lost their clients. */
  readonly detached: Connection[]
  readonly lost: { reason: string; unknown: number; unsent: number; connection: Connection }[]
}

describe('S5 sessions whose clients are away', () => {
  closesWhatItOpened()

  /** A server, clients that stay, one that is cut, and `count` - 1 of which the process is killed. */
  async function begin(count: number, over: TokenServerOptions): Promise<World> {
    const most = 3 * count
    const { server, port } = await startServer({
      session: { resumeTimeout: 600_000 },
      maxConnectionsPerIdentity: most,
      maxConnectionsPerAddress: most,
      maxSessionsPerIdentity: most,
      maxConnections: most,
      ...over
    })
    const detached: Connection[] = []
    const lost: World['lost'] = []
    server.on('connection', connection => connection.on('detached', () => detached.push(connection)))
    server.on('session-lost', (loss, connection) => lost.push({ ...loss, connection }))
    const live: Live[] = []
    for (let i = 0; i < LIVE; i++) live.push(await join(server, port))

    const proxy = await TcpProxy.to(port)
    const first = await join(server, proxy.port)
    // Nobody listens there: TcpProxy drops whoever comes.
    proxy.target = 1
    proxy.cutAll()
    await until(() => server.detachedSessions === 1)

    const herd = await startProgram('herd')
    await fill(herd, port, count - 1)
    await herd.kill()
    await until(() => server.detachedSessions === count, 60_000)
    expect(detached).to.have.lengthOf(count)
    expect(detached[0]).to.equal(first.connection)
    const comesBack = () => {
      proxy.target = port
    }
    return { server, port, live, first: { ...first, comesBack }, detached, lost }
  }

  async function join(server: TokenServer, port: number): Promise<Live> {
    const accepted = once(server, 'connection')
    const client = await makeClient(port, { session: true, reconnect: () => 200 })
    const [[connection]] = (await Promise.all([accepted, once(client, 'connect')])) as [[Connection], unknown]
    return { client, connection, seen: eventsOf(client, ['connect', 'disconnect', 'session-lost', 'close']) }
  }

  async function fill(herd: FaultProgram, port: number, count: number): Promise<void> {
    for (let left = count; left > 0; left -= BATCH) {
      const options = { port, session: true, connectTimeout: 60_000 }
      await herd.ask<HerdReport>({ ask: 'start', count: Math.min(BATCH, left), options })
    }
  }

  async function expectUntouched({ live }: World): Promise<void> {
    for (const { client, connection, seen } of live) {
      expect(seen).to.deep.equal([])
      connection.on('token', () => {})
      await client.deliver(Buffer.from('still here'))
      client.on('token', () => {})
      await connection.deliver(Buffer.from('you, too'))
    }
  }

  /** Those were evicted, and no others, and each aloud. */
  function expectEvicted({ lost, detached }: World, count: number, unsent: number): void {
    expect(lost.length).to.equal(count)
    const wrong = lost.filter(({ connection, ...loss }, i) => {
      const isRight = loss.reason === 'evicted' && loss.unknown === 0 && loss.unsent === unsent
      return !isRight || connection !== detached[i]
    })
    expect(wrong).to.deep.equal([])
  }

  /** The first one was evicted: its client is told when it comes back, and has a new session. */
  async function expectTold({ first }: World): Promise<void> {
    const told = once(first.client, 'session-lost')
    const connected = once(first.client, 'connect')
    first.comesBack()
    expect((await told)[0]).to.deep.equal({ reason: 'expired', unknown: 0, unsent: 0 })
    await connected
    expect(first.client.connection?.isOpen).to.equal(true)
  }

  it(`S5 ${SESSIONS} of them stay within memoryBudgetBytes: the oldest go, aloud, and nobody who is there`, async function () {
    this.timeout(isLong ? 600_000 : 60_000)
    needFiles(this, SESSIONS + 500)
    const busyBytes = 128 * KIB
    const budget = busyBytes + Math.floor(SESSIONS / 4) * COST
    const world = await begin(SESSIONS, { memoryBudgetBytes: budget })
    const { server, live, detached, lost } = world
    // The fullest queue of all is that of a client who is there, and does not listen.
    const [{ connection: busy }] = live as [Live]
    for (let bytes = 0; bytes < busyBytes; bytes += COST) busy.send(Buffer.alloc(TOKEN, 1))
    for (const connection of detached) expect(connection.send(Buffer.alloc(TOKEN, 1))).to.equal(true)
    const before = server.queuedBytes
    const begun = performance.now()
    await until(() => server.queuedBytes <= budget)
    const after = server.queuedBytes
    figures(
      `${(before / MIB).toFixed(1)} MiB queued for ${SESSIONS}, ${(after / MIB).toFixed(2)} after ${(performance.now() - begun).toFixed(0)} ms, ` +
        `budget ${(budget / MIB).toFixed(2)}; ${lost.length} evicted`
    )
    expect(before).to.be.above(3 * budget)
    expect(after, 'no more than needed').to.be.above(budget - COST)
    expectEvicted(world, lost.length, 1)
    expect(server.detachedSessions).to.equal(SESSIONS - lost.length)
    await expectUntouched(world)
    await expectTold(world)
  })

  it('S5 maxSessions likewise: who comes takes the place of the one that is away longest', async function () {
    this.timeout(isLong ? 600_000 : 60_000)
    needFiles(this, PLACES + 500)
    const newcomers = PLACES / 2
    const world = await begin(PLACES, { maxSessions: PLACES + LIVE })
    const { server, port, lost } = world
    const herd = await startProgram('herd')
    await fill(herd, port, newcomers)
    figures(`${newcomers} came, ${lost.length} evicted, ${server.detachedSessions} still wait`)
    expectEvicted(world, newcomers, 0)
    expect(server.connections.size).to.equal(PLACES + LIVE)
    await expectUntouched(world)
    await expectTold(world)
    expect(lost.length, 'one more for the first').to.equal(newcomers + 1)
  })
})
