import { numbersFrom } from '@token-server/test-helpers'

/** Choices that one seed determines; the seed is printed with what went wrong, and SEED repeats it. */
export class Chance {
  readonly seed = Number(process.env.SEED ?? (Math.random() * 2 ** 32) >>> 0)
  readonly #next = numbersFrom(this.seed)

  /** 0 to below `limit`. */
  below(limit: number): number {
    return this.#next() % limit
  }

  of<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)] as Value
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  /** One of: a bit flipped, bytes cut off, bytes added, a piece repeated, a piece taken out, two pieces swapped, a piece replaced. */
  mutated(bytes: Uint8Array): Uint8Array {
    const [from, to] = [this.below(bytes.length + 1), this.below(bytes.length + 1)].sort((a, b) => a - b) as [
      number,
      number
    ]
    const [head, piece, tail] = [bytes.slice(0, from), bytes.slice(from, to), bytes.slice(to)]
    switch (this.below(7)) {
      case 0:
        return flipped(bytes, this.below(bytes.length * 8))
      case 1:
        return head
      case 2:
        return Uint8Array.from([...bytes, ...this.bytes(1 + this.below(40))])
      case 3:
        return Uint8Array.from([...head, ...piece, ...piece, ...tail])
      case 4:
        return Uint8Array.from([...head, ...tail])
      case 5:
        return Uint8Array.from([...piece, ...head, ...tail])
      default:
        return Uint8Array.from([...head, ...this.bytes(piece.length), ...tail])
    }
  }
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice()
  changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
  return changed
}

export function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}
