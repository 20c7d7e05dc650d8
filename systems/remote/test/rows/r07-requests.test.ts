import { isLong, numbersFrom, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { Request } from '../../lib/client/request'
import { Requests } from '../../lib/client/requests'
import type { RemoteError } from '../../lib/errors/remote-error'
import { decodeFrame, encodeFrame, FrameKind } from '../../lib/wire/frame'
import { failureOf, makeScene, type Scene } from '../helpers/device-and-client'

const REQUESTS = isLong ? 100_000 : 5_000
const RECONNECTS = isLong ? 50 : 10

describe('R7: what is asked', () => {
  let scene: Scene
  afterEach(() => scene.close())

  it(`is settled once each, of ${REQUESTS} under loss and ${RECONNECTS} reconnects, and no table keeps anything`, async function () {
    this.timeout(isLong ? 600_000 : 30_000)
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
    const numbers = numbersFrom(seed)
    const chance = (share: number) => numbers() < share * 2 ** 32
    const ran = new Map<number, number>()
    let isLossy = true
    scene = await makeScene(
      {
        handler: ({ payload }) => {
          ran.set(payload as number, (ran.get(payload as number) ?? 0) + 1)
          return payload
        }
      },
      { random: () => 0.01, probeInterval: 50, timeoutLength: 5_000 },
      { pass: frame => (isLossy && frame[1] === FrameKind.sealed && chance(0.05) ? undefined : frame) }
    )
    const { client, host, hub } = scene
    const outcomes = new Map<string, number>()
    let settled = 0
    let next = 0
    const ask = async () => {
      while (next < REQUESTS) {
        if (client.status !== 'ready') await until(() => client.status === 'ready')
        const uid = next++
        if (uid % Math.floor(REQUESTS / RECONNECTS) === 0) host.link.cut()
        let outcome: string
        try {
          expect(await client.send('a', uid)).to.equal(uid)
          expect(ran.get(uid), `SEED=${seed}`).to.equal(1)
          outcome = 'answered'
        } catch (error) {
          const { code, ran: told } = error as RemoteError
          if (told === 'no') expect(ran.get(uid), `SEED=${seed} ${uid}`).to.equal(undefined)
          outcome = `${code}, ran: ${told}`
        }
        settled++
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 64 }, ask))
    isLossy = false
    expect(settled).to.equal(REQUESTS)
    expect(Math.max(...ran.values()), `SEED=${seed}`).to.equal(1)
    expect(outcomes.get('answered') ?? 0).to.be.greaterThan(REQUESTS * 0.9)
    expect(client.pending).to.equal(0)
    expect(host.links.length).to.be.greaterThan(RECONNECTS)
    expect(hub.stats).to.include({ commands: 0, clients: 1 })
    console.log(`        SEED=${seed} ${JSON.stringify([...outcomes])}, ${host.links.length} links`)
  })

  it('gets one outcome, however late, often and for whomever answers come', () => {
    const requests = new Requests({
      clock: new FakeClock(),
      expired: request => request.failure('timeout', 'none came in time')
    })
    const outcomes: unknown[] = []
    const take = (value: unknown) => void outcomes.push(value)
    const request = new Request(requests.next(), 'a', '', 1_000, {}, take, take)
    requests.add(request)
    const strange: unknown[][] = [
      ['res'],
      ['res', '1', 0, 'a number as text'],
      ['res', 2, 0, 'of a number that nobody asked'],
      ['res', 1.5, 0, 'of a number that is none'],
      ['res', '__proto__', 0, 'of what every object has'],
      ['nonsense', 1, []]
    ]
    for (const message of strange) requests.take(message)
    expect(outcomes).to.deep.equal([])
    for (const message of [
      ['res', 1, 0, 'first'],
      ['res', 1, 0, 'second'],
      ['err', 1, {}],
      ['progress', 1, 9]
    ])
      requests.take(message)
    expect(outcomes).to.deep.equal(['first'])
    expect(requests.size).to.equal(0)
  })

  it('is out of reach for another client that guesses its number', async () => {
    const signals: AbortSignal[] = []
    scene = await makeScene({
      concurrent: true,
      handler: ({ payload }, { signal }) => {
        signals.push(signal)
        return new Promise(resolve => setTimeout(resolve, 50, payload))
      }
    })
    const other = scene.another()
    await other.connect('ws://device', scene.key)
    // Both count from 1 on: the same numbers mean other requests.
    const [mine, theirs] = [scene.client.send('a', 'mine'), other.send('a', 'theirs')]
    await until(() => signals.length === 2)
    const controller = new AbortController()
    const third = failureOf(other.send('a', 'third', { signal: controller.signal }))
    controller.abort()
    await third
    expect(await Promise.all([mine, theirs])).to.deep.equal(['mine', 'theirs'])
    expect(signals.slice(0, 2).map(({ aborted }) => aborted)).to.deep.equal([false, false])
  })

  it('survives frames that somebody repeats, reflects or makes up', async () => {
    const seen: Uint8Array[] = []
    let ran = 0
    scene = await makeScene(
      { handler: () => ++ran },
      {},
      {
        pass: frame => {
          seen.push(frame)
          return frame
        }
      }
    )
    const { client, host } = scene
    expect(await client.send('a')).to.equal(1)
    const sealed = seen.filter(frame => frame[1] === FrameKind.sealed)
    for (const frame of sealed) host.link.send(frame)
    const frame = decodeFrame(sealed[0] as Uint8Array)
    for (const kind of Object.values(FrameKind))
      if (frame !== undefined) host.link.send(encodeFrame({ ...frame, kind }, new Uint8Array(40)))
    expect(await client.send('a')).to.equal(2)
    expect(await client.send('a')).to.equal(3)
  })
})
