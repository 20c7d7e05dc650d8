import { createPublicKey, type JsonWebKey, KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import { type Clock, systemClock } from './clock'
import { type IdentityKind, KINDS } from './identity'
import { JwtError } from './jwt-error'
import type { KeySource } from './keys/key-source'
import { publicJwk } from './keys/public-jwk'
import { FRESH, RemoteKeys, type RemoteKeysOptions } from './keys/remote-keys'
import { SecretKey } from './keys/secret-key'
import { StaticKeys } from './keys/static-keys'
import { MAX_TOLERANCE, Revocations } from './revocations'

/** A public key: PEM (SPKI or a certificate), a JSON Web Key, or Node's own object. */
export type PublicKeyInput = string | JsonWebKey | KeyObject

/** What an issuer is known by, whatever its keys are. */
export interface IssuerRules {
  /** `iss` of its tokens must equal this. Default: it is not looked at. */
  issuer?: string | undefined
  /** `aud` of its tokens must hold one of these. Default: it is not looked at. */
  audience?: string | readonly string[] | undefined
  /** What its tokens may make of somebody. Default: all kinds by a secret; all but `admin` by public keys. */
  kinds?: readonly IdentityKind[] | undefined
}

/** HS256: whoever verifies can sign as well. */
export interface SecretIssuer extends IssuerRules {
  /** At least 32 bytes; a string counts by its UTF-8. */
  secret: string | Uint8Array
}

/** RS256, ES256 (P-256) or EdDSA (Ed25519), as the keys are. */
export interface PublicKeyIssuer extends IssuerRules {
  publicKey: PublicKeyInput | readonly PublicKeyInput[]
}

/** RS256, ES256 or EdDSA by the keys that an issuer shows. */
export interface JwksIssuer extends IssuerRules {
  /** https:, or http: on this machine. */
  jwksUrl: string | URL
  /** Authorities that its certificate is trusted by, PEM. Default: Node's own. */
  ca?: string | Buffer | undefined
  /** Of one request, milliseconds. Default 5000. */
  timeout?: number | undefined
  /** How long known keys are used while the URL gives none, milliseconds. Default 86,400,000: a day. */
  maxStale?: number | undefined
}

export type IssuerOptions = SecretIssuer | PublicKeyIssuer | JwksIssuer

export interface VerifierOptions {
  /** Whose tokens are accepted, 1 to 16. */
  issuers: IssuerOptions | readonly IssuerOptions[]
  /** Takes secrets of less than 32 bytes, which a computer guesses from one token. Default false. */
  dev?: boolean | undefined
  /** A longer token is refused before it is read, bytes. Default 8192. */
  maxTokenBytes?: number | undefined
  /** How far the issuers' clocks may be from ours, milliseconds. Default 5000. */
  clockTolerance?: number | undefined
  /** Default: a list of its own. */
  revocations?: Revocations | undefined
  /**
   * Is told when an issuer's URL brings no keys, at most every 30 seconds for each; tokens are checked by the known keys as
   * long as `maxStale` allows. Default: `process.emitWarning`.
   */
  onWarning?: ((warning: JwtError) => void) | undefined
  /** For tests. Default: Node's own. */
  clock?: Clock | undefined
}

export interface Issuer {
  readonly keys: KeySource
  readonly issuer: string | undefined
  readonly audiences: readonly string[] | undefined
  readonly kinds: readonly IdentityKind[]
}

export interface VerifierSettings {
  readonly issuers: readonly Issuer[]
  readonly maxTokenBytes: number
  readonly clockTolerance: number
  readonly revocations: Revocations
  readonly clock: Clock
}

const LEAST_SECRET_BYTES = 32
const MAX_ISSUERS = 16
const MAX_TIMEOUT = 60_000
const MAX_STALE = 2_592_000_000

const VERIFIER_NAMES = [
  'issuers',
  'dev',
  'maxTokenBytes',
  'clockTolerance',
  'revocations',
  'onWarning',
  'clock'
]
const RULE_NAMES = ['issuer', 'audience', 'kinds']
const KEY_NAMES = ['secret', 'publicKey', 'jwksUrl']
const JWKS_NAMES = ['ca', 'timeout', 'maxStale']

/** @throws JwtError with OPTIONS for whatever can't be used */
export function verifierSettings(options: VerifierOptions): VerifierSettings {
  if (!isObject(options)) throw wrong('the options are no object')
  checkNames('', options, VERIFIER_NAMES)
  const { clock = systemClock, onWarning = warning => process.emitWarning(warning) } = options
  if (typeof onWarning !== 'function') throw wrong('onWarning is no function')
  if (!isClock(clock)) throw wrong('clock is none: it has no date, now, setTimeout and clearTimeout')
  const context = { isDev: options.dev === true, clock, onWarning }
  const issuers: readonly IssuerOptions[] = Array.isArray(options.issuers)
    ? options.issuers
    : [options.issuers]
  if (issuers.length === 0 || issuers.length > MAX_ISSUERS) {
    throw wrong(`issuers has ${issuers.length} entries, 1 to ${MAX_ISSUERS} are possible`)
  }
  if (options.dev !== undefined && typeof options.dev !== 'boolean') throw wrong('dev is no boolean')
  if (options.revocations !== undefined && !(options.revocations instanceof Revocations)) {
    throw wrong('revocations is not made by createRevocations')
  }
  return {
    issuers: issuers.map((issuer, i) => {
      return issuerOf(issuer, issuers.length === 1 ? 'issuers' : `issuers[${i}]`, context)
    }),
    maxTokenBytes: whole('maxTokenBytes', options.maxTokenBytes, { least: 64, most: 1_048_576, usual: 8192 }),
    clockTolerance: whole('clockTolerance', options.clockTolerance, {
      least: 0,
      most: MAX_TOLERANCE,
      usual: 5000
    }),
    revocations: options.revocations ?? new Revocations({ clock }),
    clock
  }
}

interface Context extends Pick<RemoteKeysOptions, 'clock' | 'onWarning'> {
  readonly isDev: boolean
}

function issuerOf(options: IssuerOptions, path: string, context: Context): Issuer {
  if (!isObject(options)) throw wrong(`${path} is no object`)
  const given = KEY_NAMES.filter(name => (options as unknown as Record<string, unknown>)[name] !== undefined)
  if (given.length !== 1) {
    throw wrong(
      `${path} has ${given.join(' and ') || 'no key'}, exactly one of ${KEY_NAMES.join(', ')} is needed`
    )
  }
  checkNames(`${path}.`, options, [...KEY_NAMES, ...RULE_NAMES, ...('jwksUrl' in options ? JWKS_NAMES : [])])
  const { issuer, audience, kinds } = options
  if (issuer !== undefined && !isText(issuer)) throw wrong(`${path}.issuer is no text`)
  const audiences = typeof audience === 'string' ? [audience] : audience
  if (
    audiences !== undefined &&
    !(Array.isArray(audiences) && audiences.length > 0 && audiences.every(isText))
  ) {
    throw wrong(`${path}.audience is neither a text nor a list of texts`)
  }
  if (kinds !== undefined && !(Array.isArray(kinds) && kinds.every(kind => KINDS.includes(kind)))) {
    throw wrong(`${path}.kinds is no list of ${KINDS.join(', ')}`)
  }
  const isSecret = given[0] === 'secret'
  return {
    keys: keysOf(options, path, context),
    issuer,
    audiences,
    kinds: kinds ?? KINDS.filter(kind => isSecret || kind !== 'admin')
  }
}

function keysOf(options: IssuerOptions, path: string, { isDev, clock, onWarning }: Context): KeySource {
  if ('secret' in options && options.secret !== undefined) {
    return new SecretKey(checkedSecret(`${path}.secret`, options.secret, isDev))
  }
  if ('publicKey' in options && options.publicKey !== undefined) {
    const inputs = [options.publicKey].flat() as PublicKeyInput[]
    if (inputs.length === 0) throw wrong(`${path}.publicKey is an empty list`)
    return new StaticKeys(inputs.map(input => checkedPublicKey(`${path}.publicKey`, input)))
  }
  const { jwksUrl, ca, timeout, maxStale } = options as JwksIssuer
  if (ca !== undefined && !isText(ca) && !(ca instanceof Uint8Array)) throw wrong(`${path}.ca is no PEM`)
  return new RemoteKeys({
    url: checkedUrl(`${path}.jwksUrl`, jwksUrl),
    ca,
    timeout: whole(`${path}.timeout`, timeout, { least: 1, most: MAX_TIMEOUT, usual: 5000 }),
    maxStale: whole(`${path}.maxStale`, maxStale, { least: FRESH, most: MAX_STALE, usual: 86_400_000 }),
    clock,
    onWarning
  })
}

/**
 * @param name how the message calls it
 * @returns its bytes
 */
export function checkedSecret(name: string, secret: unknown, isDev: boolean): Uint8Array {
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) {
    throw wrong(`${name} is neither a string nor bytes`)
  }
  const bytes = Buffer.from(secret as Uint8Array)
  // An issuer of public keys, whose key is no secret at all: anybody could sign.
  if (bytes.includes('-----BEGIN ')) throw wrong(`${name} is a PEM; a public key belongs into publicKey`)
  const least = isDev ? 1 : LEAST_SECRET_BYTES
  if (bytes.length < least) {
    throw wrong(
      `${name} is ${bytes.length} bytes long, the least is ${least}. A good one: openssl rand -base64 48`
    )
  }
  return bytes
}

