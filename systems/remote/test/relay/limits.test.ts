import { createVerifier, signToken, tokenClaims } from '@token-server/identity'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { Relay } from '../../lib/relay/relay'
import type { RelayCounters } from '../../lib/relay/relay-counters'
import { completeLimits, type RelayLimits } from '../../lib/relay/relay-limits'
import { FrameKind } from '../../lib/wire/frame'
import { memoryLinkPair } from '../helpers/memory-link'
import { onceRequest } from '../helpers/once-request'
import { bodyOf, TestClient, TestDeviceLink } from '../helpers/relay-people'

const SECRET = 'a secret of at least 32 bytes, for tests only'
const tag = randomBytes(16)
const withTag = { tag: toBase64url(tag) }

describe('The limits of a relay', () => {
  closesWhatItOpened()

  function start(limits: Partial<RelayLimits>): Relay {
    const verifier = createVerifier({ issuers: { secret: SECRET } })
    const relay = new Relay({ verifier, openDevices: true, limits: { joinGrace: 500, ...limits } })
    onCleanUp(() => {
      relay.close()
      verifier.close()
    })
    return relay
  }

  async function pair(relay: Relay) {
    const device = await (await TestDeviceLink.of(relay)).register({ tags: [tag] })
    const client = TestClient.of(relay)
    await client.join(device.id, withTag)
    return { device, client }
  }

  async function isRefused(
    relay: Relay,
    device: string,
    why: string,
    counter: keyof RelayCounters,
    jwt?: string
  ) {
    const client = TestClient.of(relay)
    client.say({ do: 'join', device, ...withTag, ...(jwt && { jwt }) })
    expect(await client.hears('bye')).to.deep.equal({ do: 'bye', why, retry: true })
    await client.until('it is closed', () => client.isClosed)
    expect(relay.counters[counter]).to.equal(1)
  }

  it('must be whole numbers, and known', () => {
    for (const limits of [{ maxClients: 0 }, { maxClients: 1.5 }, { joinGrace: 2 ** 31 }, { maxPhones: 1 }])
      expect(() => completeLimits(limits), JSON.stringify(limits)).to.throw('Cannot use limits.')
  })

  it('bound the clients of all, of one device and of one subject', async () => {
    const all = start({ maxClients: 1 })
    await isRefused(all, (await pair(all)).device.id, 'too-many', 'refusedTooManyClients')
    const ofDevice = start({ maxClientsPerDevice: 1 })
    const { device, client } = await pair(ofDevice)
    await isRefused(ofDevice, device.id, 'too-many', 'refusedTooManyPerDevice')
    client.link.close()
    await device.hears('closed')
    await TestClient.of(ofDevice).join(device.id, withTag)

    const ofSubject = start({ maxClientsPerIdentity: 1 })
    const jwt = await signToken(tokenClaims({ userId: '7' }), { secret: SECRET })
    const other = await pair(ofSubject)
    const first = TestClient.of(ofSubject)
    await first.join(other.device.id, { jwt })
    await isRefused(ofSubject, other.device.id, 'too-many', 'refusedTooManyPerIdentity', jwt)
    first.link.close()
    await other.device.hears('closed')
    await TestClient.of(ofSubject).join(other.device.id, { jwt })
  })

  it('bound the devices of all and of one subject or address; one that registers anew counts once', async () => {
    for (const limits of [{ maxDevices: 1 }, { maxDevicesPerIdentity: 1 }]) {
      const relay = start(limits)
      const first = await (await TestDeviceLink.of(relay)).register()
      const device = await TestDeviceLink.of(relay)
      await device.prove()
      expect(await device.hears('bye')).to.include({ why: 'too-many', retry: true })
      expect(relay.counters.refusedTooManyDevices).to.equal(1)
      const again = await (await TestDeviceLink.of(relay, { device: first.device })).register()
      again.link.close()
      await until(() => relay.now.devices === 0)
      await (await TestDeviceLink.of(relay)).register()
    }
  })

  it('bound the devices that are remembered, in number and in time', async () => {
    const goes = async (relay: Relay) => {
      const { device, client } = await pair(relay)
      device.link.close()
      await client.hears('offline')
    }
    const few = start({ maxRememberedDevices: 2 })
    for (let index = 0; index < 4; index++) await goes(few)
    expect(few.now.rememberedDevices).to.equal(2)
    const short = start({ rememberTimeout: 100 })
    await goes(short)
    await until(() => short.now.rememberedDevices === 0)
  })

  it('bound the admission tags of a device', async () => {
    const relay = start({ maxTags: 1 })
    const device = await (await TestDeviceLink.of(relay)).register()
    device.admit([tag, tag])
    expect((await device.hears('bye')).why).to.equal('too-many')
    expect(relay.counters.refusedTooManyTags).to.equal(1)
    expect(relay.list().devices[0]).to.include({ online: false })
  })

  it('bound the time to join, and those that wait for a device', async () => {
    const hasty = start({ joinTimeout: 50 })
    const silent = TestClient.of(hasty)
    const device = await TestDeviceLink.of(hasty)
    device.say({ do: 'register', publicKey: toBase64url(device.device.publicKey) })
    for (const person of [silent, device]) expect((await person.hears('bye')).why).to.equal('unauthenticated')
    expect(hasty.counters.lateJoins).to.equal(2)
    const relay = start({ joinGrace: 100, maxWaitingJoins: 2 })
    const begun = performance.now()
    const refused: number[] = []
    const times = await Promise.all(
      [0, 1, 2].map(async index => {
        const client = TestClient.of(relay)
        client.say({ do: 'join', device: 'x' })
        expect((await client.hears('bye')).why).to.equal('unknown-device')
        refused.push(index)
        return performance.now() - begun
      })
    )
    expect(refused).to.deep.equal([0, 1, 2])
    expect(relay.counters.refusedTooManyJoins).to.equal(1)
    for (const time of times.slice(1)) expect(time).to.be.at.least(95)
  })

  it('bound the connections that have not joined: who has sat there longest, of the address with most, makes room', async () => {
    const relay = start({ maxNewcomers: 3 })
    const honest = TestClient.of(relay, '192.0.2.9')
    // Addresses of one network are one.
    const silent = [1, 2, 3, 4].map(index => TestClient.of(relay, `2001:db8:0:1::${index}`))
    for (const person of silent.slice(0, 2))
      expect(await person.hears('bye')).to.deep.equal({ do: 'bye', why: 'too-many', retry: true })
    expect(relay.counters.displacedNewcomers).to.equal(2)
    const device = await (await TestDeviceLink.of(relay)).register({ tags: [tag] })
    await honest.join(device.id, withTag)
    // Whoever has joined or registered counts no more.
    for (const person of silent.slice(2)) expect(person.isClosed).to.equal(person === silent[2])
    await TestClient.of(relay).join(device.id, withTag)
    expect(relay.counters.displacedNewcomers).to.equal(3)
  })

  it('let in who has a good proof although as many wait as may', async () => {
    const relay = start({ maxWaitingJoins: 20, joinGrace: 60_000 })
    const device = await (await TestDeviceLink.of(relay)).register()
    const jwt = await signToken(tokenClaims({ userId: '7' }), { secret: SECRET })
    const waiting = Array.from({ length: 100 }, (_, index) => {
      const client = TestClient.of(relay, `198.51.100.${index % 5}`)
      client.say({ do: 'join', device: 'x' })
      return client
    })
    await until(() => relay.now.waiting === 20)
    for (let round = 0; round < 10; round++)
      await Promise.all([1, 2, 3].map(() => TestClient.of(relay).join(device.id, { jwt })))
    expect(waiting.filter(({ isClosed }) => isClosed)).to.have.length.above(79)
    expect(relay.counters.refusedTooManyJoins).to.equal(relay.counters.refusedJoins)
  })

  it('count the addresses of one IPv6 network as one', async () => {
    const relay = start({ maxOncePerSecond: 1, maxDevicesPerIdentity: 1, joinGrace: 1 })
    const asked = Array.from({ length: 50 }, (_, index) =>
      relay.notice('x', {}, { address: `2001:db8:0:1::${index.toString(16)}` })
    )
    await Promise.all(asked)
    expect(relay.counters.refusedJoins).to.equal(10)
    await (await TestDeviceLink.of(relay, { address: '2001:db8:0:1::1' })).register()
    const second = await TestDeviceLink.of(relay, { address: '2001:db8:0:1::2' })
    await second.prove()
    expect((await second.hears('bye')).why).to.equal('too-many')
  })

  it('bound the bytes of a frame', async () => {
    const relay = start({ maxFrameBytes: 1_000 })
    const { device, client } = await pair(relay)
    client.send('x'.repeat(900))
    expect(bodyOf(await device.receives())).to.have.length(900)
    client.send('x'.repeat(1_000))
    expect(await client.hears('bye')).to.deep.equal({ do: 'bye', why: 'too-large', retry: false })
    await device.hears('closed')
    expect(relay.counters.refusedTooLarge).to.equal(1)
  })

  it('close whoever sends what is no frame, or says nothing that a newcomer may say', async () => {
    const relay = start({})
    for (const send of [
      (person: TestClient) => person.link.send(Buffer.from('GET / HTTP/1.1')),
      (person: TestClient) => person.say({ do: 'online' }),
      (person: TestClient) => person.send('x'),
      (person: TestClient) => person.say({ do: 'register', publicKey: 'AAAA' })
    ]) {
      const client = TestClient.of(relay)
      send(client)
      expect((await client.hears('bye')).why).to.equal('malformed')
      await client.until('it is closed', () => client.isClosed)
    }
    expect(relay.counters.malformed).to.equal(4)
  })

  it('hold a client back that sends too fast, and lose nothing of it', async () => {
    const relay = start({ maxFramesPerSecond: 50 })
    const { device, client } = await pair(relay)
    const begun = performance.now()
    for (let index = 0; index < 130; index++) client.send(String(index))
    for (let index = 0; index < 130; index++) expect(bodyOf(await device.receives())).to.equal(String(index))
    client.send('after 30 too many')
    await device.receives()
    expect(performance.now() - begun, '30 at 50 a second').to.be.at.least(580)
    expect(relay.counters.slowedDown).to.be.at.least(1)
    expect(relay.counters.cutTooFast).to.equal(0)
  })

  it('close a client that sends too fast and can not be held back', async () => {
    const relay = start({ maxFramesPerSecond: 10 })
    const device = await (await TestDeviceLink.of(relay)).register({ tags: [tag] })
    const [own, theirs] = memoryLinkPair()
    Object.assign(theirs, { pause: undefined })
    relay.accept(theirs, {})
    const client = new TestClient(own)
    await client.join(device.id, withTag)
    for (let index = 0; index < 100; index++) client.send(String(index))
    expect(await client.hears('bye')).to.deep.equal({ do: 'bye', why: 'too-fast', retry: true })
    expect(relay.counters.cutTooFast).to.equal(1)
  })

  it('hold back the clients of a device that reads slowly, and no others', async () => {
    const relay = start({})
    const [slow, quick] = [await pair(relay), await pair(relay)]
    slow.device.link.pause?.()
    const body = 'x'.repeat(10_000)
    let sent = 0
    while (relay.counters.heldBack === 0) {
      slow.client.send(body)
      sent++
      await new Promise(setImmediate)
    }
    // What is sent now waits at the client's end.
    for (let index = 0; index < 20; index++) slow.client.send(body)
    await new Promise(setImmediate)
    expect((slow.client.link as { bufferedBytes: number }).bufferedBytes).to.be.at.least(100_000)
    quick.client.send('quick')
    expect(bodyOf(await quick.device.receives())).to.equal('quick')
    slow.device.link.resume?.()
    for (let index = 0; index < sent + 20; index++)
      expect(bodyOf(await slow.device.receives())).to.equal(body)
    expect(relay.counters.cutTooSlow).to.equal(0)
  })

  it('hold back requests without a connection to a device that reads slowly, which stays', async () => {
    const relay = start({ maxDeviceWaitingBytes: 1_000_000, maxOncePerSecond: 1_000, onceTimeout: 5_000 })
    const { device } = await pair(relay)
    const frame = onceRequest(device.id, new Uint8Array(100_000))
    const gone = new AbortController()
    const ask = (signal?: AbortSignal) => relay.once(device.id, async () => frame, withTag, { signal })
    device.link.pause?.()
    const [results, given] = [Array.from({ length: 40 }, () => ask()), ask(gone.signal)]
    await device.hears('opened')
    while (relay.counters.heldBack === 0) await new Promise(setImmediate)
    gone.abort()
    expect(await given).to.deep.equal({ failed: 'timeout' })
    expect(relay.now.waitingBytes).to.be.above(3_000_000)
    device.link.resume?.()
    for (let index = 0; index < results.length; index++) {
      const { client, kind } = await device.receives()
      expect(kind).to.equal(FrameKind.carried)
      device.send(client, 'answer', { kind })
    }
    for (const result of await Promise.all(results)) expect(result).to.have.property('answer')
    expect(relay.counters.cutTooSlow).to.equal(0)
    expect(relay.now.waitingBytes).to.equal(0)
  })

  it('refuse requests without a connection that wait for a slow device when too much waits in all', async () => {
    const relay = start({ maxWaitingBytesInAll: 2_000_000, maxOncePerSecond: 1_000, onceTimeout: 500 })
    const { device } = await pair(relay)
    const frame = onceRequest(device.id, new Uint8Array(500_000))
    device.link.pause?.()
    const results = await Promise.all(
      Array.from({ length: 20 }, () => relay.once(device.id, async () => frame, withTag))
    )
    const words = results.map(result => ('failed' in result ? result.failed : 'answered'))
    expect(words).to.include('offline')
    expect(relay.now.waitingBytes).to.be.below(2_500_000)
    expect(relay.now.devices).to.equal(1)
  })

  it('cut a receiver for whom too much waits, and one that takes nothing for too long', async () => {
    const relay = start({ maxWaitingBytes: 100_000, slowTimeout: 100 })
    const { device, client } = await pair(relay)
    const other = TestClient.of(relay)
    await other.join(device.id, withTag)
    await device.hears('opened')
    await device.hears('opened')
    client.link.pause?.()
    for (let index = 0; index < 20; index++) device.send(client.client, 'x'.repeat(10_000))
    await client.until('it is cut', () => client.isClosed)
    expect((await device.hears('closed')).client).to.equal(client.client)
    other.link.pause?.()
    for (let index = 0; index < 8; index++) device.send(other.client, 'x'.repeat(10_000))
    await other.until('it is cut', () => other.isClosed)
    expect(relay.counters.cutTooSlow).to.equal(2)
    const last = TestClient.of(relay)
    await last.join(device.id, withTag)
    expect(relay.now.waitingBytes).to.equal(0)
  })

  it('cut those for whom most waits when it is too much in all', async () => {
    const relay = start({ maxWaitingBytesInAll: 300_000 })
    const { device, client } = await pair(relay)
    const others = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const other = TestClient.of(relay)
        await other.join(device.id, withTag)
        return other
      })
    )
    for (const person of [client, ...others]) person.link.pause?.()
    for (const other of others) device.send(other.client, 'x'.repeat(10_000))
    for (let index = 0; index < 30; index++) device.send(client.client, 'x'.repeat(10_000))
    await client.until('the one is cut', () => client.isClosed)
    expect(others.map(({ isClosed }) => isClosed)).to.deep.equal([false, false, false, false])
  })
})
