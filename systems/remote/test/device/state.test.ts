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
