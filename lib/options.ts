import type { ListenOptions, TcpNetConnectOpts } from 'node:net'
import type { TLSSocket, ConnectionOptions as TlsConnectOptions, TlsOptions } from 'node:tls'
import type { AuthorizeAnswer } from './authorization'
import type { Connection } from './connection'
import type { SessionLimits } from './connection-context'
import { TokenError } from './errors'
import type { Role } from './hello'
import type { Peer } from './peer'
import type { ReconnectPolicy } from './reconnect'
import { HEADER_LENGTH, MIN_PART_LENGTH, type ProtocolName, WIRE_MAX_TOKEN_LENGTH } from './wire'

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
  /** Milliseconds without a byte in either direction. Default 0: a quiet connection stays. */
  idleTimeout?: number | undefined
  /**
   * Milliseconds; token/2 only: this side gives up when not a byte came for two of them, and asks the peer to be
   * heard of twice in each. 0, or 100 to 86,400,000. Default 15,000.
   */
  heartbeat?: number | undefined
  /** Bytes of tokens that the peer may send before this side has taken some; token/2 only. Default 2 MiB. */
  receiveWindow?: number | undefined
  /** Milliseconds that `close()` waits for the peer before it destroys, 0: at once. Default 10,000. */
  closeTimeout?: number | undefined
}

/** What two ends of a plain duplex must agree on; over TLS, ALPN and the dial decide. */
export interface ProtocolOptions {
  /** Default `token/1`. */
  protocol?: ProtocolName | undefined
  /** Needed with `token/2`: who dialled is the client. */
  role?: Role | undefined
  /**
   * When a token counts as handed to the application; token/2 only. `auto`: when its listeners have returned or
   * the next one is asked for. `manual`: when `connection.acknowledge()` says so. Default `auto`.
   */
  ack?: 'auto' | 'manual' | undefined
}

/** How a session outlives its transports. */
export interface SessionOptions {
  /**
   * Bytes of tokens that this side keeps until the peer's application has had them, 4 for each token's header
   * included; above it tokens wait. At least one token of `maxTokenLength` must fit. Default 16 MiB, or twice
   * `maxTokenLength` when that is more.
   */
  windowBytes?: number | undefined
  /** Milliseconds without a transport after which the session is lost. Default 60,000. */
  resumeTimeout?: number | undefined
}

/** Limits of a server, beside those of each of its connections. */
export interface ServerLimits {
  /** Connections open at once. Default 10,000. */
  maxConnections?: number | undefined
  /** Connections and handshakes of one address at once. Default 4,096. */
  maxConnectionsPerAddress?: number | undefined
  /** Handshakes at once; above it the oldest is cut. Default 16,384. */
  maxPendingHandshakes?: number | undefined
  /** Connections of one identity (issuer, subject and SANs) at once, those that wait for their client too. Default 1,024. */
  maxConnectionsPerIdentity?: number | undefined
  /** Sessions at once, those that wait for their client included; the oldest of these is evicted. Default 16,384. */
  maxSessions?: number | undefined
  /** Sessions of one identity at once. Default 1,024. */
  maxSessionsPerIdentity?: number | undefined
  /** Milliseconds from accept to acceptance: TLS, HELLO and `authorize`. Default 10,000. Must be finite. */
  handshakeTimeout?: number | undefined
  /** Milliseconds that `authorize` is given, of those that are left of `handshakeTimeout`. Default 10,000. */
  authorizeTimeout?: number | undefined
  /** Bytes of all queues of the server together, in and out, and of what sessions keep. Default 1 GiB. */
  memoryBudgetBytes?: number | undefined
  /** Milliseconds that a token may wait in an outbox before `slowConsumer` acts. Default 60,000. */
  maxQueueAge?: number | undefined
}

/** How a server decides on its clients. */
export interface ServerPolicies {
  /** Speaks only this protocol. Default: the client chooses, `token/2` is preferred. */
  protocol?: ProtocolName | undefined
  /** As for a connection. Default `auto`. */
  ack?: 'auto' | 'manual' | undefined
  /**
   * Asked before a client gets anything, after its certificate was verified, at each connection: true accepts,
   * false or `{ reason }` refuses, and the reason is told to the client. The signal aborts when the answer is of
   * no use any more. Default: accepts.
   */
  authorize?: Authorize | undefined
  /**
   * What happens to a connection whose outbox holds a token for longer than `maxQueueAge`, and to the one with the
   * fullest queues while the server is over `memoryBudgetBytes`. `close` breaks it, `drop` drops its oldest tokens
   * and tells so by `dropped`. Default `close`.
   */
  slowConsumer?: 'close' | 'drop' | undefined
  /** Grants sessions to clients that ask for one. Default false. */
  session?: boolean | SessionOptions | undefined
  /**
   * To whom a session belongs: only a peer of the same identity may go on with it. Null: it gets none. Default: issuer,
   * subject and sorted SANs, so that a renewed certificate resumes; peers without a certificate are all the same.
   */
  sessionIdentity?: ((peer: Peer | null) => string | null) | undefined
  /** Other protocols on the same port, by their ALPN names. */
  protocols?: Record<string, OtherProtocol> | undefined
}

