import type { CipherSuite, KeyPair } from 'hpke'
import { fromBase64url, toBase64url } from '../encoding/base64url'
import { utf8 } from '../encoding/bytes'
import { randomBytes } from '../encoding/random-id'
import type { ControlMessage } from '../wire/control'

const PURPOSE = utf8('token-server remote registration')
const NONCE_LENGTH = 32

type Challenge = Extract<ControlMessage, { do: 'challenge' }>
type Proof = Extract<ControlMessage, { do: 'proof' }>

/** What a relay says to a device that registers, and the one proof that answers it. */
export interface DeviceChallenge {
  readonly message: Challenge
  /** Whether the device has the private key. Takes the same time wherever a wrong proof differs. */
  isProof(proof: Proof): boolean
}

/**
 * Seals random bytes to the public key of a device, so that only the device can say them (RFC 9180, base mode).
 *
 * @throws when the bytes are no public key
 */
export async function challengeDevice(suite: CipherSuite, publicKey: Uint8Array): Promise<DeviceChallenge> {
  const nonce = randomBytes(NONCE_LENGTH)
  const key = await suite.DeserializePublicKey(publicKey)
  const { encapsulatedSecret, ciphertext } = await suite.Seal(key, nonce, { aad: PURPOSE, info: PURPOSE })
  return {
    message: { do: 'challenge', enc: toBase64url(encapsulatedSecret), sealed: toBase64url(ciphertext) },
    isProof: proof => isSame(fromBase64url(proof.nonce) ?? new Uint8Array(), nonce)
  }
}

/**
 * The device's answer.
 *
 * @throws when the challenge is not for this key
 */
export async function answerChallenge(
  suite: CipherSuite,
  keys: KeyPair,
  challenge: Challenge
): Promise<Proof> {
  const [enc, sealed] = [challenge.enc, challenge.sealed].map(fromBase64url)
  if (enc === undefined || sealed === undefined) throw new Error('the challenge is no base64url')
  const nonce = await suite.Open(keys, enc, sealed, { aad: PURPOSE, info: PURPOSE })
  // Else a relay could have whatever it likes opened here.
  if (nonce.length !== NONCE_LENGTH) throw new Error(`the challenge does not hold ${NONCE_LENGTH} bytes`)
  return { do: 'proof', nonce: toBase64url(nonce) }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  let difference = left.length ^ right.length
  for (let index = 0; index < right.length; index++)
    difference |= (left[index] ?? 0) ^ (right[index] as number)
  return difference === 0
}
