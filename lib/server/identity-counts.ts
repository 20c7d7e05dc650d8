/**
 * Counts how many of something each identity has. It remembers under which identity it counted each one: the identity of a
 * connection can change while it is counted.
 */
export class IdentityCounts<C extends object> {
  readonly #counts = new Map<string, IdentityCount>()
  /** It holds the count itself, so that a thousand connections of one identity share its string. */
  readonly #countOf = new WeakMap<C, IdentityCount>()

  of(identity: string): number {
    return this.#counts.get(identity)?.count ?? 0
  }

  /** Without this owner. */
  ofOthers(identity: string, owner: C): number {
    return this.of(identity) - (this.#countOf.get(owner)?.identity === identity ? 1 : 0)
  }

  /** Counts an owner once, whatever it was counted under before. */
  add(owner: C, identity: string): void {
    this.remove(owner)
    const counted = this.#counts.get(identity) ?? { identity, count: 0 }
    counted.count++
    this.#counts.set(identity, counted)
    this.#countOf.set(owner, counted)
  }

  remove(owner: C): void {
    const counted = this.#countOf.get(owner)
    if (counted === undefined) return
    this.#countOf.delete(owner)
    counted.count--
    if (counted.count === 0) this.#counts.delete(counted.identity)
  }
}

interface IdentityCount {
  readonly identity: string
  count: number
}
