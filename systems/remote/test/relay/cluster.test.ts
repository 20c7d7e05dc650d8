import { type Bus, createBus, MemoryHub } from '@token-server/service'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes, randomId } from '../../lib/encoding/random-id'
import { Relay } from '../../lib/relay/relay'
import type { RelayLimits } from '../../lib/relay/relay-limits'
import { FrameKind } from '../../lib/wire/frame'
import { onceRequest } from '../helpers/once-request'
import { bodyOf, TestClient, TestDeviceLink } from '../helpers/relay-people'

const tag = randomBytes(16)
const withTag = { tag: toBase64url(tag) }

describe('Relays on one bus', () => {
  closesWhatItOpened()
  let hub: MemoryHub

  beforeEach(() => {
    hub = new MemoryHub()
  })

  function start(limits: Partial<RelayLimits> = {}): { relay: Relay; bus: Bus } {
    const bus = createBus({ name: 'remote', hub })
    const relay = new Relay({ openDevices: true, bus, limits: { joinGrace: 1_000, ...limits } })
    onCleanUp(async () => {
      relay.close()
      await bus.close()
    })
    return { relay, bus }
  }

  async function startAll(count: number): Promise<{ relay: Relay; bus: Bus }[]> {
    const all = Array.from({ length: count }, () => start())
    await until(() => all.every(({ relay }) => relay.now.otherRelays === count - 1))
    return all
  }

  async function startTwo() {
    const [one, other] = (await startAll(2)) as [ReturnType<typeof start>, ReturnType<typeof start>]
    const device = await (await TestDeviceLink.of(one.relay)).register({ tags: [tag] })
    const client = TestClient.of(other.relay)
    await client.join(device.id, withTag)
    return { one, other, device, client }
  }

  async function isThrough(client: TestClient, device: TestDeviceLink, body: string) {
    client.send(body)
    const frame = await device.receives()
    expect(bodyOf(frame)).to.equal(body)
    device.send(frame.client, `${body} answered`)
    expect(bodyOf(await client.receives())).to.equal(`${body} answered`)
  }

  it('bring a client of one to a device of another, and each frame once', async () => {
    const { one, other, device, client } = await startTwo()
    expect((await device.hears('opened')).client).to.equal(client.client)
    for (let index = 0; index < 50; index++) await isThrough(client, device, String(index))
    expect(one.relay.list().devices[0]).to.include({ clients: 1 })
    expect(other.relay.list().clients[0]).to.include({ device: device.id, isIn: true })
    client.link.close()
    await device.hears('closed')
    expect([...client.frames, ...device.frames]).to.deep.equal([])
  })

  it('bring a client to a device that came before it or after it, to whichever', async () => {
    const relays = await startAll(3)
    const devices: TestDeviceLink[] = []
    for (const { relay } of relays)
      devices.push(await (await TestDeviceLink.of(relay)).register({ tags: [tag] }))
    const late = await TestDeviceLink.of((relays[0] as { relay: Relay }).relay)
    const waiting = TestClient.of((relays[2] as { relay: Relay }).relay)
    const joined = waiting.join(late.id, withTag)
    for (const { relay } of relays)
      for (const device of devices) {
        const client = TestClient.of(relay)
        await client.join(device.id, withTag)
        await isThrough(client, device, 'hello')
      }
    await late.register({ tags: [tag] })
    await joined
    await isThrough(waiting, late, 'late')
    const newest = start()
    const client = TestClient.of(newest.relay)
    await client.join(late.id, withTag)
    await isThrough(client, late, 'newest')
  })

  it('hear of the tags of a device when they change, and not each time that it says them', async () => {
    const { other, device, client } = await startTwo()
    await isThrough(client, device, 'in')
    let heard = 0
    onCleanUp(other.bus.subscribe('all', () => heard++))
    for (let count = 0; count < 500; count++) device.admit([tag])
    await isThrough(client, device, 'still in')
    expect(heard).to.be.lessThan(5)
    // In turn, the last of which lets a client in that waits at the other relay.
    const late = randomBytes(16)
    const waiting = TestClient.of(other.relay)
    const joined = waiting.join(device.id, { tag: toBase64url(late) })
    for (let count = 0; count < 500; count++) device.admit(count % 2 === 0 ? [tag] : [tag, late])
    await joined
    await isThrough(waiting, device, 'let in')
    expect(heard).to.be.lessThan(20)
  })

  it('refuse who has no proof, wherever the device is, after the same time', async () => {
    const { one, other, device } = await startTwo()
    const begun = performance.now()
    const times = await Promise.all(
      [one, other].map(async ({ relay }) => {
        const client = TestClient.of(relay)
        client.say({ do: 'join', device: device.id, tag: toBase64url(randomBytes(16)) })
        expect((await client.hears('bye')).why).to.equal('unknown-device')
        return performance.now() - begun
      })
    )
    const [here = 0, there = 0] = times
    expect(Math.min(here, there)).to.be.at.least(990)
    expect(Math.abs(here - there)).to.be.below(500)
  })

  it('know one connection of a device: it is taken over across relays, and clients follow it', async () => {
    const { one, other, device, client } = await startTwo()
    const here = TestClient.of(one.relay)
    await here.join(device.id, withTag)
    await device.hears('opened')
    await device.hears('opened')
    const newer = await (await TestDeviceLink.of(other.relay, { device: device.device })).register({
      tags: [tag]
    })
    expect(await device.hears('bye')).to.deep.equal({ do: 'bye', why: 'replaced', retry: false })
    for (const person of [client, here]) {
      await person.hears('offline')
      await person.hears('online')
      await isThrough(person, newer, 'to the newer')
    }
    expect(one.relay.list().devices).to.deep.equal([])
    const newest = await (await TestDeviceLink.of(one.relay, { device: device.device })).register({
      tags: [tag]
    })
    expect((await newer.hears('bye')).why).to.equal('replaced')
    for (const person of [client, here]) {
      await person.hears('online')
      await isThrough(person, newest, 'back again')
    }
  })

  it('keep one of two connections that a device opens at the same time', async () => {
    const relays = await startAll(2)
    const first = await TestDeviceLink.of((relays[0] as { relay: Relay }).relay)
    const links = [
      first,
      await TestDeviceLink.of((relays[1] as { relay: Relay }).relay, { device: first.device })
    ]
    await Promise.all(links.map(link => link.register({ tags: [tag] })))
    const online = () =>
      relays.filter(({ relay }) => relay.list().devices.some(device => device.online)).length
    await until(() => online() === 1 && links.filter(link => link.isClosed).length === 1)
    const stays = links.find(link => !link.isClosed) as TestDeviceLink
    for (const { relay } of relays) {
      const client = TestClient.of(relay)
      await client.join(first.id, withTag)
      await isThrough(client, stays, 'hello')
    }
  })

  it('tell clients when the device of another goes and comes, and admit by new tags at once', async () => {
    const { one, other, device, client } = await startTwo()
    const newTag = randomBytes(16)
    const waiting = TestClient.of(other.relay)
    const joined = waiting.join(device.id, { tag: toBase64url(newTag) })
    await new Promise(resolve => setTimeout(resolve, 50))
    device.admit([newTag])
    await joined
    device.link.close()
    await client.hears('offline')
    await waiting.hears('offline')
    const again = await (await TestDeviceLink.of(one.relay, { device: device.device })).register()
    await client.hears('online')
    await isThrough(client, again, 'again')
  })

  it('dismiss a client whom the device of another sends away, and one that an administrator kicks anywhere', async () => {
    const { one, other, device, client } = await startTwo()
    device.say({ do: 'closed', client: client.client, why: 'revoked' })
    expect(await client.hears('bye')).to.deep.equal({ do: 'bye', why: 'revoked', retry: false })
    const next = TestClient.of(other.relay)
    await next.join(device.id, withTag)
    one.relay.kick(next.client)
    expect((await next.hears('bye')).why).to.equal('kicked')
  })

  it('notice one that dies: clients are told offline and devices closed; a device that moves is found', async () => {
    const { one, other, device, client } = await startTwo()
    await device.hears('opened')
    const far = await (await TestDeviceLink.of(other.relay)).register({ tags: [tag] })
    const stays = TestClient.of(one.relay)
    await stays.join(far.id, withTag)
    // Nothing of it is heard any more.
    hub.leave(other.bus as never)
    expect((await device.hears('closed')).client).to.equal(client.client)
    await stays.hears('offline')
    expect(other.relay.now.otherRelays).to.equal(0)
    const moved = await (await TestDeviceLink.of(one.relay, { device: far.device })).register({ tags: [tag] })
    await stays.hears('online')
    await isThrough(stays, moved, 'moved')
    hub.join(other.bus as never)
    await until(() => one.relay.now.otherRelays === 1 && other.relay.now.otherRelays === 1)
    await client.hears('online')
    await isThrough(client, device, 'together again')
    await far.until('the older one is closed', () => far.isClosed)
  })

  it('take leave of each other when one ends', async () => {
    const { one, other, device, client } = await startTwo()
    one.relay.close()
    expect(await device.hears('bye')).to.deep.equal({ do: 'bye', why: 'shutting-down', retry: true })
    await client.hears('offline')
    const moved = await (await TestDeviceLink.of(other.relay, { device: device.device })).register({
      tags: [tag]
    })
    await client.hears('online')
    await isThrough(client, moved, 'moved')
  })

  it('begin anew with each other after a gap of the bus, so that no frame is missing in between', async () => {
    const { one, other, device, client } = await startTwo()
    for (const [bus, from] of [
      [one.bus, other.bus.id],
      [other.bus, one.bus.id],
      [other.bus, null]
    ] as const) {
      bus.emit('gap', { from, why: 'a test says so' })
      await client.hears('offline')
      await client.hears('online')
      await isThrough(client, device, 'after the gap')
    }
    const opened = device.said.filter(message => message.do === 'opened').length
    expect(opened - device.said.filter(message => message.do === 'closed').length).to.equal(1)
    expect(one.relay.list().devices[0]).to.include({ clients: 1 })
  })

  it('hold back the clients of another when the device reads slowly', async () => {
    const { device, client } = await startTwo()
    device.link.pause?.()
    const waiting = () => (client.link as unknown as { bufferedBytes: number }).bufferedBytes
    let sent = 0
    while (waiting() < 100_000 && sent < 1_000) {
      client.send('x'.repeat(10_000))
      sent++
      await new Promise(setImmediate)
    }
    expect(sent).to.be.below(100)
    device.link.resume?.()
    for (let index = 0; index < sent; index++) expect((await device.receives()).body).to.have.length(10_000)
  })

  it('bring a request without a connection to the device of another', async () => {
    const { other, device } = await startTwo()
    const answering = async () => {
      const { client, body } = await device.receives()
      device.send(client, `${Buffer.from(body).toString()} answered`.slice(-14), { kind: FrameKind.carried })
    }
    const frame = onceRequest(device.id, Buffer.from('asked'))
    const [result] = await Promise.all([other.relay.once(device.id, async () => frame, withTag), answering()])
    expect('answer' in result && Buffer.from(result.answer).toString()).to.equal('asked answered')
    expect(await other.relay.once(device.id, async () => frame, {})).to.deep.equal({
      failed: 'unknown-device'
    })
    expect(await other.relay.notice(device.id, withTag)).to.include({ online: true })
  })

  it('give out an invitation that a device has posted to another, once', async () => {
    const { one, other, device } = await startTwo()
    const place = randomId()
    device.say({ do: 'post', place, sealed: toBase64url(Buffer.from('sealed')) })
    expect((await device.hears('posted')).ok).to.equal(true)
    expect(await other.relay.takeInvitation(randomId())).to.equal(undefined)
    expect(await other.relay.takeInvitation('no place/')).to.equal(undefined)
    const taken = await Promise.all([one, other, other].map(({ relay }) => relay.takeInvitation(place)))
    const given = taken.filter(sealed => sealed !== undefined)
    expect(given.map(sealed => Buffer.from(sealed).toString())).to.deep.equal(['sealed'])
    device.say({ do: 'post', place, sealed: toBase64url(Buffer.from('again')) })
    await device.hears('posted')
    expect(Buffer.from((await other.relay.takeInvitation(place)) ?? '').toString()).to.equal('again')
  })

  it('take what is no message of a relay for nothing', async () => {
    const { other, device, client } = await startTwo()
    for (const bytes of [[], [0], [9, 1, 2, 3, 4, 5], [1], [1, 0, 0, 0, 9, 1], [0, 123, 125]])
      for (const topic of ['all', other.bus.id]) hubBus().publish(topic, Uint8Array.from(bytes))
    await isThrough(client, device, 'still')
  })

  function hubBus(): Bus {
    const bus = createBus({ name: 'remote', hub })
    onCleanUp(() => bus.close())
    return bus
  }
})
