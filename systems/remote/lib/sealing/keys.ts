import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64url, toBase64url } from '../encoding/base64url'
import { concat, utf8 } from '../encoding/bytes'
import { invalid } from '../errors/remote-error'
import type { SealingKey } from './session'

/** RFC 7914. `node-scrypt.ts` and `web-scrypt.ts` are two of them. */
export type Scrypt = (
  password: Uint8Array,
  salt: Uint8Array,
  cost: { readonly N: number; readonly r: number; readonly p: number; readonly dkLen: number }
) => Promise<Uint8Array>

/** 32 MiB, and about a quarter of a second, for each guess. */
const COST = { N: 2 ** 15, r: 8, p: 1, dkLen: 32 } as const

/** Public, so that a device can be told apart; the first characters of the hash of its key, so that nobody can claim another's. */
const DEVICE_ID_LENGTH = 22
const KEY_ID_LENGTH = 11

/**
 * The shared key that a text stands for: '' seals nothing; 43 characters of base64url are 32 bytes as they are; all else is a passphrase,
 * from which scrypt makes the key, another one for each device.
 */
export async function textKey(text: string, deviceId: string, scrypt: Scrypt): Promise<SealingKey> {
  if (typeof text !== 'string') throw invalid('the key', 'it is no text')
  if (text === '') return { id: '', mode: 'plain', psk: new Uint8Array() }
  const raw = text.length === 43 ? fromBase64url(text) : undefined
  const psk = raw ?? (await scrypt(utf8(text.normalize('NFKC')), utf8(deviceId), COST))
  return { id: keyId(psk), mode: 'shared', psk }
}

/** 22 characters of base64url: what a device with this static public key is called. */
export function deviceIdOf(publicKey: Uint8Array): Promise<string> {
  return Promise.resolve(toBase64url(sha256(publicKey)).slice(0, DEVICE_ID_LENGTH))
}

/** 16 bytes that prove to a relay, which never learns the key, that a client has it. */
export function admissionTag(psk: Uint8Array): Promise<Uint8Array> {
  return Promise.resolve(hkdf(sha256, psk, undefined, utf8('token-server remote admission'), 16))
}

/** What a device tells its relay of a tag, and what the relay compares: base64url of its SHA-256. */
export function tagHash(tag: Uint8Array): Promise<string> {
  return Promise.resolve(toBase64url(sha256(tag)))
}

/** Follows from the key alone, and tells nothing of it that could be reversed: another key has another id. */
export function keyId(psk: Uint8Array): string {
  return `k${toBase64url(sha256(concat(utf8('token-server remote key id'), psk))).slice(0, KEY_ID_LENGTH)}`
}
