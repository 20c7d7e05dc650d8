import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { RemoteClient } from '../../lib/client/remote-client'
import { failureOf, makeScene, newKey, type Scene } from '../helpers/device-and-client'

describe('The places of a device’s queue', () => {
  let scene: Scene
  const ran: unknown[] = []
  const finish: (() => void)[] = []
  const outcomes: Promise<unknown>[] = []
  const handler = ({ payload }: { payload: unknown }) => {
    ran.push(payload)
    return new Promise<void>(resolve => finish.push(resolve))
  }
  const ask = (client: RemoteClient, name: string, count: number) => {
    for (let index = 1; index <= count; index++)
      outcomes.push(client.send('go', `${name}${index}`, { timeout: 15_000 }).catch(error => error))
  }
  const waiting = (count: number) => until(() => scene.hub.stats.commands === count)
  const next = async () => {
    const before = ran.length
    finish.shift()?.()
    await until(() => ran.length > before)
  }
  const connect = async (key = scene.key) => {
    const client = scene.another()
    await client.connect('ws://device', key)
    return client
  }
  const newPhone = () => {
    const phone = newKey('paired')
    scene.keys.keys.set(phone.id, phone)
    return phone
  }

  beforeEach(() => {
    for (const list of [ran, finish, outcomes]) list.length = 0
  })
  afterEach(async () => {
    await scene.close()
    await Promise.all(outcomes)
  })

  it('are shared: behind 900 commands of one client another’s only one runs second, and is not refused', async () => {
    scene = await makeScene({ maxQueuedPerClient: 900, handler })
    const other = await connect()
    ask(scene.client, 'a', 900)
    await waiting(900)
    const error = await failureOf(scene.client.send('go', 'too many'))
    expect(error).to.include({ code: 'refused', reason: 'too-many-queued', ran: 'no' })
    expect(error.message).to.include('900')
    ask(other, 'b', 1)
    await waiting(901)
    await next()
    await next()
    expect(ran).to.deep.equal(['a1', 'b1', 'a2'])
    // One place is free again.
    ask(scene.client, 'more', 1)
    await waiting(900)
    expect(await failureOf(scene.client.send('go'))).to.include({ reason: 'too-many-queued' })
  })

  it('are a quarter for each client by default, and all of them are bounded as before', async () => {
    scene = await makeScene({ maxQueuedCommands: 8, handler })
    const others = await Promise.all([1, 2, 3, 4].map(() => connect()))
    for (const [index, client] of others.entries()) {
      ask(client, `client ${index}, `, 2)
      await waiting(2 * index + 2)
      expect(await failureOf(client.send('go'))).to.include({ reason: 'too-many-queued' })
    }
    expect(await failureOf(scene.client.send('go'))).to.include({ reason: 'busy' })
  })

  it('are given in turn to several clients, in order to each', async () => {
    scene = await makeScene({ handler })
    const [b, c] = await Promise.all([connect(), connect()])
    ask(scene.client, 'a', 4)
    await waiting(4)
    ask(b, 'b', 3)
    await waiting(7)
    ask(c, 'c', 1)
    await waiting(8)
    for (let index = 1; index < 4; index++) await next()
    // Who comes anew waits for one of each.
    ask(c, 'late c', 1)
    await waiting(6)
    for (let index = 4; index < 9; index++) await next()
    expect(ran).to.deep.equal(['a1', 'b1', 'c1', 'a2', 'b2', 'late c1', 'a3', 'b3', 'a4'])
  })

  it('are one share for all connections of a phone, and one for each client under a shared key', async () => {
    scene = await makeScene({ maxQueuedPerClient: 2, handler })
    const phone = newPhone()
    const connections = await Promise.all([1, 2, 3].map(() => connect(phone)))
    for (const [index, client] of connections.slice(0, 2).entries()) {
      ask(client, `phone ${index}, `, 1)
      await waiting(index + 1)
    }
    for (const client of connections)
      expect(await failureOf(client.send('go'))).to.include({ reason: 'too-many-queued' })
    const others = [scene.client, await connect(), await connect(newPhone())]
    for (const [index, client] of others.entries()) {
      ask(client, `other ${index}, `, 1)
      await waiting(index + 3)
    }
    for (let index = 0; index < 4; index++) await next()
    expect(ran[4]).to.equal('phone 1, 1')
  })

  it('are no more after a change of the key and back', async () => {
    scene = await makeScene({ maxQueuedPerClient: 2, handler })
    const { client, key } = scene
    const first = newPhone()
    for (const [index, each] of [key, first, key, first].entries()) {
      client.setEncryption(each)
      if (index < 2) ask(client, 'a', 2)
      await waiting(Math.min(2 * index + 2, 4))
      expect(await failureOf(client.send('go'))).to.include({ reason: 'too-many-queued' })
    }
  })

  it('are free again when a command was cancelled, failed, refused or taken back', async () => {
    const phone = newKey('paired')
    scene = await makeScene({
      maxQueuedPerClient: 2,
      concurrent: ['beside'],
      handlers: {
        go: handler,
        fail: () => Promise.reject(new Error('no')),
        throw: () => {
          throw new Error('no')
        },
        beside: () => 'done'
      }
    })
    scene.keys.keys.set(phone.id, phone)
    const { client } = scene
    for (let index = 0; index < 5; index++) {
      await failureOf(client.send('fail'))
      await failureOf(client.send('throw'))
      await failureOf(client.send('unknown'))
      await failureOf(client.send('go', null, { ifRev: 1 }))
      await client.send('beside')
    }
    ask(client, 'a', 1)
    await waiting(1)
    for (let index = 0; index < 5; index++) {
      const stop = new AbortController()
      const cancelled = failureOf(client.send('go', 'cancelled', { signal: stop.signal }))
      await waiting(2)
      stop.abort()
      await cancelled
      await waiting(1)
    }
    const other = await connect(phone)
    ask(other, 'b', 2)
    await waiting(3)
    scene.keys.revoke(phone.id)
    await waiting(1)
    ask(client, 'a second ', 1)
    await waiting(2)
    await next()
    expect(ran).to.deep.equal(['a1', 'a second 1'])
  })
})
