import { JwtError } from '../jwt-error'
import { hasRepeatedName } from './repeated-name'

export interface TokenHeader {
  readonly alg: string
  readonly kid: string | undefined
}

/** The claims of a token: whatever the issuer wrote. */
export type Claims = Readonly<Record<string, unknown>>

/** A token that is well formed. Nothing is known yet of who wrote it. */
export interface ParsedToken {
  readonly text: string
  readonly header: TokenHeader
  readonly claims: Claims
}

/** The signature of `none` is empty: its refusal is about the algorithm. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/

/** What a token is, in its header `typ`: no DPoP proof, logout token or nested thing is taken for one. */
const TYPES = ['jwt', 'at+jwt']

/**
 * They change what is signed (`b64`, `zip`), demand what we can't do (`crit`), or bring the key that is to trust
 * (`jwk`, `jku`, `x5u`). A token with a good signature needs none of them.
 */
const FORBIDDEN = ['b64', 'crit', 'jku', 'jwk', 'x5u', 'zip']

const MAX_KID_LENGTH = 256

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a JWT in compact form strictly, before anything is checked: one spelling of each part, JSON without repeated
 * names, and no header that would have to be obeyed.
 *
 * @throws JwtError with SIZE, MALFORMED, DUPLICATE, HEADER or TYPE
 */
export function parseToken(text: unknown, maxBytes: number): ParsedToken {
  if (typeof text !== 'string') throw malformed('it is no string')
  if (text.length > maxBytes) {
    throw new JwtError(
      'ERR_JWT_SIZE',
      `Cannot accept the token: it is ${text.length} characters long, maxTokenBytes is ${maxBytes}`
    )
  }
  const [, header, claims, signature] = COMPACT.exec(text) ?? []
  if (header === undefined || claims === undefined || signature === undefined) {
    throw malformed('it is not three parts of base64url with a dot between')
  }
  bytesOf(signature, 'signature')
  return {
    text,
    header: checkedHeader(objectOf(bytesOf(header, 'header'), 'header')),
    claims: objectOf(bytesOf(claims, 'payload'), 'payload')
  }
}

function checkedHeader(header: Claims): TokenHeader {
  for (const name of FORBIDDEN) {
    if (Object.hasOwn(header, name)) {
      throw new JwtError('ERR_JWT_HEADER', `Cannot accept the token: its header has "${name}"`)
    }
  }
  const { alg, kid, typ } = header
  if (typeof alg !== 'string') {
    throw new JwtError('ERR_JWT_ALGORITHM', 'Cannot accept the token: its header names no algorithm')
  }
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KID_LENGTH)) {
    throw new JwtError(
      'ERR_JWT_HEADER',
      `Cannot accept the token: its "kid" is no string of at most ${MAX_KID_LENGTH} characters`
    )
  }
  const isType = typeof typ === 'string' && TYPES.includes(typ.toLowerCase().replace(/^application\//, ''))
  if (typ !== undefined && !isType) {
    throw new JwtError('ERR_JWT_TYPE', 'Cannot accept the token: its "typ" is neither "JWT" nor "at+jwt"')
  }
  return { alg, kid }
}

function bytesOf(part: string, name: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  // Node's decoder skips what it does not know and drops bits that are left over.
  if (bytes.toString('base64url') !== part) throw malformed(`its ${name} is no canonical base64url`)
  return bytes
}

function objectOf(bytes: Buffer, name: string): Claims {
  let json: string
  let value: unknown
  try {
    json = utf8.decode(bytes)
    value = JSON.parse(json)
  } catch {
    // The parser's own words quote the text.
    throw malformed(`its ${name} is no JSON in UTF-8`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`its ${name} is no JSON object`)
  }
  if (hasRepeatedName(json)) {
    throw new JwtError('ERR_JWT_DUPLICATE', `Cannot accept the token: its ${name} names something twice`)
  }
  return value as Claims
}

function malformed(why: string): JwtError {
  return new JwtError('ERR_JWT_MALFORMED', `Cannot read the token: ${why}`)
}
