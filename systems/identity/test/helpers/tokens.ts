import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { FakeClock } from 'token-server/testing'

/** Of 32 bytes: the least. */
export const SECRET = 'the secret of these tests, 32 by'

export const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const ED = generateKeyPairSync('ed25519')

/** 2026-01-01, seconds. */
export const NOW = 1_767_225_600

/** What every good token of the tests has. */
export const CLAIMS = { user_id: '68946', iat: NOW, exp: NOW + 3600 }

type Json = string | object

/** Signs the first two parts of a token. */
export type Signer = (input: string) => Buffer

/**
 * A token made by hand, for what no library would sign.
 *
 * @param header an object, or the text of one
 */
export function token(header: Json, claims: Json, signer: Signer): string {
  const input = `${part(header)}.${part(claims)}`
  return `${input}.${signer(input).toString('base64url')}`
}

export function hs256(secret: string | Buffer | KeyObject = SECRET): Signer {
  return input => createHmac('sha256', secret).update(input).digest()
}

export function rs256(key: KeyObject = RSA.privateKey): Signer {
  return input => sign('sha256', Buffer.from(input), key)
}

export function ps256(key: KeyObject = RSA.privateKey): Signer {
  return input => sign('sha256', Buffer.from(input), { key, padding: 6, saltLength: 32 })
}

export function es256(key: KeyObject = EC.privateKey): Signer {
  return input => sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
}

export function eddsa(key: KeyObject = ED.privateKey): Signer {
  return input => sign(null, Buffer.from(input), key)
}

/** A token of HS256 with the secret of the tests. */
export function good(claims: Json = CLAIMS, header: object = {}): string {
  return token({ alg: 'HS256', typ: 'JWT', ...header }, claims, hs256())
}

export function part(value: Json): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** A clock that stands at NOW until the test moves it. */
export function clockAtNow(): FakeClock {
  return new FakeClock({ date: NOW * 1000 })
}
