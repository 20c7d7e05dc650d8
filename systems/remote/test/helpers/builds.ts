import {
  AEAD_AES_256_GCM as NOBLE_AEAD,
  KDF_HKDF_SHA256 as NOBLE_KDF,
  KEM_DHKEM_X25519_HKDF_SHA256 as NOBLE_KEM
} from '@panva/hpke-noble'
import { AEAD_AES_256_GCM, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke'
import { nodeAead } from '../../lib/sealing/node-aead'
import { nodeKdf } from '../../lib/sealing/node-kdf'
import { nodeKem } from '../../lib/sealing/node-kem'
import type { SuiteParts } from '../../lib/sealing/suite'

/** What each build seals with. The last is for where there is no WebCrypto. */
export const builds: Readonly<Record<string, Required<SuiteParts>>> = {
  'node:crypto': { kem: nodeKem, kdf: nodeKdf, aead: nodeAead },
  WebCrypto: { kem: KEM_DHKEM_X25519_HKDF_SHA256, kdf: KDF_HKDF_SHA256, aead: AEAD_AES_256_GCM },
  JavaScript: { kem: NOBLE_KEM, kdf: NOBLE_KDF, aead: NOBLE_AEAD }
}
