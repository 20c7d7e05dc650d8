import { escapedDuring, isLong, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { failureOf, makeScene, type Scene } from '../helpers/device-and-client'

const SMALL = isLong ? 1_000_000 : 20_000

describe('R8: a handler', () => {
  let scene: Scene
  afterEach(() => scene.close())

  it('that throws, whatever it throws, fails its request alone, and tells nothing of the device', async () => {
    const secret = '/home/owner/lamp.js: password'
    const thrown: Record<string, () => unknown> = {
      error: () => {
        throw new Error(secret)
      },
      rejection: () => Promise.reject(new Error(secret)),
      text: () => {
        throw secret
      },
      nothing: () => {
        throw undefined
      },
      later: async () => {
        await null
        throw new TypeError(secret)
      },
      trap: () => {
        throw Object.defineProperty({}, 'expose', {
          get() {
            throw new Error(secret)
          }
        })
      },
      thenable: () => ({
        // biome-ignore lint/suspicious/noThenProperty: as some library may have it
        then() {
          throw new Error(secret)
        }
      }),
      json: () => ({
        toJSON() {
          throw new Error(secret)
        }
      }),
      circle: () => {
        const circle: { self?: unknown } = {}
        circle.self = circle
        return circle
      },
      bigint: () => 1n
    }
    const logged: string[] = []
    const { uncaught, unhandled } = await escapedDuring(async () => {
      scene = await makeScene({
        handlers: thrown,
        handler: () => 'fine',
        onHandlerError: (_, event) => {
          logged.push(event)
          throw new Error('a log that fails')
        }
      })
      for (const event of Object.keys(thrown)) {
        const error = await failureOf(scene.client.send(event))
        expect(error, event).to.include({ code: 'handler-failed', ran: 'yes', event })
        expect(`${error.message} ${error.reason} ${error.stack}`, event).not.to.include('password')
        expect(error.message, event).not.to.match(/\.js|\.ts|node:|\n/)
        expect(await scene.client.send('next'), event).to.equal('fine')
      }
    })
    expect([...uncaught, ...unhandled]).to.deep.equal([])
    expect(logged).to.deep.equal(Object.keys(thrown))
  })

  it('says to its client what it means to say', async () => {
    scene = await makeScene({
      handler: () => {
        throw Object.assign(new Error('the bulb is missing'), { expose: true })
      }
    })
    const error = await failureOf(scene.client.send('on'))
    expect(error).to.include({ code: 'handler-failed', ran: 'yes' })
    expect(error.message).to.include('the bulb is missing')
  })

  it('that hangs is given up after its time, and the next command runs', async () => {
    const clock = new FakeClock({ date: Date.now() })
    let signal: AbortSignal | undefined
    let finish = (_: unknown) => {}
    scene = await makeScene({
      clock,
      handlerTimeout: 5_000,
      handler: ({ event }, context) => {
        if (event !== 'hang') return 'fine'
        signal = context.signal
        return new Promise(resolve => {
          finish = resolve
        })
      }
    })
    const hanging = failureOf(scene.client.send('hang'))
    const next = scene.client.send('next')
    await until(() => scene.hub.stats.commands === 2)
    clock.advance(5_000)
    expect(await hanging).to.include({ code: 'handler-failed', ran: 'yes', reason: 'too-long' })
    expect(await next).to.equal('fine')
    expect(signal?.aborted).to.equal(true)
    finish('too late')
    expect(await scene.client.send('next')).to.equal('fine')
  })

  it(`answers ${SMALL} small requests, and memory does not grow with them`, async function () {
    this.timeout(isLong ? 600_000 : 30_000)
    scene = await makeScene({ handler: ({ payload }) => payload })
    const { client, hub } = scene
    let next = 0
    const ask = async () => {
      while (next < SMALL) {
        const value = next++
        expect(await client.send('a', value)).to.equal(value)
      }
    }
    await Promise.all(Array.from({ length: 64 }, ask))
    expect(hub.stats).to.include({ commands: 0, remembered: 1 })
    // What the client has acknowledged by its last frame is forgotten.
    expect(hub.stats.rememberedLength).to.be.below(64 * 40)
  })

  for (const [size, words] of [
    [100 * 1024 * 1024, 'of 100 MiB'],
    [1024 * 1024 + 1, 'one byte too long'],
    [360_000, 'of few characters and many bytes']
  ] as const)
    it(`whose answer is ${words} is told that it ran, and the connection stays`, async function () {
      this.timeout(60_000)
      const letter = size === 360_000 ? '€' : 'x'
      scene = await makeScene({ handler: ({ event }) => (event === 'big' ? letter.repeat(size) : 'fine') })
      const error = await failureOf(scene.client.send('big', null, { timeout: 50_000 }))
      expect(error).to.include({ code: 'handler-failed', reason: 'answer-too-large', ran: 'yes' })
      expect(await scene.client.send('small')).to.equal('fine')
      expect(scene.host.links).to.have.length(1)
    })

  it('whose answers nobody reads runs no more for that client, and others go on', async () => {
    const text = 'x'.repeat(1_000_000)
    let ran = 0
    scene = await makeScene({
      handler: ({ event }) => {
        if (event === 'small') return 'fine'
        ran++
        return text
      }
    })
    const slow = scene.another({ probeInterval: 60_000 })
    await slow.connect('ws://device', scene.key)
    await slow.state()
    scene.host.link.pause()
    const all = Array.from({ length: 40 }, () => slow.send('big').catch(error => error))
    await until(() => ran >= 5)
    expect(await scene.client.send('small')).to.equal('fine')
    await until(() => scene.hub.stats.commands === 0)
    expect(ran).to.be.below(10)
    scene.host.link.resume()
    const outcomes = await Promise.all(all)
    expect(outcomes.filter(outcome => outcome === text)).to.have.length(ran)
    for (const outcome of outcomes)
      if (outcome !== text) expect(outcome).to.include({ code: 'refused', reason: 'busy', ran: 'no' })
  })
})