/** Decides on a peer. */
export type Authorize = (
  peer: Peer | null,
  connection: Connection,
  signal: AbortSignal
) => AuthorizeAnswer | Promise<AuthorizeAnswer>

/** A protocol that is not token/*, on the port of a TokenServer. */
export interface OtherProtocol {
  /** Gets the socket after the TLS handshake and owns it from then on. */
  handler: (socket: TLSSocket) => void
  /** `required`: only peers with a trusted certificate; `optional`: anyone. */
  clientCertificate: 'required' | 'optional'
}

/** Limits of a client's dial. */
export interface DialOptions {
  /** Milliseconds for the name, TCP, TLS and, on token/2, the server's acceptance together. Default 10,000. */
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
  ServerPolicies &
  Omit<
    TlsOptions,
    keyof ServerLimits | 'ALPNProtocols' | 'ALPNCallback' | 'pauseOnConnect' | 'allowHalfOpen'
  > &
  ListenOptions

/** Where a client may find its server. */
export interface ServerAddress {
  host?: string | undefined
  port?: number | undefined
  path?: string | undefined
}

/** How a client decides. */
export interface ClientPolicies {
  /** Speaks only this protocol. Default: `token/2`, or `token/1` with a server that knows no better. */
  protocol?: ProtocolName | undefined
  /** As for a connection. Default `auto`. */
  ack?: 'auto' | 'manual' | undefined
  /**
   * Asks for a session, which a server must grant: the connection outlives its sockets. Speaks only token/2, and
   * `reconnect` is true by default then. Default false.
   */
  session?: boolean | SessionOptions | undefined
  /** Dials again when the connection is lost: by the default policy, or by one's own. Default false. */
  reconnect?: boolean | ReconnectPolicy | undefined
  /** Milliseconds after which a connection counts as stable: the next loss is a first one. Default 30,000. */
  stablePeriod?: number | undefined
  /** Servers that are tried in turn; instead of `host` and `port`. */
  servers?: readonly ServerAddress[] | undefined
  /** The client's key, or a function that gives it at every dial. */
  key?: TlsConnectOptions['key'] | (() => TlsConnectOptions['key'])
  /** The client's certificate, or a function that gives it at every dial. */
  cert?: TlsConnectOptions['cert'] | (() => TlsConnectOptions['cert'])
  /** The authorities it trusts, or a function that gives them at every dial. */
  ca?: TlsConnectOptions['ca'] | (() => TlsConnectOptions['ca'])
}

/** Options of {@link TokenClient}: its limits, and every option of `tls.connect`. */
export type TokenClientOptions = ConnectionOptions &
  DialOptions &
  ClientPolicies &
  Omit<
    TlsConnectOptions & NetOnlyOptions,
    'ALPNProtocols' | 'allowHalfOpen' | 'timeout' | 'onread' | 'session' | 'key' | 'cert' | 'ca'
  >

/** What `tls.connect` hands on to `net.connect`, and its own type leaves out. */
type NetOnlyOptions = Omit<Partial<TcpNetConnectOpts>, keyof TlsConnectOptions>

const KIB = 1024
const MIB = 1024 * KIB

const CONNECTION_DEFAULTS = {
  maxTokenLength: 8 * MIB,
  maxStreamLength: 0,
  outboxBytes: 16 * MIB,
  highWaterMark: 256 * KIB,
  frameTimeout: 30_000,
  writeTimeout: 60_000,
  idleTimeout: 0,
  heartbeat: 15_000,
  receiveWindow: 2 * MIB,
  closeTimeout: 10_000
}

const SERVER_DEFAULTS = {
  maxConnections: 10_000,
  maxConnectionsPerAddress: 4_096,
  maxPendingHandshakes: 16_384,
  maxConnectionsPerIdentity: 1_024,
  maxSessions: 16_384,
  maxSessionsPerIdentity: 1_024,
  handshakeTimeout: 10_000,
  authorizeTimeout: 10_000,
  memoryBudgetBytes: 1024 * MIB,
  maxQueueAge: 60_000
}

const DIAL_DEFAULTS = {
  connectTimeout: 10_000,
  refusedRetryTimeout: 1_000,
  stablePeriod: 30_000
}

const SESSION_DEFAULTS = {
  windowBytes: 16 * MIB,
  resumeTimeout: 60_000
}

const SERVER_POLICIES = [
  'protocol',
  'ack',
  'authorize',
  'slowConsumer',
  'session',
  'sessionIdentity',
  'protocols'
] as const

const CLIENT_POLICIES = ['protocol', 'ack', 'session', 'reconnect', 'servers', 'key', 'cert', 'ca'] as const

/** {@link ConnectionOptions}, checked and complete. */
export type ConnectionLimits = Readonly<typeof CONNECTION_DEFAULTS>

/** The options of a server, checked and complete; `tls` is what goes to Node. */
export type ServerSettings = Readonly<typeof SERVER_DEFAULTS> & {
  readonly connection: ConnectionLimits
  /** Undefined: no sessions. */
  readonly session: SessionLimits | undefined
  readonly policies: Readonly<ServerPolicies>
  readonly tls: TlsOptions & ListenOptions
}

/** The options of a client, checked and complete; `tls` is what goes to Node. */
export type ClientSettings = Readonly<typeof DIAL_DEFAULTS> & {
  readonly connection: ConnectionLimits
  /** Undefined: no sessions. */
  readonly session: SessionLimits | undefined
  readonly policies: Readonly<ClientPolicies>
  readonly tls: TlsConnectOptions
}

/** The longest delay of Node's timers, milliseconds: a longer one fires at once. */
const MAX_DELAY = 0x7fff_ffff

/** The limits of frozen options, which all connections of a server share. */
const frozenLimits = new WeakMap<object, ConnectionLimits>()

/** @throws TokenError `ERR_OPTION` */
export function connectionLimits(options: ConnectionOptions & ProtocolOptions = {}): ConnectionLimits {
  const known = frozenLimits.get(options)
  if (known !== undefined) return known
  const limits = checkedLimits(options)
  if (Object.isFrozen(options)) frozenLimits.set(options, limits)
  return limits
}

function checkedLimits(options: ConnectionOptions & ProtocolOptions): ConnectionLimits {
  const { protocol, role, ack, ...limits } = options
  for (const name of Object.keys(limits)) {
    if (!Object.hasOwn(CONNECTION_DEFAULTS, name)) throw refuse(name, 'is not an option of a connection')
  }
  checkProtocol({ protocol, ack })
  oneOf('role', role, ['client', 'server'])
  if (protocol === 'token/2' && role === undefined) throw refuse('role', 'is needed with token/2')
  return limitsOf(limits)
}

/** @throws TokenError `ERR_OPTION` */
export function serverSettings(options: TokenServerOptions): ServerSettings {
  refuseOwned(options, ['ALPNProtocols', 'ALPNCallback', 'pauseOnConnect', 'allowHalfOpen'])
  const own = complete(SERVER_DEFAULTS, options)
  count('maxConnections', own.maxConnections, 1)
  count('maxConnectionsPerAddress', own.maxConnectionsPerAddress, 1)
  count('maxConnectionsPerIdentity', own.maxConnectionsPerIdentity, 1)
  count('maxPendingHandshakes', own.maxPendingHandshakes, 1)
  count('maxSessions', own.maxSessions, 1)
  count('maxSessionsPerIdentity', own.maxSessionsPerIdentity, 1)
  count('handshakeTimeout', own.handshakeTimeout, 1, MAX_DELAY)
  count('authorizeTimeout', own.authorizeTimeout, 1, MAX_DELAY)
  count('memoryBudgetBytes', own.memoryBudgetBytes, 1)
  duration('maxQueueAge', own.maxQueueAge)
  checkProtocol(options)
  oneOf('slowConsumer', options.slowConsumer, ['close', 'drop'])
  checkProtocols(options.protocols)
  const connection = limitsOf(options)
  return Object.freeze({
    ...own,
    connection,
    session: sessionLimits(options, connection),
    policies: pick(options, SERVER_POLICIES),
    tls: without(options, [...Object.keys(own), ...SERVER_POLICIES])
  })
}

/** @throws TokenError `ERR_OPTION` */
export function clientSettings(options: TokenClientOptions): ClientSettings {
  refuseOwned(options, ['ALPNProtocols', 'allowHalfOpen', 'timeout', 'onread'])
  const own = complete(DIAL_DEFAULTS, options)
  duration('connectTimeout', own.connectTimeout)
  duration('refusedRetryTimeout', own.refusedRetryTimeout)
  duration('stablePeriod', own.stablePeriod)
  checkProtocol(options)
  if (options.servers?.length === 0) throw refuse('servers', 'must name at least one server')
  const connection = limitsOf(options)
  const session = sessionLimits(options, connection)
  if (session !== undefined && options.reconnect === false) {
    throw refuse('reconnect', 'must not be false with a session, which resumes by dialling again')
  }
  const policies = pick(options, CLIENT_POLICIES)
  return Object.freeze({
    ...own,
    connection,
    session,
    // A session in silence on token/1 would be a weaker promise.
    policies: session === undefined ? policies : Object.freeze({ ...policies, protocol: 'token/2' as const }),
    tls: without(options, [...Object.keys(own), ...CLIENT_POLICIES])
  })
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
  count('maxStreamLength', limits.maxStreamLength, 0)
  if (limits.maxStreamLength > 0 && limits.maxTokenLength < MIN_PART_LENGTH) {
    throw refuse(
      'maxStreamLength',
      `needs a maxTokenLength of at least ${MIN_PART_LENGTH}, the smallest part`
    )
  }
  const largestFrame = limits.maxTokenLength + HEADER_LENGTH
  if (options.outboxBytes === undefined) limits.outboxBytes = Math.max(limits.outboxBytes, 2 * largestFrame)
  count('outboxBytes', limits.outboxBytes, largestFrame)
  count('highWaterMark', limits.highWaterMark, 1)
  duration('frameTimeout', limits.frameTimeout)
  duration('writeTimeout', limits.writeTimeout)
  duration('idleTimeout', limits.idleTimeout)
  if (limits.heartbeat !== 0) count('heartbeat', limits.heartbeat, 100, 86_400_000)
  count('receiveWindow', limits.receiveWindow, 1, 0xffff_ffff)
  duration('closeTimeout', limits.closeTimeout)
  return Object.freeze(limits)
}

function sessionLimits(
  { protocol, session }: Pick<ClientPolicies, 'protocol' | 'session'>,
  { maxTokenLength }: ConnectionLimits
): SessionLimits | undefined {
  if (session === undefined || session === false) return undefined
  if (protocol === 'token/1') {
    throw new TokenError('ERR_PROTOCOL_REQUIRED', 'Cannot use option session: it needs token/2, not token/1')
  }
  const given = session === true ? {} : session
  if (typeof given !== 'object' || given === null || given instanceof Uint8Array) {
    throw refuse('session', 'must be true, false or an object; TLS sessions are resumed without being asked')
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(SESSION_DEFAULTS, name))
      throw refuse(`session.${name}`, 'is not an option of a session')
  }
  const limits = complete(SESSION_DEFAULTS, given)
  const largestFrame = maxTokenLength + HEADER_LENGTH
  if (given.windowBytes === undefined) limits.windowBytes = Math.max(limits.windowBytes, 2 * largestFrame)
  count('session.windowBytes', limits.windowBytes, largestFrame)
  count('session.resumeTimeout', limits.resumeTimeout, 1, MAX_DELAY)
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

function checkProtocol({ protocol, ack }: ProtocolOptions): void {
  oneOf('protocol', protocol, ['token/1', 'token/2'])
  oneOf('ack', ack, ['auto', 'manual'])
  if (ack === 'manual' && protocol !== 'token/2') {
    throw new TokenError('ERR_PROTOCOL_REQUIRED', "Cannot use option ack: 'manual' needs protocol 'token/2'")
  }
}

function checkProtocols(protocols: ServerPolicies['protocols'] = {}): void {
  for (const [name, { handler, clientCertificate }] of Object.entries(protocols)) {
    if (name.startsWith('token/')) throw refuse('protocols', `can't replace ${name}`)
    if (typeof handler !== 'function') throw refuse('protocols', `must have a handler for ${name}`)
    oneOf(`clientCertificate of ${name}`, clientCertificate ?? 'none', ['required', 'optional'])
  }
}

function pick<T extends object, K extends keyof T>(options: T, names: readonly K[]): Readonly<Pick<T, K>> {
  return Object.freeze(Object.fromEntries(names.map(name => [name, options[name]]))) as Pick<T, K>
}

/** The options without ours, so that Node never takes one of them for its own. */
function without(options: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([name]) => !names.includes(name) && !Object.hasOwn(CONNECTION_DEFAULTS, name)
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

function oneOf(name: string, value: unknown, allowed: string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) {
    throw refuse(name, `must be one of ${allowed.join(', ')}, and is ${String(value)}`)
  }
}

function refuse(name: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: it ${why}`)
}
