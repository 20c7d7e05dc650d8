import type { CipherSuite } from 'hpke'
import type { Outbox } from '../sealing/outbox'
import type { SealingKey, Session } from '../sealing/session'
import type { Clock } from '../time/clock'

/** What is sealed between the client and the device, from a handshake on. */
export interface ClientSession {
  readonly key: SealingKey
  readonly session: Session
  readonly outbox: Outbox
}

/** Why a connection ended. */
export interface ConnectionEnd {
  /** Words for a person. */
  readonly why: string
  /** The word of a `bye`. */
  readonly reason?: string
  /** Dialling again is of no use. */
  readonly isFinal: boolean
}

/** Whoever has the connection. */
export interface ConnectionOwner {
  readonly suite: CipherSuite
  readonly clock: Clock
  random(): number
  /** Undefined: no key counts now; `begin()` is to be called when one does. */
  keyFor(deviceId: string): Promise<SealingKey | undefined>
  /** What is sealed with the first flight. */
  first(): unknown
  /** Whether anything waits for a session. */
  isWaiting(): boolean
  /** What goes first in each batch; '' for nothing. */
  before(): string
  /** The relay or the host has let this client in. */
  welcomed(): void
  /** A session is about to be opened: nothing can be sent until then. */
  opening(): void
  /** Further requests go under this session; those of before are answered as long as theirs lives. */
  opened(session: ClientSession, greeting: unknown): void
  /** No answers come by this session any more. @param lastTaken the device has certainly not processed the frames after this one */
  sessionEnded(session: ClientSession, lastTaken: number): void
  take(message: readonly [string, ...unknown[]], session: ClientSession): void
  /** In a session that was good a frame was lost or changed on the way, or somebody says so. Another session is about to be opened. */
  disturbed(): void
  /** Somebody, who may be the relay, says that the device can't open what begins a session. */
  refused(): void
  /** The device is not connected to the relay. */
  offline(): void
  closed(end: ConnectionEnd): void
}
