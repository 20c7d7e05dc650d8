import type { TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions as TlsConnectOptions } from 'node:tls'
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
import { complete, duration, pick, refuse, refuseOwned, without } from './option-checks'
import type { ReconnectPolicy } from './reconnect'
import type { ProtocolName } from './wire'

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

const DIAL_DEFAULTS = {
  connectTimeout: 10_000,
  refusedRetryTimeout: 1_000,
  stablePeriod: 30_000
}

const CLIENT_POLICIES = ['protocol', 'ack', 'session', 'reconnect', 'servers', 'key', 'cert', 'ca'] as const

/** The options of a client, checked and complete; `tls` is what goes to Node. */
export type ClientSettings = Readonly<typeof DIAL_DEFAULTS> & {
  readonly connection: ConnectionLimits
  /** Undefined: no sessions. */
  readonly session: SessionLimits | undefined
  readonly policies: Readonly<ClientPolicies>
  readonly tls: TlsConnectOptions
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
    tls: without(options, [...Object.keys(own), ...CLIENT_POLICIES, ...CONNECTION_OPTIONS])
  })
}
