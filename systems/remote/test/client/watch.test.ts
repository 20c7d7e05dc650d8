import { settled, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { failureOf, makeScene, type Scene } from '../helpers/device-and-client'

describe('Several watchers of one client', () => {
  let scene: Scene
  afterEach(() => scene.close())

  async function watchTwice() {
    scene = await makeScene({
      watch: true,
      state: { value: 0, rev: 1 },
      handler: ({ payload }, { state }) => state.set(payload)
    })
    const client = scene.another()
    await client.connect('ws://device', scene.key)
    const heard: string[] = []
    const watch = (name: string) =>
      client.watch({
        onState: ({ value }) => heard.push(`${name}: ${value}`),
        onReply: ({ event }) => heard.push(`${name}: ${event} was answered`)
      })
    const stops = await Promise.all([watch('one'), watch('two')])
    const next = () => heard.splice(0).sort()
    return { client, heard, stops, next, watch }
  }

  it('hear of the state at once, each time it changes, and of replies, each of them once', async () => {
    const { heard, next } = await watchTwice()
    expect(next()).to.deep.equal(['one: 0', 'two: 0'])
    await scene.client.send('set', 1)
    await until(() => heard.length === 4)
    expect(next()).to.deep.equal(['one: 1', 'one: set was answered', 'two: 1', 'two: set was answered'])
  })

  it('hear of it after a lost connection, and one goes on when another stops', async () => {
    const { client, heard, stops, next, watch } = await watchTwice()
    next()
    await stops[0]()
    await stops[0]()
    await scene.client.send('set', 1)
    await until(() => heard.length === 2)
    expect(next()).to.deep.equal(['two: 1', 'two: set was answered'])
    const last = await watch('three')
    expect(next()).to.deep.equal(['three: 1'])
    scene.host.link.cut()
    await until(() => client.status === 'connecting')
    await until(() => heard.length === 2)
    expect(next()).to.deep.equal(['three: 1', 'two: 1'])
    await Promise.all([stops[1](), last()])
    await scene.client.send('set', 2)
    await client.state()
    await settled()
    expect(next()).to.deep.equal([])
  })

  it('are heard out by a device that one of them leaves while another comes', async () => {
    const { client, heard, stops, next, watch } = await watchTwice()
    await stops[0]()
    const coming = watch('three')
    await stops[1]()
    await coming
    next()
    await scene.client.send('set', 1)
    await until(() => heard.length === 2)
    expect(next()).to.deep.equal(['three: 1', 'three: set was answered'])
    expect(await failureOf(client.watch({ onstate: () => {} } as never))).to.include({ code: 'invalid' })
  })
})
