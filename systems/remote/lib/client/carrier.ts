import type { RemoteError } from '../errors/remote-error'
import type { SealingKey } from '../sealing/session'
import type { Request } from './request'
import type { ClientStatus } from './status'
import type { Target } from './target'

/** How requests get to the device: over a connection that is kept, or each by itself. */
export interface Carrier {
  readonly status: ClientStatus
  /** Resolves when requests can be taken. @throws (rejects) RemoteError; the carrier is closed then */
  connect(target: Target, retry: boolean): Promise<void>
  /** @throws RemoteError when it can't be sent now */
  send(request: Request): void
  /** Another key counts. */
  keyChanged(): void
  /** Shows a token to the relay, on the connection that is open. @throws (rejects) RemoteError `refused`, `timeout` */
  renewJwt(token: string): Promise<void>
  close(): void
}

/** Whoever has a carrier. */
export interface CarrierOwner {
  /** @param error why, of a connection that was lost or could not be made */
  statusChanged(status: ClientStatus, error?: RemoteError): void
  /** A session has opened, of a device that has this name. */
  greeted(deviceName: unknown): void
  /** The device can't open what is sent. */
  refused(): void
  /** The device says something unasked. */
  told(name: string, value: unknown): void
}

export type GivenKey = string | SealingKey
