import type { CipherSuite } from 'hpke'
import { toBase64url } from '../encoding/base64url'
import { ByteReader, concat, prefixed, textOf, utf8 } from '../encoding/bytes'
import { randomBytes } from '../encoding/random-id'
import type { Scrypt } from '../sealing/keys'

/**
 * A code of ten characters, for who has no camera: it stands for an invitation that a relay holds for two minutes, sealed, and gives
 * out once. From the code scrypt makes where it lies (16 bytes, which the relay sees) and a seed of a key pair, to whose public half the
 * invitation is sealed (RFC 9180, base mode).
 *
 * The code has 50 bits, and each guess costs 32 MiB and about a tenth of a second of one core. In the two minutes for which the
 * invitation counts, a relay with 10,000 cores makes some 10⁷ of 10¹⁵ guesses: it hits in one of 10⁸ tries. What it finds later is
 * worthless, as the device has ended the invitation. Hardware made for this scrypt could be a thousand times faster; it does not
 * exist to our knowledge. The four words of the pairing tell such a relay from the phone, too.
 */
const COST = { N: 2 ** 15, r: 8, p: 1, dkLen: 48 } as const
/** Crockford's base 32: no I, L, O and U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE_LENGTH = 10
const PLACE_LENGTH = 16
const PURPOSE = utf8('token-server remote invitation code')

/** Milliseconds for which a code, and the invitation behind it, counts. */
export const CODE_LIFETIME = 120_000
/** Bytes of a sealed invitation. */
export const MAX_SEALED_INVITATION = 2048

/** Two groups of five characters. */
export function randomCode(): string {
  const code = Array.from(randomBytes(CODE_LENGTH), byte => ALPHABET[byte & 31]).join('')
  return `${code.slice(0, 5)}-${code.slice(5)}`
}

/** As people type it: small letters, O for 0, I and L for 1, blanks and hyphens anywhere. @returns undefined for what is none */
export function cleanCode(typed: string): string | undefined {
  if (typeof typed !== 'string') return undefined
  const code = typed.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  return code.length === CODE_LENGTH && [...code].every(character => ALPHABET.includes(character))
    ? code
    : undefined
}

/** What follows from a code. */
export interface CodePlace {
  /** Where the invitation lies: 22 characters of base64url. */
  readonly place: string
  seal(invitation: string): Promise<Uint8Array<ArrayBuffer>>
  /** @throws when it was sealed for another code, or changed */
  open(sealed: Uint8Array): Promise<string>
}

/** @returns undefined for what is no code */
export async function placeOfCode(
  suite: CipherSuite,
  scrypt: Scrypt,
  typed: string
): Promise<CodePlace | undefined> {
  const code = cleanCode(typed)
  if (code === undefined) return undefined
  const bytes = await scrypt(utf8(code), PURPOSE, COST)
  const place = toBase64url(bytes.subarray(0, PLACE_LENGTH))
  const keys = await suite.DeriveKeyPair(bytes.subarray(PLACE_LENGTH), false)
  const options = { info: PURPOSE, aad: utf8(place) }
  return {
    place,
    async seal(invitation) {
      const { encapsulatedSecret, ciphertext } = await suite.Seal(keys.publicKey, utf8(invitation), options)
      return concat(prefixed(encapsulatedSecret), ciphertext)
    },
    async open(sealed) {
      const reader = new ByteReader(sealed)
      const enc = reader.takePrefixed() ?? new Uint8Array()
      return textOf(await suite.Open(keys, enc, reader.rest(), options))
    }
  }
}
