/** What we use of a database of keys and bytes: ClassicLevel in a folder, or MemoryLevel. */
export interface Database {
  open(): Promise<void>
  close(): Promise<void>
  get(key: string): Promise<Buffer | undefined>
  batch(operations: Operation[], options: object): Promise<void>
  clear(range: object): Promise<void>
  keys(
    range: object
  ): AsyncIterable<string> & { nextv(size: number): Promise<string[]>; close(): Promise<void> }
  values(range: object): AsyncIterable<Buffer>
}

export type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: string }

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes to a database in the order in which they were asked for, many in one commit. What is asked for together is stored together or not
 * at all, and promises resolve in order, so that messages keep their order behind the store.
 */
export class CommitQueue {
  readonly #db: Database
  readonly #sync: boolean
  #operations: Operation[] = []
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  /** @param sync each commit waits until the disk has it, so that a loss of power loses nothing either */
  constructor(db: Database, sync: boolean) {
    this.#db = db
    this.#sync = sync
  }

  write(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) this.#operations.push(operation)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is left to write. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    await undefined // what is asked for in this turn of the microtasks goes along
    while (this.#waiting.length > 0) {
      const operations = this.#operations
      const waiting = this.#waiting
      this.#operations = []
      this.#waiting = []
      try {
        if (operations.length > 0) {
          await this.#db.batch(operations, { sync: this.#sync })
        }
        for (const { resolve } of waiting) resolve()
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
    }
    this.#running = undefined
  }
}
