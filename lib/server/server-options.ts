import type { ListenOptions } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { Connection } from '../connection/connection'
import type { TcpOptions } from '../connection/transport'
import {
  abortSignal,
  among,
  anything,
  type Checks,
  callback,
  checkOption,
  checkOptions,
  checksOf,
  complete,
  copyOf,
  days,
  MAX_DELAY,
  type Numbers,
  object,
  pick,
  refuse,
  wait,
  whole,
  wholeOrInfinity,
  without
} from '../options/checks'
import {
  CONNECTION_CHECKS,
  type ConnectionOptions,
  PROTOCOL_CHECKS,
  type SessionOptions,
  type SharedSettings,
  sharedSettings
} from '../options/connection-options'
import {
  CONTEXT_CHECKS,
  checkPsk,
  LISTEN_CHECKS,
  normalAddress,
  SERVER_CHECKS,
  TCP_CHECKS
} from '../options/node-options'
import type { AuthorizeAnswer } from '../protocol/authorization'
import { checkVersions } from '../tls/context'
import type { CredentialSources } from '../tls/current-credentials'
import type { Peer } from '../tls/peer'
import type { ProtocolName } from '../wire/header'

/** Limits of a server, beside those of each of its connections. */
export interface ServerLimits {
  /** Connections open at once. Default 10,000. */
  maxConnections?: number | undefined
  /** Connections and handshakes of one address at once. Default 4,096. */
  maxConnectionsPerAddress?: number | undefined
  /**
   * How often one address may connect a second in the long run; ten times as often at once. The addresses of one /64 of IPv6
   * are one. Default 1,000; Infinity: as often as it likes.
   */
  maxConnectRatePerAddress?: number | undefined
  /**
   * Sockets of {@link ServerPolicies.protocols} at once whose client showed no trusted certificate. Default 1,024, and at
   * most half of `maxConnections`.
   */
  maxStrangers?: number | undefined
  /** Handshakes at once; above it the oldest is cut. Default 16,384. */
  maxPendingHandshakes?: number | undefined
  /** Connections of one identity (issuer, subject and SANs) at once; those that wait for their client don't count. Default 1,024. */
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

/** Decisions that the application makes on clients. */
export interface ServerPolicies<Data = unknown> {
  /** Speaks only this protocol. Default: the client chooses, `token/2` is preferred. */
  protocol?: ProtocolName | undefined
  /**
   * Asked before a client gets anything, after its certificate was verified, at each connection: true accepts,
   * false or `{ reason }` refuses, and the reason is told to the client. The signal aborts when the answer is of
   * no use any more. Default: accepts.
   */
  authorize?: Authorize<Data> | undefined
  /**
   * What happens to a connection whose outbox holds a token for longer than `maxQueueAge`, and to the one with the
   * fullest queues while the server is over `memoryBudgetBytes`. `close` breaks it, `drop` drops its oldest tokens
   * and tells so by `dropped`. Default `close`.
   */
  slowConsumer?: 'close' | 'drop' | undefined
  /** Grants sessions to clients that ask for one. Default false. */
  session?: boolean | SessionOptions | undefined
  /**
   * The identity that a session belongs to: only a peer of the same identity may go on with it. Null: it gets none. Default: issuer,
   * subject and sorted SANs, so that a renewed certificate resumes; peers without a certificate are all the same.
   */
  sessionIdentity?: ((peer: Peer | null) => string | null) | undefined
  /** Other protocols on the same port, by their ALPN names. */
  protocols?: Record<string, OtherProtocol> | undefined
  /**
   * Days before an end on which it is told: of the server's certificates and lists of revoked ones, and of the certificates of
   * its peers. Default [14, 1].
   */
  expiryNoticeDays?: readonly number[] | undefined
  /** Aborting it is `close()`. */
  signal?: AbortSignal | undefined
}

/** Decides on a peer. */
export type Authorize<Data = unknown> = (
  peer: Peer | null,
  connection: Connection<Data>,
  signal: AbortSignal
) => AuthorizeAnswer | Promise<AuthorizeAnswer>

/** A protocol that is not token/*, on the port of a TokenServer. */
export interface OtherProtocol {
  /** Gets the socket after the TLS handshake and owns it from then on. */
  handler: (socket: TLSSocket) => void
  /** `required`: only peers with a trusted certificate; `optional`: anyone. */
  clientCertificate: 'required' | 'optional'
  /** Milliseconds without a byte in either direction, after which the socket is destroyed. Default 120,000; 0 and Infinity: never. */
  idleTimeout?: number | undefined
}

/**
 * Options of {@link TokenServer}: its limits, credentials that may be functions, called by `reload()` too, and every option of
 * `tls.createServer` and `server.listen`.
 */
export type TokenServerOptions<Data = unknown> = ConnectionOptions &
  ServerLimits &
  ServerPolicies<Data> &
  CredentialSources &
  Omit<
    TlsOptions,
    | keyof ServerLimits
    | keyof CredentialSources
    | 'ALPNProtocols'
    | 'ALPNCallback'
    | 'pauseOnConnect'
    | 'allowHalfOpen'
  > &
  ListenOptions & {
    /** A file descriptor that listens already. */
    fd?: number | undefined
  }

const MIB = 1024 * 1024

const SERVER_NUMBERS = {
  maxConnections: [10_000, whole(1)],
  maxConnectionsPerAddress: [4_096, whole(1)],
  maxConnectRatePerAddress: [1_000, wholeOrInfinity(1)],
  maxStrangers: [1_024, whole(1)],
  maxPendingHandshakes: [16_384, whole(1)],
  maxConnectionsPerIdentity: [1_024, whole(1)],
  maxSessions: [16_384, whole(1)],
  maxSessionsPerIdentity: [1_024, whole(1)],
  handshakeTimeout: [10_000, whole(1, MAX_DELAY)],
  authorizeTimeout: [10_000, whole(1, MAX_DELAY)],
  memoryBudgetBytes: [1024 * MIB, whole(1)],
  maxQueueAge: [60_000, wait]
} satisfies Numbers

const POLICY_CHECKS: Checks = {
  ...PROTOCOL_CHECKS,
  authorize: callback,
  slowConsumer: among('close', 'drop'),
  session: anything,
  sessionIdentity: callback,
  protocols: object,
  expiryNoticeDays: days,
  signal: abortSignal
}

const OWN_CHECKS: Checks = { ...CONNECTION_CHECKS, ...checksOf(SERVER_NUMBERS), ...POLICY_CHECKS }

/** The ways to listen with which an option is of any use. */
const LISTEN_NEEDS: Readonly<Record<string, readonly string[]>> = {
  host: ['port'],
  ipv6Only: ['port'],
  reusePort: ['port'],
  backlog: ['port', 'path'],
  exclusive: ['port', 'path'],
  readableAll: ['path'],
  writableAll: ['path']
}

/** The options of a server, checked and complete. */
export type ServerSettings = Readonly<Record<keyof typeof SERVER_NUMBERS, number>> &
  SharedSettings & {
    readonly tcp: TcpOptions
    readonly policies: Readonly<ServerPolicies>
    /** What `server.listen` gets: no key, for its errors quote it. */
    readonly listen: Readonly<ListenOptions & { fd?: number | undefined }>
    /** What `tls.createServer` gets, once functions among the credentials were called. */
    readonly tls: ServerTlsOptions
  }

export type ServerTlsOptions = Omit<TlsOptions, keyof CredentialSources> & CredentialSources

/** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` */
export function serverSettings(options: TokenServerOptions): ServerSettings {
  const given = copyOf(options)
  checkOptions(given, OWN_CHECKS, SERVER_CHECKS, LISTEN_CHECKS, CONTEXT_CHECKS)
  checkProtocols(given.protocols)
  checkVersions(given as TlsOptions)
  checkPsk({ ...given }, 'requestCert')
  const limits = complete(SERVER_NUMBERS, given)
  return Object.freeze({
    ...limits,
    maxStrangers: given.maxStrangers ?? Math.min(limits.maxStrangers, Math.ceil(limits.maxConnections / 2)),
    ...sharedSettings(given),
    tcp: pick<TcpOptions>(given, TCP_CHECKS),
    policies: pick<ServerPolicies>(given, POLICY_CHECKS),
    listen: listenOptions(given),
    tls: without(given, OWN_CHECKS, LISTEN_CHECKS)
  })
}

function listenOptions(given: TokenServerOptions): ServerSettings['listen'] {
  const listen = pick<ServerSettings['listen']>(given, LISTEN_CHECKS)
  const [way, other] = (['port', 'path', 'fd'] as const).filter(name => listen[name] !== undefined)
  if (way === undefined)
    throw refuse('port', 'is missing: say where to listen by port (0: a free one) or by path')
  if (other !== undefined) throw refuse(other, `contradicts ${way}: a server listens at one place`)
  for (const [name, ways] of Object.entries(LISTEN_NEEDS)) {
    if (Object.hasOwn(listen, name) && !ways.includes(way)) throw refuse(name, `has no effect with ${way}`)
  }
  return Object.freeze(normalAddress(listen))
}

function checkProtocols(protocols: ServerPolicies['protocols'] = {}): void {
  for (const [name, protocol] of Object.entries(protocols)) {
    if (name.startsWith('token/')) throw refuse('protocols', `can't replace ${name}`)
    const { handler, clientCertificate, idleTimeout }: Partial<OtherProtocol> = protocol ?? {}
    if (typeof handler !== 'function') throw refuse('protocols', `must have a handler for ${name}`)
    checkOption(`clientCertificate of ${name}`, clientCertificate ?? null, among('required', 'optional'))
    if (idleTimeout !== undefined) checkOption(`idleTimeout of ${name}`, idleTimeout, wait)
  }
}
