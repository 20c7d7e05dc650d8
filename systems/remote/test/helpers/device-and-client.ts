import { EventEmitter } from 'node:events'
import { OnceCarrier } from '../../lib/client/once-carrier'
import type { ClientOptions, ClientParts } from '../../lib/client/options'
import { RemoteClient } from '../../lib/client/remote-client'
import type { DeviceClient } from '../../lib/device/device-client'
import { DeviceHub } from '../../lib/device/device-hub'
import type { DeviceHubOptions, HubKeys } from '../../lib/device/device-hub-options'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes, randomId } from '../../lib/encoding/random-id'
import type { RemoteError } from '../../lib/errors/remote-error'
import type { Link } from '../../lib/link/link'
import { deviceIdOf } from '../../lib/sealing/keys'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { nodeSuite } from '../../lib/sealing/node-suite'
import type { KeyMode, SealingKey } from '../../lib/sealing/session'
import { type ControlMessage, encodeControl } from '../../lib/wire/control'
import { type MemoryLink, type MemoryLinkOptions, memoryLinkPair } from './memory-link'

export const suite = nodeSuite()

/** A few keys in memory. */
export class TestKeys extends EventEmitter implements HubKeys {
  readonly keys = new Map<string, SealingKey>()
  readonly denials = new Map<string, string>()

  constructor(
    readonly deviceKeys: HubKeys['deviceKeys'],
    readonly publicKey: Uint8Array,
    readonly deviceId: string
  ) {
    super()
  }

  static async create(...keys: SealingKey[]): Promise<TestKeys> {
    const pair = await suite.GenerateKeyPair(true)
    const publicKey = await suite.SerializePublicKey(pair.publicKey)
    const ring = new TestKeys(pair, publicKey, await deviceIdOf(publicKey))
    for (const key of keys) ring.keys.set(key.id, key)
    return ring
  }

  find(id: string, mode: KeyMode): SealingKey | undefined {
    const key = this.keys.get(id)
    return key?.mode === mode ? key : undefined
  }

  mayUse(keyId: string, event?: string): true | string {
    return this.denials.get(event ?? '') ?? (this.keys.has(keyId) ? true : 'unknown-key')
  }

  nameOf(keyId: string): string | undefined {
    return this.keys.get(keyId)?.mode === 'paired' ? `phone ${keyId}` : undefined
  }

  touched(): void {}

  revoke(keyId: string): void {
    this.keys.delete(keyId)
    this.emit('revoked', keyId)
  }

  replace(keyId: string, ...by: SealingKey[]): void {
    this.keys.delete(keyId)
    for (const key of by) this.keys.set(key.id, key)
    this.emit('replaced', keyId)
  }
}

let keys = 0

export function newKey(mode: KeyMode = 'shared'): SealingKey {
  return { id: `key${++keys}`, mode, psk: mode === 'plain' ? new Uint8Array() : randomBytes(32) }
}

/** The listener of a device, in memory: what a host does between its links and its hub. */
export class MemoryHost {
  readonly links: MemoryLink[] = []
  /** Why the next dials fail. */
  refusal: Error | undefined
  isOnline = true
  onDial: (() => void) | undefined

  constructor(
    public hub: DeviceHub,
    readonly publicKey: Uint8Array,
    readonly linkOptions: MemoryLinkOptions = {}
  ) {}

  readonly dial = (): Promise<Link> => {
    this.onDial?.()
    if (this.refusal !== undefined) return Promise.reject(this.refusal)
    const [near, far] = memoryLinkPair(this.linkOptions)
    this.links.push(near)
    this.#serve(far)
    return Promise.resolve(near)
  }

  /** The client's end of the link that was opened last. */
  get link(): MemoryLink {
    return this.links.at(-1) as MemoryLink
  }

  /** As when a device comes back to its relay, by another process or none of the clients' sessions: their links stay. */
  moveTo(hub: DeviceHub): void {
    this.hub = hub
    for (const attach of this.#attached) attach()
  }

  /** What a relay says to its clients. */
  tellAll(message: ControlMessage): void {
    for (const link of this.#far) link.send(encodeControl(message))
  }

  readonly #far = new Set<MemoryLink>()
  readonly #attached = new Set<() => void>()

  #serve(link: MemoryLink): void {
    const clientId = randomId()
    let client: DeviceClient | undefined
    const attach = () => {
      client?.detached()
      client = this.hub.attach({
        clientId,
        send: bytes => link.send(bytes),
        close: why => {
          link.send(encodeControl({ do: 'bye', why, retry: true }))
          link.close(why)
        }
      })
    }
    this.#far.add(link)
    link.onFrame = frame => {
      if (client !== undefined) return client.receive(frame)
      attach()
      this.#attached.add(attach)
      const { deviceId: device } = this.hub
      const publicKey = toBase64url(this.publicKey)
      link.send(encodeControl({ do: 'welcome', client: clientId, device, publicKey, online: this.isOnline }))
    }
    link.onDrain = () => client?.drained()
    link.onClose = () => {
      this.#far.delete(link)
      this.#attached.delete(attach)
      client?.detached()
    }
  }
}

/** The error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<RemoteError> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error as RemoteError
  }
  throw new Error(`it did not fail, but gave ${JSON.stringify(value)}`)
}

export interface Scene {
  readonly key: SealingKey
  readonly keys: TestKeys
  readonly hub: DeviceHub
  readonly host: MemoryHost
  /** Another process of the same device takes over: it knows the keys, and nothing else. */
  restartDevice(options: Partial<DeviceHubOptions>): void
  readonly client: RemoteClient
  /** Another client of the same device; to be connected. */
  another(options?: Partial<ClientParts & ClientOptions>): RemoteClient
  close(): Promise<void>
}

/** A device, and a client that is connected to it over memory. */
export async function makeScene(
  device: Partial<DeviceHubOptions> = {},
  client: Partial<ClientParts & ClientOptions> = {},
  linkOptions?: MemoryLinkOptions
): Promise<Scene> {
  const key = newKey()
  const ring = await TestKeys.create(key)
  const hub = new DeviceHub({ suite, ring, ...device })
  const host = new MemoryHost(hub, ring.publicKey, linkOptions)
  const clients: RemoteClient[] = []
  const another = (options: Partial<ClientParts & ClientOptions> = {}) => {
    const made = new RemoteClient(
      { suite, scrypt: nodeScrypt, dial: host.dial, ...client, ...options },
      OnceCarrier
    )
    clients.push(made)
    return made
  }
  const first = another()
  await first.connect('ws://device', key)
  return {
    key,
    keys: ring,
    hub,
    host,
    client: first,
    another,
    restartDevice(options) {
      host.hub = new DeviceHub({ suite, ring, ...options })
    },
    async close() {
      await host.hub.close()
      for (const each of clients) each.close()
      await hub.close()
    }
  }
}
