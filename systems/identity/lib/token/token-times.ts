import { JwtError } from '../jwt-error'
import type { Claims } from './parse-token'

/** When a token was made and when it ends, milliseconds since 1970. */
export interface TokenTimes {
  readonly expiresAt: number
  readonly issuedAt: number | undefined
}

/** The last moment that a Date can hold. */
const MAX_DATE = 8.64e15

/** The year 5138 in seconds, 1973 in milliseconds: above it somebody has written milliseconds. */
const MAX_SECONDS = 1e11

/**
 * Checks `exp`, `nbf` and `iat` of a token. `exp` is a number of seconds, or, as seed 004 writes it, a string of digits
 * that are milliseconds; a token without is refused.
 *
 * @param now wall-clock time, milliseconds since 1970
 * @param tolerance how far the issuer's clock may be from ours, milliseconds
 * @throws JwtError with EXPIRY, EXPIRED, NOT_YET or CLAIM
 */
export function tokenTimes(claims: Claims, now: number, tolerance: number): TokenTimes {
  const expiresAt = expiryOf(claims.exp)
  if (now >= expiresAt + tolerance) {
    const ended = new Date(expiresAt).toISOString()
    throw new JwtError(
      'ERR_JWT_EXPIRED',
      `Cannot accept the token: it ended at ${ended}, ${inSeconds(now - expiresAt)} ago, the tolerance is ${inSeconds(tolerance)}`
    )
  }
  const notBefore = secondsOf(claims, 'nbf')
  const issuedAt = secondsOf(claims, 'iat')
  for (const [name, at] of [
    ['nbf', notBefore],
    ['iat', issuedAt]
  ] as const) {
    if (at !== undefined && at > now + tolerance) {
      throw new JwtError(
        'ERR_JWT_NOT_YET',
        `Cannot accept the token yet: its "${name}" is ${inSeconds(at - now)} ahead of our clock, the tolerance is ${inSeconds(tolerance)}`
      )
    }
  }
  return { expiresAt, issuedAt }
}

function expiryOf(exp: unknown): number {
  if (exp === undefined) {
    throw new JwtError('ERR_JWT_EXPIRY', 'Cannot accept the token: it has no "exp", it would never end')
  }
  if (typeof exp === 'number' && exp > 0 && exp <= MAX_SECONDS) return exp * 1000
  if (typeof exp === 'number' && exp > MAX_SECONDS) {
    throw new JwtError(
      'ERR_JWT_EXPIRY',
      'Cannot accept the token: its "exp" is a number above 10^11. A number is seconds; milliseconds are a string of digits'
    )
  }
  if (typeof exp === 'string' && /^\d{1,16}$/.test(exp) && Number(exp) <= MAX_DATE) return Number(exp)
  throw new JwtError(
    'ERR_JWT_EXPIRY',
    'Cannot accept the token: its "exp" is neither a number of seconds nor a string of digits, which are milliseconds'
  )
}

function secondsOf(claims: Claims, name: 'nbf' | 'iat'): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= 0 && value <= MAX_SECONDS) return value * 1000
  throw new JwtError('ERR_JWT_CLAIM', `Cannot accept the token: its "${name}" is no number of seconds`)
}

function inSeconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`
}
