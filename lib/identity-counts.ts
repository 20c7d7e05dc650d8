/**
 * How many of something each identity has at this moment. What was counted is taken away under the identity that it was
 * counted under, whatever it has become.
 */
export class IdentityCounts<C extends object> {
  readonly #counts = new Map<string, number>()
  readonly #identities = new WeakMap<C, string>()

  of(identity: string): number {
    return this.#counts.get(identity) ?? 0
  }

  /** Without this one. */
  ofOthers(identity: string, owner: C): number {
    return this.of(identity) - (this.#identities.get(owner) === identity ? 1 : 0)
  }

  /** Counts it, once. */
  add(owner: C, identity: string): void {
    this.remove(owner)
    this.#identities.set(owner, identity)
    this.#counts.set(identity, this.of(identity) + 1)
  }

  /** Nothing happens when it is not counted. */
  remove(owner: C): void {
    const identity = this.#identities.get(owner)
    if (identity === undefined) return
    this.#identities.delete(owner)
    const left = this.of(identity) - 1
    if (left > 0) this.#counts.set(identity, left)
    else this.#counts.delete(identity)
  }
}
