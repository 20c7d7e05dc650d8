/** Every code a {@link RemoteError} can bear. The list is closed: `switch (error.code)` narrows. */
export const ERROR_CODES = [
  /** No answer within the time of the request. */
  'timeout',
  /** There is no connection to the device, or it broke before the answer came. */
  'disconnected',
  /** The device does not have the key of this client, or has it no more. */
  'bad-key',
  /** The device or the relay will not do it: `reason` says why. */
  'refused',
  /** The state has moved on from the revision that the request named. */
  'stale',
  /** The device's handler threw, or what it answered can't be sent. */
  'handler-failed',
  /** The caller gave up, by its `AbortSignal`. */
  'cancelled',
  /** An argument, an option or a call that can't be used. */
  'invalid'
] as const
export type RemoteErrorCode = (typeof ERROR_CODES)[number]

export function isErrorCode(value: unknown): value is RemoteErrorCode {
  return (ERROR_CODES as readonly unknown[]).includes(value)
}

/** Whether the device's handler ran for a request: `maybe` is said only where nobody can know. */
export type Ran = 'no' | 'maybe' | 'yes'

export interface RemoteErrorDetails extends ErrorOptions {
  /** Default `no`. */
  readonly ran?: Ran
  /** The event that was asked for. */
  readonly event?: string
  /** A word of a closed list in docs/errors.md. */
  readonly reason?: string
  /** Of `stale`: the revision that the device's state has now. */
  readonly rev?: number
}

/** What went wrong, in words that hold no key, no payload and no secret. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly code: RemoteErrorCode
  readonly ran: Ran
  readonly event: string | undefined
  readonly reason: string | undefined
  readonly rev: number | undefined

  constructor(code: RemoteErrorCode, message: string, details: RemoteErrorDetails = {}) {
    super(message, details)
    this.code = code
    this.ran = details.ran ?? 'no'
    this.event = details.event
    this.reason = details.reason
    this.rev = details.rev
  }
}

export function invalid(what: string, why: string, details?: RemoteErrorDetails): RemoteError {
  return new RemoteError('invalid', `Cannot use ${what}: because ${why}`, details)
}
