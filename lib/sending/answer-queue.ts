import { protocolError } from '../errors/token-error'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { costOf } from '../wire/header'

/** What an answer takes of memory beside its bytes, about: an empty one is no small matter when there are a million. */
const BESIDE = 200

/** What the peer is told of one of its tokens. */
export interface Answer {
  readonly token: UnsettledToken
  /** ANSWER, or FAILED. */
  readonly head: Uint8Array
  /** The payload; null of FAILED. */
  readonly body: Uint8Array | null
  /** Bytes of both when the answer was given: its memory may go away. */
  readonly bytes: number
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
  /** Those before `#first` are done with. */
  #all: (Answer | null)[] = []
  #first = 0
  #next = 0
  /** Answers that are done with since the beginning. */
  #confirmed = 0
  /** What the peer's last count was. */
  #counted = 0
  #isKept = false
  #isOver = false

  constructor(onSettled: (token: UnsettledToken) => void) {
    this.#onSettled = onSettled
  }

  /** The answer to be written next, or being written. */
  get head(): Answer | undefined {
    return this.#all[this.#next] as Answer | undefined
  }

  /** True when the head no longer has the length that it was given with. */
  get isHeadLost(): boolean {
    const { head } = this
    return head !== undefined && bytesOf(head.head, head.body) !== head.bytes
  }

  /** Answers that wait, with the one begun. */
  get size(): number {
    return this.#all.length - this.#next
  }

  /** Bytes that are kept, and what each answer takes beside them. */
  get memory(): number {
    return this.keptBytes + (this.#all.length - this.#first) * BESIDE
  }

  push(answer: Answer): void {
    if (this.#isOver) return
    this.#all.push(answer)
    this.waitingBytes += answer.bytes
    this.keptBytes += answer.bytes
  }

  /** The last byte of the head goes out. */
  finish(): void {
    this.#next++
    if (!this.#isKept) this.#settle(this.#next - this.#first)
  }

  /** The transport is gone: the head goes back to its first byte. */
  unbegin(): void {
    this.#countWaiting()
  }

  /** Whether what is written is kept until the peer has it. */
  keep(isKept: boolean): void {
    this.#isKept = isKept
    if (!isKept) this.#settle(this.#next - this.#first)
  }

  /**
   * The peer has received so many answers in this session.
   *
   * @throws TokenError `ERR_PROTOCOL` when so many were never written, or it has said more before
   */
  confirm(count: number): void {
    const written = this.#confirmed + this.#next - this.#first
    if (count < this.#counted || count > written) {
      throw protocolError(
        'protocol-error',
        `Cannot read a count of answers: it is ${count}, and may be from ${this.#counted} to ${written}`
      )
    }
    this.#counted = count
    this.#settle(count - this.#confirmed)
  }

  /** Does as `confirm`, on the next transport: those behind are written again. */
  rewind(count: number): void {
    this.confirm(count)
    this.#next = this.#first
    this.#countWaiting()
  }

  /** Gives up what is not begun, and takes no more: this side says its last word. */
  abandon(isBegun: boolean): void {
    this.#isOver = true
    const given = this.#all.splice(this.#next + (isBegun ? 1 : 0)) as Answer[]
    for (const { bytes } of given) {
      this.keptBytes -= bytes
      this.waitingBytes -= bytes
    }
  }

  /** Lets go of everything. */
  clear(): void {
    this.#all = []
    this.#first = 0
    this.#next = 0
    this.waitingBytes = 0
    this.keptBytes = 0
  }

  /** The first ones are done with: those that are told may push others. */
  #settle(count: number): void {
    for (let left = count; left > 0; left--) {
      const { token, bytes } = this.#all[this.#first] as Answer
      this.#all[this.#first++] = null
      this.#confirmed++
      this.keptBytes -= bytes
      this.#onSettled(token)
    }
    if (this.#first * 2 <= this.#all.length) return
    this.#all.splice(0, this.#first)
    this.#next -= this.#first
    this.#first = 0
  }

  #countWaiting(): void {
    const waiting = this.#all.slice(this.#next) as Answer[]
    this.waitingBytes = waiting.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

/** What an answer of this head and payload has on the wire. */
export function bytesOf(head: Uint8Array, body: Uint8Array | null): number {
  return body === null ? head.length : head.length + costOf(body.length)
}
