import { isDeepStrictEqual } from 'node:util'
import { callEach } from './call-each'
import { type Clock, systemClock } from './clock'
import type { Identity } from './identity'
import { JwtError } from './jwt-error'

/** One token, by its `jti`. */
export interface TokenRevocation {
  tokenId: string
  /**
   * When the token ends, its `expiresAt`: the entry is forgotten five minutes later, when no verifier accepts it any more by
   * its tolerance. Default: never.
   */
  until?: number | undefined
}

/** All tokens of an id, of every kind and issuer. */
export interface IdRevocation {
  id: string
  /** Tokens that were made later are good, milliseconds since 1970; `iat` is in seconds. Default: none are. */
  issuedBefore?: number | undefined
  /** The entry is forgotten then, milliseconds since 1970. Default: never. */
  until?: number | undefined
}

export type Revocation = TokenRevocation | IdRevocation

export interface RevocationsOptions {
  /** More are refused, for none may be dropped. Default 100,000. */
  maxEntries?: number | undefined
  /** For tests. Default: Node's own. */
  clock?: Clock | undefined
}

const DEFAULT_MAX_ENTRIES = 100_000
const MAX_LENGTH = 256

/** No `clockTolerance` is longer, milliseconds. */
export const MAX_TOLERANCE = 300_000

/**
 * Tokens that are no longer good although they have not ended. The verifiers that share it end the connections of a token
 * as soon as it stands here.
 *
 * It lives in memory: `list()` is what to store, `subscribe` what to tell other processes.
 */
export class Revocations {
  readonly #maxEntries: number
  readonly #clock: Clock
  readonly #tokens = new Map<string, TokenRevocation>()
  readonly #ids = new Map<string, IdRevocation>()
  readonly #listeners = new Set<(revocation: Revocation) => void>()

  constructor({ maxEntries = DEFAULT_MAX_ENTRIES, clock = systemClock }: RevocationsOptions = {}) {
    if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
      throw new JwtError(
        'ERR_JWT_OPTIONS',
        `Cannot make a list of revocations: maxEntries is ${String(maxEntries)}, the least is 1`
      )
    }
    this.#maxEntries = maxEntries
    this.#clock = clock
  }

  get size(): number {
    return this.#tokens.size + this.#ids.size
  }

  /**
   * Refuses a token, or all of an id, from now on, also on open connections: their `onEnd` is called before this returns.
   * An entry replaces the earlier one of the same token or id; one that is the same changes nothing and is told nobody, so
   * that processes can tell each other without an end.
   *
   * @throws JwtError with REVOCATIONS_FULL when there are `maxEntries`, OPTIONS for what is no revocation
   */
  revoke(revocation: Revocation): void {
    const entry = checked(revocation)
    const known = 'tokenId' in entry ? this.#tokens.get(entry.tokenId) : this.#ids.get(entry.id)
    if (isDeepStrictEqual(known, entry)) return
    const isNew = known === undefined
    if (isNew && this.size >= this.#maxEntries) this.#forgetEnded()
    if (isNew && this.size >= this.#maxEntries) {
      throw new JwtError(
        'ERR_JWT_REVOCATIONS_FULL',
        `Cannot revoke: the list has ${this.size} entries, maxEntries is ${this.#maxEntries}. Entries with "until" make room in time`
      )
    }
    if ('tokenId' in entry) this.#tokens.set(entry.tokenId, entry)
    else this.#ids.set(entry.id, entry)
    callEach([...this.#listeners].map(listener => () => listener(entry)))
  }

  /** Takes an entry off the list. Connections that it has ended stay so. */
  allow(entry: { readonly tokenId: string } | { readonly id: string }): void {
    if ('tokenId' in entry) this.#tokens.delete(entry.tokenId)
    else this.#ids.delete(entry.id)
  }

  isRevoked({ id, tokenId, issuedAt }: Pick<Identity, 'id' | 'tokenId' | 'issuedAt'>): boolean {
    if (tokenId !== undefined && this.#isInForce(this.#tokens.get(tokenId))) return true
    const entry = this.#ids.get(id)
    if (entry === undefined || !this.#isInForce(entry)) return false
    // Of a token that does not say when it was made nobody knows that it is newer.
    return entry.issuedBefore === undefined || issuedAt === undefined || issuedAt <= entry.issuedBefore
  }

  /** What is in force, to store or to send: `revoke` takes each. */
  list(): Revocation[] {
    this.#forgetEnded()
    return [...this.#tokens.values(), ...this.#ids.values()].map(entry => ({ ...entry }))
  }

  /**
   * Calls `listener` with each entry as it is made, in the order in which listeners came.
   *
   * @returns a function that ends it
   */
  subscribe(listener: (revocation: Revocation) => void): () => void {
    // Two subscriptions of one function are two.
    const own = (revocation: Revocation): void => listener(revocation)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  #isInForce(entry: Revocation | undefined): boolean {
    if (entry === undefined) return false
    const until = entry.until ?? Number.POSITIVE_INFINITY
    return this.#clock.date() < ('tokenId' in entry ? until + MAX_TOLERANCE : until)
  }

  #forgetEnded(): void {
    for (const map of [this.#tokens, this.#ids]) {
      for (const [key, entry] of map) {
        if (!this.#isInForce(entry)) map.delete(key)
      }
    }
  }
}

/** Makes an empty list, to share between verifiers. */
export function createRevocations(options?: RevocationsOptions): Revocations {
  return new Revocations(options)
}

function checked(revocation: Revocation): Revocation {
  const { tokenId, id, issuedBefore, until } = revocation as Partial<TokenRevocation & IdRevocation>
  if ((tokenId === undefined) === (id === undefined)) throw wrong('it needs either tokenId or id')
  const key = tokenId ?? id
  if (typeof key !== 'string' || key === '' || key.length > MAX_LENGTH) {
    throw wrong(`tokenId or id is no text of 1 to ${MAX_LENGTH} characters`)
  }
  if (tokenId !== undefined && issuedBefore !== undefined) throw wrong('issuedBefore belongs to an id')
  for (const [name, time] of Object.entries({ issuedBefore, until })) {
    if (time !== undefined && !Number.isFinite(time)) throw wrong(`${name} is no number of milliseconds`)
  }
  const times = {
    ...(issuedBefore === undefined ? {} : { issuedBefore }),
    ...(until === undefined ? {} : { until })
  }
  return Object.freeze(tokenId === undefined ? { id: key, ...times } : { tokenId: key, ...times })
}

function wrong(why: string): JwtError {
  return new JwtError('ERR_JWT_OPTIONS', `Cannot revoke: ${why}`)
}
