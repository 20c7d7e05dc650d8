import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, isLong, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomId } from '../../lib/encoding/random-id'
import { dialNode } from '../../lib/transport/node-dial'
import { Person } from '../helpers/relay-people'
import { Asking, Device } from '../helpers/relay-traffic'
import { testDevice } from '../helpers/sealed-pair'
import { tokenOf } from '../helpers/secret'

const RENDEZVOUS = isLong ? 100_000 : 600
const CHANNELS = isLong ? 10_000 : 300
/** What the port takes of one address. */
const CONNECTS_PER_SECOND = 200
const AT_ONCE = 100
const MIB = 1_048_576
const MOST_RSS = 300 * MIB
/** Of the time without an attack; on a busy machine a few milliseconds more are nobody's fault. */
const MOST_SLOWER = 2
const NOISE = 20
/** Milliseconds: where other tests run beside this one, nothing finer can be said. */
const SERVED = 1_000

const RELAY = join(__dirname, '../programs/plain-relay.js')
const OTHER = join(__dirname, '../programs/asking.js')
const dial = dialNode()

describe('R11: a relay that strangers abuse', function () {
  this.timeout(isLong ? 1_800_000 : 120_000)
  closesWhatItOpened()

  let relay: ChildProcess
  let other: ChildProcess
  let url: string

  beforeEach(async () => {
    relay = fork(RELAY)
    onCleanUp(() => relay.kill('SIGKILL'))
    const [{ port }] = (await once(relay, 'message')) as [{ port: number }]
    url = `ws://127.0.0.1:${port}`
    other = fork(OTHER, [url])
    onCleanUp(() => other.kill('SIGKILL'))
    await once(other, 'message')
  })

  async function usage(): Promise<{
    rss: number
    now: Record<string, number>
    counters: Record<string, number>
  }> {
    relay.send('usage')
    const [used] = (await once(relay, 'message')) as [Awaited<ReturnType<typeof usage>>]
    return used
  }

  /** Of the other user's round trips since it was called before: half of them, and 99 of 100, are faster than that, in milliseconds. */
  async function times(): Promise<{ median: number; p99: number }> {
    other.send('times')
    const [all] = (await once(other, 'message')) as [number[]]
    all.sort((one, another) => one - another)
    return { median: all[all.length >> 1] as number, p99: all[Math.floor(all.length * 0.99)] as number }
  }

  async function isBounded(what: string, attack: () => Promise<unknown>): Promise<void> {
    await times()
    await wait(isLong ? 10_000 : 1_000)
    const calm = await times()
    let most = 0
    let isOver = false
    const watching = (async () => {
      while (!isOver) {
        most = Math.max(most, (await usage()).rss)
        await wait(100)
      }
    })()
    await attack()
    const busy = await times()
    isOver = true
    await watching
    const inWords = (each: typeof calm) => `${each.median.toFixed(1)} and ${each.p99.toFixed(1)} ms`
    console.log(
      `        ${what}: ${(most / MIB).toFixed(0)} MiB at most; somebody else, median and p99: ${inWords(calm)} before, ${inWords(busy)} during`
    )
    expect(most).to.be.below(MOST_RSS)
    expect(busy.median, 'somebody else is served').to.be.below(SERVED)
    if (isLong) expect(busy.p99).to.be.below(MOST_SLOWER * calm.p99 + NOISE)
  }

  /** So often as the port lets one address connect. */
  async function paced(count: number, each: (index: number) => Promise<unknown>): Promise<void> {
    const begun = performance.now()
    let next = 0
    const lane = async () => {
      for (let index = next++; index < count; index = next++) {
        const left = begun + (index * 1_000) / CONNECTS_PER_SECOND - performance.now()
        if (left > 1) await wait(left)
        await each(index)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
  }

  it(`has bounded memory while ${RENDEZVOUS} devices are asked for that are not there, and as many are said to be`, async () => {
    const { publicKey } = await testDevice()
    await isBounded(`${RENDEZVOUS} rendezvous ids`, () =>
      paced(RENDEZVOUS, async index => {
        const person = new Person(await dial({ url }))
        if (index % 2 === 0) person.say({ do: 'join', device: randomId() })
        else person.say({ do: 'register', publicKey: toBase64url(publicKey) })
        await person.hears('bye')
        person.link.close()
      })
    )
    const { now } = await usage()
    expect(now.devices).to.equal(1)
    expect(now).to.include({ waiting: 0, clients: 1 })
  })

  it(`gives a user who opens ${CHANNELS} connections a hundred, and others theirs`, async () => {
    const jwt = await tokenOf({ userId: 'eve' })
    const device = await Device.register(url)
    const open: Person[] = []
    let refused = 0
    await isBounded(`${CHANNELS} channels of one user`, () =>
      paced(CHANNELS, async () => {
        const person = new Person(await dial({ url }))
        person.say({ do: 'join', device: device.id, jwt })
        await person.until('it has an answer', () => person.said.length > 0)
        if (person.said[0]?.do === 'welcome') open.push(person)
        else refused++
      })
    )
    expect(open).to.have.length(100)
    expect(refused).to.equal(CHANNELS - 100)
    expect((await usage()).counters.refusedTooManyPerIdentity).to.equal(refused)
  })

  it('cuts receivers that read nothing, and nobody waits for them', async () => {
    const device = await Device.register(url)
    const slow: Asking[] = []
    for (let index = 0; index < 10; index++) slow.push(await Asking.join(url, device))
    await isBounded('10 receivers that read nothing', async () => {
      for (const each of slow) each.link.pause?.()
      const long = 'x'.repeat(500_000)
      for (let round = 0; round < 40; round++)
        for (const each of slow) {
          await device.send(each.client, long)
          await wait(10)
        }
    })
    const { counters, now } = await usage()
    expect(counters.cutTooSlow).to.be.above(0)
    expect(now.waitingBytes).to.be.below(70 * MIB)
  })
})
