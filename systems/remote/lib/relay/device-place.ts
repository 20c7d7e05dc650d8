import { fromBase64url } from '../encoding/base64url'
import type { Receiver } from '../quotas/waiting-bytes'
import { type ControlMessage, decodeControl, type Proven } from '../wire/control'
import { type Frame, FrameKind } from '../wire/frame'
import { mayUse } from './may-use'
import type { Party, Place, Proof, Subject } from './party'
import type { RelayContext } from './relay-context'
import type { LinkOwner, RelayedLink } from './relayed-link'
import type { Standing } from './standing'
import { TagList } from './tag-list'

/** What a device may send to a client that stays, beside control frames. */
const TO_CLIENTS = new Set<FrameKind>([
  FrameKind.hello,
  FrameKind.accept,
  FrameKind.sealed,
  FrameKind.refuse,
  FrameKind.forgotten
])

/** Milliseconds between two times that others are told that what lets clients in has changed. */
const CHANGE_INTERVAL = 100

/** A device that has proven its key. */
export interface Registered {
  readonly link: RelayedLink
  readonly standing: Standing
  readonly owner: Subject | undefined
  readonly name: string | undefined
}

/** Who is told what becomes of a place. */
export interface PlaceOwner {
  /** What lets clients in has changed. */
  changed(place: DevicePlace): void
  /** The device's connection is closed. */
  left(place: DevicePlace): void
}

/** A device that is connected here, or was until a while ago: then its clients wait for it. */
export class DevicePlace implements Place, LinkOwner, Receiver {
  readonly deviceId: string
  readonly publicKey: Uint8Array
  readonly #owner: PlaceOwner
  readonly #context: RelayContext
  readonly #parties = new Map<string, Party>()
  /** Who waits until the device reads on. Of who sends a request without a connection, and can't be held back, also its frame. */
  readonly #held = new Map<Party, Uint8Array | undefined>()
  #heldBytes = 0
  /** The device reads too slowly. */
  #isFull = false
  #onces = 0
  #now: Registered | undefined
  #subject: Subject | undefined
  #name: string | undefined
  #tags = TagList.empty
  /** Others are to be told of them. */
  #isChanged = false
  #changing: NodeJS.Timeout | undefined
  /** Milliseconds since 1970, and later than any registration before of which this relay has heard. */
  #registeredAt = 0

  constructor(deviceId: string, publicKey: Uint8Array, owner: PlaceOwner, context: RelayContext) {
    this.deviceId = deviceId
    this.publicKey = publicKey
    this.#owner = owner
    this.#context = context
  }

  get isOnline(): boolean {
    return this.#now !== undefined
  }

  get registeredAt(): number {
    return this.#registeredAt
  }

  get owner(): Subject | undefined {
    return this.#subject
  }

  get name(): string | undefined {
    return this.#name
  }

  get address(): string | undefined {
    return this.#now?.link.address
  }

  /** Those that stay, of other relays too. */
  get clients(): number {
    return this.#parties.size - this.#onces
  }

