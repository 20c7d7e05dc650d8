import type { ClientSeat } from './client-seat'
import type { DevicePlace } from './device-place'

/** A device, for an administrator. */
export interface DeviceInfo {
  readonly device: string
  readonly name?: string
  /** The subject of its token. */
  readonly owner?: string
  readonly address?: string
  /** False: it was here, and is remembered. */
  readonly online: boolean
  /** Clients of it, through whichever relay. */
  readonly clients: number
  /** Milliseconds since 1970. */
  readonly registeredAt: number
}

/** A client, for an administrator. */
export interface ClientInfo {
  readonly client: string
  readonly device: string
  /** The subject of its token. */
  readonly subject?: string
  readonly address?: string
  /** False: it waits for its device, or to be refused. */
  readonly isIn: boolean
  /** Milliseconds since 1970. */
  readonly since: number
}

export function deviceInfo(place: DevicePlace): DeviceInfo {
  const { deviceId: device, name, owner, address, isOnline: online, clients, registeredAt } = place
  return {
    device,
    ...(name !== undefined && { name }),
    ...(owner !== undefined && { owner: owner.id }),
    ...(address !== undefined && { address }),
    online,
    clients,
    registeredAt
  }
}

export function clientInfo({
  clientId: client,
  deviceId: device,
  proof,
  address,
  isIn,
  since
}: ClientSeat): ClientInfo {
  const { subject } = proof
  return {
    client,
    device,
    ...(subject !== undefined && { subject: subject.id }),
    ...(address !== undefined && { address }),
    isIn,
    since
  }
}
