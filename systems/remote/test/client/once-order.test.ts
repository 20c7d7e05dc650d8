import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import type { ClientOptions, ClientParts, OncePost } from '../../lib/client/options'
import type { RemoteClient } from '../../lib/client/remote-client'
import type { DeviceHubOptions } from '../../lib/device/device-hub-options'
import { toBase64url } from '../../lib/encoding/base64url'
import { failureOf, makeScene, type Scene } from '../helpers/device-and-client'

describe('Who carries requests without a connection, and brings them in any order,', () => {
  let scene: Scene
  let clock: FakeClock
  let ran: unknown[]
  let frames: Uint8Array[]
  /** What becomes of a post. */
  let carry: (frame: Uint8Array) => Promise<Uint8Array>
  const hub = (frame: Uint8Array) => scene.host.hub.once(frame)
  const handler = ({ payload }: { payload: unknown }) => ran.push(payload)
  const once: OncePost = {
    post(_, __, frame) {
      frames.push(frame)
      return carry(frame)
    },
    lookUp: async () => ({ publicKey: toBase64url(scene.host.publicKey), online: true }),
    invitation: () => Promise.reject(new Error('nobody asks for one'))
  }

  async function start(options: Partial<DeviceHubOptions> = {}): Promise<void> {
    ran = []
    frames = []
    carry = hub
    clock = new FakeClock({ date: Date.now() })
    scene = await makeScene({ handler, clock, ...options }, { clock })
    await clock.elapse(10_000)
  }
  afterEach(() => scene.close())

  async function connect(options: Partial<ClientParts & ClientOptions> = {}): Promise<RemoteClient> {
    const client = scene.another({ once, random: () => 0.01, timeoutLength: 600_000, ...options })
    await client.connect(`https://device?device=${scene.hub.deviceId}`, scene.key)
    await client.state()
    frames = []
    return client
  }
  /** The device has the next post, and its answer is that to the same bytes after something else. */
  const bringAgainAfter = (happens: () => unknown) => {
    carry = async frame => {
      carry = hub
      await hub(frame)
      await happens()
      return await hub(frame)
    }
  }
  const restart = (options: Partial<DeviceHubOptions> = {}) =>
    scene.restartDevice({ handler, clock, ...options })

  it('has none run twice by bringing it again to the device that started anew', async () => {
    await start()
    const client = await connect()
    bringAgainAfter(restart)
    expect(await failureOf(client.send('x', 1))).to.include({ reason: 'forgotten', ran: 'maybe' })
    bringAgainAfter(async () => {
      restart()
      await clock.elapse(60_000)
    })
    expect(await failureOf(client.send('x', 2))).to.include({ reason: 'forgotten', ran: 'maybe' })
    expect(ran).to.deep.equal([1, 2])
    expect(await client.send('x', 3)).to.equal(3)
  })

  it('nor while the machine of the client sleeps', async () => {
    await start()
    const own = new FakeClock({ date: clock.date() })
    const client = await connect({ clock: own })
    bringAgainAfter(async () => {
      restart()
      await clock.elapse(60_000)
      own.jump(60_000)
    })
    expect(await failureOf(client.send('x', 1))).to.include({ reason: 'forgotten', ran: 'maybe' })
    expect(ran).to.deep.equal([1])
  })

  it('nor by bringing it again when it is too old, and the device has forgotten its client', async () => {
    await start({ memory: { maxAge: 1_000 } })
    const client = await connect()
    bringAgainAfter(() => clock.elapse(130_000))
    expect(await failureOf(client.send('x', 1))).to.include({ reason: 'forgotten', ran: 'maybe' })
    expect(ran).to.deep.equal([1])
  })

  it('nor has the device believe, by a request of before, that it knows what left over a connection', async () => {
    const isAnswered = ({ payload }: { payload: unknown }) => {
      ran.push(payload)
      return payload === 0 ? 'done' : new Promise(() => {})
    }
    await start({ handler: isAnswered })
    const client = scene.another({ once, timeoutLength: 600_000 })
    await client.connect(`https://device?device=${scene.hub.deviceId}`, scene.key)
    await client.state()
    const before = [...frames]
    client.close()
    await client.connect('ws://device')
    expect(await client.send('x', 0)).to.equal('done')
    const failure = failureOf(client.send('x', 1))
    await until(() => ran.includes(1))
    restart()
    for (const frame of before) await hub(frame)
    scene.host.link.cut()
    await clock.elapse(1_000)
    expect(await failure).to.include({ reason: 'forgotten', ran: 'maybe' })
    expect(ran).to.deep.equal([0, 1])
  })

  it('has none run that was told not to run as the device had too much to remember', async () => {
    await start({ replays: { maxRequests: 4 } })
    const client = await connect()
    const told = new Map<number, string>()
    for (let number = 1; number <= 12; number++)
      await client.send('x', number).then(
        () => told.set(number, 'yes'),
        error => told.set(number, error.ran)
      )
    const all = [...frames]
    for (let seconds = 0; seconds < 300; seconds += 10) {
      for (const frame of all) await hub(frame)
      await clock.elapse(10_000)
    }
    for (const [number, did] of told)
      expect(ran.filter(each => each === number).length, `request ${number}, ran: ${did}`).to.equal(
        did === 'no' ? 0 : 1
      )
    expect([...told.values()].filter(did => did === 'yes')).to.have.length(12)
  })

  it('keeps no lease by bringing what is too old', async () => {
    await start()
    const client = await connect()
    await client.lease(300_000)
    const old = [...frames]
    restart()
    const other = await connect()
    await client.lease(300_000)
    expect(await failureOf(other.send('x', 1))).to.include({ reason: 'leased' })
    for (let second = 0; second < 20; second++) {
      for (const frame of old) await hub(frame)
      await clock.elapse(1_000)
    }
    expect(await other.send('x', 2)).to.equal(1)
  })

  it('is served where more clients are connected than the device remembers', async () => {
    await start({ memory: { maxClients: 1 } })
    const client = await connect()
    expect(await client.send('x', 1)).to.equal(1)
    expect(await client.send('x', 2)).to.equal(2)
  })

  it('does not make a client ready again that was closed while its answer was opened', async () => {
    await start()
    for (let turns = 0; turns < 30; turns++) {
      const client = await connect()
      carry = async frame => {
        const answer = await hub(frame)
        void closeAfter(client, turns)
        return answer
      }
      await client.send('x', 1).catch(() => {})
      await clock.settle()
      expect(client.status, `after ${turns} turns`).to.equal('closed')
      carry = hub
    }
  })
})

async function closeAfter(client: RemoteClient, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
  client.close()
}
