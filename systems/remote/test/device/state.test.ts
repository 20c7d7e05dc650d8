import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { DeviceState } from '../../lib/device/device-state'
import type { RemoteError } from '../../lib/errors/remote-error'
import { makeScene, type Scene } from '../helpers/device-and-client'

describe('The state of a device', () => {
  it('takes JSON of 1 MiB and 64 levels, and stays as it was when it is given anything else', () => {
    const state = new DeviceState({ value: { level: 1 }, rev: 5 })
    const deep = JSON.parse(`${'['.repeat(65)}${']'.repeat(65)}`)
    const circle: unknown[] = []
    circle.push(circle)
    for (const value of [1n, circle, deep, () => 1, 'x'.repeat(1_048_576), 'ü'.repeat(600_000)]) {
      let error: RemoteError | undefined
      try {
        state.set(value)
      } catch (thrown) {
        error = thrown as RemoteError
      }
      expect(error).to.include({ code: 'invalid' })
    }
    expect([state.value, state.rev, state.json]).to.deep.equal([{ level: 1 }, 5, '{"level":1}'])
    expect(() => new DeviceState({ value: 1n })).to.throw('Cannot use the state')
    expect(state.set('x'.repeat(1_048_574))).to.equal(6)
    expect(state.set(undefined)).to.equal(7)
    expect(state.json).to.equal('null')
  })
})

describe('What clients are told of a device', () => {
  let scene: Scene
  afterEach(() => scene.close())

  it('has 64 levels, as a state and as the reply that another got', async () => {
    const deep = JSON.parse(`${'['.repeat(64)}${']'.repeat(64)}`)
    scene = await makeScene({ watch: true, handler: () => deep })
    const watcher = scene.another()
    await watcher.connect('ws://device', scene.key)
    const told: unknown[] = []
    await watcher.watch({
      onState: ({ value }) => told.push(value),
      onReply: ({ response }) => told.push(response)
    })
    scene.hub.state.set(deep)
    await scene.client.send('a')
    await until(() => told.length === 3)
    expect(told).to.deep.equal([null, deep, deep])
    expect((await watcher.state()).value).to.deep.equal(deep)
    expect(scene.host.links).to.have.length(2)
  })

  it('is bounded while it does not read, whatever it asks in one turn', async () => {
    scene = await makeScene({ state: { value: 'x'.repeat(100_000) }, handler: () => 1 })
    const { client, host, hub } = scene
    await client.send('a')
    host.link.pause()
    const asks = Array.from({ length: 2_000 }, () =>
      client.ask('state', undefined, { timeout: 30_000 }).then(
        () => 'told',
        error => `${error.reason} ${error.ran}`
      )
    )
    const other = scene.another()
    await other.connect('ws://device', scene.key)
    expect(await other.send('a')).to.equal(1)
    expect(hub.stats.clients).to.equal(2)
    host.links[0]?.resume()
    const ends = await Promise.all(asks)
    expect(ends.filter(end => end === 'told').length).to.be.within(30, 50)
    expect(new Set(ends)).to.deep.equal(new Set(['told', 'busy no']))
  })
})

describe('A watcher who is behind', () => {
  let scene: Scene
  afterEach(() => scene.close())

  it('hears of the newest state, and not of each; what it was answered before takes nothing back', async () => {
    scene = await makeScene({ watch: true, handler: (_, { state }) => state.set('x'.repeat(70_000)) }, {}, {})
    const { client, host, hub } = scene
    const states: number[] = []
    await client.watch({ onState: ({ rev }) => states.push(rev) })
    const first = hub.state.rev
    const link = host.link
    link.pause()
    const asked = [1, 2, 3].map(() => client.send('set'))
    await until(() => hub.state.rev === first + 3)
    for (let count = 0; count < 100; count++) {
      hub.state.set({ count, text: 'x'.repeat(70_000) })
      await new Promise(resolve => setImmediate(resolve))
    }
    link.resume()
    expect(await Promise.all(asked)).to.deep.equal([first + 1, first + 2, first + 3])
    await until(() => states.at(-1) === hub.state.rev)
    expect(states.length).to.be.lessThan(8)
    expect([...states].sort((one, other) => one - other)).to.deep.equal(states)
    expect(client.rev).to.equal(hub.state.rev)
    expect(client.knownState?.value).to.deep.include({ count: 99 })
  })
})