  /** The device has registered anew: its earlier connection, if there is one, ends. */
  makeRoom(): void {
    if (this.#now === undefined) return
    this.#context.counters.takenOver++
    this.#depart()?.link.bye('replaced', false)
  }

  /** The device is here from now on. */
  register(registered: Registered, registeredAt: number): void {
    const { limits } = this.#context
    const { link, owner, name } = registered
    this.makeRoom()
    this.#now = registered
    this.#subject = owner
    this.#name = name
    this.#registeredAt = registeredAt
    link.owner = this
    link.trust()
    link.limit(
      {
        framesPerSecond: limits.maxDeviceFramesPerSecond,
        bytesPerSecond: limits.maxDeviceBytesPerSecond
      },
      limits.maxDeviceWaitingBytes
    )
    link.say({ do: 'registered', device: this.deviceId, maxFrameBytes: limits.maxFrameBytes })
    registered.standing.watch(() => this.#standingEnded())
    for (const party of [...this.#parties.values()]) this.#open(party)
  }

  /** It is connected elsewhere, or was away for too long. */
  end(): void {
    this.#depart()?.link.bye('replaced', false)
    const parties = [...this.#parties.values()]
    this.#parties.clear()
    this.#onces = 0
    for (const party of parties) party.lost()
  }

  /** The relay ends. */
  close(): void {
    this.#depart()?.link.bye('shutting-down', true)
  }

  admit(party: Party): void {
    const { limits, counters } = this.#context
    const proven = this.#provenBy(party.proof)
    const before = this.#parties.get(party.clientId)
    if (proven === undefined) {
      party.refused('unknown-device')
      return
    }
    // Another relay knows better than this one what became of its client.
    if (before !== undefined) this.leave(before)
    const isFull = party.isOnce
      ? this.#onces >= limits.maxOncePerDevice
      : this.clients >= limits.maxClientsPerDevice
    if (isFull) {
      if (party.isOnce) counters.refusedOnce++
      else counters.refusedTooManyPerDevice++
      party.refused('too-many')
      return
    }
    this.#parties.set(party.clientId, party)
    if (party.isOnce) this.#onces++
    else this.#now?.link.say({ do: 'opened', client: party.clientId, by: proven })
    party.admitted(this.publicKey, this.isOnline)
  }

  take(party: Party, frame: Uint8Array): void {
    const { counters } = this.#context
    if (this.#now === undefined || this.#parties.get(party.clientId) !== party) {
      counters.lateFrames++
      return
    }
    if (party.isOnce && this.#isFull) {
      this.#unhold(party)
      this.#held.set(party, frame)
      this.#holdBytes(frame.length)
      return
    }
    counters.framesToDevices++
    counters.bytesRelayed += frame.length
    if (this.#now.link.send(frame) || this.#now === undefined) return
    counters.heldBack++
    this.#isFull = true
    this.#held.set(party, undefined)
    party.hold()
  }

  leave(party: Party, why?: string): void {
    if (this.#parties.get(party.clientId) !== party) return
    this.#parties.delete(party.clientId)
    this.#unhold(party)
    if (party.isOnce) this.#onces--
    else this.#now?.link.say({ do: 'closed', client: party.clientId, ...(why !== undefined && { why }) })
  }

  /** Of requests without a connection that wait for the device. */
  get waitingBytes(): number {
    return this.#heldBytes
  }

  /** Too much waits for all together: the device stays, and those requests go. */
  tooSlow(): void {
    for (const [party, frame] of [...this.#held]) {
      if (frame === undefined) continue
      this.leave(party)
      party.offline()
    }
  }

  onFrame(frame: Frame, bytes: Uint8Array): void {
    const message = decodeControl(frame)
    if (message !== undefined) {
      this.#control(message)
      return
    }
    const { counters } = this.#context
    const isAnswer = frame.kind === FrameKind.carried
    if (frame.device !== this.deviceId || !(isAnswer || TO_CLIENTS.has(frame.kind))) {
      counters.foreignFrames++
      return
    }
    const party = this.#parties.get(frame.client)
    if (party === undefined || party.isOnce !== isAnswer) {
      counters.lateFrames++
      return
    }
    counters.framesToClients++
    counters.bytesRelayed += bytes.length
    party.deliver(bytes)
  }

  onDrain(): void {
    this.#isFull = false
    for (const party of [...this.#held.keys()]) {
      if (this.#isFull) return
      const frame = this.#unhold(party)
      if (frame === undefined) party.release()
      else this.take(party, frame)
    }
  }

  onClose(reason: string): void {
    this.#context.log.debug({ device: this.deviceId, reason }, 'a device is gone')
    this.#depart()
    this.#owner.left(this)
  }

  #unhold(party: Party): Uint8Array | undefined {
    const frame = this.#held.get(party)
    this.#held.delete(party)
    if (frame !== undefined) this.#holdBytes(-frame.length)
    return frame
  }

  #holdBytes(more: number): void {
    this.#heldBytes += more
    this.#context.waiting.note(this, this.#heldBytes)
  }

  #control(message: ControlMessage): void {
    switch (message.do) {
      case 'admit':
        this.#admitTags(message.tags)
        return
      case 'closed':
        this.#dismiss(message.client, message.why ?? 'kicked')
        return
      case 'post': {
        const { place, sealed } = message
        const bytes = fromBase64url(sealed)
        const ok = bytes !== undefined && this.#context.board.post(this.deviceId, place, bytes)
        this.#now?.link.say({ do: 'posted', place, ok })
        return
      }
      case 'renew':
        void this.#renew(message.jwt)
        return
      default:
        this.#context.counters.foreignFrames++
    }
  }

  #admitTags(texts: readonly string[]): void {
    const { limits, counters } = this.#context
    const tags = texts.length <= limits.maxTags ? TagList.read(texts) : undefined
    if (tags === undefined) {
      counters.refusedTooManyTags++
      this.#now?.link.bye('too-many', false)
      this.onClose('it named too many admission tags')
      return
    }
    if (tags.equals(this.#tags)) return
    this.#tags = tags
    this.#isChanged = true
    if (this.#changing === undefined) this.#tellChange()
  }

  /** At once, and then once an interval: a device may not make all relays work by each frame. */
  #tellChange(): void {
    this.#changing = undefined
    if (!this.#isChanged) return
    this.#isChanged = false
    this.#changing = setTimeout(() => this.#tellChange(), CHANGE_INTERVAL)
    this.#changing.unref()
    this.#owner.changed(this)
  }

  #dismiss(clientId: string, why: string): void {
    const party = this.#parties.get(clientId)
    if (party === undefined || party.isOnce) return
    this.#context.counters.kicked++
    this.#parties.delete(clientId)
    this.#held.delete(party)
    party.dismissed(why)
  }

  async #renew(jwt: string): Promise<void> {
    const now = this.#now
    const ok = (await now?.standing.renew(jwt)) === true
    now?.link.say({ do: 'renewed', ok })
  }

  #standingEnded(): void {
    this.#context.counters.ended++
    this.#now?.link.bye('unauthenticated', true)
    this.onClose('its token is no longer good')
  }

  #open(party: Party): void {
    const proven = this.#provenBy(party.proof) ?? {}
    this.#now?.link.say({ do: 'opened', client: party.clientId, by: proven })
    party.online()
  }

  /** @returns the connection that it was on */
  #depart(): Registered | undefined {
    const now = this.#now
    if (now === undefined) return undefined
    this.#now = undefined
    // When it comes back, all is told anew.
    clearTimeout(this.#changing)
    this.#changing = undefined
    this.#isChanged = false
    now.standing.end()
    this.onDrain()
    for (const party of [...this.#parties.values()]) {
      if (party.isOnce) this.leave(party)
      party.offline()
    }
    return now
  }

  #provenBy({ subject, tagHash }: Proof): Proven | undefined {
    const isSubject = subject !== undefined && mayUse(subject, this.#subject)
    const isTag = tagHash !== undefined && this.#tags.has(tagHash)
    if (!isSubject && !isTag) return undefined
    const name = subject?.name === undefined ? {} : { name: subject.name }
    return { ...(isSubject && { jwt: { id: subject.id, ...name } }), ...(isTag && { tag: true }) }
  }
}
