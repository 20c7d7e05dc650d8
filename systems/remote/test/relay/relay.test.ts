import { createVerifier, signToken, tokenClaims } from '@token-server/identity'
import { closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { Relay, type RelayOptions } from '../../lib/relay/relay'
import { FrameKind } from '../../lib/wire/frame'
import { onceRequest } from '../helpers/once-request'
import { bodyOf, TestClient, TestDeviceLink } from '../helpers/relay-people'
import { testDevice } from '../helpers/sealed-pair'

const SECRET = 'a secret of at least 32 bytes, for tests only'
const tag = randomBytes(16)
const withTag = { tag: toBase64url(tag) }

function tokenOf(subject: Parameters<typeof tokenClaims>[0]): Promise<string> {
  return signToken(tokenClaims(subject), { secret: SECRET })
}

/** In place of what is sealed. */
const ASKED = Buffer.from('a sealed request')

describe('A relay', () => {
  closesWhatItOpened()

  function start(options: RelayOptions = {}): Relay {
    const verifier = createVerifier({ issuers: { secret: SECRET } })
    const relay = new Relay({ verifier, ...options, limits: { joinGrace: 300, ...options.limits } })
    onCleanUp(() => {
      relay.close()
      verifier.close()
    })
    return relay
  }

  /** A device that everybody with the tag may reach, and a client of it. */
  async function pair(relay: Relay) {
    const device = await (await TestDeviceLink.of(relay)).register({ tags: [tag] })
    const client = TestClient.of(relay)
    await client.join(device.id, withTag)
    return { device, client }
  }

  describe('and a device', () => {
    it('registers it by a proof of its key, and gives it the id that follows from that key', async () => {
      const relay = start({ openDevices: true })
      const device = await (await TestDeviceLink.of(relay)).register()
      expect(relay.list().devices).to.have.length(1)
      expect(relay.list().devices[0]).to.include({ device: device.id, online: true, clients: 0 })
    })

    it('refuses it without a token where one is wanted, and with one that is forged', async () => {
      const relay = start()
      for (const jwt of [undefined, 'a.b.c', `${await tokenOf({ userId: '7' })}x`]) {
        const device = await TestDeviceLink.of(relay)
        device.say({ do: 'register', publicKey: toBase64url(device.device.publicKey), ...(jwt && { jwt }) })
        expect(await device.hears('bye')).to.deep.equal({ do: 'bye', why: 'unauthenticated', retry: false })
        await device.until('it is closed', () => device.isClosed)
      }
      expect(relay.counters.refusedDevices).to.equal(3)
      await (await TestDeviceLink.of(relay)).register({ jwt: await tokenOf({ userId: '7' }) })
    })

    it('refuses one that says the public key of another', async () => {
      const relay = start({ openDevices: true })
      const other = await testDevice()
      const device = await TestDeviceLink.of(relay)
      device.say({ do: 'register', publicKey: toBase64url(other.publicKey) })
      await device.hears('challenge')
      device.say({ do: 'proof', nonce: toBase64url(randomBytes(32)) })
      expect((await device.hears('bye')).why).to.equal('unauthenticated')
      expect(relay.list().devices).to.deep.equal([])
    })

    it('closes its older connection when it registers anew, and its clients begin again with the new one', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      await device.hears('opened')
      const newer = await (await TestDeviceLink.of(relay, { device: device.device })).register()
      expect(await device.hears('bye')).to.deep.equal({ do: 'bye', why: 'replaced', retry: false })
      await client.hears('offline')
      await client.hears('online')
      expect((await newer.hears('opened')).client).to.equal(client.client)
      client.send('to the newer')
      expect(bodyOf(await newer.receives())).to.equal('to the newer')
      expect(relay.counters.takenOver).to.equal(1)
    })

    it('closes it when its token ends, and when a fresh one came in time it stays', async () => {
      const clock = new FakeClock({ date: Date.now() })
      const verifier = createVerifier({ issuers: { secret: SECRET }, clock })
      onCleanUp(() => verifier.close())
      const relay = start({ verifier })
      const shortToken = () =>
        signToken({ user_id: '7', exp: Math.floor(clock.date() / 1000) + 60 }, { secret: SECRET })
      const [one, other] = [await TestDeviceLink.of(relay), await TestDeviceLink.of(relay)]
      await one.register({ jwt: await shortToken() })
      await other.register({ jwt: await shortToken() })
      other.say({ do: 'renew', jwt: await tokenOf({ userId: '8' }) })
      expect((await other.hears('renewed')).ok).to.equal(false)
      other.say({ do: 'renew', jwt: await tokenOf({ userId: '7' }) })
      expect((await other.hears('renewed')).ok).to.equal(true)
      expect([one.isClosed, other.isClosed]).to.deep.equal([false, false])
      clock.advance(60_000)
      expect(await one.hears('bye')).to.deep.equal({ do: 'bye', why: 'unauthenticated', retry: true })
      other.say({ do: 'renew', jwt: await tokenOf({ userId: '7' }) })
      expect((await other.hears('renewed')).ok).to.equal(true)
      expect([one.isClosed, other.isClosed]).to.deep.equal([true, false])
    })
  })

  describe('and a client', () => {
    it('brings its frames to the device and the answers back, as they are', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      expect(await device.hears('opened')).to.deep.equal({
        do: 'opened',
        client: client.client,
        by: { tag: true }
      })
      client.send('ask')
      const asked = await device.receives()
      expect([asked.client, bodyOf(asked)]).to.deep.equal([client.client, 'ask'])
      device.send(client.client, 'answer')
      expect(bodyOf(await client.receives())).to.equal('answer')
      client.link.close()
      expect((await device.hears('closed')).client).to.equal(client.client)
    })

    it('lets in the owner by a token, those of the same organization, and nobody else', async () => {
      const relay = start()
      const own = await tokenOf({ userUUID: 'ann', entityUUID: 'acme', level: 1 })
      const device = await (await TestDeviceLink.of(relay)).register({ jwt: own })
      for (const jwt of [own, await tokenOf({ userUUID: 'bob', entityUUID: 'acme', level: 1 })])
        await TestClient.of(relay).join(device.id, { jwt })
      const opened = await device.hears('opened')
      expect(opened.by).to.deep.equal({ jwt: { id: 'ann' } })
      const stranger = TestClient.of(relay)
      stranger.say({
        do: 'join',
        device: device.id,
        jwt: await tokenOf({ userUUID: 'eve', entityUUID: 'other' })
      })
      expect(await stranger.hears('bye')).to.deep.equal({ do: 'bye', why: 'unknown-device', retry: true })
    })

    it('waits for a device that comes a moment later', async () => {
      const relay = start({ openDevices: true, limits: { joinGrace: 5_000 } })
      const device = await TestDeviceLink.of(relay)
      const joined = TestClient.of(relay).join(device.id, withTag)
      await device.register({ tags: [tag] })
      expect((await joined).online).to.equal(true)
    })

    it('is told that its device went, and that it came back', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      device.link.close()
      await client.hears('offline')
      const late = TestClient.of(relay)
      expect((await late.join(device.id, withTag)).online).to.equal(false)
      client.send('nobody is there')
      await (await TestDeviceLink.of(relay, { device: device.device })).register()
      await client.hears('online')
      await late.hears('online')
      expect(relay.counters.lateFrames).to.equal(1)
    })

    it('is closed when the device says so, and when an administrator does', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      device.say({ do: 'closed', client: client.client, why: 'revoked' })
      expect(await client.hears('bye')).to.deep.equal({ do: 'bye', why: 'revoked', retry: false })
      const other = TestClient.of(relay)
      await other.join(device.id, withTag)
      expect(relay.list().clients.map(({ client: id }) => id)).to.deep.equal([other.client])
      expect(relay.kick(other.client)).to.equal(true)
      expect(await other.hears('bye')).to.deep.equal({ do: 'bye', why: 'kicked', retry: false })
      expect((await device.hears('closed')).client).to.equal(other.client)
      expect(relay.kick(other.client)).to.equal(false)
      expect(relay.list().clients).to.deep.equal([])
    })

    it('is closed when its token is revoked', async () => {
      const verifier = createVerifier({ issuers: { secret: SECRET } })
      const relay = start({ verifier })
      const jwt = await tokenOf({ userId: '7' })
      const device = await (await TestDeviceLink.of(relay)).register({ jwt: await tokenOf({ userId: '7' }) })
      const client = TestClient.of(relay)
      await client.join(device.id, { jwt })
      const { tokenId } = await verifier.verify(jwt)
      verifier.revocations.revoke({ tokenId: tokenId as string })
      expect(await client.hears('bye')).to.deep.equal({ do: 'bye', why: 'unauthenticated', retry: true })
      expect(device.isClosed).to.equal(false)
    })

    it('reaches nobody by a header that is not its own', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      const other = await pair(relay)
      for (const header of [
        { client: other.client.client },
        { device: other.device.id },
        { device: other.device.id, client: other.client.client },
        { kind: FrameKind.accept },
        { kind: FrameKind.onceRequest },
        { kind: FrameKind.carried },
        { client: '' }
      ])
        client.send('not mine', header)
      device.send(other.client.client, 'not mine')
      device.send(other.client.client, 'not mine', { device: other.device.id })
      device.send(client.client, 'not mine', { kind: FrameKind.start })
      client.send('mine')
      expect(bodyOf(await device.receives())).to.equal('mine')
      device.send(client.client, 'answer')
      expect(bodyOf(await client.receives())).to.equal('answer')
      expect([device, client, other.device, other.client].flatMap(({ frames }) => frames)).to.deep.equal([])
      expect(relay.counters.foreignFrames).to.equal(9)
      expect(relay.counters.lateFrames).to.equal(1)
    })
  })

  describe('and a request without a connection', () => {
    const answering = async (device: TestDeviceLink) => {
      const carried = await device.receives()
      expect(carried.kind).to.equal(FrameKind.carried)
      device.send(carried.client, 'answer', { kind: FrameKind.carried })
      return carried
    }

    it('brings it to the device and the answer back', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      await device.hears('opened')
      const frame = onceRequest(device.id, ASKED)
      const [result, carried] = await Promise.all([
        relay.once(device.id, async () => frame, withTag),
        answering(device)
      ])
      expect(Buffer.from(carried.body).equals(frame)).to.equal(true)
      expect('answer' in result && Buffer.from(result.answer).toString()).to.equal('answer')
      expect(device.said).to.deep.equal([])
      expect(client.frames).to.deep.equal([])
    })

    it('refuses it as a client is refused, and says when the device is away', async () => {
      const relay = start({ openDevices: true })
      const { device, client } = await pair(relay)
      const frame = onceRequest(device.id, ASKED)
      const unknown = (await testDevice()).id
      expect(await relay.once(device.id, async () => frame)).to.deep.equal({ failed: 'unknown-device' })
      expect(await relay.once(unknown, async () => onceRequest(unknown, ASKED), withTag)).to.deep.equal({
        failed: 'unknown-device'
      })
      expect(await relay.once(device.id, async () => onceRequest(unknown, ASKED), withTag)).to.deep.equal({
        failed: 'malformed'
      })
      expect(await relay.notice(device.id)).to.equal(undefined)
      expect(await relay.notice(device.id, withTag)).to.include({ online: true })
      device.link.close()
      await client.hears('offline')
      expect(await relay.once(device.id, async () => frame, withTag)).to.deep.equal({ failed: 'offline' })
      expect(await relay.notice(device.id, withTag)).to.include({ online: false })
    })

    it('gives up in time, and takes no more than the device may have waiting', async () => {
      const relay = start({ openDevices: true, limits: { onceTimeout: 100, maxOncePerDevice: 2 } })
      const { device } = await pair(relay)
      const ask = () => relay.once(device.id, async () => onceRequest(device.id, ASKED), withTag)
      const results = await Promise.all([ask(), ask(), ask()])
      expect(results.map(result => 'failed' in result && result.failed)).to.deep.equal([
        'timeout',
        'timeout',
        'too-many'
      ])
      const last = device.frames.length
      expect(last).to.equal(2)
    })
  })
})
