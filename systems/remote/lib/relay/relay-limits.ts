import { invalid } from '../errors/remote-error'

/** Bounds of what strangers can make a relay do or keep. Each relay counts its own; each has a finite default. */
export interface RelayLimits {
  /** Milliseconds from the connection to the end of `join`, or of the registration of a device. Default 5,000. */
  readonly joinTimeout: number
  /**
   * Connections that have neither joined nor registered. For each further one the one that has been there longest is closed, of the
   * address that has most of them. Default 4,000.
   */
  readonly maxNewcomers: number
  /**
   * Milliseconds that a client waits for a device that is not there, or that does not let it in. Then it is refused: for each of these
   * reasons after the same time. Default 2,000.
   */
  readonly joinGrace: number
  /**
   * Clients and one-shot requests that wait so at once. For each further one the one that has waited longest is refused at once, of the
   * address that has most of them. Default 2,000.
   */
  readonly maxWaitingJoins: number
  /** Bytes of a frame. Default 1,052,672: 1 MiB for a message, 4 KiB for what is around it. */
  readonly maxFrameBytes: number
  /** Clients of one relay, waiting ones included. Default 20,000. */
  readonly maxClients: number
  /** Clients of one device, through whichever relay. Default 2,000. */
  readonly maxClientsPerDevice: number
  /** Clients with a JWT of one subject. Default 100. */
  readonly maxClientsPerIdentity: number
  /** Devices that are connected. Default 10,000. */
  readonly maxDevices: number
  /** Devices with a JWT of one subject, and without a JWT those of one address. Default 100. */
  readonly maxDevicesPerIdentity: number
  /** Devices that were connected and are remembered; of more the one that left first is forgotten. Default 10,000. */
  readonly maxRememberedDevices: number
  /** Milliseconds for which they are. Default 3,600,000: an hour. */
  readonly rememberTimeout: number
  /** Admission tags that a device may name. Default 256. */
  readonly maxTags: number
  /** Frames a second of one client; twice as many may come at once. What is faster waits. Default 1,000. */
  readonly maxFramesPerSecond: number
  /** Bytes a second of one client; likewise. Default 4 MiB. */
  readonly maxBytesPerSecond: number
  /** Frames a second of one device; likewise. Default 50,000. */
  readonly maxDeviceFramesPerSecond: number
  /** Bytes a second of one device; likewise. Default 64 MiB. */
  readonly maxDeviceBytesPerSecond: number
  /** Bytes that wait for one client; with more it is cut. Default 4 MiB. */
  readonly maxWaitingBytes: number
  /** Bytes that wait for one device. Its clients are held back long before; with more it is cut. Default 16 MiB. */
  readonly maxDeviceWaitingBytes: number
  /** Bytes that wait for all together; with more, those are cut for whom most waits. Default 64 MiB. */
  readonly maxWaitingBytesInAll: number
  /** Milliseconds for which a receiver may take nothing while something waits for it; then it is cut. Default 30,000. */
  readonly slowTimeout: number
  /** One-shot requests of one device that wait for their answer. Default 100. */
  readonly maxOncePerDevice: number
  /** One-shot requests a second of one address; ten times as many may come at once. Default 20. */
  readonly maxOncePerSecond: number
  /** Milliseconds until a one-shot request must be answered. Default 30,000. */
  readonly onceTimeout: number
  /** Bytes of one-shot requests that are read at once for one address; further ones are refused. Default 8 MiB. */
  readonly maxBodyBytesPerAddress: number
  /** Bytes of those for all together; with more the longest are refused. Default 32 MiB. */
  readonly maxBodyBytesInAll: number
  /** Milliseconds in which a one-shot request must be read. Default 10,000. */
  readonly bodyTimeout: number
}

export const DEFAULT_LIMITS: RelayLimits = {
  joinTimeout: 5_000,
  maxNewcomers: 4_000,
  joinGrace: 2_000,
  maxWaitingJoins: 2_000,
  maxFrameBytes: 1_048_576 + 4_096,
  maxClients: 20_000,
  maxClientsPerDevice: 2_000,
  maxClientsPerIdentity: 100,
  maxDevices: 10_000,
  maxDevicesPerIdentity: 100,
  maxRememberedDevices: 10_000,
  rememberTimeout: 3_600_000,
  maxTags: 256,
  maxFramesPerSecond: 1_000,
  maxBytesPerSecond: 4 * 1_048_576,
  maxDeviceFramesPerSecond: 50_000,
  maxDeviceBytesPerSecond: 64 * 1_048_576,
  maxWaitingBytes: 4 * 1_048_576,
  maxDeviceWaitingBytes: 16 * 1_048_576,
  maxWaitingBytesInAll: 64 * 1_048_576,
  slowTimeout: 30_000,
  maxOncePerDevice: 100,
  maxOncePerSecond: 20,
  onceTimeout: 30_000,
  maxBodyBytesPerAddress: 8 * 1_048_576,
  maxBodyBytesInAll: 32 * 1_048_576,
  bodyTimeout: 10_000
}

/** What a timer of Node takes. */
const LONGEST = 2 ** 31 - 1

/** @throws RemoteError `invalid` */
export function completeLimits(given: Partial<RelayLimits> = {}): RelayLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) throw invalid(`limits.${name}`, 'there is no such limit')
    if (!Number.isSafeInteger(value) || value < 1 || value > LONGEST)
      throw invalid(`limits.${name}`, `it must be a whole number from 1 to ${LONGEST}`)
  }
  return Object.freeze({ ...DEFAULT_LIMITS, ...given })
}
