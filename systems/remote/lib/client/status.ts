import type { RemoteError } from '../errors/remote-error'
import type { Request } from './request'

/** How things stand between a client and its device. */
export type ClientStatus =
  /** Not connected, and not going to be. */
  | 'closed'
  /** There is no connection; one is being made, or will be. */
  | 'connecting'
  /** Connected; what is to be sent waits until both ends have proven their keys. */
  | 'opening'
  | 'ready'
  /** Connected to the relay, and the device is not. */
  | 'offline'
  /** The device says, or somebody on the way does, that it can't open what this client sends; or the device has said it sealed. */
  | 'bad-key'

/** The state document of a device, as a client knew it last. */
export interface KnownState {
  readonly value: unknown
  readonly rev: number
  /** When it came, milliseconds since 1970. */
  readonly at: number
  /** Who has the device for themselves at present. */
  readonly lease?: LeaseNotice
}

export interface LeaseNotice {
  /** What the device calls them. */
  readonly by: string
  readonly mine: boolean
  /** Milliseconds that are left of it. */
  readonly remaining: number
}

/** Why a request can't be sent now. @param reason why the key is bad, if the device has said it */
export function unsent(status: ClientStatus, request: Request, reason?: string): RemoteError {
  switch (status) {
    case 'bad-key':
      return request.failure('bad-key', 'the device has said that this key counts no more', {
        ...(reason !== undefined && { reason })
      })
    case 'offline':
      return request.failure('disconnected', 'the device is not connected', { reason: 'device-offline' })
    default:
      return request.failure('disconnected', 'there is no connection', { reason: 'not-connected' })
  }
}

/** Why a request has no answer when its time is over. */
export function expired(status: ClientStatus, request: Request): RemoteError {
  const { lastFailure } = request
  if (lastFailure !== undefined) return failureAfter(lastFailure, request)
  switch (status) {
    case 'bad-key':
      return request.failure(
        'bad-key',
        'the device can not open what this client sends: it does not have this key'
      )
    case 'offline':
    case 'connecting':
      return request.failure('disconnected', 'the connection broke and did not come back in time', {
        reason: 'not-back-in-time'
      })
    default:
      return request.failure('timeout', 'none came in time')
  }
}

/** What a request fails with whose try has failed. */
export function failureAfter(cause: RemoteError, request: Request): RemoteError {
  const { code, reason = code === 'disconnected' ? 'not-back-in-time' : undefined } = cause
  return request.failure(code, 'the device can not be reached', {
    ...(reason !== undefined && { reason }),
    cause
  })
}
