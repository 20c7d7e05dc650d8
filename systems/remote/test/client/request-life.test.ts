import { settled, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { DeviceHub } from '../../lib/device/device-hub'
import type { CommandContext } from '../../lib/device/handler'
import type { RemoteError } from '../../lib/errors/remote-error'
import { FrameKind } from '../../lib/wire/frame'
import { failureOf, makeScene, type Scene, suite } from '../helpers/device-and-client'

describe('A request', () => {
  let scene: Scene
  const clock = () => new FakeClock({ date: Date.now() })
  afterEach(() => scene.close())

  it('gets what the handler returned: a value, a promise of one, nothing', async () => {
    const answers = new Map<string, unknown>([
      ['value', { a: [1, 'two', null] }],
      ['promise', Promise.resolve(7)],
      ['nothing', undefined]
    ])
    scene = await makeScene({ handler: ({ event }) => answers.get(event) })
    expect(await scene.client.send('value')).to.deep.equal({ a: [1, 'two', null] })
    expect(await scene.client.send('promise')).to.equal(7)
    expect(await scene.client.send('nothing')).to.equal(undefined)
  })

  it('goes by an id of 32 letters and digits, and arrives without a payload as null', async () => {
    scene = await makeScene({ handler: ({ requestId, payload }) => [requestId, payload] })
    const [[one, payload], [two]] = (await Promise.all([scene.client.send('a'), scene.client.send('a')])) as [
      [string, unknown],
      [string]
    ]
    expect(one).to.match(/^[A-Za-z0-9]{32}$/)
    expect(two).to.match(/^[A-Za-z0-9]{32}$/)
    expect(one).not.to.equal(two)
    expect(payload).to.equal(null)
  })

  it('fails at its timeout, and its handler hears of it', async () => {
    const time = clock()
    let signal: AbortSignal | undefined
    scene = await makeScene(
      {
        handler: (_, context) => {
          signal = context.signal
          return new Promise(() => {})
        }
      },
      { clock: time }
    )
    const answer = failureOf(scene.client.send('slow', null, { timeout: 500 }))
    await until(() => signal !== undefined)
    time.advance(499)
    expect(scene.client.pending).to.equal(1)
    time.advance(1)
    expect(await answer).to.include({ code: 'timeout', ran: 'maybe', event: 'slow' })
    expect(scene.client.pending).to.equal(0)
    await until(() => signal?.aborted === true)
    scene.client.close()
    expect(time.pending).to.equal(0)
  })

  it('that told of progress is known to have run when its time is over', async () => {
    const time = clock()
    const seen: unknown[] = []
    scene = await makeScene(
      {
        handler: async (_, { progress }) => {
          progress({ percent: 50 })
          await new Promise(() => {})
        }
      },
      { clock: time }
    )
    const answer = failureOf(scene.client.send('slow', null, { onProgress: value => seen.push(value) }))
    await until(() => seen.length === 1)
    time.advance(10_000)
    expect(await answer).to.include({ code: 'timeout', ran: 'yes' })
    expect(seen).to.deep.equal([{ percent: 50 }])
  })

  it('given up by its signal fails at once, and one that waits for its turn never runs', async () => {
    const ran: string[] = []
    let finish = (_: unknown) => {}
    scene = await makeScene({
      handler: ({ event }) => {
        ran.push(event)
        return new Promise(resolve => {
          finish = resolve
        })
      }
    })
    const first = scene.client.send('first')
    await until(() => ran.length === 1)
    const controller = new AbortController()
    const second = failureOf(scene.client.send('second', null, { signal: controller.signal }))
    const third = scene.client.send('third')
    await until(() => scene.hub.stats.commands === 3)
    controller.abort(new Error('enough'))
    const error = await second
    expect(error).to.include({ code: 'cancelled', ran: 'maybe' })
    expect((error.cause as Error).message).to.equal('enough')
    await until(() => scene.hub.stats.commands === 2)
    finish(1)
    expect(await first).to.equal(1)
    await until(() => ran.length === 2)
    finish(3)
    expect(await third).to.equal(3)
    expect(ran).to.deep.equal(['first', 'third'])
  })

  it('whose signal was aborted before is not sent', async () => {
    scene = await makeScene({ handler: () => 1 })
    const error = await failureOf(scene.client.send('a', null, { signal: AbortSignal.abort() }))
    expect(error).to.include({ code: 'cancelled', ran: 'no' })
  })

  it('without a connection fails at once, and has certainly not run', async () => {
    scene = await makeScene({ handler: () => 1 })
    const never = scene.another()
    expect(await failureOf(never.send('a'))).to.include({
      code: 'disconnected',
      reason: 'not-connected',
      ran: 'no'
    })
    scene.host.refusal = new Error('down')
    scene.host.link.cut()
    await until(() => scene.client.status === 'connecting')
    expect(await failureOf(scene.client.send('a'))).to.include({ code: 'disconnected', ran: 'no' })
    scene.client.close()
    expect(await failureOf(scene.client.send('a'))).to.include({ code: 'disconnected', ran: 'no' })
  })

  it('under way when the connection breaks is asked again after it came back, and runs once', async () => {
    const ran: string[] = []
    let finish = (_: unknown) => {}
    scene = await makeScene({
      handler: ({ requestId }) => {
        ran.push(requestId)
        return new Promise(resolve => {
          finish = resolve
        })
      }
    })
    const answer = scene.client.send('a')
    await until(() => ran.length === 1)
    scene.host.link.cut()
    await until(() => scene.client.status === 'connecting')
    await until(() => scene.client.status === 'ready')
    finish('done')
    expect(await answer).to.equal('done')
    expect(ran).to.have.length(1)
  })

  it('answered while the connection was away gets its answer from memory', async () => {
    const ran: string[] = []
    scene = await makeScene({
      handler: ({ requestId }) => {
        ran.push(requestId)
        scene.host.link.cut()
        return 'done'
      }
    })
    expect(await scene.client.send('a')).to.equal('done')
    expect(ran).to.have.length(1)
    expect(scene.host.links).to.have.length(2)
  })

  it('whose device started anew is refused, and may have run', async () => {
    const ran: string[] = []
    const handler = ({ requestId }: { requestId: string }) => {
      ran.push(requestId)
      return new Promise(() => {})
    }
    scene = await makeScene({ handler })
    const answer = failureOf(scene.client.send('a'))
    await until(() => ran.length === 1)
    const { link } = scene.host
    scene.restartDevice({ handler: () => 'anew' })
    link.cut()
    expect(await answer).to.include({ code: 'refused', reason: 'forgotten', ran: 'maybe' })
    expect(await scene.client.send('a')).to.equal('anew')
    expect(ran).to.have.length(1)
  })

  it('goes on when the device comes back to the relay as another process, whether the relay says so or not', async () => {
    for (const isTold of [true, false]) {
      scene = await makeScene({ handler: () => 'one' })
      expect(await scene.client.send('a')).to.equal('one')
      const hub = new DeviceHub({ suite, ring: scene.keys, handler: () => 'two' })
      if (isTold) {
        scene.host.tellAll({ do: 'offline' })
        await until(() => scene.client.status === 'offline')
        const error = await failureOf(scene.client.send('a'))
        expect(error).to.include({ code: 'disconnected', reason: 'device-offline', ran: 'no' })
      }
      scene.host.moveTo(hub)
      if (isTold) {
        scene.host.tellAll({ do: 'online' })
        await until(() => scene.client.status === 'ready')
      } else expect(await failureOf(scene.client.send('a'))).to.include({ reason: 'forgotten', ran: 'maybe' })
      expect(await scene.client.send('a')).to.equal('two')
      expect(scene.host.links).to.have.length(1)
      await scene.close()
    }
  })

  it('is told whether it ran when the device is closed', async () => {
    let signal: AbortSignal | undefined
    scene = await makeScene({
      handler: (_, context) => {
        signal = context.signal
        return new Promise(() => {})
      }
    })
    const [running, waiting] = ['running', 'waiting'].map(event => failureOf(scene.client.send(event)))
    await until(() => scene.hub.stats.commands === 2)
    await scene.hub.close()
    expect(await running).to.include({ code: 'refused', reason: 'shutting-down', ran: 'yes' })
    expect(await waiting).to.include({ code: 'refused', reason: 'shutting-down', ran: 'no' })
    expect(signal?.aborted).to.equal(true)
  })

  it('that was given up is known to its handler, whenever it looks', async () => {
    let context: CommandContext | undefined
    scene = await makeScene({
      concurrent: true,
      handler: ({ event }, given) => {
        if (event !== 'a') return 'b'
        context = given
        return new Promise(() => {})
      }
    })
    const controller = new AbortController()
    const answer = failureOf(scene.client.send('a', null, { signal: controller.signal }))
    await until(() => context !== undefined)
    controller.abort()
    await answer
    expect(await scene.client.send('b')).to.equal('b')
    expect(context?.signal.aborted).to.equal(true)
  })

  it('fails as disconnected when the connection does not come back in its time', async () => {
    const time = clock()
    let ran = 0
    scene = await makeScene(
      {
        handler: () => {
          ran++
          return new Promise(() => {})
        }
      },
      { clock: time }
    )
    const answer = failureOf(scene.client.send('a'))
    await until(() => ran === 1)
    scene.host.refusal = new Error('down')
    scene.host.link.cut()
    await until(() => scene.client.status === 'connecting')
    time.advance(10_000)
    expect(await answer).to.include({ code: 'disconnected', reason: 'not-back-in-time', ran: 'maybe' })
  })

  it('in frames that the other side has certainly not processed fails at once when the connection is lost, and did not run', async () => {
    const ran: unknown[] = []
    scene = await makeScene({
      concurrent: true,
      handler: ({ payload }) => {
        ran.push(payload)
        return new Promise(() => {})
      }
    })
    const arrived = failureOf(scene.client.send('a', 1))
    await until(() => ran.length === 1)
    const { link } = scene.host
    const before = link.bufferedBytes
    const lost = [failureOf(scene.client.send('a', 2)), failureOf(scene.client.send('a', 3))]
    // In the hands of the link, and not on the other side.
    while (link.bufferedBytes === before) await Promise.resolve()
    scene.host.refusal = new Error('down')
    link.cut('the connection broke', true)
    for (const error of await Promise.all(lost)) expect(error).to.include({ code: 'disconnected', ran: 'no' })
    scene.host.refusal = undefined
    await until(() => scene.client.status === 'ready')
    expect(ran).to.deep.equal([1])
    scene.client.close()
    expect(await arrived).to.include({ code: 'disconnected', ran: 'maybe' })
  })

  it('that is given up while it is being sealed has either not left, or may have run', async () => {
    const ran = new Set<unknown>()
    scene = await makeScene({ concurrent: true, handler: ({ payload }) => void ran.add(payload) })
    const told = new Set<string | undefined>()
    for (let turns = 0; turns < 60; turns++) {
      const controller = new AbortController()
      const answer = failureOf(scene.client.send('a', turns, { signal: controller.signal }))
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      controller.abort()
      const error = await answer
      await scene.client.send('b', 'the one after it')
      told.add(error.ran)
      if (error.ran === 'no') expect([...ran], `given up after ${turns} microtasks`).to.not.include(turns)
    }
    expect([...told]).to.have.members(['no', 'maybe'])
  })

  it('on the way when the client is closed fails at once', async () => {
    let ran = 0
    scene = await makeScene({
      handler: () => {
        ran++
        return new Promise(() => {})
      }
    })
    const left = failureOf(scene.client.send('a'))
    await until(() => ran === 1)
    const waiting = failureOf(scene.client.send('b'))
    scene.client.close()
    expect(await left).to.include({ code: 'disconnected', reason: 'closed', ran: 'maybe' })
    expect(await waiting).to.include({ code: 'disconnected', reason: 'closed', ran: 'no' })
  })

  it('resolves with the code of its failure when the client was told to', async () => {
    scene = await makeScene({ handler: () => Promise.reject(new Error('no')) }, { resolveErrors: true })
    expect(await scene.client.send('a')).to.deep.equal({ error: 'handler-failed' })
  })

  it('can not be what no device would take', async () => {
    scene = await makeScene({ handler: () => 1 })
    const circle: { self?: unknown } = {}
    circle.self = circle
    let deep: unknown = 1
    for (let level = 0; level < 65; level++) deep = [deep]
    const wrong: readonly Promise<unknown>[] = [
      scene.client.send(''),
      scene.client.send('x'.repeat(257)),
      scene.client.send(7 as unknown as string),
      scene.client.send('a', circle),
      scene.client.send('a', 1n),
      scene.client.send('a', deep),
      scene.client.send('a', 'x'.repeat(1_048_576)),
      scene.client.send('a', null, { timeout: 0 }),
      scene.client.send('a', null, { timeout: Number.NaN }),
      scene.client.send('a', null, { ifRev: 0.5 })
    ]
    for (const each of wrong) expect(await failureOf(each)).to.include({ code: 'invalid', ran: 'no' })
    expect(await scene.client.send('a')).to.equal(1)
  })

  it('waits for no more than 10,000 others', async () => {
    scene = await makeScene({ handler: () => new Promise(() => {}) }, { maxPending: 3 })
    const waiting = [1, 2, 3].map(() => failureOf(scene.client.send('a')))
    const error: RemoteError = await failureOf(scene.client.send('a'))
    expect(error).to.include({ code: 'refused', reason: 'too-many-pending', ran: 'no' })
    scene.client.close()
    await Promise.all(waiting)
  })

  it('that somebody on the way swallows is noticed, and asked again', async () => {
    const time = clock()
    let swallows = false
    let ran = 0
    scene = await makeScene(
      { handler: () => ++ran },
      { clock: time },
      { pass: frame => (swallows && frame[1] === FrameKind.sealed ? undefined : frame) }
    )
    expect(await scene.client.send('a')).to.equal(1)
    for (const way of ['there', 'and back']) {
      swallows = true
      const answer = scene.client.send(way, null, { timeout: 60_000 })
      await settled()
      swallows = false
      await time.elapse(2_000)
      await time.elapse(2_000)
      expect(await answer).to.equal(ran)
    }
    expect(ran).to.equal(3)
    expect(scene.host.links).to.have.length(1)
  })

  it('makes the client give up a connection that is dead, and is asked again by another', async () => {
    const time = clock()
    let isDead = false
    scene = await makeScene(
      { handler: () => 1 },
      { clock: time },
      { pass: frame => (isDead ? undefined : frame) }
    )
    expect(await scene.client.send('a')).to.equal(1)
    isDead = true
    const answer = scene.client.send('b', null, { timeout: 60_000 })
    for (let step = 0; step < 5; step++) await time.elapse(2_000)
    isDead = false
    await time.elapse(1_000)
    expect(await answer).to.equal(1)
    expect(scene.host.links).to.have.length(2)
  })

  it('of a client that comes back and back waits longer and longer, by chance, up to 30 seconds', async () => {
    const time = clock()
    const dials: number[] = []
    scene = await makeScene({ handler: () => 1 }, { clock: time, random: () => 0.5 })
    const { dial } = scene.host
    scene.host.refusal = new Error('down')
    scene.host.onDial = () => dials.push(time.now())
    scene.host.link.cut()
    await until(() => scene.client.status === 'connecting')
    for (let step = 0; step < 10; step++) await time.elapse(15_000)
    expect(dials.slice(0, 9).map((at, index) => at - (dials[index - 1] ?? 0))).to.deep.equal([
      125, 250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000
    ])
    expect(dial).to.be.a('function')
  })
})
