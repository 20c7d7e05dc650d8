import { isLong } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Pairing } from '../../lib/client/pairing'
import { RemoteClient } from '../../lib/client/remote-client'
import { DeviceHub } from '../../lib/device/device-hub'
import { DevicePairing } from '../../lib/device/pairing'
import { randomBytes } from '../../lib/encoding/random-id'
import { KeyRing } from '../../lib/keys/key-ring'
import { MemoryStore } from '../../lib/keys/key-store'
import type { Phone } from '../../lib/keys/phone'
import type { Link } from '../../lib/link/link'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { decodeFrame, encodeFrame, FrameKind } from '../../lib/wire/frame'
import { formatInvitation } from '../../lib/wire/invitation'
import { MemoryHost } from '../helpers/device-and-client'
import { ADDRESS, suite } from '../helpers/key-rings'
import { refusalOf } from '../helpers/pairing-scene'

const TRIES = isLong ? 1000 : 20
/** At once: each waits for a timeout. */
const LANES = 20

/** A device that somebody wants to pair a phone with. */
class Device {
  private constructor(
    readonly store: MemoryStore,
    readonly ring: KeyRing,
    readonly hub: DeviceHub,
    readonly pairing: DevicePairing
  ) {}

  static async open(store = new MemoryStore()): Promise<Device> {
    const ring = await KeyRing.open({ suite, store })
    const hub = new DeviceHub({ suite, ring, handler: () => 'done' })
    const pairing = new DevicePairing({ suite, ring })
    pairing.serve(hub)
    return new Device(store, ring, hub, pairing)
  }

  /** Knows all that this device knows, the secrets of its invitations too, and has another static key. */
  async clone(): Promise<Device> {
    const keys = await suite.GenerateKeyPair(true)
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
    const device = {
      privateKey: text(await suite.SerializePrivateKey(keys.privateKey)),
      publicKey: text(await suite.SerializePublicKey(keys.publicKey))
    }
    const state = await this.store.load()
    const store = new MemoryStore()
    await store.update(() => ({ ...(state as NonNullable<typeof state>), device }))
    return await Device.open(store)
  }

  /** Its hub, which says that it is another device. */
  as({ deviceId }: KeyRing): DeviceHub {
    const { ring } = this
    const { deviceKeys } = ring
    const keys = {
      deviceKeys,
      deviceId,
      find: ring.find.bind(ring),
      mayUse: () => true as const,
      nameOf: () => undefined,
      touched: () => undefined,
      on: () => undefined,
      off: () => undefined
    }
    const hub = new DeviceHub({ suite, ring: keys, handler: () => 'done' })
    this.pairing.serve(hub)
    return hub
  }

  async invite(): Promise<string> {
    return (await this.ring.invite({ address: ADDRESS, asks: true })).url
  }

  get waiting(): readonly Phone[] {
    return this.ring.phones()
  }

  async close(): Promise<void> {
    this.pairing.close()
    await this.hub.close()
    await this.ring.close()
  }
}

/** @param timeoutLength short where nothing but the timeout can come */
function phoneBy(dial: () => Promise<Link>, timeoutLength = 500): RemoteClient {
  return new RemoteClient({ suite, scrypt: nodeScrypt, dial, timeoutLength })
}

