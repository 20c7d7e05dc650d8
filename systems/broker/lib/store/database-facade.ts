import type { CommitQueue, Database, Operation } from './commit-queue'

interface ChainedBatch {
  del(key: string): void
  write(): Promise<void>
}

/**
 * The part of a database that aedes-persistence-level calls, with its writes led through a {@link CommitQueue}. While it collects, writes
 * are kept for the caller instead, who commits them together.
 */
export class DatabaseFacade {
  readonly #db: Database
  readonly #commits: CommitQueue
  #collected: Operation[] | undefined

  constructor(db: Database, commits: CommitQueue) {
    this.#db = db
    this.#commits = commits
  }

  /** What `write` writes before its first await, not yet committed. */
  collect(write: () => void): Operation[] {
    const collected: Operation[] = []
    this.#collected = collected
    try {
      write()
    } finally {
      this.#collected = undefined
    }
    return collected
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#db.get(key)
  }

  put(key: string, value: Buffer): Promise<void> {
    return this.#write([{ type: 'put', key, value }])
  }

  del(key: string): Promise<void> {
    return this.#write([{ type: 'del', key }])
  }

  batch(operations?: readonly Operation[]): Promise<void> | ChainedBatch {
    if (operations !== undefined) return this.#write(operations)
    const chained: Operation[] = []
    return {
      del: (key: string) => void chained.push({ type: 'del', key }),
      write: () => this.#write(chained)
    }
  }

  async clear(range: object): Promise<void> {
    await this.#commits.write([]) // behind all that was written before
    await this.#db.clear(range)
  }

  values(range: object): AsyncIterable<Buffer> {
    return this.#db.values(range)
  }

  async close(): Promise<void> {
    await this.#commits.idle()
    await this.#db.close()
  }

  #write(operations: readonly Operation[]): Promise<void> {
    if (this.#collected === undefined) return this.#commits.write(operations)
    this.#collected.push(...operations)
    return Promise.resolve()
  }
}
