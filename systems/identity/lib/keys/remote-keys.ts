import type { CryptoKey, JWK } from 'jose'
import type { Clock } from '../clock'
import { JwtError } from '../jwt-error'
import type { TokenHeader } from '../token/parse-token'
import { fetchText } from './fetch-text'
import { KeySet } from './key-set'
import { type KeySource, PUBLIC_ALGORITHMS } from './key-source'
import { publicJwk } from './public-jwk'

export interface RemoteKeysOptions {
  readonly url: URL
  readonly ca: string | Buffer | undefined
  /** Of one request, milliseconds. */
  readonly timeout: number
  /** How long keys are used after the last good answer, milliseconds. */
  readonly maxStale: number
  readonly clock: Clock
  /** A request brought no keys. */
  readonly onWarning: (warning: JwtError) => void
}

/** Between two requests, whatever tokens ask for and whatever the first one came to, milliseconds. */
const COOLDOWN = 30_000

/** Keys that are older are asked for again, behind the tokens that they verify meanwhile, milliseconds. */
export const FRESH = 600_000

const MAX_BYTES = 262_144
const MAX_KEYS = 100

/**
 * The JSON Web Key Set of a URL.
 *
 * Tokens wait for it only when there are no keys yet, or when their `kid` is new. A server of keys that is away does not
 * stop what is known: keys are used until `maxStale`. Nobody can make it ask more often than every 30 seconds.
 */
export class RemoteKeys implements KeySource {
  readonly algorithms = PUBLIC_ALGORITHMS
  readonly #options: RemoteKeysOptions
  #keys: KeySet | null = null
  /** The document that `#keys` are made of: while it is the same, what is imported stays so. */
  #document = ''
  /** Monotonic times. */
  #loadedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  /** Why the last request brought no keys. */
  #failure: Error | null = null
  #refreshing: Promise<void> | null = null

  constructor(options: RemoteKeysOptions) {
    this.#options = options
  }

  async keysFor(header: TokenHeader): Promise<readonly CryptoKey[]> {
    const known = this.#known()
    if (known === null) {
      await this.#refresh()
      return this.#found(header)
    }
    if (this.#age() > FRESH) void this.#refresh()
    const keys = await known.keysFor(header)
    if (keys.length > 0) return keys
    await this.#refresh()
    return this.#found(header)
  }

  async ready(): Promise<void> {
    if (this.#known() !== null) return
    await this.#refresh()
    if (this.#known() === null) throw this.#unavailable()
  }

  async #found(header: TokenHeader): Promise<readonly CryptoKey[]> {
    const known = this.#known()
    if (known === null) throw this.#unavailable()
    const keys = await known.keysFor(header)
    if (keys.length > 0) return keys
    const nameless = await known.namelessFor(header)
    if (nameless.length > 0) return nameless
    if (this.#failure !== null) throw this.#unavailable()
    throw new JwtError(
      'ERR_JWT_KEY',
      `Cannot check the token: ${this.#options.url.host} has no key of its "kid" and algorithm; it is asked again ${COOLDOWN / 1000} s after the last time`
    )
  }

  #known(): KeySet | null {
    return this.#age() > this.#options.maxStale ? null : this.#keys
  }

  #age(): number {
    return this.#options.clock.now() - this.#loadedAt
  }

  /** Joins the request on its way, or makes one unless the last was too short a time ago. Never rejects. */
  #refresh(): Promise<void> {
    if (this.#refreshing !== null) return this.#refreshing
    const now = this.#options.clock.now()
    if (now - this.#askedAt < COOLDOWN) return Promise.resolve()
    this.#askedAt = now
    this.#refreshing = this.#load().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  async #load(): Promise<void> {
    const { url, timeout, ca, clock } = this.#options
    try {
      const document = await fetchText(url, { timeout, maxBytes: MAX_BYTES, ca })
      if (document !== this.#document) this.#keys = new KeySet(keysOf(document))
      this.#document = document
      this.#loadedAt = clock.now()
      this.#failure = null
    } catch (error) {
      this.#failure = error as Error
      this.#options.onWarning(this.#unavailable())
    }
  }

  #unavailable(): JwtError {
    const { host } = this.#options.url
    const why = this.#failure?.message ?? 'they are being asked for'
    return new JwtError('ERR_JWT_UNAVAILABLE', `Cannot check tokens with the keys of ${host}: ${why}`, {
      cause: this.#failure
    })
  }
}

/** Keys of other kinds are the issuer's own affair: it may have many, of which we need one. */
function keysOf(document: string): JWK[] {
  let keys: unknown
  try {
    keys = (JSON.parse(document) as { keys?: unknown } | null)?.keys
  } catch {
    throw new Error('the answer was no JSON')
  }
  if (!Array.isArray(keys)) throw new Error('the answer was no JSON Web Key Set')
  if (keys.length > MAX_KEYS)
    throw new Error(`the answer had ${keys.length} keys, at most ${MAX_KEYS} are read`)
  const read = keys.map(publicJwk)
  const usable = read.filter(jwk => typeof jwk !== 'string')
  if (usable.length > 0) return usable
  throw new Error(`the answer had no usable key${read.length === 0 ? '' : `: ${read.join('; ')}`}`)
}
