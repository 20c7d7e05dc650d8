import { once } from 'node:events'
import { expect } from 'chai'
import type { TokenClient } from '../../lib'
import { echoesPerSecond } from '../helpers/echoes'
import { type FaultProgram, startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, makeClient } from '../helpers/loopback'
import type { ServerReport } from './programs/server'

const READERS = isLong ? 100 : 20
const OUTBOX = MIB
const TOKEN = 64 * 1024
/** The kernel and the TLS layer of such a reader take some before a token waits at the server. */
const UNLIMITED = 0xffff_ffff

describe('T14 slow consumers of token/2', () => {
  closesWhatItOpened()

  /** A server, `READERS` clients that are accepted and never read again, and one that does. */
  async function start(
    options: object,
    windows: number[]
  ): Promise<{
    server: FaultProgram
    intruders: FaultProgram
    fast: TokenClient
    before: ServerReport
    idle: number
  }> {
    const [server, intruders] = await Promise.all([startProgram('server'), startProgram('intruders')])
    const { port } = await server.ask<ServerReport>({
      ask: 'listen',
      options: { maxTokenLength: TOKEN, outboxBytes: OUTBOX, heartbeat: 0, ...options }
    })
    const fast = await makeClient(port)
    await once(fast, 'connect')
    await echoesPerSecond(fast, 1_000)
    const idle = await echoesPerSecond(fast, 3_000)
    const count = READERS / windows.length
    for (const window of windows) await intruders.ask({ ask: 'ignore', port, count, window })
    const before = await reports(server, ({ connections }) => connections === READERS + 1)
    return { server, intruders, fast, before, idle }
  }

  async function reports(
    server: FaultProgram,
    until: (report: ServerReport) => boolean
  ): Promise<ServerReport> {
    let report: ServerReport
    do report = await server.ask<ServerReport>({ ask: 'report' })
    while (!until(report))
    return report
  }

  const isDead = (client: TokenClient) => client.connection?.isDead

  it(`T14 ${READERS} readers without credit, or that claim any and do not read, cost their outboxes at most, are closed at maxQueueAge, and a fast one is left alone`, async function () {
    this.timeout(60_000)
    const { server, intruders, fast, before, idle } = await start({ maxQueueAge: 5_000 }, [
      64 * 1024,
      UNLIMITED
    ])
    const during = await server.ask<ServerReport>({ ask: 'flood', length: TOKEN, skip: 1 })
    // The best of three: one that is held up by others of the machine says nothing of those who do not read.
    let busy = 0
    for (let i = 0; i < 3; i++) busy = Math.max(busy, await echoesPerSecond(fast, 1_000))
    const after = await reports(server, ({ connections }) => connections === 1)
    const end = await reports(server, ({ used }) => used - before.used < 4 * MIB)
    // Alone again: a machine that has become busier since the beginning says nothing of those who did not read.
    const alone = Math.min(idle, await echoesPerSecond(fast, 3_000))
    figures(
      `RSS +${((during.rss - before.rss) / MIB).toFixed(0)} MiB, in use +${((during.used - before.used) / MIB).toFixed(0)} MiB, sum of the outboxes ${(READERS * OUTBOX) / MIB} MiB`
    )
    figures(
      `fast reader ${alone.toFixed(0)} echoes/s alone, ${busy.toFixed(0)} beside them: ${((busy / alone) * 100).toFixed(0)} % (demanded: 80)`
    )
    expect(during.used - before.used, 'memory in use').to.be.below(READERS * OUTBOX + 10 * MIB)
    expect(during.rss - before.rss, 'RSS').to.be.below(READERS * OUTBOX + 50 * MIB)
    expect(during.used - before.used, 'the outboxes were full').to.be.greaterThan((READERS * OUTBOX) / 2)
    expect(busy / alone).to.be.greaterThan(0.3)
    expect(after.codes).to.deep.equal({ ERR_SLOW_CONSUMER: READERS })
    expect(end.uncaught).to.deep.equal([])
    expect(isDead(fast)).to.equal(false)
    await intruders.ask({ ask: 'leave' })
  })

  it(`T14 slowConsumer 'drop' drops what waited longer than maxQueueAge of ${READERS} readers, tells how much, and closes nobody`, async function () {
    this.timeout(60_000)
    const options = { maxQueueAge: 1_500, slowConsumer: 'drop' }
    const { server, fast, before } = await start(options, [64 * 1024])
    await server.ask<ServerReport>({ ask: 'flood', length: TOKEN, skip: 1 })
    // All but the first two of each: those had credit.
    const each = Math.floor(OUTBOX / (TOKEN + 4))
    const after = await reports(server, ({ codes }) => (codes.dropped ?? 0) >= READERS * (each - 1))
    figures(`dropped ${after.codes.dropped} tokens of ${READERS} connections`)
    expect(after.connections).to.equal(READERS + 1)
    expect(after.codes.dropped).to.be.at.most(READERS * (each + 1))
    expect(Object.keys(after.codes)).to.deep.equal(['dropped'])
    expect((await reports(server, ({ used }) => used - before.used < 4 * MIB)).uncaught).to.deep.equal([])
    await echoesPerSecond(fast, 100)
  })

  for (const policy of ['close', 'drop'] as const) {
    it(`T14 memoryBudgetBytes: the fullest of ${READERS} readers first, until the rest is within it (${policy})`, async function () {
      this.timeout(60_000)
      const budget = (READERS / 4) * MIB
      const options = { memoryBudgetBytes: budget, maxQueueAge: 0, slowConsumer: policy }
      const { server, fast, before } = await start(options, [64 * 1024])
      const during = await server.ask<ServerReport>({ ask: 'flood', length: TOKEN, skip: 1 })
      const begin = performance.now()
      const after = await reports(server, ({ queuedBytes, used }) => {
        return queuedBytes <= budget && used - before.used < budget + 6 * MIB
      })
      figures(
        `${(during.queuedBytes / MIB).toFixed(1)} MiB queued, ${(after.queuedBytes / MIB).toFixed(1)} after ${(performance.now() - begin).toFixed(0)} ms, budget ${budget / MIB}: ${JSON.stringify(after.codes)}`
      )
      expect(after.queuedBytes, 'no more than needed').to.be.greaterThan(budget / 4)
      if (policy === 'close') {
        const closed = (await reports(server, ({ connections, codes }) => {
          return connections + (codes.ERR_SLOW_CONSUMER ?? 0) === READERS + 1
        })) as ServerReport
        expect(closed.codes.ERR_SLOW_CONSUMER).to.be.within(READERS / 4, READERS - 1)
      } else {
        expect(after.connections).to.equal(READERS + 1)
        expect(after.codes.dropped).to.be.greaterThan(READERS)
      }
      expect(isDead(fast)).to.equal(false)
      await echoesPerSecond(fast, 100)
    })
  }
})
