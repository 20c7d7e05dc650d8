import type { CipherSuite } from 'hpke'
import { toBase64url } from '../encoding/base64url'
import { randomBytes } from '../encoding/random-id'
import { admissionTag, keyId, tagHash } from '../sealing/keys'
import type { KeyRecord, KeyState, SharedRecord } from './key-state'
import type { KeyStore } from './key-store'

/** A key, as it lies in a store. */
export async function recordOf(id: string, psk: Uint8Array): Promise<KeyRecord> {
  return { id, psk: toBase64url(psk), tagHash: await tagHash(await admissionTag(psk)) }
}

/** Of a device that is new: a key pair, and a shared key of 32 random bytes. Another process may have been faster. */
export async function firstState(suite: CipherSuite, store: KeyStore): Promise<KeyState> {
  const { privateKey, publicKey } = await suite.GenerateKeyPair(true)
  const device = {
    privateKey: toBase64url(await suite.SerializePrivateKey(privateKey)),
    publicKey: toBase64url(await suite.SerializePublicKey(publicKey))
  }
  const psk = randomBytes(32)
  const shared: SharedRecord = { ...(await recordOf(keyId(psk), psk)), mode: 'shared' }
  return await store.update(found => found ?? { version: 1, device, shared, invitations: [], phones: [] })
}
