import { textOf } from '../encoding/bytes'
import { RemoteError, type RemoteErrorCode } from '../errors/remote-error'

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
   * @throws (rejects) RemoteError `disconnected`, `refused`, `timeout`; its `ran` is `no` where the request has certainly not left
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
   * @throws (rejects) RemoteError; also when it takes longer than a connection may
   */
  invitation(url: string, place: string, signal?: AbortSignal): Promise<Uint8Array>
  /** @throws (rejects) RemoteError, likewise */
  lookUp(url: string, device: string, signal?: AbortSignal, proof?: OnceProof): Promise<DeviceNotice>
}

/**
 * What an answer that is none means. Whoever carries a request can say so after the device has had it.
 *
 * @param isSent a request was sent: `ran` is `maybe` then
 */
export function onceFailure(status: number, isSent: boolean): RemoteError {
  const [code, reason, why] = FAILURES[status] ?? [
    'disconnected',
    'rejected',
    `the answer was status ${status}`
  ]
  return new RemoteError(code, `Cannot ask the device: because ${why}`, {
    ran: isSent ? 'maybe' : 'no',
    ...(reason !== undefined && { reason })
  })
}

const NOT_THERE = ['disconnected', 'unknown-device', 'it is not there'] as const

const FAILURES: Readonly<
  Record<number, readonly [code: RemoteErrorCode, reason: string | undefined, why: string]>
> = {
  400: ['refused', 'malformed', 'the request is against the rules'],
  401: NOT_THERE,
  404: NOT_THERE,
  408: ['timeout', undefined, 'the request came too slowly'],
  413: ['refused', 'too-large', 'the request is too large'],
  429: ['refused', 'busy', 'it has too much to do'],
  503: ['disconnected', 'device-offline', 'it is away'],
  504: ['timeout', undefined, 'it did not answer in time']
}

/** @throws RemoteError `disconnected` */
export function readNotice(bytes: Uint8Array): DeviceNotice {
  try {
    const { publicKey, online } = JSON.parse(textOf(bytes)) as Partial<DeviceNotice>
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
