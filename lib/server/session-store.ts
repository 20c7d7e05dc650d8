import { randomBytes } from 'node:crypto'
import { CountsByKey } from '../runtime/counts-by-key'
import type { SessionKey, SessionLossReason } from '../session/session'
import type { SessionPart } from '../wire/hello'

export interface SessionCaps {
  /** Sessions at once, attached or not. */
  readonly maxSessions: number
  /** Sessions of one identity at once. */
  readonly maxSessionsPerIdentity: number
}

export type Found<C> =
  /** No such session is there, or it is another client's: a new one may begin. */
  | { readonly is: 'absent'; readonly reason: Exclude<SessionLossReason, 'evicted'> | 'new' }
  | { readonly is: 'present'; readonly owner: C }
  /** A newer dial of the client has the session. */
  | { readonly is: 'outdated' }

interface Entry<C> {
  readonly owner: C
  readonly identity: string
  generation: number
}

/**
 * The sessions of a server by their ids, and who may resume which (`docs/wire-format.md`, section 11.3). It knows no
 * connections: `C` is whatever holds a session.
 */
export class SessionStore<C extends object> {
  /** It tells this life of the server: an id from another life is unknown. */
  readonly #epoch = randomBytes(8)
  readonly #caps: SessionCaps
  readonly #entries = new Map<string, Entry<C>>()
  readonly #names = new WeakMap<C, string>()
  readonly #detached = new Set<C>()
  readonly #countByIdentity = new CountsByKey<C>()
  /** Ids of sessions that ended by time or eviction, the oldest first; at most `maxSessions`. */
  readonly #expired = new Set<string>()

  constructor(caps: SessionCaps) {
    this.#caps = caps
  }

  get size(): number {
    return this.#entries.size
  }

  /** The owners that wait for their client, the one that has waited longest first. */
  get waiting(): ReadonlySet<C> {
    return this.#detached
  }

  /**
   * Finds the owner of the session that a client asks for. A stranger is told `identity`, which says that the id exists: it is 128
   * random bits, and nobody finds one by asking.
   */
  find(request: SessionPart, identity: string): Found<C> {
    if (request.id.every(byte => byte === 0)) return { is: 'absent', reason: 'new' }
    const name = nameOf(request)
    const entry = this.#entries.get(name)
    if (entry === undefined) {
      return { is: 'absent', reason: this.#expired.has(name) ? 'expired' : 'unknown' }
    }
    if (entry.identity !== identity) return { is: 'absent', reason: 'identity' }
    if (request.generation <= entry.generation) return { is: 'outdated' }
    return { is: 'present', owner: entry.owner }
  }

  /**
   * Finds who has to go so that a new session of this identity fits: the owner that has waited longest for its client.
   *
   * @returns nobody when there is room; null when there is none, because all are in use
   */
  whoMakesRoom(identity: string): readonly C[] | null {
    const { maxSessions, maxSessionsPerIdentity } = this.#caps
    const isIdentityFull = this.#countByIdentity.of(identity) >= maxSessionsPerIdentity
    if (!isIdentityFull && this.#entries.size < maxSessions) return []
    for (const owner of this.#detached) {
      if (!isIdentityFull || this.#entryOf(owner)?.identity === identity) return [owner]
    }
    return null
  }

  /** @returns the key of the new session */
  add(owner: C, identity: string, generation: number): SessionKey {
    const key = { id: randomBytes(16), epoch: this.#epoch }
    const name = nameOf(key)
    this.#entries.set(name, { owner, identity, generation })
    this.#names.set(owner, name)
    this.#countByIdentity.add(owner, identity)
    return key
  }

  /** The owner has a transport again, that of this dial. */
  attached(owner: C, generation: number): void {
    this.#detached.delete(owner)
    const entry = this.#entryOf(owner)
    if (entry !== undefined) entry.generation = generation
  }

  detached(owner: C): void {
    if (this.#entryOf(owner) !== undefined) this.#detached.add(owner)
  }

  /** @param isExpired true: a client that comes back is told so */
  remove(owner: C, isExpired: boolean): void {
    const name = this.#names.get(owner)
    if (name === undefined || !this.#entries.has(name)) return
    this.#entries.delete(name)
    this.#names.delete(owner)
    this.#detached.delete(owner)
    this.#countByIdentity.remove(owner)
    if (isExpired) this.#rememberExpired(name)
  }

  #rememberExpired(name: string): void {
    this.#expired.add(name)
    if (this.#expired.size <= this.#caps.maxSessions) return
    const [oldest] = this.#expired
    this.#expired.delete(oldest as string)
  }

  #entryOf(owner: C): Entry<C> | undefined {
    const name = this.#names.get(owner)
    return name === undefined ? undefined : this.#entries.get(name)
  }
}

function nameOf({ id, epoch }: SessionKey): string {
  return id.toString('hex') + epoch.toString('hex')
}
