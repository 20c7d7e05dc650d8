import { RemoteError } from '../errors/remote-error'

/** POST to it, and to the id of the device behind it: a frame in the body, a frame in the answer. */
export const ONCE_PATH = '/remote/once/'

/** GET: JSON of {@link DeviceNotice}. */
export const DEVICES_PATH = '/remote/devices/'

/** GET, and the place that follows from a code behind it: the sealed invitation, once. */
export const INVITATIONS_PATH = '/remote/invitations/'

/** The header that bears an admission tag, base64url; a JWT is in `authorization`, as a bearer's. */
export const TAG_HEADER = 'remote-tag'

/** What lets a client through a relay. */
export interface OnceProof {
  readonly jwt?: string | undefined
  readonly tag?: string | undefined
}

export function proofHeaders({ jwt, tag }: OnceProof = {}): Record<string, string> {
  return {
    ...(jwt !== undefined && { authorization: `Bearer ${jwt}` }),
    ...(tag !== undefined && { [TAG_HEADER]: tag })
  }
}

/** What is said of a device to those who may reach it, and by a device that listens itself to all. */
export interface DeviceNotice {
  /** The static one, base64url: its hash is the device's id, so that nobody can pass off another one. */
  readonly publicKey: string
  readonly online: boolean
}

/** What asks for one thing over the web and keeps no connection. */
export interface OnceDial {
  /**
   * @param url `https:` or `http:`; only its scheme and host count
   * @returns a frame
   * @throws (rejects) RemoteError `disconnected`, `refused`, `timeout`; its `ran` is `no` where the device has certainly not had it
   */
  post(
    url: string,
    device: string,
    frame: Uint8Array,
    signal?: AbortSignal,
    proof?: OnceProof
  ): Promise<Uint8Array>
  /**
   * @param place that follows from a code
   * @returns the sealed invitation
   * @throws (rejects) RemoteError, likewise
   */
  invitation(url: string, place: string, signal?: AbortSignal): Promise<Uint8Array>
  /** @throws (rejects) RemoteError, likewise */
  lookUp(url: string, device: string, signal?: AbortSignal, proof?: OnceProof): Promise<DeviceNotice>
}

/** What an answer that is none means. */
export function onceFailure(status: number): RemoteError {
  switch (status) {
    case 401:
    case 404:
      return new RemoteError('disconnected', 'Cannot reach the device: because it is not there', {
        reason: 'unknown-device'
      })
    case 503:
      return new RemoteError('disconnected', 'Cannot reach the device: because it is away', {
        reason: 'device-offline'
      })
    case 413:
      return new RemoteError('refused', 'Cannot ask the device: because the request is too large', {
        reason: 'too-large'
      })
    case 429:
      return new RemoteError('refused', 'Cannot ask the device: because it has too much to do', {
        reason: 'busy'
      })
    default:
      return new RemoteError(
        'disconnected',
        `Cannot ask the device: because the answer was status ${status}`,
        {
          ran: 'maybe',
          reason: 'rejected'
        }
      )
  }
}

/** @throws RemoteError `disconnected` */
export function readNotice(text: string): DeviceNotice {
  try {
    const { publicKey, online } = JSON.parse(text) as Partial<DeviceNotice>
    if (typeof publicKey === 'string' && typeof online === 'boolean') return { publicKey, online }
  } catch {}
  throw new RemoteError(
    'disconnected',
    'Cannot reach the device: because what answers is no relay and no device',
    {
      reason: 'rejected'
    }
  )
}
