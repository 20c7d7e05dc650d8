import type { CryptoKey } from 'jose'
import type { TokenHeader } from '../token/parse-token'

/** Where the keys of one issuer come from. */
export interface KeySource {
  /** What these keys can verify: it follows from their kind, never from a token. */
  readonly algorithms: readonly string[]

  /**
   * The keys that may have signed a token with this header; mostly one.
   *
   * @throws JwtError with KEY when there is none, UNAVAILABLE when nobody can tell
   */
  keysFor(header: TokenHeader): Promise<readonly CryptoKey[]>

  /** Resolves when there are keys; rejects with UNAVAILABLE. */
  ready(): Promise<void>
}

/** Of public keys: RSA, EC on P-256, Ed25519 by its old name and its new one. */
export const PUBLIC_ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA', 'Ed25519']
