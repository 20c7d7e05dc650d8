import { clientOptions, closesWhatItOpened, onCleanUp, serverOptions } from '@token-server/test-helpers'
import { expect } from 'chai'
import { fullJitter, TokenServer } from 'token-server'
import { openTokenDoor } from '../../lib'
import type { TopicClient } from '../../lib/client'
import { TestDoor } from '../helpers/test-door'

const UNDER_WAY = 20

describe('A publish of a TopicClient with QoS 1', () => {
  closesWhatItOpened()
  let door: TestDoor
  let client: TopicClient
  /** How often the broker has given out each message. */
  let times: Map<number, number>

  beforeEach(async () => {
    door = await TestDoor.start()
    const reconnect = fullJitter({ initialDelay: 10, maxDelay: 50 })
    client = await door.client({ connect: await clientOptions(door.port, { reconnect }) })
    times = new Map()
    door.test.broker.subscribe('a', ({ payload }) => {
      const number = Number(payload.toString())
      times.set(number, (times.get(number) ?? 0) + 1)
    })
  })

  /** Publishes without a pause, while something is done that many times. @returns how many were answered */
  async function publishWhile(rounds: number, happens: () => unknown): Promise<number> {
    let next = 0
    let isOver = false
    const publish = async () => {
      while (!isOver) await client.publish('a', String(next++))
    }
    const publishing = Array.from({ length: UNDER_WAY }, publish)
    for (let round = 0; round < rounds; round++) {
      const before = next
      while (next < before + 100) await new Promise(resolve => setImmediate(resolve))
      await happens()
    }
    isOver = true
    await Promise.all(publishing)
    return next
  }

  const doubled = () => [...times.values()].filter(count => count > 1).length

  it('is there once, however often its connection is cut: the session of token/2 goes on', async () => {
    const published = await publishWhile(10, () => door.cut())
    expect(times.size).to.equal(published)
    expect(doubled()).to.equal(0)
  })

  it('is there once when the server is closed in order and starts again', async () => {
    const { port } = door
    let { server } = door
    const published = await publishWhile(3, async () => {
      server.close()
      await server.closed
      server = new TokenServer(await serverOptions({ session: true, port }))
      const own = server
      onCleanUp(async () => {
        own.close({ timeout: 0 })
        await own.closed
      })
      openTokenDoor({ broker: door.test.broker, verifier: door.test.verifier, server })
      await server.ready
    })
    expect(times.size).to.equal(published)
    expect(doubled()).to.equal(0)
  })

  it('may be there twice when its answer was lost with the session: at most those that were under way', async () => {
    const rounds = 5
    const published = await publishWhile(rounds, () => door.loseSessions())
    expect(times.size).to.equal(published)
    expect(doubled()).to.be.at.most(rounds * UNDER_WAY)
    expect(Math.max(...times.values())).to.be.at.most(1 + rounds)
  })
})
