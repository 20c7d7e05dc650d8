import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import {
  certificates,
  closesWhatItOpened,
  isLong,
  onCleanUp,
  remove,
  TcpProxy,
  temporaryFolder
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, type NodeClientOptions } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { RemoteError } from '../../lib/errors/remote-error'
import { Server } from '../../lib/server/server'

const REQUESTS = isLong ? 10_000 : 1_500
const OUTSTANDING = 64
const KEY = toBase64url(randomBytes(32))

type Outcome = 'answered' | RemoteError

/** Asks each number once, so many at a time, and says what became of it. */
async function askAll(client: Client, onSettled: (count: number) => void): Promise<Map<number, Outcome>> {
  const outcomes = new Map<number, Outcome>()
  let next = 0
  const worker = async () => {
    while (next < REQUESTS) {
      const number = next++
      const outcome = await client.send('count', number).then(
        answer => {
          expect(answer).to.equal(number)
          return 'answered' as const
        },
        (error: RemoteError) => error
      )
      outcomes.set(number, outcome)
      onSettled(outcomes.size)
      // There is no connection: others would fail as fast as they can be asked.
      if (outcome !== 'answered') await wait(20)
    }
  }
  await Promise.all(Array.from({ length: OUTSTANDING }, worker))
  return outcomes
}

/** Holds what the client was told against what was done. */
function judge(outcomes: Map<number, Outcome>, ran: readonly number[]): string {
  const counts = new Map<number, number>()
  for (const number of ran) counts.set(number, (counts.get(number) ?? 0) + 1)
  const wrong: string[] = []
  const told: Record<string, number> = {}
  for (const [number, outcome] of outcomes) {
    const count = counts.get(number) ?? 0
    const word = outcome === 'answered' ? outcome : `${outcome.code}, ran ${outcome.ran}`
    told[word] = (told[word] ?? 0) + 1
    const isTrue =
      outcome === 'answered' || outcome.ran === 'yes'
        ? count === 1
        : outcome.ran === 'no'
          ? count === 0
          : count <= 1
    if (!isTrue) wrong.push(`${number}: ${word}, and it ran ${count} times`)
    if (outcome !== 'answered' && !(outcome instanceof RemoteError))
      wrong.push(`${number}: ${String(outcome)}`)
  }
  expect(wrong).to.deep.equal([])
  expect(outcomes.size).to.equal(REQUESTS)
  return Object.entries(told)
    .map(([word, count]) => `${count} ${word}`)
    .join('; ')
}

describe(`${REQUESTS} requests`, function () {
  closesWhatItOpened()
  this.timeout(isLong ? 300_000 : 60_000)

  function makeClient(options: NodeClientOptions = {}): Client {
    const client = new Client({ timeoutLength: 5_000, ...options })
    onCleanUp(() => client.close())
    return client
  }

  for (const scheme of ['ws', 'tokens']) {
    it(`over ${scheme}:// that is cut again and again are each settled with the truth, and none runs twice`, async () => {
      const certs = await certificates()
      const ran: number[] = []
      const device = new Server()
      onCleanUp(() => device.close({ timeout: 0 }))
      const tls = scheme === 'tokens' ? certs.server : undefined
      const { port } = await device.host(
        async ({ payload }) => {
          ran.push(payload as number)
          if ((payload as number) % 16 === 0) await wait(1)
          return payload
        },
        KEY,
        { port: 0, tls }
      )
      const proxy = await TcpProxy.to(port)
      const client = makeClient({ tls: { ca: certs.ca } })
      await client.connect(`${scheme}://127.0.0.1:${proxy.port}`, KEY)
      let cuts = 0
      const outcomes = await askAll(client, count => {
        if (count % Math.floor(REQUESTS / 10) !== Math.floor(REQUESTS / 20)) return
        cuts++
        proxy.cutAll()
      })
      console.log(`      ${cuts} cuts: ${judge(outcomes, ran)}`)
      expect(cuts).to.be.at.least(9)
      expect(client.pending).to.equal(0)
    })
  }

  it('to a device that is killed and comes back are each settled with the truth, and none runs twice', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'ran')
    writeFileSync(file, '')
    let device: ChildProcess | undefined
    onCleanUp(() => {
      device?.kill('SIGKILL')
      remove(folder)
    })
    const start = async (port: number): Promise<number> => {
      device = fork(join(__dirname, '../programs/counting-device.js'), [String(port), KEY, file])
      const [told] = (await once(device, 'message')) as [{ port: number }]
      return told.port
    }
    const port = await start(0)
    const client = makeClient()
    await client.connect(`ws://127.0.0.1:${port}`, KEY)
    let kills = 0
    let isDown = false
    const outcomes = await askAll(client, count => {
      if (isDown || count < ((kills + 1) * REQUESTS) / 4 || kills === 3) return
      kills++
      isDown = true
      const killed = device as ChildProcess
      killed.once(
        'exit',
        () =>
          void start(port).then(() => {
            isDown = false
          })
      )
      killed.kill('SIGKILL')
    })
    const ran = readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(Number)
    console.log(`      ${kills} kills: ${judge(outcomes, ran)}`)
    expect(kills).to.equal(3)
    expect(client.pending).to.equal(0)
  })
})
