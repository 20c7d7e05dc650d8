import {
  type AEADFactory,
  CipherSuite,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KEMFactory
} from 'hpke'

/** What a build plugs in: Node's own AES, or another X25519 where WebCrypto has none. */
export interface SuiteParts {
  readonly aead: AEADFactory
  readonly kem?: KEMFactory
}

/** RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
export function createSuite({ aead, kem = KEM_DHKEM_X25519_HKDF_SHA256 }: SuiteParts): CipherSuite {
  return new CipherSuite(kem, KDF_HKDF_SHA256, aead)
}

export type { CipherSuite } from 'hpke'
