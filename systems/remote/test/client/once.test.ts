import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import type { OncePost } from '../../lib/client/options'
import type { RemoteClient } from '../../lib/client/remote-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { RemoteError } from '../../lib/errors/remote-error'
import { failureOf, makeScene, newKey, type Scene } from '../helpers/device-and-client'

describe('A client that keeps no connection', () => {
  let scene: Scene
  let frames: Uint8Array[]
  let ran: unknown[]
  /** What happens to the next posts, before or after the device has had them. */
  let before: (() => void) | undefined
  let after: (() => void) | undefined
  const handler = ({ event, payload }: { event: string; payload: unknown }) => {
    ran.push(payload)
    if (event === 'throw') throw new Error('secret')
    return `done ${payload}`
  }
  const once: OncePost = {
    async post(_, __, frame) {
      before?.()
      frames.push(frame)
      const answer = await scene.host.hub.once(frame)
      after?.()
      return answer
    },
    lookUp: async () => ({ publicKey: toBase64url(scene.host.publicKey), online: true }),
    invitation: () => Promise.reject(new Error('nobody asks for one'))
  }
  const connect = async (options = {}, key = scene.key): Promise<RemoteClient> => {
    const client = scene.another({ once, random: () => 0.01, ...options })
    await client.connect(`https://device?device=${scene.hub.deviceId}`, key)
    return client
  }
  /** Until it was called once. */
  const failOnce = (error: RemoteError, set: (fail: (() => void) | undefined) => void) =>
    set(() => {
      set(undefined)
      throw error
    })

  beforeEach(async () => {
    frames = []
    ran = []
    before = after = undefined
    scene = await makeScene({ handler })
  })
  afterEach(() => scene.close())

  it('asks as any other, each request by itself', async () => {
    const client = await connect()
    expect(await client.send('a', 1)).to.equal('done 1')
    expect(await Promise.all([client.send('a', 2), client.send('a', 3)])).to.have.members([
      'done 2',
      'done 3'
    ])
    expect(await failureOf(client.send('throw'))).to.include({ code: 'handler-failed', ran: 'yes' })
    expect((await client.state()).value).to.equal(null)
    expect((await client.describe()).watch).to.equal(false)
    expect(await failureOf(client.watch({}))).to.include({ code: 'refused', reason: 'not-allowed' })
    expect(client.pending).to.equal(0)
    expect(scene.host.links).to.have.length(1)
  })

  it('asks again when the answer is lost, and nothing runs twice', async () => {
    const client = await connect()
    expect(await client.send('a', 0)).to.equal('done 0')
    failOnce(new RemoteError('disconnected', 'the connection broke', { ran: 'maybe' }), fail => {
      after = fail
    })
    expect(await client.send('a', 1)).to.equal('done 1')
    expect(ran).to.deep.equal([0, 1])
    expect(frames.length).to.be.at.least(2)
  })

  it('fails at once when nobody is there to be asked', async () => {
    const client = await connect()
    failOnce(new RemoteError('disconnected', 'nobody answers', { reason: 'unreachable' }), fail => {
      before = fail
    })
    const error = await failureOf(client.send('a', 1))
    expect(error).to.include({ code: 'disconnected', reason: 'unreachable', ran: 'no' })
    expect(ran).to.deep.equal([])
    expect(await client.send('a', 2)).to.equal('done 2')
  })

  it('is refused when the device started anew between two tries', async () => {
    const client = await connect()
    expect(await client.send('a', 0)).to.equal('done 0')
    failOnce(new RemoteError('disconnected', 'the connection broke', { ran: 'maybe' }), fail => {
      after = () => {
        after = undefined
        scene.restartDevice({ handler })
        fail?.()
      }
    })
    const error = await failureOf(client.send('a', 1))
    expect(error).to.include({ code: 'refused', reason: 'forgotten', ran: 'maybe' })
    expect(ran).to.deep.equal([0, 1])
  })

  it('learns the clock of the device', async () => {
    for (const error of [-86_400_000, 86_400_000]) {
      const client = await connect({ clock: new FakeClock({ date: Date.now() + error }) })
      expect(await client.send('a', error)).to.equal(`done ${error}`)
      const posts = frames.length
      expect(await client.send('a', 'again')).to.equal('done again')
      expect(frames.length).to.equal(posts + 1)
    }
  })

  for (const ahead of [-3_600_000, 11_000, 600_000, 3_600_000])
    for (const restarts of [false, true])
      it(`whose clock is ahead by ${ahead / 1000} s runs once, whatever is repeated at whatever time${restarts ? ' to a device that starts anew' : ''}`, async () => {
        await scene.close()
        const clock = new FakeClock({ date: Date.now() })
        scene = await makeScene({ handler, clock })
        await clock.elapse(60_000)
        const client = await connect({ clock: new FakeClock({ date: clock.date() + ahead }) })
        expect(await client.send('a', 1)).to.equal('done 1')
        for (let minutes = 0; minutes <= 70; minutes++) {
          if (restarts && minutes % 10 === 0) scene.restartDevice({ handler, clock })
          for (const frame of [...frames]) await scene.host.hub.once(frame)
          await clock.elapse(60_000)
        }
        expect(ran).to.deep.equal([1])
      })

  it('is not asked twice by who repeats its bytes', async () => {
    const client = await connect()
    expect(await client.send('a', 1)).to.equal('done 1')
    for (const frame of [...frames]) await scene.hub.once(frame)
    expect(ran).to.deep.equal([1])
  })

  it('with a wrong key is told by its error handler, and fails at its timeout', async () => {
    const clock = new FakeClock({ date: Date.now() })
    const client = await connect({ clock }, newKey())
    const words: string[] = []
    client.setErrorHandler(word => words.push(word))
    const answer = failureOf(client.send('a', 1))
    await until(() => words.length === 1)
    expect(client.status).to.equal('bad-key')
    await clock.elapse(10_000)
    expect(await answer).to.include({ code: 'bad-key' })
    client.setEncryption(scene.key)
    expect(await client.send('a', 2)).to.equal('done 2')
    expect(words).to.deep.equal(['invalid_encryption'])
    expect(ran).to.deep.equal([2])
  })

  it('with retry is connected as soon as somebody answers, and until then can be closed', async () => {
    let tries = 0
    const told: (string | undefined)[] = []
    const slow: OncePost = {
      ...once,
      lookUp: (...given) =>
        ++tries < 3
          ? Promise.reject(new RemoteError('disconnected', 'nobody answers', { reason: 'unreachable' }))
          : once.lookUp(...given)
    }
    const client = scene.another({ once: slow, random: () => 0.01 })
    client.setStatusHandler((status, error) => told.push(error?.reason ?? status))
    const url = `https://device?device=${scene.hub.deviceId}`
    await client.connect(url, scene.key, true)
    expect(told).to.deep.equal(['connecting', 'unreachable', 'unreachable', 'ready'])
    expect(await client.send('a', 1)).to.equal('done 1')
    tries = Number.NEGATIVE_INFINITY
    const other = scene.another({ once: slow })
    const connecting = failureOf(other.connect(url, scene.key, true))
    await until(() => tries > Number.NEGATIVE_INFINITY || other.status === 'connecting')
    other.close()
    expect(await connecting).to.include({ code: 'disconnected', reason: 'closed' })
    expect(await failureOf(scene.another({ once: slow }).connect(url, scene.key))).to.include({
      reason: 'unreachable'
    })
  })

  it('takes nobody for the device but the device', async () => {
    const client = scene.another({
      once: { ...once, lookUp: async () => ({ publicKey: toBase64url(new Uint8Array(32)), online: true }) }
    })
    const error = await failureOf(client.connect(`https://device?device=${scene.hub.deviceId}`, scene.key))
    expect(error).to.include({ code: 'disconnected', reason: 'rejected' })
    expect(await failureOf(scene.another({ once }).connect('https://device', scene.key))).to.include({
      code: 'invalid'
    })
    expect(await failureOf(scene.another().connect('https://device?device=x', scene.key))).to.include({
      code: 'invalid'
    })
  })
})
