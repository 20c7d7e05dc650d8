import { generateKeyPairSync } from 'node:crypto'
import { FakeClock } from 'token-server/testing'
import type { Signer } from '../../lib/testing/hand-made-token'
import * as made from '../../lib/testing/hand-made-token'

/** Of 32 bytes: the least. */
export const SECRET = 'the secret of these tests, 32 by'

export const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const ED = generateKeyPairSync('ed25519')

/** 2026-01-01, seconds. */
export const NOW = 1_767_225_600

/** What every good token of the tests has. */
export const CLAIMS = { user_id: '68946', iat: NOW, exp: NOW + 3600 }

export { base64url as part, handMadeToken as token } from '../../lib/testing/hand-made-token'

export const hs256 = (secret: string | Buffer = SECRET): Signer => made.hs256(secret)
export const rs256 = (key = RSA.privateKey): Signer => made.rs256(key)
export const es256 = (key = EC.privateKey): Signer => made.es256(key)
export const eddsa = (key = ED.privateKey): Signer => made.eddsa(key)

/** A token of HS256 with the secret of the tests. */
export function good(claims: object | string = CLAIMS, header: object = {}): string {
  return made.handMadeToken({ alg: 'HS256', typ: 'JWT', ...header }, claims, hs256())
}

/** A clock that stands at NOW until the test moves it. */
export function clockAtNow(): FakeClock {
  return new FakeClock({ date: NOW * 1000 })
}
