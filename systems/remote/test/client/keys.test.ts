import { settled, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { failureOf, makeScene, newKey, type Scene } from '../helpers/device-and-client'

describe('The key of a client', () => {
  let scene: Scene
  afterEach(() => scene.close())

  it('that the device does not have is told to the error handler, and the request fails at its timeout', async () => {
    const clock = new FakeClock({ date: Date.now() })
    scene = await makeScene({ handler: () => 1 })
    const words: string[] = []
    const client = scene.another({ clock })
    client.setErrorHandler(word => {
      words.push(word)
      throw new Error('what a handler throws is ignored')
    })
    await client.connect('ws://device', newKey())
    const answer = failureOf(client.send('a'))
    await until(() => words.length > 0)
    expect(words[0]).to.equal('invalid_encryption')
    expect(client.pending).to.equal(1)
    await clock.elapse(10_000)
    expect(await answer).to.include({ code: 'bad-key', ran: 'no' })
  })

  it('that was wrong can be set right without reconnecting', async () => {
    scene = await makeScene({ handler: () => 'in' })
    const client = scene.another()
    await client.connect('ws://device', newKey())
    const answer = client.send('a')
    await until(() => client.status === 'bad-key')
    client.setEncryption(scene.key)
    expect(await answer).to.equal('in')
    expect(scene.host.links).to.have.length(2)
  })

  it('is swapped on both sides without reconnecting, and what is under way is answered under the one before', async () => {
    const finish: ((value: unknown) => void)[] = []
    scene = await makeScene({
      concurrent: true,
      handler: () => new Promise(resolve => finish.push(resolve))
    })
    const { client, keys, key, host } = scene
    const before = client.send('before')
    await until(() => finish.length === 1)
    const next = newKey()
    keys.replace(key.id, next)
    client.setEncryption(next)
    const after = client.send('after')
    await until(() => finish.length === 2)
    finish[1]?.('after')
    expect(await after).to.equal('after')
    finish[0]?.('before')
    expect(await before).to.equal('before')
    expect(host.links).to.have.length(1)
  })

  it('replaced on the device alone proves itself bad: what is under way is answered, all else fails at once', async () => {
    let finish = (_: unknown) => {}
    let ran = 0
    scene = await makeScene({
      handler: () => {
        ran++
        return new Promise(resolve => {
          finish = resolve
        })
      }
    })
    const { client, keys, key, hub } = scene
    const words: string[] = []
    client.setErrorHandler(word => words.push(word))
    const under = client.send('under way')
    await until(() => ran === 1)
    const queued = client.send('in the queue')
    await until(() => hub.stats.commands === 2)
    keys.replace(key.id, newKey())
    const late = failureOf(client.send('late'))
    expect(await late).to.include({ code: 'bad-key', ran: 'no' })
    expect(words).to.deep.equal(['invalid_encryption'])
    finish('answered')
    expect(await under).to.equal('answered')
    await until(() => ran === 2)
    finish('answered, too')
    expect(await queued).to.equal('answered, too')
    expect(await failureOf(client.send('more'))).to.include({ code: 'bad-key', ran: 'no' })
  })

  it('replaced on the device takes the requests along that came too late for the old one', async () => {
    scene = await makeScene({ handler: ({ event }) => event })
    const { client, keys, key } = scene
    await client.send('a')
    const next = newKey()
    const late = client.send('late')
    keys.replace(key.id, next)
    client.setEncryption(next)
    expect(await late).to.equal('late')
    expect(await client.send('b')).to.equal('b')
  })

  it('revoked ends at once, and each request is told whether it ran', async () => {
    let ran = 0
    let signal: AbortSignal | undefined
    scene = await makeScene({
      handler: (_, context) => {
        ran++
        signal = context.signal
        return new Promise(() => {})
      }
    })
    const statuses: string[] = []
    scene.client.setStatusHandler((status, error) => statuses.push(`${status} ${error?.reason}`))
    const other = scene.another()
    const otherKey = newKey('paired')
    scene.keys.keys.set(otherKey.id, otherKey)
    await other.connect('ws://device', otherKey)
    const running = failureOf(scene.client.send('running'))
    await until(() => ran === 1)
    const waiting = failureOf(scene.client.send('waiting'))
    const others = failureOf(other.send('of somebody else', null, { timeout: 60_000 }))
    await until(() => scene.hub.stats.commands === 3)
    scene.keys.revoke(scene.key.id)
    expect(await running).to.include({ code: 'bad-key', ran: 'yes', reason: 'revoked' })
    expect(await waiting).to.include({ code: 'bad-key', ran: 'no', reason: 'revoked' })
    expect(signal?.aborted).to.equal(true)
    const after = await failureOf(scene.client.send('after'))
    expect(after).to.include({ code: 'bad-key', ran: 'no', reason: 'revoked' })
    expect(statuses.at(-1)).to.equal('bad-key revoked')
    expect(other.pending).to.equal(1)
    other.close()
    await others
  })

  it('revoked brings nothing more to its client, not even the answer of what ran', async () => {
    let finish = (_: unknown) => {}
    let frames = 0
    scene = await makeScene(
      { handler: () => new Promise(resolve => (finish = resolve)) },
      {},
      {
        pass: (frame, towards) => {
          if (towards === 0) frames++
          return frame
        }
      }
    )
    const answer = failureOf(scene.client.send('a'))
    await until(() => scene.hub.stats.commands === 1)
    scene.keys.revoke(scene.key.id)
    expect(await answer).to.include({ code: 'bad-key', ran: 'yes' })
    await settled()
    const before = frames
    finish('secret')
    await settled()
    expect(frames).to.equal(before)
    expect(scene.hub.stats.commands).to.equal(0)
  })

  it('may be empty only where that is allowed', async () => {
    scene = await makeScene({ handler: () => 'in clear' })
    const plain = { ...newKey('plain'), id: '' }
    scene.keys.keys.set('', plain)
    expect(await failureOf(scene.another().connect('ws://device', ''))).to.include({ code: 'invalid' })
    const client = scene.another({ allowPlain: true })
    await client.connect('ws://device', '')
    expect(await client.send('a')).to.equal('in clear')
  })
})
