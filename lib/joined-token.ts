import { ChunkQueue } from './chunk-queue'

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * A token that is joined from pieces. They stay as they are until the last one is there, and are then copied once,
 * into memory of exactly the length that they have together: none is taken for bytes that are only promised.
 */
export class JoinedToken {
  readonly #pieces = new ChunkQueue()

  /** Bytes joined. */
  get length(): number {
    return this.#pieces.bytes
  }

  add(piece: Buffer): void {
    if (piece.length > 0) this.#pieces.push(piece)
  }

  /** @returns what was joined, and begins anew */
  take(): Buffer {
    const pieces = this.#pieces
    const first = pieces.shift()
    if (first === undefined || pieces.isEmpty) return first ?? NOTHING
    const token = Buffer.allocUnsafeSlow(first.length + pieces.bytes)
    let length = 0
    for (let piece: Buffer | undefined = first; piece !== undefined; piece = pieces.shift()) {
      token.set(piece, length)
      length += piece.length
    }
    return token
  }
}
