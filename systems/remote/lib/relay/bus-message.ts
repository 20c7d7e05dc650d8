import { concat, utf8 } from '../encoding/bytes'
import { fieldOf, parseJson } from '../encoding/json'
import type { Subject } from './party'

/** A device, as one relay tells the others: its id, when it registered, and whether it is connected. */
export type Announced = readonly [deviceId: string, registeredAt: number, isOnline: boolean]

/**
 * What relays say to each other, beside frames. A channel is the way of one client through its own relay to the relay of its device; its
 * number is chosen by the client's.
 */
export type BusMessage =
  /** To all, each second. */
  | { readonly do: 'alive' }
  /** "Forget all that we had": to all by one that ends, to one of whom nothing was heard for too long. */
  | { readonly do: 'leaving' }
  /** "Forget all that we had, and say what you have": to all by one that is new, to one of whom something was missed. */
  | { readonly do: 'hello' }
  /** `all`: in answer to `hello`. */
  | { readonly do: 'devices'; readonly list: readonly Announced[]; readonly all?: true }
  | { readonly do: 'forgot'; readonly device: string }
  | { readonly do: 'kick'; readonly client: string }
  /** To all: "Whoever holds the invitation at this place, give it to me." */
  | { readonly do: 'take'; readonly number: number; readonly place: string }
  /** `sealed`: base64url; left out: it is not here. */
  | { readonly do: 'gave'; readonly number: number; readonly sealed?: string }
  /** From the client's relay to the device's. */
  | {
      readonly do: 'open'
      readonly channel: number
      readonly client: string
      readonly device: string
      readonly once: boolean
      readonly subject?: Subject
      /** base64url */
      readonly tagHash?: string
    }
  | { readonly do: 'left'; readonly channel: number; readonly why?: string }
  /** From the device's relay to the client's. */
  | { readonly do: 'opened'; readonly channel: number; readonly publicKey: string; readonly online: boolean }
  | { readonly do: 'refused'; readonly channel: number; readonly why: string }
  | { readonly do: 'online' | 'offline' | 'lost' | 'hold' | 'release'; readonly channel: number }
  | { readonly do: 'dismissed'; readonly channel: number; readonly why: string }

/** Which way a frame goes. */
export type Way = 'toDevice' | 'toClient'

export interface BusFrame {
  readonly do: Way
  readonly channel: number
  /** A view. */
  readonly frame: Uint8Array
}

const JSON_FOLLOWS = 0
const WAYS: readonly Way[] = ['toDevice', 'toClient']
const HEADER_LENGTH = 5

export function encodeBusMessage(message: BusMessage): Uint8Array {
  return concat(Uint8Array.of(JSON_FOLLOWS), utf8(JSON.stringify(message)))
}

export function encodeBusFrame(way: Way, channel: number, frame: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH)
  header[0] = WAYS.indexOf(way) + 1
  new DataView(header.buffer).setUint32(1, channel)
  return concat(header, frame)
}

/** @throws Error for what no relay of this version says */
export function decodeBus(bytes: Uint8Array): BusMessage | BusFrame {
  const [kind] = bytes
  if (kind === JSON_FOLLOWS) {
    const message = parseJson(bytes.subarray(1))
    if (typeof fieldOf(message, 'do') !== 'string') throw new Error('a message of another relay says nothing')
    return message as BusMessage
  }
  const way = WAYS[(kind ?? 0) - 1]
  if (way === undefined || bytes.length < HEADER_LENGTH)
    throw new Error('a message of another relay is no frame')
  const channel = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  return { do: way, channel, frame: bytes.subarray(HEADER_LENGTH) }
}
