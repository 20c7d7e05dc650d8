import { type CryptoKey, compactVerify } from 'jose'
import { callEach } from './call-each'
import type { Identity } from './identity'
import { JwtError } from './jwt-error'
import { type Issuer, type VerifierOptions, type VerifierSettings, verifierSettings } from './options'
import type { Revocation, Revocations } from './revocations'
import { claimsToIdentity } from './token/claims-to-identity'
import { type Claims, type ParsedToken, parseToken } from './token/parse-token'
import { tokenTimes } from './token/token-times'
import { OpenWatch, type Watch, type WatchHost } from './watch'

/** Says who a token speaks for, and when that is over. */
export interface Verifier {
  /** The tokens that are no longer good. */
  readonly revocations: Revocations

  /**
   * Checks a token: its form, then its signature, then its claims.
   *
   * @throws JwtError; of the form SIZE, MALFORMED, DUPLICATE, HEADER, TYPE; of the key ALGORITHM, ISSUER, KEY, UNAVAILABLE,
   *   SIGNATURE; of the claims EXPIRY, EXPIRED, NOT_YET, AUDIENCE, ID, CLAIM, KIND, REVOKED
   */
  verify(token: string): Promise<Identity>

  /**
   * Watches the token of an open connection.
   *
   * @param identity what `verify` gave
   * @param onEnd is called once, when the token ends (EXPIRED) or is revoked (REVOKED); never before this returns
   */
  watch(identity: Identity, onEnd: (end: JwtError) => void): Watch

  /**
   * Resolves when each issuer's keys are there: before the first token, and for a readiness probe.
   *
   * @throws JwtError with UNAVAILABLE
   */
  ready(): Promise<void>

  /** Stops all watches. Tokens can still be verified. */
  close(): void
}

/**
 * Makes a verifier. Nothing of it keeps the process alive, but a request for keys on its way.
 *
 * @throws JwtError with OPTIONS for options that can't be used, secrets of less than 32 bytes among them
 */
export function createVerifier(options: VerifierOptions): Verifier {
  return new IssuersVerifier(verifierSettings(options))
}

class IssuersVerifier implements Verifier {
  readonly revocations: Revocations
  readonly #settings: VerifierSettings
  readonly #host: WatchHost
  readonly #byId = new Map<string, Set<OpenWatch>>()
  readonly #byTokenId = new Map<string, Set<OpenWatch>>()
  #unsubscribe: (() => void) | null = null