describe('R3: a relay that puts a key of its own in the place of the device’s', function () {
  this.timeout(600_000)

  it('is let alone when it lies about nothing: what follows could fail', async () => {
    const device = await Device.open()
    const phone = phoneBy(new MemoryHost(device.hub, device.ring.publicKey).dial, 30_000)
    let words = ''
    const pairing = phone.pair(await device.invite(), 'Ann', {
      onWords: said => {
        words = said
      }
    })
    while (device.waiting.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
    await device.ring.approve(device.waiting[0]?.id ?? '')
    expect((await pairing).name).to.equal('Ann')
    expect(words.split(' ').length).to.equal(4)
    phone.close()
    await device.close()
  })

  /** What the phone dials: the relay, which knows the secret of the QR code, and lies. */
  const lies: Readonly<
    Record<string, (real: Device) => Promise<{ dial: () => Promise<Link>; evil?: Device }>>
  > = {
    'in the hello of the device': async real => {
      const keys = await suite.GenerateKeyPair()
      const publicKey = await suite.SerializePublicKey(keys.publicKey)
      const pass = (bytes: Uint8Array) => {
        const frame = decodeFrame(bytes)
        return frame?.kind === FrameKind.hello ? encodeFrame(frame, publicKey) : bytes
      }
      return { dial: new MemoryHost(real.hub, real.ring.publicKey, { pass }).dial }
    },
    'as the static key, under the id of the device': async real => {
      const evil = await real.clone()
      return { evil, dial: new MemoryHost(evil.as(real.ring), evil.ring.publicKey).dial }
    },
    'in what it answers, and says the static key of the device': async real => {
      const evil = await real.clone()
      return { evil, dial: new MemoryHost(evil.as(real.ring), real.ring.publicKey).dial }
    },
    'with an id of its own': async real => {
      const evil = await real.clone()
      return { evil, dial: new MemoryHost(evil.hub, evil.ring.publicKey).dial }
    }
  }

  for (const [what, lie] of Object.entries(lies))
    it(`${what} pairs with none of ${TRIES} phones, although it has read the QR code`, async () => {
      const ends = new Map<string, number>()
      await inLanes(async () => {
        const real = await Device.open()
        const url = await real.invite()
        const { dial, evil } = await lie(real)
        const phone = phoneBy(dial)
        const end = await refusalOf(phone.pair(url, 'Ann'))
        ends.set(end, (ends.get(end) ?? 0) + 1)
        phone.close()
        expect([...real.waiting, ...(evil?.waiting ?? [])]).to.deep.equal([])
        await evil?.close()
        await real.close()
      })
      console.log(`        ${[...ends].map(([end, count]) => `${count} ${end}`).join(', ')}`)
    })

  it(`in the QR code itself never has the same words on both ends, in ${TRIES} tries`, async () => {
    let alike = 0
    await inLanes(async () => {
      const real = await Device.open()
      const url = await real.invite()
      const evil = await real.clone()
      const { secret } = (await Pairing.of(url)).invitation
      // What Ann scans: the relay's code over the device's.
      const forged = formatInvitation({
        address: ADDRESS,
        device: evil.ring.deviceId,
        publicKey: new Uint8Array(evil.ring.publicKey),
        secret,
        mode: 'paired'
      })
      const victim = phoneBy(new MemoryHost(evil.hub, evil.ring.publicKey).dial, 30_000)
      const intruder = phoneBy(new MemoryHost(real.hub, real.ring.publicKey).dial, 30_000)
      const words = await Promise.all([wordsOf(victim, forged), wordsOf(intruder, url)])
      // Each end has paired with the relay, and the owner is asked with these words.
      expect([evil.waiting[0]?.words, real.waiting[0]?.words]).to.deep.equal(words)
      if (words[0] === words[1]) alike++
      for (const phone of [victim, intruder]) phone.close()
      await evil.close()
      await real.close()
    }, 4)
    expect(alike).to.equal(0)
  })

  it(`without the secret pairs with none of ${TRIES} devices`, async () => {
    await inLanes(async () => {
      const real = await Device.open()
      const { invitation } = await Pairing.of(await real.invite())
      const guess = formatInvitation({ ...invitation, secret: randomBytes(32) })
      const intruder = phoneBy(new MemoryHost(real.hub, real.ring.publicKey).dial)
      expect(await refusalOf(intruder.pair(guess, 'Eve'))).to.match(/^(bad-key|timeout)$/)
      expect(real.waiting).to.deep.equal([])
      intruder.close()
      await real.close()
    })
  })
})

/** What the phone shows, while it waits for the owner. */
function wordsOf(phone: RemoteClient, url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    phone.pair(url, 'Ann', { onWords: resolve }).catch(reject)
  })
}

async function inLanes(once: () => Promise<void>, lanes = LANES): Promise<void> {
  let left = TRIES
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (left-- > 0) await once()
    })
  )
}
