import { utf8 } from '../encoding/bytes'
import type { Session } from './session'

/** Something to be sent once. */
export interface Outgoing {
  /** A message as JSON. */
  readonly text: string
  /** It need not be sent any more. */
  readonly isDropped?: boolean
  /** Set when a frame with it is being sealed: from then on it is sent, and nobody knows whether it arrives. */
  hasLeft: boolean
  /** What `hasLeft` is again when that frame is not sent. */
  readonly hadLeft?: boolean
  /** The number of that frame, where the connection counts them. */
  frame?: number
}

export interface OutboxOptions {
  /** @returns false when more waits than the other side reads: {@link Outbox.drained} is to be called then */
  readonly send: (frame: Uint8Array) => boolean
  /** The number of the frame that was sent last. */
  readonly count?: () => number
  /** The session can seal nothing more. */
  readonly onFailure: () => void
  /** Called for each batch; what it returns goes first. */
  readonly before?: () => string
  /**
   * Of a connection that others send over, too: called before so many characters are sealed, and `release` after they were sent.
   *
   * @returns false when the connection is full: {@link Outbox.drained} is to be called then
   */
  readonly reserve?: (length: number) => boolean
  readonly release?: (length: number) => void
  /** Characters of JSON in one frame; one message alone may be longer. Default 65,536. */
  readonly maxBatchLength?: number
}

/** What a message that waits takes beside its characters: a million that are short must not count as few. */
const MESSAGE_COST = 64

/**
 * Messages on their way into the frames of a session. Those of one turn go in one frame; while that is being sealed, and while the
 * connection is full, further ones collect.
 */
export class Outbox {
  readonly #session: Session
  readonly #options: OutboxOptions
  readonly #maxBatchLength: number
  #waiting: Outgoing[] = []
  #news: Outgoing | undefined
  /** Characters that wait, without the news; a message counts as {@link MESSAGE_COST} more. */
  waitingLength = 0
  #isFlushing = false
  #isFull = false
  #isEnded = false
  #onEmpty: (() => void) | undefined
  /** In the frame that is being sealed. */
  #leaving: readonly Outgoing[] = []
  #sending: Promise<void> = Promise.resolve()

  constructor(session: Session, options: OutboxOptions) {
    this.#session = session
    this.#options = options
    this.#maxBatchLength = options.maxBatchLength ?? 65_536
  }

  push(item: Outgoing): void {
    if (this.#isEnded) return
    this.#waiting.push(item)
    this.waitingLength += item.text.length + MESSAGE_COST
    this.#flush()
  }

  say(text: string): void {
    this.push({ text, hasLeft: false })
  }

  /** News make those before them worthless: of what waits the last alone is sent, ahead of all else. */
  tell(text: string): void {
    if (this.#isEnded) return
    this.#news = { text, hasLeft: false }
    this.#flush()
  }

  drained(): void {
    this.#isFull = false
    this.#flush()
  }

  /** Nothing more is sent. */
  end(): void {
    this.#isEnded = true
    this.#waiting = []
    this.#news = undefined
    this.waitingLength = 0
    this.#takeBack()
    this.#onEmpty?.()
  }

  get #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#news === undefined
  }

  #flush(): void {
    if (this.#isFlushing || this.#isFull || this.#isEnded || this.#isIdle) return
    this.#isFlushing = true
    this.#sending = Promise.resolve().then(() => this.#sendAll())
  }

  /** Resolves when nothing waits, or nothing more is sent. */
  emptied(): Promise<void> {
    if (this.#isEnded || (this.#isIdle && !this.#isFlushing)) return Promise.resolve()
    return new Promise(resolve => {
      this.#onEmpty = resolve
    })
  }

  /** Resolves when what waits now has been handed to the connection, as far as that takes it. */
  async flushed(): Promise<void> {
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    const { reserve, release } = this.#options
    let reserved = 0
    try {
      while (!this.#isFull && !this.#isEnded && !this.#isIdle) {
        if (reserve !== undefined) {
          const length = this.#nextLength
          this.#isFull = !reserve(length)
          if (this.#isFull) return
          reserved = length
        }
        this.#takeNews()
        const count = this.#countBatch()
        const items = this.#waiting.slice(0, count)
        this.#waiting = this.#waiting.slice(count)
        const batch = this.#textOf(items)
        if (batch === '') {
          release?.(reserved)
          reserved = 0
          continue
        }
        for (const item of items) item.hasLeft = true
        this.#leaving = items
        const frame = await this.#session.seal(utf8(batch))
        if (this.#isEnded) return
        this.#leaving = []
        this.#isFull = !this.#options.send(frame)
        const number = this.#options.count?.()
        if (number !== undefined) for (const item of items) item.frame = number
        release?.(reserved)
        reserved = 0
      }
    } catch {
      this.#takeBack()
      if (!this.#isEnded) this.#options.onFailure()
    } finally {
      this.#isFlushing = false
      if (reserved > 0) release?.(reserved)
      if (this.#isIdle) this.#onEmpty?.()
    }
  }

  /** Characters of the next frame. */
  get #nextLength(): number {
    const [first] = this.#waiting
    const others = Math.min(this.waitingLength, Math.max(first?.text.length ?? 0, this.#maxBatchLength))
    return others + (this.#news?.text.length ?? 0)
  }

  #takeNews(): void {
    const news = this.#news
    if (news === undefined) return
    this.#news = undefined
    this.#waiting.unshift(news)
    this.waitingLength += news.text.length + MESSAGE_COST
  }

  #takeBack(): void {
    for (const item of this.#leaving) item.hasLeft = item.hadLeft ?? false
    this.#leaving = []
  }

  /** How many of those that wait go into the next frame. */
  #countBatch(): number {
    let length = 0
    let count = 0
    for (const { text } of this.#waiting) {
      length += text.length
      if (count > 0 && length > this.#maxBatchLength) break
      count++
    }
    return count
  }

  /** @returns '' when none of them is to be sent any more */
  #textOf(items: readonly Outgoing[]): string {
    let text = ''
    for (const item of items) {
      this.waitingLength -= item.text.length + MESSAGE_COST
      if (item.isDropped !== true) text += text === '' ? item.text : `,${item.text}`
    }
    if (text === '') return ''
    const first = this.#options.before?.() ?? ''
    return first === '' ? `[${text}]` : `[${first},${text}]`
  }
}
