import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import type { KnownState } from '../../lib/client/status'
import { failureOf, makeScene, newKey, type Scene } from '../helpers/device-and-client'

describe('One device and many clients', () => {
  let scene: Scene
  afterEach(() => scene.close())

  it('run one command at a time', async () => {
    let running = 0
    let most = 0
    scene = await makeScene({
      handler: async () => {
        most = Math.max(most, ++running)
        await new Promise(resolve => setImmediate(resolve))
        running--
      }
    })
    const others = [1, 2, 3].map(() => scene.another())
    await Promise.all(others.map(client => client.connect('ws://device', scene.key)))
    const all = [scene.client, ...others].flatMap(client => [1, 2, 3, 4, 5].map(() => client.send('a')))
    await Promise.all(all)
    expect(most).to.equal(1)
  })

  it('run those events beside others that are said to be concurrent', async () => {
    const began: string[] = []
    scene = await makeScene({
      concurrent: ['status'],
      handler: ({ event }) => {
        began.push(event)
        return event === 'status' ? 'fine' : new Promise(() => {})
      }
    })
    const stuck = failureOf(scene.client.send('move'))
    expect(await scene.client.send('status')).to.equal('fine')
    expect(began).to.deep.equal(['move', 'status'])
    scene.client.close()
    await stuck
  })

  it('know by its revision whether the state has moved on', async () => {
    scene = await makeScene({
      state: { value: { level: 1 }, rev: 41 },
      handler: ({ payload }, { state }) => state.set({ level: payload })
    })
    expect(await scene.client.state()).to.deep.include({ value: { level: 1 }, rev: 41 })
    expect(await scene.client.send('set', 2, { ifRev: 41 })).to.equal(42)
    const error = await failureOf(scene.client.send('set', 3, { ifRev: 41 }))
    expect(error).to.include({ code: 'stale', rev: 42, ran: 'no' })
    expect(scene.hub.state.value).to.deep.equal({ level: 2 })
    expect(scene.client.knownState?.rev).to.equal(41)
    expect(scene.client.rev).to.equal(42)
    expect((await scene.client.state()).value).to.deep.equal({ level: 2 })
  })

  it('give it to one of them for a time', async () => {
    const clock = new FakeClock({ date: Date.now() })
    scene = await makeScene({ handler: () => 'done', clock })
    const phone = newKey('paired')
    scene.keys.keys.set(phone.id, phone)
    const other = scene.another()
    await other.connect('ws://device', phone)
    const lease = await other.lease(1_000)
    expect(lease).to.include({ mine: true, remaining: 1_000 })
    expect(await failureOf(scene.client.send('a'))).to.include({
      code: 'refused',
      reason: 'leased',
      ran: 'no'
    })
    expect(await failureOf(scene.client.lease(1_000))).to.include({ reason: 'leased' })
    expect((await scene.client.state()).lease).to.deep.equal({
      by: `phone ${phone.id}`,
      mine: false,
      remaining: 1_000
    })
    expect(await other.send('a')).to.equal('done')
    clock.advance(1_000)
    expect(await scene.client.send('a')).to.equal('done')
    const again = await scene.client.lease(5_000)
    expect(await failureOf(other.send('a'))).to.include({ reason: 'leased' })
    await again.release()
    expect(await other.send('a')).to.equal('done')
    await other.lease(1_000)
    scene.keys.revoke(phone.id)
    expect(await scene.client.send('a')).to.equal('done')
  })

  it('let others watch, if the device lets them', async () => {
    scene = await makeScene({
      watch: true,
      state: { value: 'off', rev: 1 },
      handler: ({ payload }, { state }) => {
        state.set(payload)
        return `it is ${payload}`
      }
    })
    const watcher = scene.another()
    await watcher.connect('ws://device', scene.key)
    const states: unknown[] = []
    const replies: unknown[] = []
    const stop = await watcher.watch({
      onState: ({ value, rev }: KnownState) => states.push([value, rev]),
      onReply: reply => replies.push(reply)
    })
    await scene.client.send('set', 'on')
    await until(() => replies.length === 1)
    expect(states).to.deep.equal([
      ['off', 1],
      ['on', 2]
    ])
    expect(replies).to.deep.equal([{ event: 'set', response: 'it is on', by: scene.key.id }])
    scene.host.link.cut()
    await until(() => watcher.status === 'connecting')
    await until(() => watcher.status === 'ready')
    await until(() => states.length === 3)
    await scene.client.send('set', 'off')
    await until(() => replies.length === 2)
    await stop()
    await scene.client.send('set', 'on')
    await watcher.state()
    expect(replies).to.have.length(2)
  })

  it('let nobody watch by default', async () => {
    scene = await makeScene({ handler: () => 1 })
    const error = await failureOf(scene.client.watch({}))
    expect(error).to.include({ code: 'refused', reason: 'not-allowed' })
  })

  it('are told what it can do, each what it may', async () => {
    const events = {
      on: { title: 'On' },
      level: { fields: { percent: { type: 'number' as const, max: 100 } } }
    }
    scene = await makeScene({ name: 'lamp', events, handler: () => 1 })
    expect(await scene.client.describe()).to.deep.equal({ name: 'lamp', watch: false, events })
    scene.keys.denials.set('level', 'not-allowed')
    expect((await scene.client.describe()).events).to.have.keys('on')
    expect(await failureOf(scene.client.send('level'))).to.include({
      code: 'refused',
      reason: 'not-allowed',
      ran: 'no'
    })
  })

  it('have a handler for each event, and one for all others', async () => {
    scene = await makeScene({
      handlers: { on: () => 'own' },
      handler: ({ event }) => `other: ${event}`
    })
    expect(await scene.client.send('on')).to.equal('own')
    expect(await scene.client.send('constructor')).to.equal('other: constructor')
    const strict = await makeScene({ handlers: { on: () => 'own' } })
    for (const event of ['constructor', '__proto__', 'toString', 'off'])
      expect(await failureOf(strict.client.send(event))).to.include({
        code: 'refused',
        reason: 'unknown-event',
        ran: 'no'
      })
    await strict.close()
  })

  it('fill its queue with 1,000 commands and no more', async () => {
    scene = await makeScene({
      maxQueuedCommands: 5,
      maxQueuedPerClient: 6,
      handler: () => new Promise(() => {})
    })
    const waiting = [1, 2, 3, 4, 5].map(() => failureOf(scene.client.send('a')))
    expect(await failureOf(scene.client.send('a'))).to.include({ code: 'refused', reason: 'busy', ran: 'no' })
    scene.client.close()
    await Promise.all(waiting)
  })

  it('get no answer of it twice: what nobody waits for any more does not run', async () => {
    const clock = new FakeClock({ date: Date.now() })
    const ran: string[] = []
    let finish = (_: unknown) => {}
    scene = await makeScene({
      clock,
      handler: ({ event }) => {
        ran.push(event)
        return new Promise(resolve => {
          finish = resolve
        })
      }
    })
    const first = scene.client.send('first')
    const late = failureOf(scene.client.send('late', null, { timeout: 200 }))
    await until(() => scene.hub.stats.commands === 2)
    scene.client.close()
    await failureOf(first)
    await late
    clock.advance(201)
    finish(1)
    await until(() => scene.hub.stats.commands === 0)
    expect(ran).to.deep.equal(['first'])
  })
})
