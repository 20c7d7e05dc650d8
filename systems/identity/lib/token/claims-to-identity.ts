import { type Identity, type IdentityKind, KINDS } from '../identity'
import { JwtError, type JwtErrorCode } from '../jwt-error'
import type { Claims } from './parse-token'
import type { TokenTimes } from './token-times'

const MAX_LENGTH = 256
const MAX_PATTERNS = 256
const MAX_PATTERN_LENGTH = 1024

/** Control characters end lines in logs, and half a surrogate pair is no text: two of them look alike. */
const UNPRINTABLE = /[\p{Control}\p{Surrogate}]/u

/** In a pattern they would be levels and wildcards that the issuer has not written. */
const TOPIC_SIGNS = /[/+#]/

/**
 * Reads the claims of all our issuers into one identity. It is for claims whose signature is verified.
 *
 * @throws JwtError with ID or CLAIM
 */
export function claimsToIdentity(claims: Claims, { expiresAt, issuedAt }: TokenTimes): Identity {
  const kind = kindOf(claims)
  const id = idOf(claims, kind)
  const org = textOf(claims, 'entityUUID')
  const fields: { -readonly [Name in keyof Identity]?: Identity[Name] | undefined } = {
    id,
    kind,
    org,
    level: levelOf(claims),
    name: nameOf(claims, kind),
    publish: patternsOf(claims, 'publish', { id, org }),
    subscribe: patternsOf(claims, 'subscribe', { id, org }),
    expiresAt,
    issuedAt,
    issuer: textOf(claims, 'iss'),
    tokenId: textOf(claims, 'jti')
  }
  for (const name of Object.keys(fields) as (keyof Identity)[]) {
    if (fields[name] === undefined) delete fields[name]
  }
  return Object.freeze(fields) as Identity
}

function kindOf(claims: Claims): IdentityKind {
  const { handler, device } = claims
  const isHandler = isGiven(handler)
  const isDevice = isGiven(device) && device !== false
  if (isHandler && (typeof handler !== 'object' || Array.isArray(handler))) {
    throw refusal('ERR_JWT_CLAIM', '"handler" is no object')
  }
  if (isDevice && device !== true && typeof device !== 'string' && !isObject(device)) {
    throw refusal('ERR_JWT_CLAIM', '"device" is neither true, a name nor an object')
  }
  if (isHandler && isDevice) throw refusal('ERR_JWT_CLAIM', 'it is a handler and a device')
  const found: IdentityKind = isHandler ? 'handler' : isDevice ? 'device' : 'user'
  if (!isGiven(claims.kind)) return found
  const kind = KINDS.find(name => name === claims.kind)
  if (kind === undefined) throw refusal('ERR_JWT_CLAIM', `"kind" is none of ${KINDS.join(', ')}`)
  if (kind !== found && found !== 'user') {
    throw refusal('ERR_JWT_CLAIM', `"kind" says something else than "${found}"`)
  }
  return kind
}

/** The first of three claims that is there decides: an empty one is refused, and does not give way to the next. */
function idOf(claims: Claims, kind: IdentityKind): string {
  const name = ['userUUID', 'user_id', 'sub'].find(name => isGiven(claims[name]))
  if (name === undefined) {
    // The tokens of handlers in seed 003 bear nothing but the handler's name.
    if (isGiven(claims.handler)) return `handler:${nameOf(claims, kind)}`
    throw refusal('ERR_JWT_ID', 'it has neither "userUUID", "user_id" nor "sub"')
  }
  const value = claims[name]
  // JSON.parse rounds what is larger: two users would be one.
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value)
  if (typeof value === 'number') throw refusal('ERR_JWT_ID', `"${name}" is no whole number below 2^53`)
  if (!isText(value)) throw refusal('ERR_JWT_ID', `"${name}" is ${TEXT}`)
  return value
}

function nameOf(claims: Claims, kind: IdentityKind): string | undefined {
  if (kind === 'handler' && isGiven(claims.handler)) {
    const name = textOf(claims.handler as Claims, 'name', '"handler.name"')
    if (name === undefined) throw refusal('ERR_JWT_CLAIM', '"handler" has no "name"')
    return name
  }
  if (kind === 'device' && isObject(claims.device)) return textOf(claims.device, 'name', '"device.name"')
  if (kind === 'device' && typeof claims.device === 'string') return textOf(claims, 'device')
  // It is for people to read, and of no consequence: one that can't be shown is left out.
  return isText(claims.name) ? claims.name : undefined
}

function levelOf(claims: Claims): number | undefined {
  const { levelOnEntity } = claims
  if (!isGiven(levelOnEntity)) return undefined
  const isNumber = Number.isSafeInteger(levelOnEntity)
  if (!isNumber && !(typeof levelOnEntity === 'string' && /^-?\d{1,15}$/.test(levelOnEntity))) {
    throw refusal('ERR_JWT_CLAIM', '"levelOnEntity" is no whole number')
  }
  return Number(levelOnEntity)
}

function patternsOf(
  claims: Claims,
  name: 'publish' | 'subscribe',
  values: Readonly<Record<'id' | 'org', string | undefined>>
): readonly string[] | undefined {
  const patterns = claims[name]
  if (!isGiven(patterns)) return undefined
  const isList = Array.isArray(patterns) && patterns.length <= MAX_PATTERNS
  if (!isList) throw refusal('ERR_JWT_CLAIM', `"${name}" is no list of at most ${MAX_PATTERNS} patterns`)
  const filled = patterns.map((pattern: unknown) => {
    if (typeof pattern !== 'string' || pattern === '' || pattern.length > MAX_PATTERN_LENGTH) {
      throw refusal(
        'ERR_JWT_CLAIM',
        `a pattern of "${name}" is no text of 1 to ${MAX_PATTERN_LENGTH} characters`
      )
    }
    if (UNPRINTABLE.test(pattern)) throw refusal('ERR_JWT_CLAIM', `a pattern of "${name}" is not printable`)
    return pattern.replace(/\$\{([^}]*)\}/g, (_whole, field: string) => {
      const value = field === 'id' || field === 'org' ? values[field] : undefined
      if (value === undefined)
        throw refusal('ERR_JWT_CLAIM', `a pattern of "${name}" asks for what is not there`)
      if (TOPIC_SIGNS.test(value)) {
        throw refusal('ERR_JWT_CLAIM', `"${name}" would get a "/", "+" or "#" by its \${${field}}`)
      }
      return value
    })
  })
  return Object.freeze(filled)
}

const TEXT = `no printable text of 1 to ${MAX_LENGTH} characters`

function textOf(claims: Claims, name: string, shown = `"${name}"`): string | undefined {
  const value = claims[name]
  if (!isGiven(value)) return undefined
  if (!isText(value)) throw refusal('ERR_JWT_CLAIM', `${shown} is ${TEXT}`)
  return value
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH && !UNPRINTABLE.test(value)
}

/** Many issuers write null for what they don't know. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refusal(code: JwtErrorCode, why: string): JwtError {
  return new JwtError(code, `Cannot accept the token: ${why}`)
}
