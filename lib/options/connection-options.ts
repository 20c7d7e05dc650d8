import { TokenError } from '../errors/token-error'
import { HEADER_LENGTH, MIN_PART_LENGTH, type ProtocolName, WIRE_MAX_TOKEN_LENGTH } from '../wire/header'
import type { Role } from '../wire/hello'
import {
  among,
  type Checks,
  checkAllOptions,
  checkOption,
  checksOf,
  complete,
  copyOf,
  MAX_DELAY,
  type Numbers,
  never,
  refuse,
  wait,
  whole
} from './checks'

/**
 * Limits of one connection. A time of 0 or Infinity turns that timeout off; for `closeTimeout` only Infinity does, for
 * `heartbeat` only 0.
 */
export interface ConnectionOptions {
  /** Bytes of the longest token, sent or received. At most 2³¹−1. Default 8 MiB. */
  maxTokenLength?: number | undefined
  /**
   * Bytes of the longest token that is taken in parts, for `incomingTokens()`; token/2 only. 0: none above
   * `maxTokenLength`. At most 2⁵³−1, and `maxTokenLength` must be at least 16 KiB then. Default 0.
   */
  maxStreamLength?: number | undefined
  /**
   * Bytes that may wait to be sent, 4 for each token's header included. Above it `send()` returns false and
   * takes nothing. At least one token of `maxTokenLength` must fit. Default 16 MiB, or twice `maxTokenLength`
   * when that is more.
   */
  outboxBytes?: number | undefined
  /** Bytes waiting from which `writableNeedDrain` is true; `drain` comes at half of it. Default 256 KiB. */
  highWaterMark?: number | undefined
  /**
   * Milliseconds in which a peer that has begun a frame must complete one or send 4 KiB; not counted while
   * this side does not read. Default 30,000.
   */
  frameTimeout?: number | undefined
  /** Milliseconds in which the peer must take the bytes of one write, 256 KiB at most. Default 60,000. */
  writeTimeout?: number | undefined
  /** Milliseconds without a byte of a token in either direction. Default 0: a quiet connection stays. */
  idleTimeout?: number | undefined
  /**
   * Milliseconds; token/2 only: this side gives up when no byte came for two of them, and asks the peer to send something
   * twice in each. 0, or 100 to 86,400,000. Default 15,000.
   */
  heartbeat?: number | undefined
  /** Bytes of tokens that the peer may send before this side has taken some; token/2 only. Default 2 MiB. */
  receiveWindow?: number | undefined
  /**
   * Milliseconds after which `unconsumed` tells that tokens wait on this side and nobody takes one, twice as many at most.
   * Default 60,000.
   */
  consumerTimeout?: number | undefined
  /** Requests that may wait for their answer; above it `request()` takes nothing. Default 16,384. */
  maxPendingRequests?: number | undefined
  /** Milliseconds that `close()` waits for the peer before it destroys, 0: at once. Default 10,000. */
  closeTimeout?: number | undefined
}

/** {@link SessionOptions}, checked and complete. */
export interface SessionLimits {
  readonly windowBytes: number
  readonly resumeTimeout: number
}

/** What two ends of a plain duplex must agree on; over TLS, ALPN and the dial decide. */
export interface ProtocolOptions {
  /** Default `token/1`. */
  protocol?: ProtocolName | undefined
  /** Needed with `token/2`: who dialled is the client. */
  role?: Role | undefined
}

/** Limits of what a session keeps while it has no transport. */
export interface SessionOptions {
  /**
   * Bytes of tokens that this side keeps until the peer acknowledges them, 4 for each token's header
   * included; above it tokens wait. At least one token of `maxTokenLength` must fit. Default 16 MiB, or twice
   * `maxTokenLength` when that is more.
   */
  windowBytes?: number | undefined
  /** Milliseconds without a transport after which the session is lost. Default 60,000. */
  resumeTimeout?: number | undefined
}

const KIB = 1024
const MIB = 1024 * KIB

const CONNECTION_NUMBERS = {
  maxTokenLength: [8 * MIB, whole(1, WIRE_MAX_TOKEN_LENGTH)],
  maxStreamLength: [0, whole(0)],
  outboxBytes: [16 * MIB, whole(1)],
  highWaterMark: [256 * KIB, whole(1)],
  frameTimeout: [30_000, wait],
  writeTimeout: [60_000, wait],
  idleTimeout: [0, wait],
  heartbeat: [15_000, value => (value === 0 ? null : whole(100, 86_400_000)(value))],
  receiveWindow: [2 * MIB, whole(1, 0xffff_ffff)],
  consumerTimeout: [60_000, wait],
  maxPendingRequests: [16 * 1024, whole(1)],
  closeTimeout: [10_000, wait]
} satisfies Numbers

