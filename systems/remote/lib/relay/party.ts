/** Whose token it was. */
export interface Subject {
  readonly id: string
  readonly kind: string
  readonly org?: string
  readonly name?: string
}

/** What a client has proven. Both may be missing: then it waits as one whose proof is wrong. */
export interface Proof {
  readonly subject?: Subject
  /** SHA-256 of the admission tag. */
  readonly tagHash?: Uint8Array
}

/** Why there is no place for a client: `unknown-device` where there is no such device, and where the proof is not good, alike. */
export type NoPlace = 'unknown-device' | 'too-many'

/**
 * A client as the place of its device sees it: connected here, or to another relay, or one that sends a single request and keeps no
 * connection.
 */
export interface Party {
  readonly clientId: string
  readonly deviceId: string
  readonly proof: Proof
  /** It sends one request, and both in `carried` frames; the device is told neither that it comes nor that it goes. */
  readonly isOnce: boolean
  admitted(publicKey: Uint8Array, isOnline: boolean): void
  refused(why: NoPlace): void
  /** A whole frame of the device. */
  deliver(frame: Uint8Array): void
  online(): void
  offline(): void
  /** The place is no more: the device may have another, here or at another relay. */
  lost(): void
  /** The device will not have it. */
  dismissed(why: string): void
  /** The device reads too slowly: send no more until `release`. */
  hold(): void
  release(): void
}

/** Where a device can be reached: here, or through another relay. */
export interface Place {
  readonly deviceId: string
  /** Answers with `admitted` or `refused`, now or later. */
  admit(party: Party): void
  /** A whole frame, whose header was checked. */
  take(party: Party, frame: Uint8Array): void
  /** Also of a party that has no answer yet. */
  leave(party: Party, why?: string): void
}
