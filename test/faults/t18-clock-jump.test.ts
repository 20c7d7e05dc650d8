import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import { Connection } from '../../lib'
import { FakeClock, memoryPair, seededRandom } from '../../lib/testing'
import { figures, isLong } from '../helpers/figures'
import { LiveProgram } from '../helpers/live-program'
import { closesWhatItOpened } from '../helpers/loopback'
import { needProgram } from '../helpers/need'
import { numberedToken } from '../helpers/numbered-token'
import { remove, temporaryFolder } from '../helpers/program'
import type { PeerNote, PeerOrder } from './programs/honest-peer'

const DAY = 86_400_000

describe('T18 a clock that jumps', () => {
  closesWhatItOpened()

  const HEARTBEAT = 300
  const JUMPS = isLong ? 1_000 : 60
  let folder: string
  before(() => {
    folder = temporaryFolder()
  })
  after(() => remove(folder))

  /** Where Debian puts the library that gives a process another calendar; null when it is not there. */
  function libfaketime(): string | null {
    for (const triplet of readdirSync('/usr/lib')) {
      const path = join('/usr/lib', triplet, 'faketime/libfaketimeMT.so.1')
      if (existsSync(path)) return path
    }
    return null
  }

  it('T18 (faketime, ±1 day, on both sides) disconnects nobody', async function () {
    this.timeout(isLong ? 120_000 : 30_000)
    needProgram(this, 'faketime')
    const library = libfaketime()
    expect(library, 'libfaketime').not.to.equal(null)
    const calendars = [join(folder, 'server'), join(folder, 'client')]
    const [server, client] = await Promise.all(
      calendars.map(async calendar => {
        writeFileSync(calendar, '+0d')
        const env = {
          LD_PRELOAD: library as string,
          FAKETIME_TIMESTAMP_FILE: calendar,
          FAKETIME_NO_CACHE: '1',
          // An administrator sets the calendar; nobody can set the monotonic clock.
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          DONT_FAKE_MONOTONIC: '1'
        }
        return await LiveProgram.start<PeerOrder, PeerNote>('honest-peer', { env })
      })
    )
    if (server === undefined || client === undefined) throw new Error('Two programs were started')
    const options = { host: '127.0.0.1', port: 0, heartbeat: HEARTBEAT }
    const { port } = await server.ask({ do: 'listen', options }, 'listening')
    client.order({ do: 'dial', options: { ...options, port }, again: 50 })
    await client.told('open')

    // Only heartbeats pass, and between most of them the calendar jumps: no read is of the day of the verdict.
    const random = seededRandom(18)
    const offBy: number[] = []
    for (let i = 0; i < JUMPS; i++) {
      const jump = i % 2 === 0 ? '+1d' : '-1d'
      const back = i % 2 === 0 ? '-1d' : '+1d'
      const real = Date.now()
      writeFileSync(calendars[0] as string, jump)
      writeFileSync(calendars[1] as string, random() < 0.5 ? back : jump)
      const { date } = await server.ask({ do: 'report' }, 'report')
      offBy.push(Math.abs(date - real - Number.parseInt(jump, 10) * DAY))
      // Real time: the timers of the two processes go on by it.
      await wait(random() * HEARTBEAT * 0.4)
    }
    client.order({ do: 'stream', length: 1_000, outstanding: 4 })
    while ((await client.ask({ do: 'report' }, 'report')).delivered < 100);
    await client.ask({ do: 'rest' }, 'idle')
    figures(`${JUMPS} jumps, ${client.all('disconnect').length} disconnects`)
    expect(Math.max(...offBy), 'the calendar did not jump').to.be.below(60_000)
    expect(client.all('disconnect')).to.deep.equal([])
    expect(server.all('lost')).to.deep.equal([])
    expect(client.all('rejected')).to.deep.equal([])
    const reports = [await client.ask({ do: 'close' }, 'report'), await server.ask({ do: 'close' }, 'report')]
    for (const { closes, uncaught } of reports) {
      expect(closes).to.deep.equal([1])
      expect(uncaught).to.deep.equal([])
    }
  })

  it('T18 (a fake clock, ±1 day) disconnects nobody and ends no timer early or late', async () => {
    const clock = new FakeClock()
    const restore = clock.install()
    const { a, b } = memoryPair()
    const options = { protocol: 'token/2', heartbeat: 15_000 } as const
    const client = new Connection(a, { ...options, role: 'client' })
    const server = new Connection(b, { ...options, role: 'server' })
    try {
      const closes: string[] = []
      for (const side of [client, server]) side.on('close', (_hadError, { code }) => closes.push(code))
      server.on('token', () => {})
      for (const jump of [DAY, -2 * DAY, 2 * DAY, -DAY]) {
        clock.jump(jump)
        await Promise.all([client.deliver(numberedToken(1), { timeout: 1_000 }), clock.elapse(90_000)])
      }
      expect(closes).to.deep.equal([])

      clock.jump(-DAY)
      const begin = clock.now()
      server.socket.removeAllListeners('data').pause()
      const closed = client.closed.then(() => clock.now() - begin)
      client.socket.removeAllListeners('data').pause()
      await clock.elapse(60_000)
      expect(await closed).to.be.within(15_000, 30_000)
    } finally {
      client.destroy()
      server.destroy()
      restore()
    }
  })
})
