import { fromBase64url, toBase64url } from '../encoding/base64url'
import {
  type Announced,
  type BusFrame,
  type BusMessage,
  encodeBusFrame,
  encodeBusMessage
} from './bus-message'
import type { Directory, FarPlace } from './directory'
import type { NoPlace, Party, Proof } from './party'
import type { RelayContext } from './relay-context'

/** Says something to one other relay. */
export type Say = (bytes: Uint8Array) => void

/** The way of a client of another relay to a device of this one. */
class FarClient implements Party {
  readonly clientId: string
  readonly deviceId: string
  readonly proof: Proof
  readonly isOnce: boolean
  readonly #channel: number
  readonly #say: Say
  readonly #onEnd: () => void

  constructor(open: Extract<BusMessage, { do: 'open' }>, say: Say, onEnd: () => void) {
    const { client, device, channel, once, subject, tagHash } = open
    this.clientId = client
    this.deviceId = device
    this.isOnce = once
    const hash = tagHash === undefined ? undefined : fromBase64url(tagHash)
    this.proof = { ...(subject && { subject }), ...(hash && { tagHash: hash }) }
    this.#channel = channel
    this.#say = say
    this.#onEnd = onEnd
  }

  admitted(publicKey: Uint8Array, online: boolean): void {
    this.#tell({ do: 'opened', channel: this.#channel, publicKey: toBase64url(publicKey), online })
  }

  refused(why: NoPlace): void {
    this.#tell({ do: 'refused', channel: this.#channel, why })
    this.#onEnd()
  }

  deliver(frame: Uint8Array): void {
    this.#say(encodeBusFrame('toClient', this.#channel, frame))
  }

  online(): void {
    this.#tell({ do: 'online', channel: this.#channel })
  }

  offline(): void {
    this.#tell({ do: 'offline', channel: this.#channel })
  }

  lost(): void {
    this.#tell({ do: 'lost', channel: this.#channel })
    this.#onEnd()
  }

  dismissed(why: string): void {
    this.#tell({ do: 'dismissed', channel: this.#channel, why })
    this.#onEnd()
  }

  hold(): void {
    this.#tell({ do: 'hold', channel: this.#channel })
  }

  release(): void {
    this.#tell({ do: 'release', channel: this.#channel })
  }

  #tell(message: BusMessage): void {
    this.#say(encodeBusMessage(message))
  }
}

/** What this relay has to do with one other: the devices that are there, the clients of here that are with them, and the other way round. */
export class Neighbour {
  readonly id: string
  heardAt = performance.now()
  readonly #directory: Directory
  readonly #context: RelayContext
  readonly #say: Say
  readonly #nextChannel: () => number
  /** Devices there. */
  readonly #places = new Map<string, NeighbourPlace>()
  /** Clients of here, by channel, which this side chose. */
  readonly #out = new Map<number, { readonly party: Party; readonly place: NeighbourPlace }>()
  /** Clients of there, by channel, which the other side chose. */
  readonly #in = new Map<number, FarClient>()

  constructor(id: string, directory: Directory, context: RelayContext, say: Say, nextChannel: () => number) {
    this.id = id
    this.#directory = directory
    this.#context = context
    this.#say = say
    this.#nextChannel = nextChannel
  }

  tell(message: BusMessage): void {
    this.#say(encodeBusMessage(message))
  }

