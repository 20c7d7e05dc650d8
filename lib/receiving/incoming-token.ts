import type { PendingReads } from './pending-reads'

/** The source of the bytes of an {@link IncomingToken} (internal). */
export interface TokenInlet {
  readonly reads: PendingReads<Buffer>
  bytesRead: number
  isComplete: boolean
  /** Asks for more, or says that the end was read; null when the token is not its connection's any more. */
  pull: (() => void) | null
}

/**
 * A token as it arrives: an async iterator of its bytes, in pieces of any length, none of them empty.
 *
 * ```
 *  reading ──▶ read to its end               next() says done
 *     ├──────▶ aborted, cut, passed over     next() throws once, then says done
 *     └──────▶ its loop was left             next() says done
 * ```
 *
 * A piece is a view of what arrived, nothing is copied. It is taken out, and the peer may send more, when it is
 * asked for.
 */
export class IncomingToken implements AsyncIterableIterator<Buffer> {
  readonly #inlet: TokenInlet

  /** @param inlet of the connection (internal) */
  constructor(inlet: TokenInlet) {
    this.#inlet = inlet
  }

  /** Bytes that were read of it. */
  get bytesRead(): number {
    return this.#inlet.bytesRead
  }

  /** True when its last byte was read. */
  get isComplete(): boolean {
    return this.#inlet.isComplete
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @throws (rejects) TokenError `ERR_TOKEN_ABORTED`, `ERR_CONSUMER`, or what broke the connection */
  next(): Promise<IteratorResult<Buffer, undefined>> {
    const { reads } = this.#inlet
    const isBeyond = reads.hasEnded
    const result = reads.next(() => this.#inlet.pull?.())
    // A consumer that asks beyond the last piece has processed the token.
    if (isBeyond) this.#inlet.pull?.()
    return result
  }

  /** Leaves the rest unread: it is skipped when the next token is asked for. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    return this.#inlet.reads.leave()
  }
}
