import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenError } from '../../lib'
import { figures, isLong } from '../helpers/figures'
import { LiveProgram, monotonic } from '../helpers/live-program'
import { closesWhatItOpened, makeClient, onCleanUp, startServer, until } from '../helpers/loopback'
import { idOf, idsIn, numberedToken } from '../helpers/numbered-token'
import { remove, temporaryFolder } from '../helpers/program'
import type { PeerNote, PeerOrder } from './programs/honest-peer'

describe('T17 a peer that is stopped', () => {
  closesWhatItOpened()

  const STOPS = isLong ? 20 : 3
  const HEARTBEAT = isLong ? 5_000 : 300
  const STOP = isLong ? 30_000 : 1_500
  const TIMES = { heartbeat: HEARTBEAT, connectTimeout: HEARTBEAT }

  let folder: string
  before(() => {
    folder = temporaryFolder()
  })
  after(() => remove(folder))

  function startPeer(): Promise<LiveProgram<PeerOrder, PeerNote>> {
    return LiveProgram.start<PeerOrder, PeerNote>('honest-peer')
  }

  /** Delivers without a pause, and again what was not sent: that is no duplicate. */
  class Deliverer {
    readonly handed = new Set<number>()
    readonly unknown = new Set<number>()
    repeated = 0
    #next = 1
    #isOver = false

    async run(client: TokenClient, outstanding: number): Promise<void> {
      await Promise.all(Array.from({ length: outstanding }, () => this.#run(client)))
    }

    end(): void {
      this.#isOver = true
    }

    get attempted(): number {
      return this.#next - 1
    }

    async #run(client: TokenClient): Promise<void> {
      while (!this.#isOver) await this.#deliver(client, this.#next++)
    }

    async #deliver(client: TokenClient, id: number): Promise<void> {
      try {
        // Every fourth is large, so that some wait for credit when the server is stopped.
        await client.deliver(numberedToken(id, id % 4 === 0 ? 400_000 : 500))
        this.handed.add(id)
        await wait(1)
      } catch (error) {
        if ((error as TokenError).code === 'ERR_FATE_UNKNOWN') {
          this.unknown.add(id)
        } else {
          this.repeated++
          await wait(10)
          if (!this.#isOver) await this.#deliver(client, id)
        }
      }
    }
  }

  it(`T17 a server stopped ${STOPS} times for ${STOP} ms is noticed, comes back, and got no token twice`, async function () {
    this.timeout(STOPS * (STOP + 10_000) + 30_000)
    const journal = join(folder, 'journal')
    const server = await startPeer()
    const { port } = await server.ask(
      { do: 'listen', options: { host: '127.0.0.1', port: 0, heartbeat: HEARTBEAT }, journal },
      'listening'
    )
    const client = await makeClient(port, { protocol: 'token/2', reconnect: () => 20, ...TIMES })
    const deliverer = new Deliverer()
    onCleanUp(() => deliverer.end())
    await once(client, 'connect')
    const done = deliverer.run(client, 32)
    const noticed: number[] = []
    for (let stop = 0; stop < STOPS; stop++) {
      const { connection } = client
      const before = deliverer.handed.size
      await until(() => deliverer.handed.size >= before + 50, 60_000)
      const stoppedAt = monotonic()
      server.signal('SIGSTOP')
      const lost = await (connection as Connection).closed
      noticed.push(monotonic() - stoppedAt)
      expect(lost.code).to.equal('ERR_HEARTBEAT_TIMEOUT')
      // Real time: a process that is stopped has no other.
      await wait(STOP - (monotonic() - stoppedAt))
      server.signal('SIGCONT')
      await once(client, 'connect')
    }
    const before = deliverer.handed.size
    await until(() => deliverer.handed.size >= before + 200, 60_000)
    deliverer.end()
    await done
    client.close()
    expect((await client.closed).hadError).to.equal(false)
    const report = await server.ask({ do: 'close' }, 'report')
    const arrived = idsIn(readFileSync(journal))
    const { handed, unknown, repeated, attempted } = deliverer
    figures(
      `noticed after ${noticed.map(ms => ms.toFixed(0)).join(', ')} ms; ${attempted} tokens, ${handed.size} acknowledged, ` +
        `${repeated} times repeated, ${unknown.size} of unknown fate, ${arrived.length - new Set(arrived).size} duplicates`
    )
    for (const milliseconds of noticed) expect(milliseconds).to.be.below(2 * HEARTBEAT + 1_000)
    expect(new Set(arrived).size, 'duplicates').to.equal(arrived.length)
    expect([...handed].filter(id => !arrived.includes(id))).to.deep.equal([])
    expect(report.connections).to.equal(0)
    expect(new Set(report.closes)).to.deep.equal(new Set([1]))
    expect(report.uncaught).to.deep.equal([])
  })

  it(`T17 a client stopped ${STOPS} times for ${STOP} ms is noticed, comes back, and sent no token twice`, async function () {
    this.timeout(STOPS * (STOP + 10_000) + 30_000)
    const { server, port } = await startServer({ heartbeat: HEARTBEAT })
    const arrived: number[] = []
    server.on('token', token => arrived.push(idOf(token)))
    const client = await startPeer()
    const accepted = once(server, 'connection')
    client.order({ do: 'dial', options: { host: '127.0.0.1', port, ...TIMES }, again: 20 })
    let [connection] = (await accepted) as [Connection]
    client.order({ do: 'stream', length: 500, outstanding: 16, pause: 1 })
    const noticed: number[] = []
    for (let stop = 0; stop < STOPS; stop++) {
      const before = arrived.length
      await until(() => arrived.length >= before + 50, 60_000)
      const stoppedAt = monotonic()
      client.signal('SIGSTOP')
      const lost = await connection.closed
      noticed.push(monotonic() - stoppedAt)
      expect(lost.code).to.equal('ERR_HEARTBEAT_TIMEOUT')
      await wait(STOP - (monotonic() - stoppedAt))
      const next = once(server, 'connection')
      client.signal('SIGCONT')
      ;[connection] = (await next) as [Connection]
    }
    const before = arrived.length
    await until(() => arrived.length >= before + 200, 60_000)
    await client.ask({ do: 'rest' }, 'idle')
    const { delivered, pending, closes, uncaught } = await client.ask({ do: 'close' }, 'report')
    figures(
      `noticed after ${noticed.map(ms => ms.toFixed(0)).join(', ')} ms; ${delivered} acknowledged, ` +
        `${client.all('rejected').length} rejected, ${arrived.length - new Set(arrived).size} duplicates`
    )
    for (const milliseconds of noticed) expect(milliseconds).to.be.below(2 * HEARTBEAT + 1_000)
    expect(new Set(arrived).size, 'duplicates').to.equal(arrived.length)
    expect(arrived.length).to.be.at.least(delivered)
    const unsent = client.all('rejected', note => note.code === 'ERR_NOT_SENT').map(note => note.id)
    expect(unsent.filter(id => arrived.includes(id))).to.deep.equal([])
    expect({ pending, uncaught }).to.deep.equal({ pending: 0, uncaught: [] })
    expect(closes).to.deep.equal(Array(STOPS + 1).fill(1))
  })

  it('T17 a stop shorter than two heartbeats is survived on both sides', async function () {
    this.timeout(30_000)
    const heartbeat = 1_000
    const server = await startPeer()
    const { port } = await server.ask(
      { do: 'listen', options: { host: '127.0.0.1', port: 0, heartbeat } },
      'listening'
    )
    const client = await makeClient(port, { protocol: 'token/2', reconnect: () => 20, heartbeat })
    let disconnects = 0
    client.on('disconnect', () => disconnects++)
    await once(client, 'connect')
    await client.deliver(numberedToken(1))
    const waiting = Array.from({ length: 10 }, (_, i) => client.deliver(numberedToken(i + 2)))
    server.signal('SIGSTOP')
    await wait(heartbeat)
    server.signal('SIGCONT')
    await Promise.all(waiting)
    expect(disconnects).to.equal(0)
    expect(server.all('lost')).to.deep.equal([])
  })

  it('T17 who was stopped itself does not blame a patient peer', async function () {
    this.timeout(30_000)
    const server = await startPeer()
    const { port } = await server.ask(
      { do: 'listen', options: { host: '127.0.0.1', port: 0, heartbeat: 300 } },
      'listening'
    )
    const client = await makeClient(port, { protocol: 'token/2', heartbeat: 60_000 })
    await once(client, 'connect')
    await client.deliver(numberedToken(1))
    server.signal('SIGSTOP')
    await wait(1_500)
    server.signal('SIGCONT')
    await client.deliver(numberedToken(2))
    // Longer than the server's patience, so that a verdict would have come.
    await wait(900)
    await client.deliver(numberedToken(3))
    expect(server.all('lost')).to.deep.equal([])
  })
})
