import { RemoteError, type RemoteErrorCode, type RemoteErrorDetails } from '../errors/remote-error'
import { type Checks, isFunction, isSignal, isTime, wholeNumber } from '../options/check-options'
import type { Outgoing } from '../sealing/outbox'
import type { Timed } from '../time/deadlines'
import type { ClientSession } from './connection-owner'

/** What may be said with one request. */
export interface SendOptions {
  /** Milliseconds until it fails with `timeout`. Default: `timeoutLength` of the client. */
  readonly timeout?: number
  /** The command is refused as `stale` unless the device's state has this revision. */
  readonly ifRev?: number
  /** Gives up: the promise rejects with `cancelled`, and the device is told. */
  readonly signal?: AbortSignal
  /** What the device's handler says while it is at work. */
  readonly onProgress?: (value: unknown) => void
}

export const SEND_CHECKS: Checks<SendOptions> = {
  timeout: isTime,
  ifRev: wholeNumber(0),
  signal: isSignal,
  onProgress: isFunction
}

/** Something that was asked, until it is settled. */
export class Request implements Outgoing, Timed {
  readonly number: number
  /** Of a request the event, else what was asked for. */
  readonly event: string
  readonly text: string
  readonly deadline: number
  readonly options: SendOptions
  readonly resolve: (value: unknown) => void
  readonly reject: (error: RemoteError) => void
  hasLeft = false
  frame = 0
  isDropped = false
  /** Under which it was sent last, while that can still bring the answer. */
  session: ClientSession | undefined
  /** Of `hasLeft`: before it was sent under that session. */
  hadLeft = false
  /** The handler has shown a sign of life. */
  hasBegun = false
  onSettled: (() => void) | undefined
  /** Without a connection: what the device called its memory of this client when it left first. */
  known = ''
  /** Why its last try brought nothing, of a request that goes without a connection. */
  lastFailure: RemoteError | undefined

  constructor(
    number: number,
    event: string,
    text: string,
    deadline: number,
    options: SendOptions,
    resolve: (value: unknown) => void,
    reject: (error: RemoteError) => void
  ) {
    this.number = number
    this.event = event
    this.text = text
    this.deadline = deadline
    this.options = options
    this.resolve = resolve
    this.reject = reject
  }

  /** What is true of it when its fate was not told by the device. */
  failure(code: RemoteErrorCode, why: string, details: RemoteErrorDetails = {}): RemoteError {
    const ran = this.hasBegun ? 'yes' : this.hasLeft ? 'maybe' : 'no'
    const message = `Cannot get an answer to "${this.event}": because ${why}`
    return new RemoteError(code, message, { ran, event: this.event, ...details })
  }
}
