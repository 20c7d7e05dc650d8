import type { ListenOptions } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { AuthorizeAnswer } from './authorization'
import type { Connection } from './connection'
import type { SessionLimits } from './connection-context'
import {
  CONNECTION_OPTIONS,
  type ConnectionLimits,
  type ConnectionOptions,
  checkProtocol,
  limitsOf,
  type SessionOptions,
  sessionLimits
} from './connection-options'
import {
  complete,
  count,
  duration,
  MAX_DELAY,
  oneOf,
  pick,
  refuse,
  refuseOwned,
  without
} from './option-checks'
import type { Peer } from './peer'
import type { ProtocolName } from './wire'

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

/** Options of {@link TokenServer}: its limits, and every option of `tls.createServer` and `server.listen`. */
export type TokenServerOptions = ConnectionOptions &
  ServerLimits &
  ServerPolicies &
  Omit<
    TlsOptions,
    keyof ServerLimits | 'ALPNProtocols' | 'ALPNCallback' | 'pauseOnConnect' | 'allowHalfOpen'
  > &
  ListenOptions

const MIB = 1024 * 1024

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

const SERVER_POLICIES = [
  'protocol',
  'ack',
  'authorize',
  'slowConsumer',
  'session',
  'sessionIdentity',
  'protocols'
] as const

/** The options of a server, checked and complete; `tls` is what goes to Node. */
export type ServerSettings = Readonly<typeof SERVER_DEFAULTS> & {
  readonly connection: ConnectionLimits
  /** Undefined: no sessions. */
  readonly session: SessionLimits | undefined
  readonly policies: Readonly<ServerPolicies>
  readonly tls: TlsOptions & ListenOptions
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
    tls: without(options, [...Object.keys(own), ...SERVER_POLICIES, ...CONNECTION_OPTIONS])
  })
}

function checkProtocols(protocols: ServerPolicies['protocols'] = {}): void {
  for (const [name, { handler, clientCertificate }] of Object.entries(protocols)) {
    if (name.startsWith('token/')) throw refuse('protocols', `can't replace ${name}`)
    if (typeof handler !== 'function') throw refuse('protocols', `must have a handler for ${name}`)
    oneOf(`clientCertificate of ${name}`, clientCertificate ?? 'none', ['required', 'optional'])
  }
}
