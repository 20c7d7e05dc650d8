import type { CipherSuite } from 'hpke'
import {
  type Checks,
  isAnything,
  isCount,
  isFlag,
  isFunction,
  isObject,
  isText,
  isTime
} from '../options/check-options'
import type { Scrypt } from '../sealing/keys'
import type { Clock } from '../time/clock'
import type { Scope } from './key-state'
import type { KeyStore } from './key-store'
import type { Phone } from './phone'

export interface KeyRingOptions {
  readonly suite: CipherSuite
  /** The folder in which it lies, as a file that only its owner can read. Default: in memory. */
  readonly folder?: string
  /** Where it lies, instead of a folder. */
  readonly store?: KeyStore
  readonly clock?: Clock
  readonly scrypt?: Scrypt
  /** Default 200. Ended ones make room. A relay takes 256 keys of a device by default: phones, invitations, and the shared one. */
  readonly maxPhones?: number
  /** At once; used ones make room. Default 50. */
  readonly maxInvitations?: number
}

export const KEY_RING_CHECKS: Checks<Omit<KeyRingOptions, 'suite'>> = {
  folder: isText,
  store: isObject,
  clock: isObject,
  scrypt: isFunction,
  maxPhones: isCount,
  maxInvitations: isCount
}

export interface InvitationOptions extends Scope {
  /** Where the phone is to dial: `https://host[:port]`, or an address of `ws:`, `wss:` or `tokens:`. Default: as {@link KeyRing.address}. */
  readonly address?: string | undefined
  /** What the owner calls whoever will come. Default: as the phone calls itself. */
  readonly name?: string
  /** Milliseconds for which it can be used: 2³¹-1 at most, 24.8 days. Default 10 minutes. */
  readonly lifetime?: number
  /** Whether the owner is asked before the phone counts. Default true; false for a device that nobody attends. */
  readonly asks?: boolean
  /** Whether the device's relays, or the device itself, hold it under a code to type; then its lifetime is two minutes. Default false. */
  readonly code?: boolean
}

export const INVITATION_CHECKS: Checks<InvitationOptions> = {
  address: isText,
  name: isText,
  lifetime: isTime,
  asks: isFlag,
  code: isFlag,
  events: isAnything,
  until: isAnything
}

/** Good for one phone. */
export interface Invitation {
  readonly id: string
  /** Holds the secret: for a QR code, and for nobody's log. */
  readonly url: string
  /** Ten characters and a hyphen, which stand for the URL. */
  readonly code?: string
  /** Milliseconds since 1970. */
  readonly endsAt: number
}

export interface KeyRingEvents {
  /** Anything: the keys that open, their tags, or what a phone may do. */
  change: []
  /** A phone's key counts no more, at once: the owner took it back, or its time is over. */
  revoked: [keyId: string]
  /** The shared key gave way to another, or an invitation has ended: sessions under it may end when they are idle. */
  replaced: [keyId: string]
  /** A phone wants in; {@link KeyRing.approve} lets it. */
  asked: [phone: Phone]
  approved: [phoneId: string]
  /** What others wrote can't be used, or what must be written can't be. What was known before still counts. */
  failed: [error: Error]
}
