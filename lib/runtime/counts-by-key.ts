/**
 * Counts how many owners each key has. It remembers the key under which it counted each owner: the identity of a connection
 * can change while it is counted.
 */
export class CountsByKey<Owner extends object> {
  readonly #counts = new Map<string, Count>()
  /** It holds the count itself, so that a thousand connections of one identity share its string. */
  readonly #countOf = new WeakMap<Owner, Count>()

  of(key: string): number {
    return this.#counts.get(key)?.owners ?? 0
  }

  /** @returns the count of this key without this owner */
  ofOthers(key: string, owner: Owner): number {
    return this.of(key) - (this.#countOf.get(owner)?.key === key ? 1 : 0)
  }

  /** Counts an owner once, whatever it was counted under before. */
  add(owner: Owner, key: string): void {
    this.remove(owner)
    const count = this.#counts.get(key) ?? { key, owners: 0 }
    count.owners++
    this.#counts.set(key, count)
    this.#countOf.set(owner, count)
  }

  remove(owner: Owner): void {
    const count = this.#countOf.get(owner)
    if (count === undefined) return
    this.#countOf.delete(owner)
    count.owners--
    if (count.owners === 0) this.#counts.delete(count.key)
  }
}

interface Count {
  readonly key: string
  owners: number
}