function checkedPublicKey(name: string, input: PublicKeyInput): JWK {
  const jwk = publicJwk(exportedKey(name, input))
  if (typeof jwk === 'string') throw wrong(`${name} can't be used: ${jwk}`)
  return jwk
}

function exportedKey(name: string, input: PublicKeyInput): unknown {
  if (input instanceof KeyObject) {
    if (input.type !== 'public') throw wrong(`${name} is a ${input.type} key`)
    return input.export({ format: 'jwk' })
  }
  if (isObject(input)) {
    if ('d' in input || 'k' in input) throw wrong(`${name} is a private key`)
    return input
  }
  if (typeof input !== 'string') throw wrong(`${name} is neither PEM, a JSON Web Key nor a KeyObject`)
  if (input.includes('PRIVATE KEY'))
    throw wrong(`${name} is a private key, which only the issuer should have`)
  try {
    return createPublicKey(input).export({ format: 'jwk' })
  } catch {
    throw wrong(`${name} is no PEM of a public key or certificate`)
  }
}

/** @param name how the message calls it */
export function checkedUrl(name: string, input: unknown): URL {
  if (!URL.canParse(String(input))) throw wrong(`${name} is no URL`)
  const url = new URL(String(input))
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isHere)) return url
  throw wrong(`${name} begins with ${url.protocol}//, and must with https:// (http:// on this machine)`)
}

function whole(
  name: string,
  value: unknown,
  { least, most, usual }: { least: number; most: number; usual: number }
): number {
  if (value === undefined) return usual
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number
  }
  throw wrong(`${name} is ${String(value)}, a whole number from ${least} to ${most} is needed`)
}

function checkNames(prefix: string, options: object, names: readonly string[]): void {
  const unknown = Object.keys(options).find(name => !names.includes(name))
  if (unknown !== undefined) {
    throw wrong(`there is no option ${prefix}${unknown}; there are ${names.join(', ')}`)
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isClock(value: unknown): value is Clock {
  const clock = (value ?? {}) as Record<string, unknown>
  return ['date', 'now', 'setTimeout', 'clearTimeout'].every(name => typeof clock[name] === 'function')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function wrong(why: string): JwtError {
  return new JwtError('ERR_JWT_OPTIONS', `Cannot check tokens: ${why}`)
}
