import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, isLong, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import type { RemoteError } from '../../lib/errors/remote-error'

const KEY = toBase64url(randomBytes(32))
const MIB = 1_048_576
const SQUATTERS = isLong ? 2_000 : 600
const FLOODERS = isLong ? 25 : 8
const SECONDS = isLong ? 30 : 5
/** MiB by which the memory of the device may grow. */
const MOST_GROWTH = 120
/** Milliseconds: where other tests run beside this one, nothing finer can be said. */
const SERVED = 1_000
const PROGRAMS = join(__dirname, '../programs')

describe('A device that listens, and clients without a key', function () {
  this.timeout(isLong ? 300_000 : 60_000)
  closesWhatItOpened()

  let device: ChildProcess
  let told: { port: number; id: string }

  beforeEach(async () => {
    device = start('hosting-device.js', KEY)
    ;[told] = (await once(device, 'message')) as [typeof told]
  })

  function start(program: string, ...args: string[]): ChildProcess {
    const child = fork(join(PROGRAMS, program), args)
    onCleanUp(() => child.kill('SIGKILL'))
    return child
  }

  async function ask<Answer>(child: ChildProcess): Promise<Answer> {
    child.send('tell')
    const [answer] = (await once(child, 'message')) as [Answer]
    return answer
  }

  async function connect(retry = false): Promise<Client> {
    const client = new Client({ timeoutLength: 20_000 })
    onCleanUp(() => client.close())
    await client.connect(`ws://127.0.0.1:${told.port}`, KEY, retry)
    return client
  }

  /** What was cut before it ran is asked again. */
  async function served(client: Client): Promise<unknown> {
    for (;;)
      try {
        return await client.send('echo', 'here')
      } catch (error) {
        if ((error as RemoteError).ran !== 'no') throw error
        await wait(50)
      }
  }

  for (const [what, count] of [
    ['squat', SQUATTERS],
    ['halves', SQUATTERS],
    ['unread', FLOODERS],
    ['flood', FLOODERS]
  ] as const)
    it(`serves who has one while ${count} others ${what}`, async () => {
      const client = await connect()
      await client.send('echo', 0)
      const { rss: before } = await ask<{ rss: number }>(device)
      const others = start('keyless.js', what, String(told.port), told.id, String(count))
      const times: number[] = []
      let most = 0
      const end = performance.now() + 2 * count + SECONDS * 1_000
      while (performance.now() < end) {
        const begun = performance.now()
        expect(await client.send('echo', times.length)).to.equal(times.length)
        times.push(performance.now() - begun)
        most = Math.max(most, (await ask<{ rss: number }>(device)).rss)
        await wait(20)
      }
      const { opened, closed } = await ask<{ opened: number; closed: number }>(others)
      // From an address that floods a newcomer may be cut until that is over, and some seconds behind it: those who are in are served.
      others.kill('SIGKILL')
      await once(others, 'exit')
      const second = await connect(true)
      expect(await served(second)).to.equal('here')
      const median = times.sort((one, other) => one - other)[times.length >> 1] as number
      const grown = (most - before) / MIB
      console.log(
        `        ${opened} opened, ${closed} closed; median ${median.toFixed(1)} ms, longest ${times.at(-1)?.toFixed(0)} ms, ${grown.toFixed(0)} MiB more`
      )
      expect(opened).to.be.at.least(count)
      expect(closed).to.be.at.least(1)
      expect(grown).to.be.below(MOST_GROWTH)
      expect(median).to.be.below(SERVED)
    })
})
