import type { TcpNetConnectOpts } from 'node:net'
import type { SecureContextOptions, ConnectionOptions as TlsConnectOptions } from 'node:tls'
import type { TcpOptions } from '../connection/transport'
import {
  abortSignal,
  anything,
  type Check,
  type Checks,
  checkAllOptions,
  checkOptions,
  checksOf,
  complete,
  copyOf,
  days,
  type Numbers,
  object,
  pick,
  refuse,
  shown,
  wait,
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
  ADDRESS_CHECKS,
  CONNECT_CHECKS,
  CONTEXT_CHECKS,
  checkPsk,
  normalAddress,
  TCP_CHECKS
} from '../options/node-options'
import { addressAndPort } from '../runtime/one-line'
import { checkVersions } from '../tls/context'
import type { CredentialSources } from '../tls/current-credentials'
import type { ProtocolName } from '../wire/header'
import { fullJitter, type ReconnectPolicy } from './reconnect'

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

/** The address at which a client finds a server. */
export interface ServerAddress {
  host?: string | undefined
  port?: number | undefined
  path?: string | undefined
}

/** Decisions that the application makes for its client. */
export interface ClientPolicies {
  /** Speaks only this protocol. Default: `token/2`, or `token/1` with a server that knows no better. */
  protocol?: ProtocolName | undefined
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
  /** Days before the end of the client's certificate on which `certificate-expiring` tells of it. Default [14, 1]. */
  expiryNoticeDays?: readonly number[] | undefined
  /** Aborting it is `close()`. */
  signal?: AbortSignal | undefined
}

/** Options of {@link TokenClient}: its limits, credentials that may be functions, called at every dial, and every option of `tls.connect`. */
export type TokenClientOptions = ConnectionOptions &
  DialOptions &
  ClientPolicies &
  CredentialSources &
  Omit<
    TlsConnectOptions & NetOnlyOptions,
    | 'ALPNProtocols'
    | 'allowHalfOpen'
    | 'timeout'
    | 'onread'
    | 'session'
    | keyof CredentialSources
    | 'fd'
    | 'readable'
    | 'writable'
    | 'requestOCSP'
  >

/** Options that `tls.connect` hands on to `net.connect`, and that its type leaves out. */
type NetOnlyOptions = Omit<Partial<TcpNetConnectOpts>, keyof TlsConnectOptions>

const DIAL_NUMBERS = {
  connectTimeout: [10_000, wait],
  refusedRetryTimeout: [1_000, wait],
  stablePeriod: [30_000, wait]
} satisfies Numbers

const reconnect: Check = value => {
  if (value === fullJitter) return 'must be called: fullJitter()'
  if (typeof value === 'boolean' || typeof value === 'function') return null
  if (object(value) === null) {
    return 'must be true, false or a policy, got an object: put it into fullJitter(), as in fullJitter({ maxDelay: 5000 })'
  }
  return `must be true, false or a policy such as fullJitter({ maxDelay: 5000 }), got ${shown(value)}`
}

const servers: Check = value => {
  if (!Array.isArray(value)) return `must be a list of { host, port }, got ${shown(value)}`
  return value.length === 0 ? 'must name at least one server' : null
}

const POLICY_CHECKS: Checks = {
  ...PROTOCOL_CHECKS,
  session: anything,
  reconnect,
  expiryNoticeDays: days,
  signal: abortSignal
}

const OWN_CHECKS: Checks = {
  ...CONNECTION_CHECKS,
  ...checksOf(DIAL_NUMBERS),
  ...POLICY_CHECKS,
  servers
}

/** Options of a TCP dial, which a given `socket` needs no more. */
const OF_THE_WAY = [
  'path',
  'family',
  'hints',
  'localAddress',
  'localPort',
  'lookup',
  'autoSelectFamily',
  'autoSelectFamilyAttemptTimeout'
] as const

