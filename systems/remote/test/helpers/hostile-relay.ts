import { RemoteClient } from '../../lib/client/remote-client'
import { DeviceHub } from '../../lib/device/device-hub'
import { toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { KeyRing } from '../../lib/keys/key-ring'
import type { Link } from '../../lib/link/link'
import { Relay } from '../../lib/relay/relay'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { nodeSuite } from '../../lib/sealing/node-suite'
import { RelayConnection } from '../../lib/server/relay-connection'
import { decodeFrame, type Frame, FrameKind } from '../../lib/wire/frame'
import { type MemoryLink, memoryLinkPair } from './memory-link'

const suite = nodeSuite()

/** Of a frame: to the device, or to which of the clients. */
export type Towards = 'device' | number

/** What a hostile relay does with a frame. @returns what goes on, or undefined: nothing. It may send more by itself */
export type Attack = (
  bytes: Uint8Array,
  towards: Towards,
  relay: HostileRelay,
  frame: Frame
) => Uint8Array | undefined

/** A relay, and somebody who sits on all of its connections and has all that passes: nobody could be nearer. */
export class HostileRelay {
  readonly relay: Relay
  readonly device: DeviceHub
  readonly clients: RemoteClient[] = []
  /** What the clients' error handlers were told. */
  readonly complaints: unknown[] = []
  /** Handshakes that clients began. */
  starts = 0
  /** Frames that an attack changed, held or left out, and those that it sent. */
  touched = 0
  /** Connections that an attack cut. */
  cuts = 0
  attack: Attack | undefined
  readonly key = toBase64url(randomBytes(32))
  readonly #ring: KeyRing
  readonly #connection: RelayConnection
  readonly #taps = new Map<Towards, Tap>()

  private constructor(relay: Relay, ring: KeyRing, handler: (payload: unknown) => unknown) {
    this.relay = relay
    this.#ring = ring
    this.device = new DeviceHub({ suite, ring, handler: ({ payload }) => handler(payload), concurrent: true })
    this.#connection = new RelayConnection({
      url: 'wss://relay',
      dial: () => Promise.resolve(this.#dial('device')),
      suite,
      device: this.device,
      keys: ring,
      random: soon
    })
  }

  static async start(clients: number, handler: (payload: unknown) => unknown): Promise<HostileRelay> {
    const relay = new Relay({ openDevices: true, limits: { joinGrace: 500 } })
    const ring = await KeyRing.open({ suite })
    const hostile = new HostileRelay(relay, ring, handler)
    await ring.setShared(hostile.key)
    await hostile.#connection.registered
    for (let index = 0; index < clients; index++) await hostile.#connect(index)
    return hostile
  }

  /** Sends a frame of its own making, or an old one. */
  inject(bytes: Uint8Array, towards: Towards): void {
    this.touched++
    setImmediate(() => this.#taps.get(towards)?.onFrame?.(bytes))
  }

  /** Cuts the connection of a client, which dials again. */
  cut(client: number): void {
    this.cuts++
    this.#taps.get(client)?.cut()
  }

  async stop(): Promise<void> {
    this.attack = undefined
    for (const client of this.clients) client.close()
    this.#connection.close()
    await this.device.close()
    this.relay.close()
    await this.#ring.close()
  }

  async #connect(index: number): Promise<void> {
    const client = new RemoteClient({
      suite,
      scrypt: nodeScrypt,
      dial: () => Promise.resolve(this.#dial(index)),
      timeoutLength: 500,
      random: soon
    })
    client.setErrorHandler(error => this.complaints.push(error))
    this.clients.push(client)
    await client.connect(`wss://relay?device=${this.device.deviceId}`, this.key)
    // The first handshake is over.
    await client.send('begin', `begin ${index}`)
  }

  #dial(whose: Towards): Link {
    const [near, far] = memoryLinkPair()
    this.relay.accept(far, {})
    const tap = new Tap(near, bytes => this.#passes(bytes, whose))
    this.#taps.set(whose, tap)
    return tap
  }

  #passes(bytes: Uint8Array, towards: Towards): Uint8Array | undefined {
    const frame = decodeFrame(bytes)
    if (frame?.kind === FrameKind.start) this.starts++
    if (this.attack === undefined || frame === undefined) return bytes
    const passes = this.attack(bytes, towards, this, frame)
    if (passes !== bytes) this.touched++
    return passes
  }
}

/** Waits between dials are short. */
function soon(): number {
  return 0.05
}

/** A link whose arriving frames go through somebody's hands. */
class Tap implements Link {
  onFrame: Link['onFrame']
  readonly #link: MemoryLink

  constructor(link: MemoryLink, passes: (bytes: Uint8Array) => Uint8Array | undefined) {
    this.#link = link
    link.onFrame = bytes => {
      const passed = passes(bytes)
      if (passed !== undefined) this.onFrame?.(passed)
    }
  }

  get onClose(): Link['onClose'] {
    return this.#link.onClose
  }

  set onClose(onClose: Link['onClose']) {
    this.#link.onClose = onClose
  }

  get onDrain(): Link['onDrain'] {
    return this.#link.onDrain
  }

  set onDrain(onDrain: Link['onDrain']) {
    this.#link.onDrain = onDrain
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes
  }

  send(frame: Uint8Array): boolean {
    return this.#link.send(frame)
  }

  close(why?: string): void {
    this.#link.close(why)
  }

  cut(): void {
    this.#link.cut()
  }
}
