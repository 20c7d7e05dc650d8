import { RemoteClient } from '../../lib/client/remote-client'
import { DeviceHub } from '../../lib/device/device-hub'
import { type Approve, DevicePairing } from '../../lib/device/pairing'
import type { KeyRing } from '../../lib/keys/key-ring'
import type { InvitationOptions, KeyRingOptions } from '../../lib/keys/key-ring-options'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import type { Clock } from '../../lib/time/clock'
import { MemoryHost } from './device-and-client'
import { ADDRESS, openRing, suite } from './key-rings'
import type { MemoryLinkOptions } from './memory-link'

export interface PairingSceneOptions extends MemoryLinkOptions {
  readonly approve?: Approve
  readonly ring?: Partial<KeyRingOptions>
}

/** A device with a key ring, to which phones come over memory. */
export class PairingScene {
  readonly phones: RemoteClient[] = []

  private constructor(
    readonly ring: KeyRing,
    readonly clock: Awaited<ReturnType<typeof openRing>>['clock'],
    readonly hub: DeviceHub,
    readonly pairing: DevicePairing,
    readonly host: MemoryHost
  ) {}

  static async open({
    approve,
    ring: ringOptions,
    ...links
  }: PairingSceneOptions = {}): Promise<PairingScene> {
    const { ring, clock } = await openRing(ringOptions)
    const hub = new DeviceHub({
      suite,
      ring,
      handler: ({ event }) => `${event} is done`
    })
    const pairing = new DevicePairing({ suite, ring, ...(approve && { approve }) })
    pairing.serve(hub)
    return new PairingScene(ring, clock, hub, pairing, new MemoryHost(hub, ring.publicKey, links))
  }

  phone(options: { timeoutLength?: number; random?: () => number; clock?: Clock } = {}): RemoteClient {
    const phone = new RemoteClient({
      suite,
      scrypt: nodeScrypt,
      dial: this.host.dial,
      random: () => 0,
      ...options
    })
    this.phones.push(phone)
    return phone
  }

  async invite(options: Partial<InvitationOptions> = {}): Promise<string> {
    return (await this.ring.invite({ address: ADDRESS, asks: false, ...options })).url
  }

  /** A phone that is paired, with its own key. */
  async paired(name: string, options: Partial<InvitationOptions> = {}) {
    const phone = this.phone()
    const key = await phone.pair(await this.invite(options), name)
    return { phone, key }
  }

  async close(): Promise<void> {
    for (const phone of this.phones) phone.close()
    this.pairing.close()
    await this.hub.close()
    await this.ring.close()
  }
}

/** @returns what a failed promise says: code, reason */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    const { code, reason, message } = error as { code?: string; reason?: string; message: string }
    return code === undefined ? message : [code, reason].filter(word => word !== undefined).join(' ')
  }
  throw new Error('it was done')
}