const SESSION_NUMBERS = {
  windowBytes: [16 * MIB, whole(1)],
  resumeTimeout: [60_000, whole(1, MAX_DELAY)]
} satisfies Numbers

/** {@link ConnectionOptions}, checked and complete. */
export type ConnectionLimits = Readonly<Record<keyof typeof CONNECTION_NUMBERS, number>>

export const CONNECTION_CHECKS: Checks = {
  ...checksOf(CONNECTION_NUMBERS),
  ack: never(
    'is not an option: use handle(), which acknowledges a token when the promise of its handler has settled'
  )
}

export const PROTOCOL_CHECKS: Checks = {
  protocol: among('token/1', 'token/2')
}

/** The limits of frozen options: all connections of a server share them. */
const frozenLimits = new WeakMap<object, ConnectionLimits>()

/** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` */
export function connectionLimits(options: ConnectionOptions & ProtocolOptions = {}): ConnectionLimits {
  const known = frozenLimits.get(options)
  if (known !== undefined) return known
  const given = copyOf(options)
  const checks = { ...CONNECTION_CHECKS, ...PROTOCOL_CHECKS, role: among('client', 'server') }
  checkAllOptions(given, checks, 'a connection')
  if (given.protocol === 'token/2' && given.role === undefined) throw refuse('role', 'is needed with token/2')
  const limits = limitsOf(given)
  if (Object.isFrozen(options)) frozenLimits.set(options, limits)
  return limits
}

type SharedOptions = ConnectionOptions &
  ProtocolOptions & { readonly session?: boolean | SessionOptions | undefined }

/** What a server and a client settle alike for their connections. */
export interface SharedSettings {
  readonly connection: ConnectionLimits
  /** Undefined: no sessions. */
  readonly session: SessionLimits | undefined
}

/** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` for options, each checked, that contradict each other */
export function sharedSettings(given: SharedOptions): SharedSettings {
  const connection = limitsOf(given)
  return { connection, session: sessionLimits(given, connection) }
}

/** @throws TokenError `ERR_OPTION` for limits, each checked, that contradict each other */
function limitsOf(options: ConnectionOptions): ConnectionLimits {
  const limits = complete(CONNECTION_NUMBERS, options)
  if (limits.maxStreamLength > 0 && limits.maxTokenLength < MIN_PART_LENGTH) {
    throw refuse(
      'maxStreamLength',
      `needs a maxTokenLength of at least ${MIN_PART_LENGTH}, the smallest part`
    )
  }
  const largestFrame = limits.maxTokenLength + HEADER_LENGTH
  if (options.outboxBytes === undefined) limits.outboxBytes = Math.max(limits.outboxBytes, 2 * largestFrame)
  checkOption('outboxBytes', limits.outboxBytes, whole(largestFrame))
  return Object.freeze(limits)
}

function sessionLimits(
  { protocol, session }: SharedOptions,
  { maxTokenLength }: ConnectionLimits
): SessionLimits | undefined {
  if (session === undefined || session === false) return undefined
  if (protocol === 'token/1') {
    throw new TokenError('ERR_PROTOCOL_REQUIRED', 'Cannot use option session: it needs token/2, not token/1')
  }
  const given = session === true ? {} : session
  if (typeof given !== 'object' || given === null || ArrayBuffer.isView(given)) {
    throw refuse('session', 'must be true, false or an object; TLS sessions are resumed without being asked')
  }
  checkAllOptions(given, checksOf(SESSION_NUMBERS), 'a session', 'session.')
  const limits = complete(SESSION_NUMBERS, given)
  const largestFrame = maxTokenLength + HEADER_LENGTH
  if (given.windowBytes === undefined) limits.windowBytes = Math.max(limits.windowBytes, 2 * largestFrame)
  checkOption('session.windowBytes', limits.windowBytes, whole(largestFrame))
  return Object.freeze(limits)
}

export type OptionsByProtocol = Readonly<Record<ProtocolName, ConnectionOptions & ProtocolOptions>>

/** One object for all connections of a server or a client, which is checked once. */
export function optionsByProtocol(limits: ConnectionLimits, role: Role): OptionsByProtocol {
  return {
    'token/1': Object.freeze({ ...limits, role, protocol: 'token/1' }),
    'token/2': Object.freeze({ ...limits, role, protocol: 'token/2' })
  }
}
