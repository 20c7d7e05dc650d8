import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { type IdentityKind, KINDS } from './identity'
import { JwtError } from './jwt-error'
import { checkedSecret } from './options'

/** Whose token it is: one of `userId`, `userUUID`, `handler`, or `device` alone. */
export interface TokenSubject {
  /** Seed 003's user: becomes `user_id`. */
  userId?: string | undefined
  /** Seed 004's user: becomes `userUUID` and `sub`, and `exp` a string of milliseconds. */
  userUUID?: string | undefined
  /** With `userUUID`. */
  entityUUID?: string | undefined
  /** With `userUUID`: becomes `levelOnEntity`, a string. */
  level?: number | undefined
  /** The name of a handler: becomes `handler: { name }`. */
  handler?: string | undefined
  /** The name of a device; with `userId` the device of that user, else its own id. */
  device?: string | undefined
  /** For `guest` and `admin`: the others follow from the rest. */
  kind?: IdentityKind | undefined
  name?: string | undefined
  publish?: readonly string[] | undefined
  subscribe?: readonly string[] | undefined
}

export interface TokenClaimsOptions extends TokenSubject {
  /** How long it is good, milliseconds. Default 3,600,000: an hour. */
  ttl?: number | undefined
  issuer?: string | undefined
  audience?: string | undefined
  /** Default: a random UUID. */
  tokenId?: string | undefined
  /** When it is made, milliseconds since 1970. Default: now. */
  now?: number | undefined
}

const HOUR = 3_600_000

/**
 * Makes the claims of a token as the seeds write them, to give to `signToken`.
 *
 * @throws JwtError with OPTIONS when they fit together badly
 */
export function tokenClaims(options: TokenClaimsOptions): Record<string, unknown> {
  const { userId, userUUID, entityUUID, level, handler, device, kind, name, publish, subscribe } = options
  const { ttl = HOUR, issuer, audience, tokenId = randomUUID(), now = Date.now() } = options
  if (handler !== undefined && device !== undefined) throw wrong('it would be a handler and a device')
  if (userId !== undefined && userUUID !== undefined)
    throw wrong('user and userUUID are of two kinds of tokens')
  if (userUUID === undefined && (entityUUID ?? level) !== undefined) {
    throw wrong('entityUUID and level belong to userUUID')
  }
  const names = { userId, userUUID, handler, device }
  const empty = Object.entries(names).find(([, value]) => value === '')
  if (empty !== undefined) throw wrong(`${empty[0]} is empty`)
  if (Object.values(names).every(value => value === undefined)) {
    throw wrong('it is of nobody: a user, a handler or a device is needed')
  }
  if (kind !== undefined && !KINDS.includes(kind)) {
    throw wrong(`kind is none of ${KINDS.join(', ')}`)
  }
  if (!(ttl > 0 && Number.isFinite(ttl))) throw wrong('ttl is no number of milliseconds above 0')
  const expiresAt = now + ttl
  const claims = {
    user_id: userId,
    userUUID,
    entityUUID,
    levelOnEntity: level === undefined ? undefined : String(level),
    sub: userUUID ?? (userId === undefined && handler === undefined ? device : undefined),
    handler: handler === undefined ? undefined : { name: handler },
    device,
    kind,
    name,
    publish,
    subscribe,
    iss: issuer,
    aud: audience,
    jti: tokenId,
    iat: Math.floor(now / 1000),
    exp: userUUID === undefined ? Math.floor(expiresAt / 1000) : String(expiresAt)
  }
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
}

export interface SignTokenOptions {
  /** At least 32 bytes. */
  secret: string | Uint8Array
  /** Takes shorter secrets. Default false. */
  dev?: boolean | undefined
}

/**
 * Signs claims as they are, by HS256: for tests and small installations. `tokenClaims` makes those of the seeds.
 *
 * @throws JwtError with OPTIONS when the secret can't be used
 */
export async function signToken(
  claims: Readonly<Record<string, unknown>>,
  { secret, dev = false }: SignTokenOptions
): Promise<string> {
  const bytes = checkedSecret('secret', secret, dev)
  return await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(bytes)
}

function wrong(why: string): JwtError {
  return new JwtError('ERR_JWT_OPTIONS', `Cannot make a token: ${why}`)
}