  constructor(settings: VerifierSettings) {
    this.#settings = settings
    this.revocations = settings.revocations
    this.#host = {
      clock: settings.clock,
      clockTolerance: settings.clockTolerance,
      verify: token => this.verify(token),
      isRevoked: identity => this.revocations.isRevoked(identity),
      add: (watch, identity) => this.#add(watch, identity),
      remove: (watch, identity) => this.#remove(watch, identity)
    }
  }

  async verify(token: string): Promise<Identity> {
    const { maxTokenBytes, clockTolerance, clock } = this.#settings
    const parsed = parseToken(token, maxTokenBytes)
    const issuer = await this.#signerOf(parsed)
    const times = tokenTimes(parsed.claims, clock.date(), clockTolerance)
    checkAudience(parsed.claims, issuer)
    const identity = claimsToIdentity(parsed.claims, times)
    if (!issuer.kinds.includes(identity.kind)) {
      throw new JwtError(
        'ERR_JWT_KIND',
        `Cannot accept the token: it makes a ${identity.kind}, its issuer may make ${issuer.kinds.join(', ')}`
      )
    }
    if (this.revocations.isRevoked(identity)) {
      throw new JwtError('ERR_JWT_REVOKED', 'Cannot accept the token: it is revoked')
    }
    return identity
  }

  watch(identity: Identity, onEnd: (end: JwtError) => void): Watch {
    return new OpenWatch(this.#host, identity, onEnd)
  }

  async ready(): Promise<void> {
    await Promise.all(this.#settings.issuers.map(({ keys }) => keys.ready()))
  }

  close(): void {
    for (const watches of [...this.#byId.values()]) {
      for (const watch of [...watches]) watch.stop()
    }
  }

  /**
   * Of the claims only `iss` is looked at before the signature is good, to choose between issuers: what a stranger
   * writes tells it nothing of the rules, by words or by time.
   */
  async #signerOf({ text, header, claims }: ParsedToken): Promise<Issuer> {
    const { issuers } = this.#settings
    const able = issuers.filter(({ keys }) => keys.algorithms.includes(header.alg))
    if (able.length === 0) {
      const allowed = [...new Set(issuers.flatMap(({ keys }) => keys.algorithms))]
      throw new JwtError(
        'ERR_JWT_ALGORITHM',
        `Cannot accept the token: its algorithm is not of our keys, which are for ${allowed.join(', ')}`
      )
    }
    const candidates = able.filter(({ issuer }) => issuer === undefined || issuer === claims.iss)
    if (candidates.length === 0) {
      throw new JwtError('ERR_JWT_ISSUER', 'Cannot accept the token: its "iss" is not of our issuers')
    }
    let isTried = false
    const failures: JwtError[] = []
    for (const candidate of candidates) {
      let keys: readonly CryptoKey[] = []
      try {
        keys = await candidate.keys.keysFor(header)
      } catch (error) {
        failures.push(error as JwtError)
      }
      for (const key of keys) {
        isTried = true
        if (await isSignedBy(text, key, header.alg)) return candidate
      }
    }
    // The keys that are out of reach may have been the right ones.
    const unavailable = failures.find(({ code }) => code === 'ERR_JWT_UNAVAILABLE')
    if (unavailable !== undefined) throw unavailable
    if (!isTried) throw failures[0]
    throw new JwtError('ERR_JWT_SIGNATURE', 'Cannot accept the token: no key of ours has signed it')
  }

  #add(watch: OpenWatch, { id, tokenId }: Identity): void {
    this.#unsubscribe ??= this.revocations.subscribe(revocation => this.#onRevoke(revocation))
    insert(this.#byId, id, watch)
    if (tokenId !== undefined) insert(this.#byTokenId, tokenId, watch)
  }

  #remove(watch: OpenWatch, { id, tokenId }: Identity): void {
    take(this.#byId, id, watch)
    if (tokenId !== undefined) take(this.#byTokenId, tokenId, watch)
    if (this.#byId.size > 0) return
    // A list that others share must not hold a verifier that watches nothing.
    this.#unsubscribe?.()
    this.#unsubscribe = null
  }

  #onRevoke(revocation: Revocation): void {
    const watches =
      'tokenId' in revocation ? this.#byTokenId.get(revocation.tokenId) : this.#byId.get(revocation.id)
    const ended = [...(watches ?? [])].filter(({ identity }) => this.revocations.isRevoked(identity))
    callEach(ended.map(watch => () => watch.revoke()))
  }
}

async function isSignedBy(token: string, key: CryptoKey, algorithm: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return true
  } catch {
    return false
  }
}

function checkAudience({ aud }: Claims, { audiences }: Issuer): void {
  if (audiences === undefined) return
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (named.some(name => audiences.includes(name as string))) return
  throw new JwtError(
    'ERR_JWT_AUDIENCE',
    `Cannot accept the token: it is not for ${audiences.join(' or ')}, which "audience" demands`
  )
}

function insert(index: Map<string, Set<OpenWatch>>, key: string, watch: OpenWatch): void {
  const watches = index.get(key)
  if (watches === undefined) index.set(key, new Set([watch]))
  else watches.add(watch)
}

function take(index: Map<string, Set<OpenWatch>>, key: string, watch: OpenWatch): void {
  const watches = index.get(key)
  watches?.delete(watch)
  if (watches?.size === 0) index.delete(key)
}
