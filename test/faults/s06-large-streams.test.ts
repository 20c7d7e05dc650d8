import { expect } from 'chai'
import type { TokenClientOptions, TokenServerOptions } from '../../lib'
import { type FaultProgram, startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened } from '../helpers/loopback'
import { TcpProxy } from '../helpers/tcp-proxy'
import type { StreamsQuestion, StreamsReport } from './programs/streams'

const LENGTH = isLong ? 10 * 1024 * MIB : 64 * MIB
const HEARTBEAT = 500
const MOST_MEMORY = 150 * MIB

describe('S6 a large token from a stream to a stream', () => {
  closesWhatItOpened()

  function ask(program: FaultProgram, question: StreamsQuestion): Promise<StreamsReport> {
    return program.ask<StreamsReport>(question)
  }

  /** Two processes: one that reads, one that is connected to it, over a proxy. */
  async function begin(serverOver: TokenServerOptions, clientOver: Partial<TokenClientOptions>, pause = 0) {
    const [reader, writer] = await Promise.all([startProgram('streams'), startProgram('streams')])
    const options = { heartbeat: HEARTBEAT, maxStreamLength: 2 * LENGTH, ...serverOver }
    const { port } = await ask(reader, { ask: 'listen', options, pause })
    const proxy = await TcpProxy.to(port)
    const dial = async (through: number) => {
      await ask(writer, { ask: 'dial', options: { port: through, heartbeat: HEARTBEAT, ...clientOver } })
    }
    return { reader, writer, proxy, port, dial }
  }

  it(`S6 of ${LENGTH / MIB} MiB arrives whole, in little memory, and control frames pass it by`, async function () {
    this.timeout(isLong ? 900_000 : 60_000)
    const { reader, writer, port, dial } = await begin({}, {})
    await dial(port)
    const start = performance.now()
    const sent = await ask(writer, { ask: 'sendFrom', bytes: LENGTH })
    const seconds = (performance.now() - start) / 1000
    const read = await ask(reader, { ask: 'awaitTokens', tokens: 1 })
    figures(
      `${(LENGTH / MIB / seconds).toFixed(0)} MiB/s; peak memory: sender ${(sent.maxRss / MIB).toFixed(0)} MiB, ` +
        `receiver ${(read.maxRss / MIB).toFixed(0)} MiB; unread at most ${(read.maxUnread / 1024).toFixed(0)} KiB`
    )
    figures(
      `${read.echoes} ACKs after at most ${read.maxEcho.toFixed(0)} ms, PONG after ${Math.max(read.maxRtt, sent.maxRtt).toFixed(0)} ms (heartbeat ${HEARTBEAT})`
    )
    expect(sent.fate).to.equal('handed')
    expect(read.tokens).to.deep.equal([{ bytes: LENGTH, sha256: sent.sha256, code: null, text: '' }])
    expect([sent.events, read.events, sent.uncaught, read.uncaught]).to.deep.equal([[], [], [], []])
    expect(Math.max(sent.maxRss, read.maxRss)).to.be.below(MOST_MEMORY)
    expect(read.echoes).to.be.at.least(3)
    expect(Math.max(read.maxEcho, read.maxRtt, sent.maxRtt), 'a round trip').to.be.below(HEARTBEAT)
  })

  it('S6 cut in the middle of a session: it was not sent, the reader is told, and the session goes on', async () => {
    const session = true
    const { reader, writer, proxy, dial } = await begin({ session }, { session, reconnect: () => 5 })
    // By the bytes that have passed: however fast the rest would follow, it does not.
    proxy.cutAfter(() => (proxy.cuts === 0 ? LENGTH / 4 : Number.POSITIVE_INFINITY))
    await dial(proxy.port)
    const sent = await ask(writer, { ask: 'sendFrom', bytes: LENGTH })
    expect([sent.fate, sent.isDestroyed]).to.deep.equal(['ERR_NOT_SENT', true])
    const after = await ask(writer, { ask: 'sendAndDeliver', texts: ['sent', 'delivered'] })
    const read = await ask(reader, { ask: 'awaitTokens', tokens: 3 })
    const [aborted, ...next] = read.tokens
    figures(`cut after ${((aborted?.bytes ?? 0) / MIB).toFixed(1)} of ${LENGTH / MIB} MiB`)
    expect(aborted?.code).to.equal('ERR_TOKEN_ABORTED')
    expect(aborted?.bytes).to.be.within(LENGTH / 8, LENGTH / 4)
    expect(next.map(({ text, code }) => [text, code])).to.deep.equal([
      ['sent', null],
      ['delivered', null]
    ])
    for (const { events, connections, uncaught } of [after, read]) {
      expect([events, connections, uncaught]).to.deep.equal([['detached', 'resumed'], 1, []])
    }
    // And a large one again, whole.
    const again = await ask(writer, { ask: 'sendFrom', bytes: 16 * MIB })
    const last = (await ask(reader, { ask: 'awaitTokens', tokens: 4 })).tokens.at(-1)
    expect(again.fate).to.equal('handed')
    expect([last?.bytes, last?.sha256, last?.code]).to.deep.equal([16 * MIB, again.sha256, null])
  })

  it('S6 a slow reader holds at most its window and 1 MiB', async () => {
    const receiveWindow = 2 * MIB
    const { reader, writer, port, dial } = await begin({ receiveWindow }, {}, 10)
    await dial(port)
    const fate = ask(writer, { ask: 'sendFrom', bytes: LENGTH }).catch(() => null)
    const read = await ask(reader, { ask: 'awaitBytes', bytes: 4 * MIB })
    figures(
      `unread at most ${(read.maxUnread / MIB).toFixed(2)} MiB of a window of ${receiveWindow / MIB}; peak memory ${(read.maxRss / MIB).toFixed(0)} MiB`
    )
    expect(read.maxUnread).to.be.within(receiveWindow / 2, receiveWindow + MIB)
    expect(read.maxRss).to.be.below(MOST_MEMORY)
    expect([read.events, read.uncaught]).to.deep.equal([[], []])
    await writer.kill()
    await fate
  })
})
