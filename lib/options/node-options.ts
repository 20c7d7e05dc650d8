import { BlockList, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { domainToASCII } from 'node:url'
import {
  among,
  anything,
  boolean,
  type Check,
  type Checks,
  callback,
  MAX_DELAY,
  never,
  object,
  refuse,
  shown,
  text,
  whole
} from './checks'

/**
 * The options of Node that a server or a client takes. Node checks some of them too late, at the dial, which a client with
 * `reconnect` tries for ever, and takes some wrong values for none.
 *
 * A TLS version, a cipher, a curve and the like are texts here: OpenSSL knows which ones there are, and is asked in the
 * constructor.
 */

const PORT_MAX = 65_535

/** Bytes of the path of a Unix socket: libuv cuts a longer one without a word. */
const PATH_LENGTH = { win32: Number.POSITIVE_INFINITY, linux: 107, others: 103 }

const IS_OURS = 'is set by token-server itself'
const IS_UNKNOWN = `is not known to Node ${process.versions.node}`
const HAS_NO_EFFECT = 'has no effect on tls.connect()'

/** A Node without it has no block lists of servers. */
const { isBlockList } = BlockList as { isBlockList?(value: unknown): boolean }

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const hasReusePort = major > 22 || (major === 22 && minor >= 12)

const version = among('TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1')

/** Options of `tls.createSecureContext()`. Nothing else gets them: other functions of Node quote their options. */
export const CONTEXT_CHECKS: Checks = {
  // These are looked at where they are read.
  ca: anything,
  cert: anything,
  crl: anything,
  key: anything,
  passphrase: anything,
  pfx: anything,

  allowPartialTrustChain: boolean,
  ciphers: text,
  clientCertEngine: text,
  dhparam: anything,
  ecdhCurve: text,
  honorCipherOrder: boolean,
  maxVersion: version,
  minVersion: version,
  privateKeyEngine: text,
  privateKeyIdentifier: text,
  // JavaScript's | gives 32 bits with a sign.
  secureOptions: whole(-0x8000_0000, 0xffff_ffff),
  secureProtocol: text,
  sessionIdContext: text,
  sessionTimeout: whole(1, 0x7fff_ffff),
  sigalgs: text,
  ticketKeys: value =>
    ArrayBuffer.isView(value) && value.byteLength === 48 ? null : 'must be a Buffer of 48 bytes'
}

/** Options of each TCP socket of a server and of a client. */
export const TCP_CHECKS: Checks = {
  keepAlive: boolean,
  keepAliveInitialDelay: whole(0, MAX_DELAY),
  noDelay: boolean
}

/** Options of `tls.createServer()`, beside those of the context. */
export const SERVER_CHECKS: Checks = {
  ...TCP_CHECKS,
  SNICallback: callback,
  blockList: value => {
    if (!isBlockList) return IS_UNKNOWN
    return isBlockList(value) ? null : `must be a net.BlockList, got ${shown(value)}`
  },
  enableTrace: boolean,
  pskCallback: callback,
  pskIdentityHint: text,
  rejectUnauthorized: boolean,
  requestCert: boolean,

  ALPNCallback: never(IS_OURS),
  ALPNProtocols: never(IS_OURS),
  allowHalfOpen: never(IS_OURS),
  allowPartialTrustChain: never('has no effect on a tls.Server: put the root into ca'),
  pauseOnConnect: never(IS_OURS)
}

/** Options of `server.listen()`. */
export const LISTEN_CHECKS: Checks = {
  backlog: whole(1, 0x7fff_ffff),
  exclusive: boolean,
  fd: whole(0, 0x7fff_ffff),
  host,
  ipv6Only: boolean,
  path,
  port: port(0),
  readableAll: boolean,
  reusePort: value => (hasReusePort ? boolean(value) : IS_UNKNOWN),
  writableAll: boolean
}

/** Options that say where one server of a client is. */
export const ADDRESS_CHECKS: Checks = { host, path, port: port(1) }

/** Options of `tls.connect()`, beside those of the context. */
export const CONNECT_CHECKS: Checks = {
  ...ADDRESS_CHECKS,
  ...TCP_CHECKS,
  autoSelectFamily: boolean,
  autoSelectFamilyAttemptTimeout: whole(1, MAX_DELAY),
  checkServerIdentity: callback,
  enableTrace: boolean,
  family: among(0, 4, 6),
  hints: whole(0, 0x7fff_ffff),
  localAddress: value =>
    typeof value === 'string' && isIP(value) !== 0 ? null : `must be an IP address, got ${shown(value)}`,
  localPort: whole(0, PORT_MAX),
  lookup: callback,
  minDHSize: whole(1),
  pskCallback: callback,
  rejectUnauthorized: boolean,
  secureContext: object,
  servername: text,
  socket: value =>
    typeof (value as Duplex | null)?.pipe === 'function' ? null : `must be a Duplex, got ${shown(value)}`,

  ALPNProtocols: never(IS_OURS),
  allowHalfOpen: never(IS_OURS),
  onread: never(IS_OURS),
  timeout: never('is not used: connectTimeout, idleTimeout and heartbeat bound the waits'),

  blockList: never(HAS_NO_EFFECT),
  fd: never(HAS_NO_EFFECT),
  readable: never(HAS_NO_EFFECT),
  writable: never(HAS_NO_EFFECT),
  requestOCSP: never('would ask for an answer that no event tells')
}

/**
 * With a key that both sides know neither side shows a certificate, and token/2 compares what each side saw.
 *
 * @param demand the option that asks for a certificate
 * @throws TokenError `ERR_OPTION`
 */
export function checkPsk(
  { pskCallback, cert, pfx, ...given }: { [option: string]: unknown },
  demand: 'requestCert' | 'rejectUnauthorized'
): void {
  if (pskCallback === undefined) return
  if (given[demand] !== false)
    throw refuse('pskCallback', `contradicts ${demand}, which must be false with it`)
  if (cert !== undefined || pfx !== undefined) throw refuse('pskCallback', 'contradicts cert and pfx')
}

/** The address to dial, or to listen on, in the form that Node takes. */
export function normalAddress<T extends { host?: unknown; port?: unknown }>(address: T): T {
  const { host: name, port: number } = address
  return {
    ...address,
    ...(typeof name === 'string' && { host: asciiOf(withoutBrackets(name)) }),
    ...(typeof number === 'string' && { port: Number(number) })
  }
}

/** It may be digits, as in a variable of the environment. */
function port(least: number): Check {
  const isPort = whole(least, PORT_MAX)
  return value => {
    const why = isPort(typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value)
    return why === null ? null : `must be an integer from ${least} to ${PORT_MAX}, got ${shown(value)}`
  }
}

function host(value: unknown): string | null {
  const why = text(value)
  if (why !== null) return why
  const name = withoutBrackets(value as string)
  if (isIP(name) !== 0) return null
  // Node would look up a URL, or an address with its port, as a name.
  return /[\s/:@\0]/.test(name) || asciiOf(name) === ''
    ? `must be a name or an address alone, got ${shown(value)}`
    : null
}

function path(value: unknown): string | null {
  const why = text(value)
  if (why !== null) return why
  const length = Buffer.byteLength(value as string)
  const most = PATH_LENGTH[process.platform as 'linux'] ?? PATH_LENGTH.others
  return length <= most ? null : `must have at most ${most} bytes, and has ${length}`
}

function withoutBrackets(name: string): string {
  const address = name.match(/^\[(.*)\]$/)?.[1] ?? ''
  return isIP(address) === 6 ? address : name
}

/** A certificate has names in ASCII, and Node 20 compares them letter by letter. @returns '' for no name */
function asciiOf(name: string): string {
  return /^[\0-\x7f]*$/.test(name) ? name : domainToASCII(name)
}
