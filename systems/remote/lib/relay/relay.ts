import { createHash } from 'node:crypto'
import type { Verifier } from '@token-server/identity'
import type { Bus } from '@token-server/service'
import type { CipherSuite } from 'hpke'
import { InvitationBoard } from '../codes/invitation-board'
import { fromBase64url } from '../encoding/base64url'
import { randomId } from '../encoding/random-id'
import type { Link } from '../link/link'
import { networkOf } from '../quotas/network-of'
import { Places } from '../quotas/places'
import { Rates } from '../quotas/rates'
import { Tally } from '../quotas/tally'
import { WaitingBytes } from '../quotas/waiting-bytes'
import { nodeSuite } from '../sealing/node-suite'
import type { ByeReason } from '../wire/control'
import { isId } from '../wire/frame'
import { ClientSeat } from './client-seat'
import { Cluster } from './cluster'
import { DevicePlace, type Registered } from './device-place'
import { Directory } from './directory'
import { LookUp, type Notice } from './look-up'
import { type Join, Newcomer, type Reception } from './newcomer'
import { OnceRequest, type OnceResult } from './once-request'
import { NO_LOG, type RelayContext, type RelayLog } from './relay-context'
import { newCounters, type RelayCounters } from './relay-counters'
import { type ClientInfo, clientInfo, type DeviceInfo, deviceInfo } from './relay-info'
import { completeLimits, type RelayLimits } from './relay-limits'
import { type AboutLink, RelayedLink } from './relayed-link'
import type { Seeker } from './seeker'
import { Standing } from './standing'

export interface RelayOptions {
  /** Checks JWTs. Default: none is good, and clients come in by admission tag alone. Whoever gave it closes it. */
  readonly verifier?: Verifier | undefined
  /** Whether devices may register without a JWT. Default false. */
  readonly openDevices?: boolean | undefined
  /** To the other relays of the same name; it is not closed here. Default: this one is alone. */
  readonly bus?: Bus | undefined
  readonly limits?: Partial<RelayLimits> | undefined
  /** Default: nothing is written. */
  readonly log?: RelayLog | undefined
  /** Default: the one of Node. */
  readonly suite?: CipherSuite | undefined
}

/** What somebody without a connection proves. */
export interface GivenProof {
  readonly jwt?: string | undefined
  /** base64url of the admission tag. */
  readonly tag?: string | undefined
}

export type { ClientInfo, DeviceInfo } from './relay-info'
export type { AboutLink } from './relayed-link'

/**
 * Brings clients and devices together, and opens nothing that they send: it sees the ids, the kinds and the sizes of frames. It has no
 * socket: whoever listens hands it links.
 */
export class Relay {
  readonly counters: RelayCounters = newCounters()
  readonly limits: RelayLimits
  readonly #options: RelayOptions
  readonly #context: RelayContext
  readonly #directory: Directory
  readonly #cluster: Cluster | undefined
  readonly #clients = new Map<string, ClientSeat>()
  readonly #clientsOf: Tally
  readonly #devicesOf: Tally
  readonly #onceRates: Rates
  readonly #reception: Reception
  #isClosed = false

