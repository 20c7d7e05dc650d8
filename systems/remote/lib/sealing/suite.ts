import {
  AEAD_AES_256_GCM,
  type AEADFactory,
  CipherSuite,
  KDF_HKDF_SHA256,
  type KDFFactory,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KEMFactory
} from 'hpke'

/** What a build plugs in instead of WebCrypto: Node's own, or pure JavaScript where there is no `crypto.subtle`. */
export interface SuiteParts {
  readonly kem?: KEMFactory
  readonly kdf?: KDFFactory
  readonly aead?: AEADFactory
}

/**
 * RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; by WebCrypto unless other parts are given.
 *
 * @throws TypeError for parts of another suite: there is one, so that nobody on the way can choose a weaker one
 */
export function createSuite({
  kem = KEM_DHKEM_X25519_HKDF_SHA256,
  kdf = KDF_HKDF_SHA256,
  aead = AEAD_AES_256_GCM
}: SuiteParts = {}): CipherSuite {
  const suite = new CipherSuite(kem, kdf, aead)
  if (suite.KEM.id !== 0x20 || suite.KDF.id !== 1 || suite.AEAD.id !== 2)
    throw new TypeError('the suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM')
  return suite
}

export type { CipherSuite, KeyPair } from 'hpke'
