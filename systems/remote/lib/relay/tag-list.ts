import { fromBase64url } from '../encoding/base64url'
import { concat } from '../encoding/bytes'

const HASH_LENGTH = 32

/** SHA-256 of each admission tag of a device, one behind the other: a list of a stranger takes 32 bytes an entry. */
export class TagList {
  readonly #hashes: Uint8Array

  private constructor(hashes: Uint8Array) {
    this.#hashes = hashes
  }

  static readonly empty = new TagList(new Uint8Array())

  /** @returns undefined when one of them is no base64url of 32 bytes */
  static read(texts: readonly string[]): TagList | undefined {
    const hashes: Uint8Array[] = []
    for (const text of texts) {
      const hash = text.length === 43 ? fromBase64url(text) : undefined
      if (hash === undefined) return undefined
      hashes.push(hash)
    }
    return new TagList(concat(...hashes))
  }

  get size(): number {
    return this.#hashes.length / HASH_LENGTH
  }

  /** Whether it has the same hashes in the same order. Both are known to who could measure the time. */
  equals(other: TagList): boolean {
    return this.size === other.size && this.#hashes.every((byte, index) => byte === other.#hashes[index])
  }

  has(hash: Uint8Array): boolean {
    let isThere = false
    for (let start = 0; start < this.#hashes.length; start += HASH_LENGTH) {
      let difference = hash.length ^ HASH_LENGTH
      for (let index = 0; index < HASH_LENGTH; index++)
        difference |= (this.#hashes[start + index] as number) ^ (hash[index] ?? 0)
      if (difference === 0) isThere = true
    }
    return isThere
  }
}
