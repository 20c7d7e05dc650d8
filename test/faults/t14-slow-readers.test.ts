import { once } from 'node:events'
import { expect } from 'chai'
import { echoesPerSecond } from '../helpers/echoes'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, makeClient } from '../helpers/loopback'
import type { ServerReport } from './programs/server'

const READERS = 100
const OUTBOX = (isLong ? 4 : 0.5) * MIB
const TOKEN = 64 * 1024
const WRITE_TIMEOUT = 3_000

describe('T14 readers that do not read', () => {
  closesWhatItOpened()

  it(`T14 ${READERS} of them cost their outboxes at most, are cut by writeTimeout, and a fast reader gets everything`, async function () {
    this.timeout(60_000)
    const [server, strangers] = await Promise.all([startProgram('server'), startProgram('strangers')])
    const options = { maxTokenLength: TOKEN, outboxBytes: OUTBOX, writeTimeout: WRITE_TIMEOUT }
    const { port } = await server.ask<ServerReport>({ ask: 'listen', options })
    const fast = await makeClient(port)
    await once(fast, 'connect')
    await echoesPerSecond(fast, 1_000)
    const idle = await echoesPerSecond(fast, 3_000)

    await strangers.ask({ ask: 'ignore', port, count: READERS })
    let before: ServerReport
    do before = await server.ask<ServerReport>({ ask: 'report' })
    while (before.connections <= READERS)
    const during = await server.ask<ServerReport>({ ask: 'flood', length: TOKEN, skip: 1 })
    const busy = await echoesPerSecond(fast, 3_000)
    // Who reads nothing does not notice that it was cut.
    let after = during
    while (after.connections > 1 || after.used - before.used > 4 * MIB) {
      after = await server.ask<ServerReport>({ ask: 'report' })
    }
    figures(
      `RSS +${((during.rss - before.rss) / MIB).toFixed(0)} MiB, sum of the outboxes ${(READERS * OUTBOX) / MIB} MiB`
    )
    figures(
      `fast reader ${idle.toFixed(0)} echoes/s alone, ${busy.toFixed(0)} beside them (${((busy / idle) * 100).toFixed(0)} %)`
    )
    expect(during.used - before.used, 'memory in use').to.be.below(READERS * OUTBOX + 10 * MIB)
    expect(during.rss - before.rss).to.be.below(READERS * OUTBOX + 50 * MIB)
    expect(after.codes).to.deep.equal({ ERR_WRITE_TIMEOUT: READERS })
    expect(after).to.deep.include({ connections: 1, uncaught: [] })
    expect(fast.connection?.isDead).to.equal(false)
  })
})
