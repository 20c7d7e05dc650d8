import type { TokenError } from '../errors/token-error'
import { PendingReads } from '../receiving/pending-reads'

/**
 * The connections of a server for `for await`: each goes to one loop, in the order in which they were accepted.
 *
 * What nobody has asked for waits, and leaves the queue when it closes: so no more wait than are open, and the limits of
 * the server bound them. Nothing is kept before the first loop, which begins with those that are open.
 */
export class Arrivals<Connection> {
  #waiting: Set<Connection> | null = null
  readonly #loops = new Set<PendingReads<Connection>>()
  #end: { readonly error: TokenError | null } | null = null

  /** The server will listen. */
  begin(): void {
    this.#end = null
  }

  /** The server has closed, and so have all connections. @param error why it could not listen */
  end(error: TokenError | null): void {
    this.#end = { error }
    for (const reads of this.#loops) reads.end(error)
    this.#loops.clear()
  }

  /** It was accepted. */
  add(connection: Connection): void {
    for (const reads of this.#loops) {
      if (!reads.isWaiting) continue
      reads.give(connection)
      return
    }
    this.#waiting?.add(connection)
  }

  /** It has closed. */
  delete(connection: Connection): void {
    this.#waiting?.delete(connection)
  }

  /** @param open the connections that are open now */
  loop(open: ReadonlySet<Connection>): AsyncIterableIterator<Connection> {
    this.#waiting ??= new Set(open)
    const reads = new PendingReads<Connection>()
    if (this.#end === null) this.#loops.add(reads)
    else reads.end(this.#end.error)
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => reads.next(() => this.#giveTo(reads)),
      return: () => {
        this.#loops.delete(reads)
        return reads.leave()
      }
    }
  }

  #giveTo(reads: PendingReads<Connection>): void {
    const [connection] = this.#waiting ?? []
    if (connection === undefined) return
    this.#waiting?.delete(connection)
    reads.give(connection)
  }
}
