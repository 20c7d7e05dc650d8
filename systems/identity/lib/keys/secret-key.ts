import { subtle } from 'node:crypto'
import type { CryptoKey } from 'jose'
import type { KeySource } from './key-source'

/** A secret that is shared with the issuer. `kid` does not matter: there is one key. */
export class SecretKey implements KeySource {
  readonly algorithms = ['HS256']
  readonly #keys: Promise<readonly CryptoKey[]>

  constructor(secret: Uint8Array) {
    // It is imported once: with bytes jose would do so for each token.
    const hmac = { name: 'HMAC', hash: 'SHA-256' }
    this.#keys = subtle.importKey('raw', secret, hmac, false, ['verify']).then(key => [key])
  }

  keysFor(): Promise<readonly CryptoKey[]> {
    return this.#keys
  }

  async ready(): Promise<void> {
    await this.#keys
  }
}
