import type { ListenOptions, TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions as TlsConnectOptions, TlsOptions } from 'node:tls'
import { TokenError } from './errors'
import { HEADER_LENGTH, WIRE_MAX_TOKEN_LENGTH } from './wire'

/** Limits of one connection. A time of 0 or Infinity turns that timeout off; for `closeTimeout` only Infinity does. */
export interface ConnectionOptions {
  /** Bytes of the longest token, sent or received. At most 2³¹−1. Default 8 MiB. */
  maxTokenLength?: number | undefined
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
  /** Milliseconds without a byte in either direction. Default 0: a quiet connection stays. */
  idleTimeout?: number | undefined
  /** Milliseconds that `close()` waits for the peer before it destroys, 0: at once. Default 10,000. */
  closeTimeout?: number | undefined
}

/** Limits of a server, beside those of each of its connections. */
export interface ServerLimits {
  /** Connections open at once. Default 10,000. */
  maxConnections?: number | undefined
  /** Connections and handshakes of one address at once. Default 4,096. */
  maxConnectionsPerAddress?: number | undefined
  /** Handshakes at once; above it the oldest is cut. Default 16,384. */
  maxPendingHandshakes?: number | undefined
  /** Milliseconds from accept to the end of the TLS handshake. Default 10,000. Must be finite. */
  handshakeTimeout?: number | undefined
}

/** Limits of a client's dial. */
export interface DialOptions {
  /** Milliseconds for the name, TCP and TLS together. Default 10,000. */
  connectTimeout?: number | undefined
  /**
   * Milliseconds in which a refused dial (ECONNREFUSED; ENOENT of a Unix path) is tried again, so that a client
   * that starts together with its server finds it. Default 1,000; 0 turns it off.
   */
  refusedRetryTimeout?: number | undefined
}

/** Options of {@link TokenServer}: its limits, and every option of `tls.createServer` and `server.listen`. */
export type TokenServerOptions = ConnectionOptions &
  ServerLimits &
  Omit<
    TlsOptions,
    keyof ServerLimits | 'ALPNProtocols' | 'ALPNCallback' | 'pauseOnConnect' | 'allowHalfOpen'
  > &
  ListenOptions

/** Options of {@link TokenClient}: its limits, and every option of `tls.connect`. */
export type TokenClientOptions = ConnectionOptions &
  DialOptions &
  Omit<TlsConnectOptions & NetOnlyOptions, 'ALPNProtocols' | 'allowHalfOpen' | 'timeout' | 'onread'>

/** What `tls.connect` hands on to `net.connect`, and its own type leaves out. */
type NetOnlyOptions = Omit<Partial<TcpNetConnectOpts>, keyof TlsConnectOptions>

const KIB = 1024
const MIB = 1024 * KIB

const CONNECTION_DEFAULTS = {
  maxTokenLength: 8 * MIB,
  outboxBytes: 16 * MIB,
  highWaterMark: 256 * KIB,
  frameTimeout: 30_000,
  writeTimeout: 60_000,
  idleTimeout: 0,
  closeTimeout: 10_000
}

const SERVER_DEFAULTS = {
  maxConnections: 10_000,
  maxConnectionsPerAddress: 4_096,
  maxPendingHandshakes: 16_384,
  handshakeTimeout: 10_000
}

const DIAL_DEFAULTS = {
  connectTimeout: 10_000,
  refusedRetryTimeout: 1_000
}

/** {@link ConnectionOptions}, checked and complete. */
export type ConnectionLimits = Readonly<typeof CONNECTION_DEFAULTS>

/** The options of a server, checked and complete; `tls` is what goes to Node. */
export type ServerSettings = Readonly<typeof SERVER_DEFAULTS> & {
  readonly connection: ConnectionLimits
  readonly tls: TlsOptions & ListenOptions
}

