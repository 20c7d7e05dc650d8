import { EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
import { InvitationBoard } from '../codes/invitation-board'
import { DeviceHub, LAST_WORDS } from '../device/device-hub'
import type { DeviceState } from '../device/device-state'
import type { Handler } from '../device/handler'
import { DevicePairing } from '../device/pairing'
import { toBase64url } from '../encoding/base64url'
import { invalid, RemoteError } from '../errors/remote-error'
import { KeyRing } from '../keys/key-ring'
import { checkOptions, milliseconds } from '../options/check-options'
import { networkOf } from '../quotas/network-of'
import { nodeSuite } from '../sealing/node-suite'
import { addressOf } from '../transport/address'
import { LINK_LIMITS } from '../transport/link-limits'
import { dialNode } from '../transport/node-dial'
import { FrameKind } from '../wire/frame'
import { webAddressOf } from '../wire/invitation'
import { type Board, CodePosts } from './code-posts'
import { welcomeClient } from './host-client'
import { HostListener } from './host-listener'
import { pageApp } from './page-app'
import { type RelayChange, RelayConnection } from './relay-connection'
import { relayWarning } from './relay-warning'
import { RequestBodies } from './request-bodies'
import {
  checkServerOptions,
  HOST_CHECKS,
  type HostOptions,
  RELAY_CHECKS,
  type RelayOptions,
  type ServerOptions
} from './server-options'
import { Visitors } from './visitors'
import { webRoutes } from './web-routes'

/** One for every event, or one for each. */
export type Handlers = Handler | Readonly<Record<string, Handler>> | ReadonlyMap<string, Handler>

export interface ServerEvents {
  /** A relay has registered the device, or has lost it; then it is tried again unless `isFinal`. */
  relay: [change: RelayChange]
}

/**
 * A device: what clients ask of it goes to its handler. It listens itself (`host`), or dials out to a relay (`hostMiddleware`), or
 * both, to any number of them.
 */
export class Server extends EventEmitter<ServerEvents> {
  readonly #options: ServerOptions
  readonly #suite = nodeSuite()
  readonly #listeners: HostListener[] = []
  readonly #relays = new Set<RelayConnection>()
  #handlers: Handlers | undefined
  #opening: Promise<KeyRing> | undefined
  #ring: KeyRing | undefined
  #hub: DeviceHub | undefined
  #pairing: DevicePairing | undefined
  #codes: CodePosts | undefined
  readonly #board = new InvitationBoard()
  #closing: Promise<void> | undefined

  /** @throws RemoteError `invalid` */
  constructor(options: ServerOptions = {}) {
    super()
    checkServerOptions(options)
    this.#options = options
  }

  /**
   * Listens: for WebSockets, and with `tls` for `wss:`, `tokens:` and `https:` on the same port.
   *
   * @param handler does what is asked, whichever event it is; the last one that was given counts
   * @param key that all clients have: 32 bytes as base64url, or words; default: the one that was kept, or is made at random
   * @returns where it listens
   * @throws (rejects) RemoteError `invalid`, with the reason `cannot-listen` where the port is taken; `disconnected` after `close()`
   */
  async host(handler: Handlers, key?: string, options: HostOptions = {}): Promise<AddressInfo> {
    checkOptions(options, HOST_CHECKS)
    const { hub, ring } = await this.#open(handler, key)
    const { page = true, ...listening } = options
    const limits = this.#options.limits
    const publicKey = toBase64url(ring.publicKey)
    const serve = page ? pageApp() : undefined
    const visitors = new Visitors(listening)
    const listener = await HostListener.open(
      { ...listening, limits },
      {
        visitors,
        onLink: (link, visitor) => welcomeClient(link, visitor, { device: hub, publicKey }),
        fetch: webRoutes({
          once: async (device, frame, { address }) => {
            if (device !== hub.deviceId) throw unknownDevice()
            const answer = await hub.once(await frame())
            if (answer[1] !== FrameKind.refuse) visitors.hasShownKey(networkOf(address))
            return answer
          },
          notice: device =>
            device === hub.deviceId || device === '' ? { publicKey, online: true } : undefined,
          mayAsk: address => visitors.mayAsk(networkOf(address)),
          invitation: place => this.#board.take(place),
          bodies: new RequestBodies({ maxBytes: limits?.maxFrameBytes ?? LINK_LIMITS.maxFrameBytes }),
          page: serve
        })
      }
    )
    if (this.#closing !== undefined) {
      await listener.close(0)
      throw closed()
    }
    this.#listeners.push(listener)
    return listener.address
  }

  /**
   * Dials out to a relay and serves its clients there. A relay that can't be reached is tried again, for ever; where nobody listens for
   * the event `relay`, a warning of the process says why.
   *
   * @param url `wss://host[:port]` or `tokens://host:port`
   * @param handler, key as for `host`
   * @returns when the relay has registered the device for the first time
   * @throws (rejects) RemoteError `invalid`; `refused` when the relay will not have the device; `disconnected` after `close()`
   */
  async hostMiddleware(
    url: string,
    handler: Handlers,
    key?: string,
    options: RelayOptions = {}
  ): Promise<void> {
    addressOf({ url })
    checkOptions(options, RELAY_CHECKS)
    const { hub, ring } = await this.#open(handler, key)
    if (this.#options.address === undefined) await ring.setAddress(webAddressOf(url))
    const { jwt, ...dialling } = options
    const warn = relayWarning()
    const relay = new RelayConnection({
      url,
      dial: dialNode({ ...dialling, limits: this.#options.limits }),
      suite: this.#suite,
      device: hub,
      keys: ring,
      jwt,
      connectTimeout: options.connectTimeout,
      name: this.#options.name,
      onChange: change => {
        if (change.isFinal) this.#relays.delete(relay)
        if (!this.emit('relay', change)) warn(change)
      }
    })
    this.#relays.add(relay)
    await relay.registered
  }

  /** The shared key from now on. Who is connected is told, and what is under way is answered under the one before. */
  async setEncryptionKey(key: string): Promise<void> {
    this.#checkKey(key)
    const ring = await this.#openRing()
    await ring.setShared(key)
  }

  /** The state document, which clients can ask for and name the revision of. @throws RemoteError `invalid` before `host()` */
  get state(): DeviceState {
    return this.hub.state
  }

  /** @throws RemoteError `invalid` before `host()` and `hostMiddleware()` */
  get hub(): DeviceHub {
    if (this.#hub === undefined) throw invalid('the device', 'host() or hostMiddleware() comes first')
    return this.#hub
  }

  /** The keys: the shared one, invitations, and the phones. @throws RemoteError `invalid`, likewise */
  get keys(): KeyRing {
    if (this.#ring === undefined) throw invalid('the keys', 'host() or hostMiddleware() comes first')
    return this.#ring
  }

  /** Where it listens. */
  get addresses(): readonly AddressInfo[] {
    return this.#listeners.map(({ address }) => address)
  }

  /** The relays that it dials. */
  get relays(): readonly Pick<RelayConnection, 'url' | 'isOnline' | 'clients' | 'renewJwt'>[] {
    return [...this.#relays]
  }

  /**
   * Takes nobody new, and refuses what waits. What handlers are at work on is answered; after `timeout` milliseconds it is refused, as one
   * that ran, and who is still connected is cut.
   *
   * @throws (rejects) RemoteError `invalid`
   */
  async close(options: { readonly timeout?: number } = {}): Promise<void> {
    checkOptions(options, { timeout: milliseconds(0) })
    this.#closing ??= this.#close(options.timeout ?? this.#options.closeTimeout ?? 5_000)
    await this.#closing
  }

  async #close(timeout: number): Promise<void> {
    const ring = await this.#opening?.catch(() => undefined)
    this.#pairing?.close()
    this.#codes?.close()
    this.#board.close()
    // Handlers are answered first: a connection that is closing takes nothing more.
    const end = performance.now() + timeout
    await this.#hub?.close(timeout)
    const left = Math.max(Math.ceil(end - performance.now()), Math.min(timeout, LAST_WORDS))
    const listeners = this.#listeners.map(listener => listener.close(left))
    for (const relay of this.#relays) relay.close()
    await Promise.all(listeners)
    if (!(this.#options.keys instanceof KeyRing)) await ring?.close()
  }

  async #open(handlers: Handlers, key: string | undefined): Promise<{ hub: DeviceHub; ring: KeyRing }> {
    if (!isHandlers(handlers)) throw invalid('the handler', 'it is neither a function nor a map of them')
    if (key !== undefined) this.#checkKey(key)
    this.#handlers = handlers
    const ring = await this.#openRing()
    if (key !== undefined) await ring.setShared(key)
    if (this.#closing !== undefined) throw closed()
    const { keys: _, allowPlain: __, limits: ___, closeTimeout: ____, address, ...rest } = this.#options
    const { approve, language, ...device } = rest
    if (address !== undefined) await ring.setAddress(address)
    this.#hub ??= new DeviceHub({
      ...device,
      suite: this.#suite,
      ring,
      handlerOf: event => handlerOf(this.#handlers, event)
    })
    if (this.#pairing === undefined) {
      this.#pairing = new DevicePairing({ suite: this.#suite, ring, approve, language })
      this.#pairing.serve(this.#hub)
      this.#codes = new CodePosts(this.#suite, ring, () => this.#boards())
    }
    return { hub: this.#hub, ring }
  }

  #boards(): Board[] {
    const own: Board = (place, sealed) =>
      this.#listeners.length > 0 && this.#board.post(this.hub.deviceId, place, sealed)
    return [
      own,
      ...[...this.#relays].map(
        (relay): Board =>
          (place, sealed) =>
            relay.post(place, sealed)
      )
    ]
  }

  #checkKey(key: string): void {
    if (typeof key !== 'string') throw invalid('the key', 'it is no text')
    if (key === '' && this.#options.allowPlain !== true)
      throw invalid('an empty key', 'allowPlain is not set')
  }

  #openRing(): Promise<KeyRing> {
    const { keys } = this.#options
    this.#opening ??=
      keys instanceof KeyRing ? Promise.resolve(keys) : KeyRing.open({ ...keys, suite: this.#suite })
    return this.#opening.then(ring => {
      this.#ring = ring
      return ring
    })
  }
}

function isHandlers(given: unknown): given is Handlers {
  if (typeof given === 'function') return true
  if (typeof given !== 'object' || given === null) return false
  const each = given instanceof Map ? [...given.values()] : Object.values(given)
  return each.every(handler => typeof handler === 'function')
}

function handlerOf(handlers: Handlers | undefined, event: string): Handler | undefined {
  if (typeof handlers !== 'object') return handlers
  if (handlers instanceof Map) return handlers.get(event)
  return Object.hasOwn(handlers, event) ? (handlers as Record<string, Handler>)[event] : undefined
}

function closed(): RemoteError {
  return new RemoteError('disconnected', 'Cannot serve: because this device was closed', { reason: 'closed' })
}

function unknownDevice(): RemoteError {
  return new RemoteError('disconnected', 'Cannot reach the device: because another one is here', {
    reason: 'unknown-device'
  })
}
