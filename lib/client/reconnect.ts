import { CLOSE_CODES } from '../errors/close-codes'
import { codeOf } from '../errors/socket-error'
import type { TokenError } from '../errors/token-error'
import {
  type Check,
  type Checks,
  callback,
  checkAllOptions,
  checkOption,
  copyOf,
  MAX_DELAY,
  shown
} from '../options/checks'
import { ask } from '../runtime/application-call'

/** What a {@link ReconnectPolicy} is told. */
export interface ReconnectCause {
  /** What broke the connection or the dial; null when the server ended it in order. */
  readonly error: TokenError | null
  /** True when the next dial will fail as this one did, until somebody changes something. */
  readonly isHopeless: boolean
  /** Milliseconds in which the server does not want to see this client, when it said so. */
  readonly retryAfter?: number | undefined
}

/**
 * Says when to dial again: a pure function, called once for each loss and each failed dial.
 *
 * `attempt` is 1 for the first dial after a stable connection was lost, then 2, and so on; a connection that did
 * not last the stable period does not start it anew.
 *
 * @returns milliseconds until the next dial, at most 2³¹−1, rounded if need be; false to give up
 */
export type ReconnectPolicy = (attempt: number, cause: ReconnectCause) => number | false

/** Options of {@link fullJitter}. */
export interface FullJitterOptions {
  /** Milliseconds of the longest first wait. Default 500. */
  initialDelay?: number | undefined
  /** Milliseconds of the longest wait. Default 30,000. */
  maxDelay?: number | undefined
  /** Milliseconds of the shortest wait when it is hopeless. Default 30,000. */
  hopelessDelay?: number | undefined
  /** Milliseconds of the longest wait when it is hopeless. Default 300,000. */
  maxHopelessDelay?: number | undefined
  /** A number from 0 to below 1, as `Math.random`, which is the default. */
  random?: (() => number) | undefined
}

/**
 * The growth of a wait, and its shortest part. In 2,700 simulations, 1,000 clients lost one server for 0.2 to 30 s: the
 * busiest tenth of the time until all were back saw 3.1 times the mean, and in 997 of 1,000 at most three times. With growth
 * 2 and waits from 0 on it was nine times: a few clients drew long waits, and all others came long before them.
 */
const GROWTH = 1.55
const SHORTEST_PART = 0.4

const DAY = 86_400_000
const HOUR = 3_600_000

/** It may have a fraction: only what is waited is whole. */
function delay(least: number): Check {
  return value =>
    Number.isFinite(value) && (value as number) >= least && (value as number) <= MAX_DELAY
      ? null
      : `must be milliseconds from ${least} to ${MAX_DELAY}, got ${shown(value)}`
}

const JITTER_CHECKS: Checks = {
  initialDelay: delay(1),
  maxDelay: delay(1),
  hopelessDelay: delay(1),
  maxHopelessDelay: delay(1),
  random: callback
}

/**
 * The default policy: an exponential wait of which the length is drawn anew each time, so that clients that were
 * cut together do not come back together, and never so short that it spins. It does not give up.
 *
 * ```
 * const policy = fullJitter()
 * policy(1, lost)                         //    200 to     500 ms
 * policy(2, lost)                         //    310 to     775
 * policy(3, lost)                         //    481 to   1,201
 * policy(6, lost)                         //  1,789 to   4,473
 * policy(11, lost)                        // 12,000 to  30,000, and so on
 *
 * policy(1, { isHopeless: true, … })      // 30,000 to  46,500
 * policy(2, { isHopeless: true, … })      // 30,000 to  72,075
 * policy(6, { isHopeless: true, … })      // 30,000 to 300,000, and so on
 *
 * policy(1, { retryAfter: 60_000, … })    // 60,200 to  75,500
 * ```
 *
 * `retryAfter` counts up to 24 h, and is lengthened by up to a quarter of itself, at most an hour.
 *
 * @throws TokenError `ERR_OPTION`
 */
export function fullJitter(options: FullJitterOptions = {}): ReconnectPolicy {
  const given = copyOf(options)
  checkAllOptions(given, JITTER_CHECKS, 'fullJitter()')
  const { initialDelay = 500, maxDelay = 30_000, hopelessDelay = 30_000, random = Math.random } = given
  const { maxHopelessDelay = Math.max(300_000, hopelessDelay) } = given
  checkOption('maxDelay', maxDelay, delay(initialDelay))
  checkOption('maxHopelessDelay', maxHopelessDelay, delay(hopelessDelay))

  return (attempt, { isHopeless, retryAfter = 0 }) => {
    const longest = isHopeless
      ? Math.min(maxHopelessDelay, hopelessDelay * GROWTH ** attempt)
      : Math.min(maxDelay, initialDelay * GROWTH ** (attempt - 1))
    const shortest = isHopeless ? hopelessDelay : longest * SHORTEST_PART
    const demanded = Math.min(retryAfter, DAY)
    const lengthening = Math.min(demanded / 4, HOUR)
    // One draw for all: a sum of two would crowd the clients in the middle.
    return Math.round(demanded + shortest + random() * (lengthening + longest - shortest))
  }
}

/** Milliseconds until the next dial; false: there is none; an error: the policy has thrown, or gave no number. */
export type NextDial = number | false | TokenError

export function nextDial(policy: ReconnectPolicy, attempt: number, cause: ReconnectCause): NextDial {
  const demand = `Cannot connect again: the reconnect policy must give milliseconds from 0 to ${MAX_DELAY} or false`
  const delay = ask(() => policy(attempt, cause), isDelay, 'ERR_OPTION', demand)
  return typeof delay === 'number' ? Math.round(delay) : delay
}

function isDelay(answer: unknown): answer is number | false {
  return answer === false || (typeof answer === 'number' && answer >= 0 && answer <= MAX_DELAY)
}

/** A person has to change a certificate, a rule, an option or a program before another dial can succeed. */
const HOPELESS_CODES: readonly string[] = [
  'ERR_CERTIFICATE',
  'ERR_CONTROL_FRAME',
  'ERR_OPTION',
  'ERR_PROTOCOL',
  'ERR_PROTOCOL_REQUIRED',
  'ERR_REFUSED',
  'ERR_TOKEN_TOO_LARGE'
]

/**
 * The alerts and errors of TLS after which it is so; a reset comes from a busy server or a restart, a bad record from the
 * network. The last two are keys, options or Unix paths that Node refuses.
 */
const HOPELESS_CAUSES: readonly RegExp[] = [
  /^ERR_SSL_.*ALERT_(?:ACCESS_DENIED|BAD_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)$/,
  /^ERR_SSL_.*ALERT_(?:HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|NO_APPLICATION_PROTOCOL|PROTOCOL_VERSION|UNRECOGNIZED_NAME)$/,
  /^ERR_SSL_(?:HTTPS?_\w+|NO_PROTOCOLS_AVAILABLE|UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER)$/,
  /^ERR_(?:INVALID_ARG|OSSL)_/,
  /^ERR_(?:MISSING_ARGS|SOCKET_BAD_PORT|INVALID_IP_ADDRESS|INVALID_ADDRESS_FAMILY)$/
]

/** True when dialling again will fail in the same way until somebody changes something. */
export function isHopeless(error: TokenError): boolean {
  if (error.closeCode !== undefined) return CLOSE_CODES[error.closeCode].retry === 'seldom'
  if (HOPELESS_CODES.includes(error.code)) return true
  if (error.code !== 'ERR_HANDSHAKE' && error.code !== 'ERR_CONNECT') return false
  const cause = codeOf(error.cause)
  return HOPELESS_CAUSES.some(pattern => pattern.test(cause))
}