/** The options of a client, checked and complete; `tls` is what goes to Node. */
export type ClientSettings = Readonly<typeof DIAL_DEFAULTS> & {
  readonly connection: ConnectionLimits
  readonly tls: TlsConnectOptions
}

/** The longest delay of Node's timers, milliseconds: a longer one fires at once. */
const MAX_DELAY = 0x7fff_ffff

/** @throws TokenError `ERR_OPTION` */
export function connectionLimits(options: ConnectionOptions = {}): ConnectionLimits {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(CONNECTION_DEFAULTS, name)) throw refuse(name, 'is not an option of a connection')
  }
  return limitsOf(options)
}

/** @throws TokenError `ERR_OPTION` */
export function serverSettings(options: TokenServerOptions): ServerSettings {
  refuseOwned(options, ['ALPNProtocols', 'ALPNCallback', 'pauseOnConnect', 'allowHalfOpen'])
  const own = complete(SERVER_DEFAULTS, options)
  count('maxConnections', own.maxConnections, 1)
  count('maxConnectionsPerAddress', own.maxConnectionsPerAddress, 1)
  count('maxPendingHandshakes', own.maxPendingHandshakes, 1)
  count('handshakeTimeout', own.handshakeTimeout, 1, MAX_DELAY)
  return Object.freeze({ ...own, connection: limitsOf(options), tls: withoutOwn(options, SERVER_DEFAULTS) })
}

/** @throws TokenError `ERR_OPTION` */
export function clientSettings(options: TokenClientOptions): ClientSettings {
  refuseOwned(options, ['ALPNProtocols', 'allowHalfOpen', 'timeout', 'onread'])
  const own = complete(DIAL_DEFAULTS, options)
  duration('connectTimeout', own.connectTimeout)
  duration('refusedRetryTimeout', own.refusedRetryTimeout)
  return Object.freeze({ ...own, connection: limitsOf(options), tls: withoutOwn(options, DIAL_DEFAULTS) })
}

/** @throws TokenError `ERR_OPTION` when `value` is neither milliseconds that Node can wait nor Infinity */
export function duration(name: string, value: number): void {
  if (value !== Infinity) count(name, value, 0, MAX_DELAY)
}

/** @throws TokenError `ERR_OPTION` when `delay` is not milliseconds that Node can wait */
export function checkDelay(delay: number): void {
  count('delay', delay, 0, MAX_DELAY)
}

function limitsOf(options: ConnectionOptions): ConnectionLimits {
  const limits = complete(CONNECTION_DEFAULTS, options)
  count('maxTokenLength', limits.maxTokenLength, 1, WIRE_MAX_TOKEN_LENGTH)
  const largestFrame = limits.maxTokenLength + HEADER_LENGTH
  if (options.outboxBytes === undefined) limits.outboxBytes = Math.max(limits.outboxBytes, 2 * largestFrame)
  count('outboxBytes', limits.outboxBytes, largestFrame)
  count('highWaterMark', limits.highWaterMark, 1)
  duration('frameTimeout', limits.frameTimeout)
  duration('writeTimeout', limits.writeTimeout)
  duration('idleTimeout', limits.idleTimeout)
  duration('closeTimeout', limits.closeTimeout)
  return Object.freeze(limits)
}

function complete<T extends Record<string, number>>(defaults: T, options: object): T {
  const result: Record<string, number> = { ...defaults }
  for (const name of Object.keys(defaults)) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) result[name] = value as number
  }
  return result as T
}

/** The options without ours, so that Node never takes one of them for its own. */
function withoutOwn(options: object, own: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([name]) => !Object.hasOwn(own, name) && !Object.hasOwn(CONNECTION_DEFAULTS, name)
    )
  )
}

function refuseOwned(options: object, names: string[]): void {
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] !== undefined)
      throw refuse(name, 'is set by token-server itself')
  }
}

function count(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw refuse(name, `must be a whole number from ${least} to ${most}, and is ${String(value)}`)
  }
}

function refuse(name: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: it ${why}`)
}
