// @peculiar/x509 reads decorators' metadata while it loads, so this import has to be the first.
import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'

export {
  AuthorityKeyIdentifierExtension,
  Extension,
  Name,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason
} from '@peculiar/x509'

// The library's types name the browser's globals. Node has the same things under `crypto.webcrypto`; these aliases
// spare us `lib: ["dom"]`, which would let `window` compile. index.d.ts never leads here.
declare global {
  type Algorithm = webcrypto.Algorithm
  type AlgorithmIdentifier = webcrypto.AlgorithmIdentifier
  type BufferSource = webcrypto.BufferSource
  type Crypto = webcrypto.Crypto
  type CryptoKey = webcrypto.CryptoKey
  type CryptoKeyPair = webcrypto.CryptoKeyPair
  type EcdsaParams = webcrypto.EcdsaParams
  type EcKeyGenParams = webcrypto.EcKeyGenParams
  type EcKeyImportParams = webcrypto.EcKeyImportParams
  type KeyUsage = webcrypto.KeyUsage
  type RsaHashedImportParams = webcrypto.RsaHashedImportParams
}
