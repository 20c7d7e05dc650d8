import { AEAD_AES_256_GCM, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke'
import { textKey } from '../../lib/sealing/keys'
import { createSuite } from '../../lib/sealing/suite'
import { webScrypt } from '../../lib/sealing/web-scrypt'
import { hex } from '../helpers/hex'
import { interop } from '../helpers/interop'
import { type Transcript, type TranscriptInput, transcript } from '../helpers/transcript'

const parts = { kem: KEM_DHKEM_X25519_HKDF_SHA256, kdf: KDF_HKDF_SHA256, aead: AEAD_AES_256_GCM }

/** What the test calls in the page. */
export interface SealingPage {
  interop(): Promise<string[]>
  transcript(input: TranscriptInput): Promise<Transcript>
  textKey(text: string, deviceId: string): Promise<string>
}

const page: SealingPage = {
  interop: () => interop(createSuite()),
  transcript: input => transcript(parts, input),
  textKey: async (text, deviceId) => hex((await textKey(text, deviceId, webScrypt)).psk)
}

Object.assign(globalThis, { sealing: page })
