/**
 * Why a token, or what should check or sign one, was refused. The list is closed and its codes are never renamed;
 * the README has a row for each.
 */
export type JwtErrorCode =
  | 'ERR_JWT_ALGORITHM'
  | 'ERR_JWT_AUDIENCE'
  | 'ERR_JWT_CLAIM'
  | 'ERR_JWT_DUPLICATE'
  | 'ERR_JWT_EXPIRED'
  | 'ERR_JWT_EXPIRY'
  | 'ERR_JWT_HEADER'
  | 'ERR_JWT_ID'
  | 'ERR_JWT_ISSUER'
  | 'ERR_JWT_KEY'
  | 'ERR_JWT_KIND'
  | 'ERR_JWT_MALFORMED'
  | 'ERR_JWT_NOT_YET'
  | 'ERR_JWT_OPTIONS'
  | 'ERR_JWT_REVOCATIONS_FULL'
  | 'ERR_JWT_REVOKED'
  | 'ERR_JWT_SIGNATURE'
  | 'ERR_JWT_SIZE'
  | 'ERR_JWT_SUBJECT'
  | 'ERR_JWT_TYPE'
  | 'ERR_JWT_UNAVAILABLE'

/**
 * The one error class of this package.
 *
 * `message` is for the log: it says what could not be done because of what, and never holds a token, a secret or a
 * key. What a peer may be told is the result of `peerAnswer`.
 */
export class JwtError extends Error {
  override readonly name = 'JwtError'

  constructor(
    readonly code: JwtErrorCode,
    message: string,
    options?: ErrorOptions
  ) {
    super(message, options)
  }
}