  /** @throws RemoteError `invalid` */
  constructor(options: RelayOptions = {}) {
    const { openDevices = false, bus, log = NO_LOG, suite = nodeSuite() } = options
    this.#options = options
    const limits = completeLimits(options.limits)
    this.limits = limits
    const waiting = new WaitingBytes(limits.maxWaitingBytesInAll)
    const { counters } = this
    const newcomers = new Places(limits.maxNewcomers)
    const board = new InvitationBoard()
    this.#context = { relayId: bus?.id ?? '', suite, limits, log, waiting, newcomers, counters, board }
    this.#directory = new Directory(this.#context)
    this.#clientsOf = new Tally(limits.maxClientsPerIdentity)
    this.#devicesOf = new Tally(limits.maxDevicesPerIdentity)
    this.#onceRates = new Rates(limits.maxOncePerSecond)
    this.#reception = {
      context: this.#context,
      openDevices,
      join: (link, join) => void this.#join(link, join),
      standingOf: jwt => Standing.of(options.verifier, jwt),
      register: (deviceId, publicKey, registered) => this.#register(deviceId, publicKey, registered)
    }
    this.#cluster = bus && new Cluster(bus, this.#directory, this.#context, id => this.#kickHere(id))
  }

  /** Sizes that rise and fall. */
  get now() {
    const { devicesOnline, devicesRemembered, devicesElsewhere, waiting } = this.#directory
    return {
      clients: this.#clients.size,
      devices: devicesOnline,
      rememberedDevices: devicesRemembered,
      devicesElsewhere,
      waiting,
      otherRelays: this.#cluster?.others ?? 0,
      waitingBytes: this.#context.waiting.sum
    }
  }

  /** Takes a connection of a client or of a device: its first frame tells which. */
  accept(link: Link, about: AboutLink = {}): void {
    const relayed = new RelayedLink(link, this.#context, about)
    if (this.#isClosed) relayed.bye('shutting-down', true)
    else new Newcomer(relayed, this.#reception)
  }

  /**
   * Brings one sealed request to a device, and the answer back.
   *
   * @param read brings a frame `onceRequest`. It is called when the device is there and lets this one in: who has nothing to show costs
   * no memory
   * @throws (rejects) what `read` throws
   */
  async once(
    deviceId: string,
    read: () => Promise<Uint8Array>,
    proof: GivenProof = {},
    about: AboutLink & { readonly signal?: AbortSignal | undefined } = {}
  ): Promise<OnceResult> {
    if (this.#isClosed || !this.#onceRates.take(networkOf(about.address))) {
      this.counters.refusedOnce++
      return { failed: 'busy' }
    }
    const request = new OnceRequest(deviceId, read, this.#directory, this.#context)
    const abort = () => request.finish({ failed: 'timeout' })
    about.signal?.addEventListener('abort', abort, { once: true })
    void this.#seek(request, proof, about.address)
    try {
      return await request.result
    } finally {
      about.signal?.removeEventListener('abort', abort)
    }
  }

  /** Of a device that lets this one in; undefined as for one that is not there, after the same time. */
  async notice(deviceId: string, proof: GivenProof = {}, about: AboutLink = {}): Promise<Notice | undefined> {
    if (this.#isClosed || !this.#onceRates.take(networkOf(about.address))) return undefined
    const lookUp = new LookUp(deviceId, this.#directory, this.#context)
    await this.#seek(lookUp, proof, about.address)
    return await lookUp.result
  }

  /**
   * A sealed invitation that a device has posted, to this relay or to another, for the first who asks.
   *
   * @param place follows from the code that somebody types
   */
  async takeInvitation(place: string, { address }: AboutLink = {}): Promise<Uint8Array | undefined> {
    if (!isId(place)) return undefined
    if (this.#onceRates.take(networkOf(address)))
      return this.#context.board.take(place) ?? (await this.#cluster?.takeInvitation(place))
    this.counters.refusedOnce++
    return undefined
  }

  /** Those of this relay. */
  list(): { readonly devices: DeviceInfo[]; readonly clients: ClientInfo[] } {
    return {
      devices: [...this.#directory.places].map(deviceInfo),
      clients: [...this.#clients.values()].map(clientInfo)
    }
  }

  /** Closes a client, of this relay or of another. @returns whether it was here */
  kick(clientId: string): boolean {
    if (this.#kickHere(clientId)) return true
    this.#cluster?.kick(clientId)
    return false
  }

  /** Tells everybody, and takes nobody more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const seat of [...this.#clients.values()]) seat.bye('shutting-down', true)
    this.#cluster?.leave()
    this.#context.board.close()
    this.#directory.close()
  }

  async #join(link: RelayedLink, join: Join): Promise<void> {
    const { limits, counters, log } = this.#context
    if (this.#clients.size >= limits.maxClients) {
      counters.refusedTooManyClients++
      link.owner = undefined
      link.bye('too-many', true)
      return
    }
    const ids = { clientId: randomId(), deviceId: join.device }
    const seat = new ClientSeat(ids, link, this.#directory, this.#context)
    link.onEnd(() => this.#clients.delete(ids.clientId))
    this.#clients.set(ids.clientId, seat)
    seat.begin(link.address)
    const standing = await this.#proven(seat, join)
    if (seat.isEnded) return
    const { key } = standing
    if (key !== undefined) {
      if (!this.#clientsOf.take(key)) {
        counters.refusedTooManyPerIdentity++
        seat.bye('too-many', true)
        return
      }
      link.onEnd(() => this.#clientsOf.give(key))
      seat.stand(standing)
    }
    log.debug({ client: ids.clientId, device: ids.deviceId, subject: key }, 'a client joins')
    seat.seek()
  }

  async #seek(seeker: Seeker, proof: GivenProof, address: string | undefined): Promise<void> {
    seeker.begin(address)
    await this.#proven(seeker, proof)
    seeker.seek()
  }

  async #proven(seeker: Seeker, { jwt, tag }: GivenProof): Promise<Standing> {
    const standing = await Standing.of(this.#options.verifier, jwt)
    const { subject } = standing
    const bytes = tag === undefined ? undefined : fromBase64url(tag)
    const tagHash = bytes && createHash('sha256').update(bytes).digest()
    seeker.proof = { ...(subject && { subject }), ...(tagHash && { tagHash }) }
    return standing
  }

  #register(deviceId: string, publicKey: Uint8Array, registered: Registered): ByeReason | undefined {
    const { limits, counters, log } = this.#context
    if (this.#isClosed) return 'shutting-down'
    const { link, standing } = registered
    const before = this.#directory.here(deviceId)
    if (before?.isOnline === true) {
      before.makeRoom()
      this.#directory.left(before)
    }
    const key = standing.key ?? `address:${networkOf(link.address)}`
    if (this.#directory.devicesOnline >= limits.maxDevices || !this.#devicesOf.take(key)) {
      counters.refusedTooManyDevices++
      return 'too-many'
    }
    const place = before ?? new DevicePlace(deviceId, publicKey, this.#directory, this.#context)
    const registeredAt = this.#directory.nextTime(deviceId)
    counters.registered++
    log.debug({ device: deviceId, subject: standing.key }, 'a device registers')
    link.onEnd(() => this.#devicesOf.give(key))
    place.register(registered, registeredAt)
    this.#directory.arrived(place)
    return undefined
  }

  #kickHere(clientId: string): boolean {
    const seat = this.#clients.get(clientId)
    if (seat === undefined) return false
    this.counters.kicked++
    this.#context.log.info({ client: clientId, device: seat.deviceId }, 'a client was kicked')
    seat.bye('kicked', false)
    return true
  }
}