/** The options of a client, checked and complete. */
export type ClientSettings = Readonly<Record<keyof typeof DIAL_NUMBERS, number>> &
  SharedSettings & {
    readonly tcp: TcpOptions
    readonly policies: Readonly<
      Pick<ClientPolicies, 'protocol' | 'session' | 'reconnect' | 'expiryNoticeDays' | 'signal'>
    >
    /** The list has at least one; over a `socket` that one is empty. */
    readonly servers: readonly ServerAddress[]
    /** What `tls.createSecureContext` gets. */
    readonly context: ClientContextOptions
    /** What `tls.connect` gets, beside a context and one of `servers`: no key. */
    readonly tls: TlsConnectOptions
  }

/** Options of a context, of which some may be functions. */
export type ClientContextOptions = Readonly<
  Omit<SecureContextOptions, keyof CredentialSources> & CredentialSources
>

/** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` */
export function clientSettings(options: TokenClientOptions): ClientSettings {
  const given = copyOf(options)
  checkOptions(given, OWN_CHECKS, CONNECT_CHECKS, CONTEXT_CHECKS)
  checkVersions(given as SecureContextOptions)
  checkPsk({ ...given }, 'rejectUnauthorized')
  const shared = sharedSettings(given)
  const hasSession = shared.session !== undefined
  if (hasSession && given.reconnect === false) {
    throw refuse('reconnect', 'must not be false with a session, which resumes by dialling again')
  }
  if (given.socket !== undefined) checkSocket(given, hasSession)
  if (given.secureContext !== undefined) checkSecureContext(given)
  const policies = pick<ClientSettings['policies']>(given, POLICY_CHECKS)
  return Object.freeze({
    ...complete(DIAL_NUMBERS, given),
    ...shared,
    tcp: pick<TcpOptions>(given, TCP_CHECKS),
    // token/1 would be a weaker promise, made without a word.
    policies: hasSession ? Object.freeze({ ...policies, protocol: 'token/2' as const }) : policies,
    servers: addresses(given),
    context: pick<ClientContextOptions>(given, CONTEXT_CHECKS),
    tls: without(given, OWN_CHECKS, CONTEXT_CHECKS, ADDRESS_CHECKS)
  })
}

/** Options beside the list hold for each server that does not name them. */
function addresses(given: TokenClientOptions): readonly ServerAddress[] {
  const common = pick<ServerAddress>(given, ADDRESS_CHECKS)
  const list: readonly ServerAddress[] = given.servers ?? [{}]
  return list.map((server, i) => {
    const named = given.servers === undefined ? '' : `servers[${i}].`
    if (typeof server !== 'object' || server === null) {
      throw refuse(`servers[${i}]`, `must be { host, port } or { path }, got ${shown(server)}`)
    }
    checkAllOptions(server, ADDRESS_CHECKS, 'a server', named)
    const address = { ...common, ...pick<ServerAddress>(server, ADDRESS_CHECKS) }
    if (given.socket === undefined) checkAddress(address, named)
    return Object.freeze(normalAddress(address))
  })
}

/** For people. */
export function addressOf({ host = 'localhost', port, path }: ServerAddress): string {
  return path ?? (port === undefined ? 'option socket' : (addressAndPort(host, port) ?? host))
}

function checkAddress({ port, path }: ServerAddress, named: string): void {
  if (port === undefined && path === undefined) {
    throw refuse(`${named}port`, 'is missing: say where to connect by port or by path')
  }
  if (port !== undefined && path !== undefined)
    throw refuse(`${named}path`, 'contradicts port: a server is at one place')
}

/** Over a given socket nothing is dialled, and nothing can be dialled again. */
function checkSocket(given: TokenClientOptions, hasSession: boolean): void {
  const again = hasSession ? 'session' : given.reconnect ? 'reconnect' : null
  if (again !== null) throw refuse('socket', `contradicts ${again}, for it can't be dialled again`)
  for (const name of ['servers', ...OF_THE_WAY] as const) {
    if (given[name] !== undefined) throw refuse(name, 'has no effect with socket, which is connected already')
  }
}

function checkSecureContext(given: TokenClientOptions): void {
  for (const name of Object.keys(CONTEXT_CHECKS) as (keyof ClientContextOptions)[]) {
    if (given[name] !== undefined)
      throw refuse(name, 'has no effect with secureContext, which was made without it')
  }
}
