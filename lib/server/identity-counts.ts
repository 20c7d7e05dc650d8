/**
 * How many of something each identity has at this moment. What was counted is taken away under the identity that it was
 * counted under, whatever it has become.
 */
export class IdentityCounts<C extends object> {
  readonly #counts = new Map<string, IdentityCount>()
  /** Each has the count, not a string of its own that says the same. */
  readonly #countOf = new WeakMap<C, IdentityCount>()

  of(identity: string): number {
    return this.#counts.get(identity)?.count ?? 0
  }

  /** Without this one. */
  ofOthers(identity: string, owner: C): number {
    return this.of(identity) - (this.#countOf.get(owner)?.identity === identity ? 1 : 0)
  }

  /** Counts it, once. */
  add(owner: C, identity: string): void {
    this.remove(owner)
    const counted = this.#counts.get(identity) ?? { identity, count: 0 }
    counted.count++
    this.#counts.set(identity, counted)
    this.#countOf.set(owner, counted)
  }

  /** Nothing happens when it is not counted. */
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
