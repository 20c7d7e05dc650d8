import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type FaultProgram, startProgram } from '../helpers/fault-program'
import { figures, isLong } from '../helpers/figures'
import { closesWhatItOpened, freePort } from '../helpers/loopback'
import { needFiles } from '../helpers/need'
import { remove, temporaryFolder } from '../helpers/program'
import type { RollingHerdReport } from './programs/rolling-herd'
import { ENTRY_LENGTH, type RollingServerQuestion, type RollingServerReport } from './programs/rolling-server'

const CLIENTS = isLong ? 1_000 : 60
const SPREAD = isLong ? 8_000 : 800
/** Milliseconds between two tokens of a client. */
const PAUSE = isLong ? 250 : 15
/** Milliseconds between two groups of clients that drain() asks. */
const GROUP_PAUSE = 20
/** Of 1,000 clients, those who dial in the busiest tenth of the time; of 60 it would measure chance and the machine. */
const MOST_OF_MEAN = isLong ? 3 : Infinity

interface Entry {
  readonly at: bigint
  readonly client: number
  readonly number: number
}

describe('S4 a rolling restart of two servers', () => {
  closesWhatItOpened()

  let folder: string
  before(() => {
    folder = temporaryFolder()
  })
  after(() => remove(folder))

  for (const session of [false, true]) {
    it(`S4 ${CLIENTS} clients ${session ? 'with' : 'without'} sessions lose nothing, keep their order, and come in no herd`, async function () {
      this.timeout(isLong ? 300_000 : 60_000)
      needFiles(this, 2 * CLIENTS + 200)
      const ports = [await freePort(), await freePort()] as const
      const journals: string[] = []
      const limits = {
        maxConnectionsPerIdentity: 4 * CLIENTS,
        maxSessionsPerIdentity: 4 * CLIENTS,
        maxConnectionsPerAddress: 4 * CLIENTS
      }
      const ask = (server: FaultProgram, question: RollingServerQuestion) =>
        server.ask<RollingServerReport>(question)
      const listen = async (port: number, program = startProgram('rolling-server')) => {
        const server = await program
        await ask(server, { ask: 'listen', options: { port, session, ...limits } })
        return server
      }
      const close = async (server: FaultProgram) => {
        const journal = join(folder, `${session}-${journals.length}`)
        journals.push(journal)
        const report = await ask(server, { ask: 'close', journal })
        await server.kill()
        return report
      }

      let [a, b, herd] = await Promise.all([listen(ports[0]), listen(ports[1]), startProgram('rolling-herd')])
      const servers = ports.map(port => ({ host: '127.0.0.1', port }))
      const options = { servers, reconnect: true, ...(session && { session }) }
      await herd.ask<RollingHerdReport>({ ask: 'start', count: CLIENTS, pause: PAUSE, options })

      /** Everyone is asked to leave `from`, and is on `to` when it is closed; then another takes its port. */
      const roll = async (from: FaultProgram, to: FaultProgram, port: number): Promise<FaultProgram> => {
        const next = startProgram('rolling-server')
        await herd.ask<RollingHerdReport>({ ask: 'more', tokens: 5 })
        const begin = performance.now()
        const goaway = { code: 'shutdown', timeout: 20_000 + SPREAD, spread: SPREAD } as const
        const drained = await ask(from, { ask: 'drain', goaway })
        const took = performance.now() - begin
        expect(drained).to.deep.include({ left: 0, connections: 0, codes: {}, uncaught: [] })
        await close(from)
        const fresh = await listen(port, next)
        const { accepted } = await ask(to, { ask: 'await', connections: CLIENTS })
        const { dials } = await herd.ask<RollingHerdReport>({ ask: 'more', tokens: 5 })
        figures(`left in ${took.toFixed(0)} ms, asked over ${SPREAD}`)
        expect(dials).to.have.lengthOf(CLIENTS)
        const arrived = accepted.slice(-CLIENTS)
        print('accepted', arrived)
        expect(print('dialled', dials), 'busiest tenth × mean').to.be.at.most(MOST_OF_MEAN)
        for (const times of [dials, arrived]) expectTurns(times, drained.drainedAt)
        // A busy machine makes it longer.
        expect(Math.max(...dials) - Math.min(...dials), 'ms from the first dial to the last').to.be.at.least(
          SPREAD / 2
        )
        return fresh
      }
      a = await roll(a, b, ports[0])
      b = await roll(b, a, ports[1])
      const { sent, failures, events, uncaught } = await herd.ask<RollingHerdReport>({ ask: 'stop' })
      const last = [await close(a), await close(b)]
      figures(`${sent.reduce((sum, count) => sum + count, 0)} tokens; ${JSON.stringify(events)}`)
      expect([failures, uncaught]).to.deep.equal([{}, []])
      expect(events).to.deep.equal({
        connect: 3 * CLIENTS,
        'goaway shutdown': 2 * CLIENTS,
        'disconnect normal': 2 * CLIENTS
      })
      for (const report of last) expect(report).to.deep.include({ codes: {}, uncaught: [] })
      expectOrder(journals.flatMap(entriesOf), sent)
    })
  }

  /**
   * Each comes in its turn, or later: a machine that is busy makes nobody early. drain() asks groups, 20 ms apart, and may
   * do that in less than the time that it is given: half of an even share is demanded, less one such pause.
   */
  function expectTurns(times: number[], begin: number): void {
    const early = [...times]
      .sort((one, other) => one - other)
      .map((time, turn) => ({ after: Math.round(time - begin), share: (turn * SPREAD) / CLIENTS }))
      .filter(({ after, share }) => after < share / 2 - GROUP_PAUSE)
    expect(early, 'ms after drain() was called, and the even share').to.deep.equal([])
  }

  function entriesOf(journal: string): Entry[] {
    const bytes = readFileSync(journal)
    return Array.from({ length: bytes.length / ENTRY_LENGTH }, (_, i) => {
      const offset = i * ENTRY_LENGTH
      return {
        at: bytes.readBigUInt64BE(offset),
        client: bytes.readUInt32BE(offset + 8),
        number: bytes.readUInt32BE(offset + 12)
      }
    })
  }

  /** The tokens of each client, by the time at which a server was given them: 1, 2, 3 … to the last. */
  function expectOrder(entries: Entry[], sent: number[]): void {
    entries.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : one.number - other.number))
    const lasts = sent.map(() => 0)
    for (const { client, number } of entries) {
      const expected = (lasts[client] as number) + 1
      if (number !== expected) expect.fail(`client ${client}: token ${number} came instead of ${expected}`)
      lasts[client] = number
    }
    expect(lasts, 'the last token of each client').to.deep.equal(sent)
  }

  /** Prints how many came in each tenth of the time, and returns the most, in means. */
  function print(what: string, times: number[]): number {
    const first = Math.min(...times)
    const span = Math.max(...times) - first
    const bins = new Array<number>(10).fill(0)
    for (const time of times) {
      const bin = Math.min(9, Math.floor(((time - first) / span) * 10))
      bins[bin] = (bins[bin] as number) + 1
    }
    const peak = Math.max(...bins) / (times.length / 10)
    figures(
      `${what} within ${span.toFixed(0)} ms, in tenths: ${bins.join(' ')}; ${peak.toFixed(1)} × the mean`
    )
    return peak
  }
})
