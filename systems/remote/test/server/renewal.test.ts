import { certificates, closesWhatItOpened, isLong, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { DeviceSession } from '../../lib/device/command'
import { Client } from '../../lib/doors/node-client'
import { Server } from '../../lib/server/server'
import type { ServerOptions } from '../../lib/server/server-options'
import { ShortSessions } from '../helpers/short-sessions'

const KEY = 'a key in words'
const OUTSTANDING = 64
const REQUESTS = isLong ? 50_000 : 1_500
/** The half of it, which is left when it is time for another session, is more than can wait at once: as it is with the real 2^36. */
const MAX_BYTES = 400_000
const LONG = 'x'.repeat(2_000)

describe('A session of which much was sealed', () => {
  closesWhatItOpened()

  /** A device on a port, a client of it, and what came under which session: the sessions have numbers, in the order of their first message. */
  async function connect(scheme: 'ws' | 'tokens', options: ServerOptions = {}) {
    const short = new ShortSessions(MAX_BYTES)
    onCleanUp(() => short.end())
    const { ca, server: tls } = await certificates()
    const ran = new Map<unknown, number>()
    let finish = (_: unknown) => {}
    const server = new Server({ watch: true, ...options })
    onCleanUp(() => server.close({ timeout: 100 }))
    const handler = ({ event, payload }: { event: string; payload: unknown }) => {
      const { id } = payload as { id: unknown }
      ran.set(id, (ran.get(id) ?? 0) + 1)
      if (event === 'hold')
        return new Promise(resolve => {
          finish = resolve
        })
      return event === 'long answer' ? { id, LONG } : { id }
    }
    const { port } = await server.host(handler, KEY, { port: 0, ...(scheme === 'tokens' && { tls }) })
    const sessions: unknown[] = []
    const cameUnder: number[] = []
    const { hub } = server
    const take = hub.take.bind(hub)
    hub.take = (message: readonly [string, ...unknown[]], session: DeviceSession) => {
      if (!sessions.includes(session)) sessions.push(session)
      if (message[0] === 'req') cameUnder.push(sessions.indexOf(session))
      take(message, session)
    }
    const client = new Client({ tls: { ca }, timeoutLength: 15_000 })
    onCleanUp(() => client.close())
    const complaints: string[] = []
    client.setErrorHandler(word => complaints.push(word))
    await client.connect(`${scheme}://127.0.0.1:${port}`, KEY)
    client.setStatusHandler(status => {
      if (status !== 'ready' && status !== 'opening') complaints.push(status)
    })
    return {
      short,
      server,
      client,
      ran,
      sessions,
      cameUnder,
      complaints,
      finish: (value: unknown) => finish(value)
    }
  }

  /** Asks one after another, so many at a time. */
  async function askAll(client: Client, eventOf: (id: number) => string): Promise<void> {
    let next = 0
    const worker = async () => {
      while (next < REQUESTS) {
        const id = next++
        const event = eventOf(id)
        const [short, long] = [{ id }, { id, LONG }]
        const [question, answer] = event === 'long answer' ? [short, long] : [long, short]
        expect(await client.send(event, question)).to.deep.equal(answer)
      }
    }
    await Promise.all(Array.from({ length: OUTSTANDING }, worker))
  }

  const either = (id: number) => (id % 2 === 0 ? 'long question' : 'long answer')
  for (const [scheme, who, eventOf] of [
    ['ws', 'the client', () => 'long question'],
    ['ws', 'the device', () => 'long answer'],
    ['ws', 'either', either],
    ['tokens', 'either', either]
  ] as const)
    it(`is renewed under way, over ${scheme}, when ${who} has sealed it: each request is answered and runs once`, async function () {
      this.timeout(isLong ? 300_000 : 60_000)
      const { short, server, client, ran, sessions, cameUnder, complaints, finish } = await connect(scheme, {
        concurrent: ['hold'],
        handlerTimeout: 300_000
      })
      // Asked under the first session, and answered when that is forgotten.
      const held = client.send('hold', { id: 'held' }, { timeout: 300_000 })
      await until(() => ran.has('held'))
      await askAll(client, eventOf)
      finish('in the end')
      expect(await held).to.equal('in the end')
      expect(await client.send('long question', { id: 'last' })).to.deep.equal({ id: 'last' })
      // More than both ends keep of them.
      expect(sessions.length).to.be.above(6)
      expect(cameUnder.at(-1)).to.equal(sessions.length - 1)
      expect(
        cameUnder.filter((session, index) => session < (cameUnder[index - 1] ?? 0)),
        'of an older session'
      ).to.deep.equal([])
      expect(ran.size).to.equal(REQUESTS + 2)
      expect(new Set(ran.values())).to.deep.equal(new Set([1]))
      expect([complaints, short.refused]).to.deep.equal([[], 0])
      expect(server.hub.stats).to.include({ clients: 1, commands: 0 })
    })

  it('is renewed when the device has sealed nothing but what it tells unasked', async () => {
    const { short, server, client, sessions, complaints } = await connect('ws')
    let known: unknown
    await client.watch({ onState: ({ value }) => (known = (value as { count?: number })?.count) })
    for (let count = 0; count < 500; count++) {
      server.state.set({ count, LONG })
      await until(() => known === count)
    }
    expect(sessions.length).to.be.above(4)
    expect([complaints, short.refused]).to.deep.equal([[], 0])
  })
})
