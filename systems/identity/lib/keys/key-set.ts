import { type CryptoKey, createLocalJWKSet, errors, type JWK, type JWTHeaderParameters } from 'jose'
import type { TokenHeader } from '../token/parse-token'

/** Keys of one kid are one, or two while they change; keys without any are tried in turn, and no more than these. */
const MAX_TRIED = 8

/** Public keys, each imported once, at its first use. */
export class KeySet {
  readonly #all: ReturnType<typeof createLocalJWKSet>
  readonly #nameless: ReturnType<typeof createLocalJWKSet>

  constructor(keys: readonly JWK[]) {
    this.#all = createLocalJWKSet({ keys: [...keys] })
    this.#nameless = createLocalJWKSet({ keys: keys.filter(({ kid }) => kid === undefined) })
  }

  /** @returns those that fit the algorithm and, when the token has one, the `kid` */
  keysFor({ alg, kid }: TokenHeader): Promise<readonly CryptoKey[]> {
    return matching(this.#all, { alg, ...(kid === undefined ? {} : { kid }) })
  }

  /** @returns those that fit the algorithm and have no `kid`: they may be of any */
  namelessFor({ alg }: TokenHeader): Promise<readonly CryptoKey[]> {
    return matching(this.#nameless, { alg })
  }
}

async function matching(
  find: ReturnType<typeof createLocalJWKSet>,
  header: JWTHeaderParameters
): Promise<CryptoKey[]> {
  try {
    return [await find(header)]
  } catch (error) {
    const keys: CryptoKey[] = []
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return keys
    for await (const key of error) {
      if (keys.push(key) === MAX_TRIED) break
    }
    return keys
  }
}
