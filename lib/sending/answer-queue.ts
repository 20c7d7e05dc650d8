import { protocolError } from '../errors/token-error'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { costOf } from '../wire/header'

/** What the peer is told of one of its tokens. */
export interface Answer {
  readonly token: UnsettledToken
  /** ANSWER, or FAILED. */
  readonly head: Uint8Array
  /** The payload; null of FAILED. */
  readonly body: Uint8Array | null
}

/**
 * The answers to the tokens of the peer, which need no credit and have no number: in a session those that the peer may
 * not have had are kept, and written again on the next transport.
 *
 * ```
 *  confirmed │ kept                 │ to be written
 *  ·  ·  ·   │ a  b  c  d           │ e  f
 *             ◀──── rewind()         #next
 * ```
 *
 * A token is settled once its answer is written; in a session, once the peer has it: what counts as handed is never
 * said before what was answered.
 */
export class AnswerQueue {
  /** Bytes that wait, as far as they are not out. */
  waitingBytes = 0
  /** Bytes that are kept, those that wait included. */
  keptBytes = 0
  readonly #onSettled: (token: UnsettledToken) => void
  #all: Answer[] = []
  #next = 0
  /** Answers that the peer has had in this session. */
  #confirmed = 0
  #isKept = false
  #isOver = false

  constructor(onSettled: (token: UnsettledToken) => void) {
    this.#onSettled = onSettled
  }

  /** The answer to be written next, or being written. */
  get head(): Answer | undefined {
    return this.#all[this.#next]
  }

  /** Answers that wait, with the one begun. */
  get size(): number {
    return this.#all.length - this.#next
  }

  push(answer: Answer): void {
    if (this.#isOver) return
    const bytes = bytesOf(answer)
    this.#all.push(answer)
    this.waitingBytes += bytes
    this.keptBytes += bytes
  }

  /** The last byte of the head goes out. */
  finish(): void {
    this.#next++
    if (!this.#isKept) this.#settle(this.#next)
  }

  /** The transport is gone: the head goes back to its first byte. */
  unbegin(): void {
    this.#countWaiting()
  }

  /** Whether what is written is kept until the peer has it. */
  keep(isKept: boolean): void {
    this.#isKept = isKept
    if (!isKept) this.#settle(this.#next)
  }

  /**
   * The peer has had so many answers in this session.
   *
   * @throws TokenError `ERR_PROTOCOL` when so many were never written, or it has said more before
   */
  confirm(count: number): void {
    const written = this.#confirmed + this.#next
    if (count < this.#confirmed || count > written) {
      throw protocolError(
        'protocol-error',
        `Cannot read a count of answers: it is ${count}, and may be from ${this.#confirmed} to ${written}`
      )
    }
    this.#settle(count - this.#confirmed)
  }

  /** As `confirm`, on the next transport: those behind are written again. */
  rewind(count: number): void {
    this.confirm(count)
    this.#next = 0
    this.#countWaiting()
  }

  /** Gives up what is not begun, and takes no more: this side says its last word. */
  abandon(isBegun: boolean): void {
    this.#isOver = true
    const given = this.#all.splice(this.#next + (isBegun ? 1 : 0))
    for (const answer of given) {
      this.keptBytes -= bytesOf(answer)
      this.waitingBytes -= bytesOf(answer)
    }
  }

  /** Lets go of everything. */
  clear(): void {
    this.#all = []
    this.#next = 0
    this.waitingBytes = 0
    this.keptBytes = 0
  }

  /** The first ones are done with: whoever is told may push others. */
  #settle(count: number): void {
    if (count === 0) return
    const settled = this.#all.splice(0, count)
    this.#next -= count
    this.#confirmed += count
    for (const answer of settled) this.keptBytes -= bytesOf(answer)
    for (const { token } of settled) this.#onSettled(token)
  }

  #countWaiting(): void {
    this.waitingBytes = this.#all.slice(this.#next).reduce((sum, answer) => sum + bytesOf(answer), 0)
  }
}

function bytesOf({ head, body }: Answer): number {
  return body === null ? head.length : head.length + costOf(body.length)
}
