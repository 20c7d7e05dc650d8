import { createPublicKey, type JsonWebKey } from 'node:crypto'
import type { JWK } from 'jose'

/** RFC 8725, 3.5: a shorter key is no key. */
const LEAST_RSA_BITS = 2048

/** The public numbers of a key and who it is: what else a document says is not for us. */
const MEMBERS = ['kty', 'kid', 'alg', 'use', 'key_ops', 'n', 'e', 'crv', 'x', 'y'] as const

/**
 * Takes the public part of a JSON Web Key that can verify signatures.
 *
 * @returns a string that says in words why it can't
 */
export function publicJwk(value: unknown): JWK | string {
  if (typeof value !== 'object' || value === null) return 'it is no object'
  const jwk = Object.fromEntries(
    MEMBERS.flatMap(name => {
      const member: unknown = (value as Record<string, unknown>)[name]
      return member === undefined ? [] : [[name, member]]
    })
  ) as JWK
  if (jwk.kid !== undefined && typeof jwk.kid !== 'string') return 'its "kid" is no string'
  if (jwk.use !== undefined && jwk.use !== 'sig') return 'it is not for signatures'
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
    const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
    switch (key.asymmetricKeyType) {
      case 'rsa':
        return modulusLength >= LEAST_RSA_BITS
          ? jwk
          : `it is an RSA key of ${modulusLength} bits, the least is ${LEAST_RSA_BITS}`
      case 'ec':
        return namedCurve === 'prime256v1' ? jwk : 'its curve is not P-256'
      case 'ed25519':
        return jwk
      default:
        return 'it is neither an RSA, an EC nor an Ed25519 key'
    }
  } catch {
    return 'it is no public key'
  }
}
