import type { CloseInfo, TokenClient, TokenServer } from '../../../lib'
import type { Monkey } from './monkey'

/** Which client or server of the monkey it is, and what its options say of its end. */
export interface Living {
  readonly name: string
  readonly closeTimeout: number
  /** Aborting it closes, and from then on each life ends at once. */
  readonly abort: AbortController | null
}

/** The lives of a client or a server, each from a `connect()` to its `close`: as many as began must end, and in time. */
export class Lives {
  readonly #monkey: Monkey
  readonly #one: TokenClient | TokenServer
  readonly #living: Living
  #isClosed = false
  #closeDue: number | null = null
  #begun = 0
  #ended = 0
  #lastInfo: CloseInfo | null = null

  /** The first one has begun. */
  constructor(monkey: Monkey, one: TokenClient | TokenServer, living: Living) {
    this.#monkey = monkey
    this.#one = one
    this.#living = living
    this.#begin()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get isClosing(): boolean {
    return this.#isClosed || this.#closeDue !== null
  }

  /** No life is longer than its `close()`. */
  get isSpent(): boolean {
    return this.#living.abort?.signal.aborted === true
  }

  connect(delay: number): void {
    this.#isClosed = false
    if (!this.#one.connect(delay))
      this.#monkey.fail(`connect() of ${this.#living.name}, which had closed, says false`)
    this.#begin()
  }

  expectNoConnect(): void {
    if (this.#one.connect())
      this.#monkey.fail(`connect() of ${this.#living.name}, which has not closed, says true`)
  }

  abort(): void {
    this.#living.abort?.abort()
  }

  /** @returns when a `close()` with this timeout, called now, must have come to its end */
  dueAfter(timeout = this.#living.closeTimeout): number {
    return this.#monkey.dueAfter(timeout)
  }

  /** It must have closed then, or earlier if that was known. */
  closesBy(due: number): void {
    this.#closeDue = Math.min(this.#closeDue ?? due, due)
  }

  async dispose(): Promise<void> {
    this.#closeDue ??= this.dueAfter()
    await this.#one[Symbol.asyncDispose]()
  }

  /** It told `close`. */
  end(info: CloseInfo): void {
    this.expectAlive('close')
    this.#ended++
    this.#isClosed = true
    this.#closeDue = null
    this.#lastInfo = info
  }

  expectAlive(event: string): void {
    if (this.#isClosed) this.#monkey.fail(`${this.#living.name} told ${event} after close`)
  }

  check(): void {
    if (this.#closeDue !== null && this.#monkey.clock.now() > this.#closeDue)
      this.#monkey.fail(`close() of ${this.#living.name} does not come to an end`)
  }

  checkEnd(): void {
    const { name } = this.#living
    if (this.#begun !== this.#ended)
      this.#monkey.fail(`${name} told close ${this.#ended} times, and began ${this.#begun} times`)
  }

  #begin(): void {
    const { name } = this.#living
    this.#begun++
    this.#monkey.track(
      `closed of ${name}`,
      this.#one.closed.then(info => {
        if (info !== this.#lastInfo) this.#monkey.fail(`closed and 'close' of ${name} tell of two ends`)
      })
    )
    if (this.isSpent) this.#closeDue = this.dueAfter()
  }
}
