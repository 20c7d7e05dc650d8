import { constants } from 'node:crypto'
import tls, {
  createSecureContext,
  DEFAULT_CIPHERS,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion
} from 'node:tls'
import { codeOf } from '../errors/socket-error'
import type { TokenError } from '../errors/token-error'
import { cannotUse, refuse } from '../options/checks'

const LEAST_VERSION = 'TLSv1.3'

/** The versions from the oldest on, each with the bit of `secureOptions` that switches it off. */
const VERSIONS: readonly (readonly [SecureVersion, number])[] = [
  ['TLSv1', constants.SSL_OP_NO_TLSv1],
  ['TLSv1.1', constants.SSL_OP_NO_TLSv1_1],
  ['TLSv1.2', constants.SSL_OP_NO_TLSv1_2],
  ['TLSv1.3', constants.SSL_OP_NO_TLSv1_3]
]

const FASTEST = 'TLS_AES_128_GCM_SHA256'

/** The suites of Node with the fastest first. A list of the user's own (`--tls-cipher-list`) stays as it is. */
const CIPHERS =
  DEFAULT_CIPHERS === constants.defaultCoreCipherList
    ? [FASTEST, ...DEFAULT_CIPHERS.split(':').filter(name => name !== FASTEST)].join(':')
    : undefined

/** TLS 1.3 and AES with 128 bits first, unless the caller says otherwise; renegotiation (TLS 1.2) never. */
export function secureDefaults<T extends SecureContextOptions>(options: T): T {
  return {
    ...options,
    ciphers: options.ciphers ?? CIPHERS,
    minVersion: options.minVersion ?? (options.secureProtocol === undefined ? LEAST_VERSION : undefined),
    // Node would carry the sign into bits that nobody has set.
    secureOptions: ((options.secureOptions ?? 0) | constants.SSL_OP_NO_RENEGOTIATION) >>> 0
  }
}

/**
 * Refuses versions and ciphers with which no handshake can succeed: OpenSSL takes them, and fails at the first handshake. It
 * knows nothing of `secureProtocol`, which names the versions itself.
 *
 * @throws TokenError `ERR_OPTION`
 */
export function checkVersions({
  minVersion,
  maxVersion,
  secureOptions = 0,
  secureProtocol,
  ciphers
}: SecureContextOptions): void {
  if (secureProtocol !== undefined) return
  const least = minVersion ?? LEAST_VERSION
  const most = maxVersion ?? tls.DEFAULT_MAX_VERSION
  const leastText = minVersion === undefined ? `${least}, the default here` : least
  const [from, to] = [least, most].map(version => VERSIONS.findIndex(([name]) => name === version)) as [
    number,
    number
  ]
  if (from > to) {
    const mostText = maxVersion === undefined ? `${most}, the default of this Node` : most
    throw refuse(
      maxVersion === undefined ? 'minVersion' : 'maxVersion',
      `allows no version: maxVersion is ${mostText}, and minVersion is ${leastText}`
    )
  }
  const left = VERSIONS.slice(from, to + 1).filter(([, off]) => (secureOptions & off) === 0)
  if (left.length === 0) {
    throw refuse(
      'secureOptions',
      `switches off every version: minVersion is ${leastText}, and maxVersion is ${most}`
    )
  }
  if (ciphers !== undefined)
    checkCiphers(
      ciphers,
      left.map(([name]) => name)
    )
}

/** Suites whose names begin with TLS_ are those of TLS 1.3, and of no other version. */
function checkCiphers(ciphers: string, versions: readonly SecureVersion[]): void {
  const names = ciphers.split(':')
  const hasNew = names.some(name => name.startsWith('TLS_'))
  const hasOld = names.some(name => name !== '' && !/^!?TLS_/.test(name))
  const isNewAllowed = versions.includes('TLSv1.3')
  if (isNewAllowed && versions.length === 1 && !hasNew) {
    throw refuse(
      'ciphers',
      'names no cipher suite of TLS 1.3, the only version allowed: name one (TLS_…), or set minVersion'
    )
  }
  if (!isNewAllowed && !hasOld) {
    throw refuse(
      'ciphers',
      `names cipher suites of TLS 1.3 alone, and the newest version allowed is ${versions.at(-1)}`
    )
  }
}

/** @throws TokenError `ERR_OPTION`, with the name of the option that Node refuses */
export function secureContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(secureDefaults(options))
  } catch (error) {
    throw refusedAlone(options) ?? cannotUse('key, cert, ca and the like, together', refusedWith(error))
  }
}

/** @returns the error for the first option that Node refuses alone; null for none */
function refusedAlone(options: SecureContextOptions): TokenError | null {
  const { key, passphrase, ciphers } = options
  for (const name of ['ciphers', ...Object.keys(options)] as (keyof SecureContextOptions)[]) {
    // `ciphers` may say which keys are strong enough.
    const more = name === 'cert' ? { key, passphrase } : name === 'pfx' ? { passphrase } : {}
    try {
      const alone = { ...more, [name]: options[name], ...(ciphers !== undefined && { ciphers }) }
      if (options[name] !== undefined && name !== 'passphrase') createSecureContext(alone)
    } catch (error) {
      return cannotUse(name, refusedWith(error))
    }
  }
  return null
}

/** The code of an error of Node and OpenSSL's reason, as a message has them; as its cause the error could quote a key. */
export function refusedWith(error: unknown): string {
  const reason = reasonOf(error)
  return `Node refuses it with ${codeOf(error)}${reason === '' ? '' : `, ${reason}`}`
}

/** What OpenSSL says of itself; empty for any other error, which may quote a wrong argument. */
export function reasonOf(error: unknown): string {
  const { reason, code, message } = error as { reason?: unknown; code?: unknown; message?: unknown }
  if (typeof reason === 'string') return reason
  // Errors about a PFX have no code or one of these; that of a wrong argument has another.
  const isSafe = code === undefined || String(code).startsWith('ERR_CRYPTO_')
  return isSafe && typeof message === 'string' ? message : ''
}
