import type { CryptoKey, JWK } from 'jose'
import { JwtError } from '../jwt-error'
import type { TokenHeader } from '../token/parse-token'
import { KeySet } from './key-set'
import { type KeySource, PUBLIC_ALGORITHMS } from './key-source'

/** Public keys that were given with the options. */
export class StaticKeys implements KeySource {
  readonly algorithms: readonly string[]
  readonly #keys: KeySet

  constructor(keys: readonly JWK[]) {
    const kinds = new Set(keys.map(({ kty }) => kty))
    this.algorithms = PUBLIC_ALGORITHMS.filter(algorithm => kinds.has(KEY_TYPES[algorithm]))
    this.#keys = new KeySet(keys)
  }

  async keysFor(header: TokenHeader): Promise<readonly CryptoKey[]> {
    const keys = await this.#keys.keysFor(header)
    if (keys.length > 0) return keys
    const nameless = await this.#keys.namelessFor(header)
    if (nameless.length > 0) return nameless
    throw new JwtError('ERR_JWT_KEY', 'Cannot check the token: no public key has its "kid" and algorithm')
  }

  ready(): Promise<void> {
    return Promise.resolve()
  }
}

const KEY_TYPES: Record<string, string | undefined> = {
  RS256: 'RSA',
  ES256: 'EC',
  EdDSA: 'OKP',
  Ed25519: 'OKP'
}