  /** It is gone, or has missed something: clients of there leave, and those of here look for their device again. */
  forget(): void {
    const [far, places] = [[...this.#in.values()], [...this.#places.values()]]
    this.#in.clear()
    this.#places.clear()
    for (const client of far) this.#directory.here(client.deviceId)?.leave(client)
    for (const place of places) this.#directory.isNotElsewhere(place)
  }

  hear(message: BusMessage | BusFrame): void {
    switch (message.do) {
      case 'devices':
        for (const announced of message.list) this.#announced(announced)
        return
      case 'forgot':
        this.#notThere(message.device)
        return
      case 'open':
        this.#open(message)
        return
      case 'left': {
        const client = this.#in.get(message.channel)
        this.#in.delete(message.channel)
        if (client !== undefined) this.#directory.here(client.deviceId)?.leave(client, message.why)
        return
      }
      case 'toDevice': {
        const client = this.#in.get(message.channel)
        const place = client && this.#directory.here(client.deviceId)
        if (client === undefined || place === undefined) this.#context.counters.lateFrames++
        else place.take(client, message.frame)
        return
      }
      default:
        if ('channel' in message) this.#hearOfDevice(message)
    }
  }

  /** @returns the channel */
  open(party: Party, place: NeighbourPlace): number {
    const channel = this.#nextChannel()
    this.#out.set(channel, { party, place })
    const { clientId: client, deviceId: device, isOnce: once, proof } = party
    const { subject, tagHash } = proof
    this.tell({
      do: 'open',
      channel,
      client,
      device,
      once,
      ...(subject && { subject }),
      ...(tagHash && { tagHash: toBase64url(tagHash) })
    })
    return channel
  }

  send(channel: number, frame: Uint8Array): void {
    this.#say(encodeBusFrame('toDevice', channel, frame))
  }

  leave(channel: number, why?: string): void {
    if (this.#out.delete(channel)) this.tell({ do: 'left', channel, ...(why !== undefined && { why }) })
  }

  #announced([deviceId, registeredAt, isOnline]: Announced): void {
    const place = this.#places.get(deviceId) ?? new NeighbourPlace(deviceId, this)
    this.#places.set(deviceId, place)
    const isNewer = (own: number) =>
      registeredAt === own ? this.id > this.#context.relayId : registeredAt > own
    const isThere = this.#directory.isElsewhere(deviceId, { place, registeredAt, isOnline }, isNewer)
    const own = this.#directory.here(deviceId)
    // Both say what they have until one of them gives in.
    if (!isThere && own !== undefined)
      this.tell({ do: 'devices', list: [[deviceId, own.registeredAt, own.isOnline]] })
  }

  #notThere(deviceId: string): void {
    const place = this.#places.get(deviceId)
    this.#places.delete(deviceId)
    if (place !== undefined) this.#directory.isNotElsewhere(place)
  }

  #open(open: Extract<BusMessage, { do: 'open' }>): void {
    const place = this.#directory.here(open.device)
    if (place === undefined) {
      // It was here when the other relay asked.
      this.tell({ do: 'lost', channel: open.channel })
      return
    }
    const client: FarClient = new FarClient(open, this.#say, () => this.#in.delete(open.channel))
    this.#in.set(open.channel, client)
    place.admit(client)
  }

  /** What the relay of a device says to that of a client. */
  #hearOfDevice(message: Extract<BusMessage | BusFrame, { channel: number }>): void {
    const out = this.#out.get(message.channel)
    if (out === undefined) {
      // It has a client there that is gone here, unless it has just said that it let it go.
      if (message.do === 'opened') this.tell({ do: 'left', channel: message.channel })
      else if (message.do === 'toClient') this.#context.counters.lateFrames++
      return
    }
    const { party, place } = out
    switch (message.do) {
      case 'opened':
        party.admitted(fromBase64url(message.publicKey) ?? new Uint8Array(), message.online)
        return
      case 'toClient':
        party.deliver(message.frame)
        return
      case 'refused':
        this.#drop(message.channel, party, place)
        party.refused(message.why === 'too-many' ? 'too-many' : 'unknown-device')
        return
      case 'lost':
        this.#drop(message.channel, party, place)
        this.#notThere(place.deviceId)
        party.lost()
        return
      case 'dismissed':
        this.#drop(message.channel, party, place)
        party.dismissed(message.why)
        return
      case 'online':
      case 'offline':
      case 'hold':
      case 'release':
        party[message.do]()
    }
  }

  #drop(channel: number, party: Party, place: NeighbourPlace): void {
    this.#out.delete(channel)
    place.dropped(party)
  }
}

/** A device of another relay. */
class NeighbourPlace implements FarPlace {
  readonly deviceId: string
  readonly #neighbour: Neighbour
  readonly #channels = new Map<Party, number>()

  constructor(deviceId: string, neighbour: Neighbour) {
    this.deviceId = deviceId
    this.#neighbour = neighbour
  }

  admit(party: Party): void {
    this.#channels.set(party, this.#neighbour.open(party, this))
  }

  take(party: Party, frame: Uint8Array): void {
    const channel = this.#channels.get(party)
    if (channel !== undefined) this.#neighbour.send(channel, frame)
  }

  leave(party: Party, why?: string): void {
    const channel = this.#channels.get(party)
    this.#channels.delete(party)
    if (channel !== undefined) this.#neighbour.leave(channel, why)
  }

  dropped(party: Party): void {
    this.#channels.delete(party)
  }

  end(): void {
    const parties = [...this.#channels.keys()]
    for (const party of parties) this.leave(party)
    for (const party of parties) {
      party.release()
      party.lost()
    }
  }
}
