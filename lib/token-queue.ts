import { PlacePool } from './place-pool'
import { TokenSource } from './token-source'
import { costOf, HEADER_LENGTH } from './wire'

/** A token as it waits: its bytes, or the stream that they come from. */
export type QueuedToken = Uint8Array | TokenSource

/** How many places the queue may have at its front that are done with before it is moved together. */
const COMPACT_ABOVE = 1024

/** Stands in the queue for a token that is done with, so that its memory is free. */
const GONE = new Uint8Array(0)

/** The same for all, for an empty array of its own costs each queue 32 bytes. */
const NONE: readonly QueuedToken[] = []

/** All queues of this process share it. */
const places = new PlacePool<QueuedToken>()

/**
 * The tokens of one direction, in order and numbered from 1: those that wait, and in a session those that are kept
 * until the peer's application has had them.
 *
 * ```
 *            acknowledged │ kept                   │ to be written
 *  #entries  [ ·  ·  ·  · │ d  e  f  g  h  i  j  k │ l  m  n  o  p ]
 *                          #first                   #next            #given
 *                           ◀─────────────────────── rewind()
 *  after it  [ ·  ·  ·  · │ d  e │ f  g  h  i  j  k  l  m  n  o  p ]
 *                          #first #next           sent
 * ```
 *
 * `sent` is the largest number of which the last byte was ever given to a socket: a rewind leaves it. What is up to
 * it, and a token begun, can't be taken back. Without a session nothing is kept and `#first` is `#next`.
 */
export class TokenQueue {
  /** Bytes of the frames of tokens that wait, as far as they are not out; for those of streams the header only. */
  waitingBytes = 0
  #taken = 0
  #windowBytes: number | null = null
  /** Behind `#end` are places for later. */
  #entries: QueuedToken[] = places.none
  #end = 0
  #first = 0
  #next = 0
  /** The number of the token at `#next`. */
  #nextNumber = 1
  #sent = 0
  #isBegun = false
  /** A byte of the token behind the last one sent was ever given to a socket: it keeps its number for good. */
  #isHalfOut = false
  #keptBytes = 0
  /** Those that were given up, behind all others: they count as unsent. */
  #abandoned = NONE

  /** The token to be written next, or being written. */
  get head(): QueuedToken | undefined {
    return this.#next < this.#end ? this.#entries[this.#next] : undefined
  }

  /** Tokens that wait, with the one begun. */
  get size(): number {
    return this.#end - this.#next
  }

  /** Tokens taken, also those that were given up. */
  get taken(): number {
    return this.#taken
  }

  /** Tokens of which the last byte was ever given to a socket. */
  get sent(): number {
    return this.#sent
  }

  /** Bytes kept for a peer that may have to be told again. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** True when the transport has the beginning of the head. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** True when the head may begin as far as the window of the session goes. */
  get fits(): boolean {
    if (this.#windowBytes === null || this.#nextNumber <= this.#sent) return true
    return this.#keptBytes + keptCost(this.head) <= this.#windowBytes
  }

  /** The number of the oldest token that can be taken back: no transport ever had a byte of it. */
  get firstWaiting(): number {
    return this.#sent + (this.#isHalfOut ? 2 : 1)
  }

  /** @param cost what `waitingCost` says, where the caller knows it: asking costs as much as the rest */
  push(token: QueuedToken, cost = waitingCost(token)): void {
    if (this.#end === 0 && this.#entries === places.none) this.#entries = places.take()
    this.#entries[this.#end++] = token
    this.#taken++
    this.waitingBytes += cost
  }

  /** A byte of the head goes out. */
  begin(): void {
    this.#isBegun = true
    this.waitingBytes -= HEADER_LENGTH
    if (this.#nextNumber <= this.#sent) return
    this.#isHalfOut = true
    if (this.#windowBytes !== null) this.#keptBytes += keptCost(this.head)
  }

  /** The last byte of the head goes out. */
  finish(): void {
    this.#isBegun = false
    if (this.#nextNumber > this.#sent) {
      this.#sent = this.#nextNumber
      this.#isHalfOut = false
    }
    this.#nextNumber++
    this.#next++
    if (this.#windowBytes === null) this.#forget()
  }

  /** All bytes of the head, which comes from no stream, go out at once. */
  pass(token: Uint8Array): void {
    const cost = costOf(token.length)
    this.waitingBytes -= cost
    if (this.#windowBytes !== null && this.#nextNumber > this.#sent) this.#keptBytes += cost
    this.finish()
  }

  /** The transport is gone: the head goes back to its first byte. @returns its number when it can't, and is void */
  unbegin(cause: unknown): number | null {
    if (!this.#isBegun) return null
    this.#isBegun = false
    const token = this.head
    if (this.#windowBytes !== null && this.#nextNumber > this.#sent) this.#keptBytes -= keptCost(token)
    this.#countWaiting()
    if (!isStreamed(token) || token.isVoid) return null
    token.spoil(cause)
    return this.#nextNumber
  }

  /** Keeps what is sent until it is acknowledged, this many bytes at most; null keeps nothing. */
  keep(windowBytes: number | null): void {
    this.#windowBytes = windowBytes
    if (windowBytes !== null) return
    this.#keptBytes = 0
    this.#forget()
  }

  /** The peer's application has had the tokens up to this number. */
  acknowledge(count: number): void {
    // A peer that counts what it was not given again after a rewind gains nothing by it.
    const last = Math.min(this.#next, this.#next - this.#nextNumber + 1 + count)
    for (; this.#first < last; this.#first++) {
      this.#keptBytes -= keptCost(this.#entries[this.#first])
      this.#entries[this.#first] = GONE
    }
    this.#compact()
  }

  /** The peer has the tokens up to this number: those behind are written again. @returns numbers that became void */
  rewind(received: number): number[] {
    const first = this.#nextNumber - (this.#next - this.#first)
    if (received < first - 1 || received > this.#sent) {
      throw new RangeError(
        `Cannot go on behind token ${received}: those from ${first} to ${this.#sent} are kept`
      )
    }
    this.#next += received + 1 - this.#nextNumber
    this.#nextNumber = received + 1
    const voided: number[] = []
    for (let number = received + 1; number <= this.#sent; number++) {
      const token = this.#at(number)
      if (!isStreamed(token) || token.isVoid) continue
      token.spoil(null)
      voided.push(number)
    }
    this.#countWaiting()
    return voided
  }

  /** @returns the number of a token that waits, or null */
  numberOf(token: QueuedToken): number | null {
    const index = this.#entries.indexOf(token, this.#next)
    return index < 0 ? null : this.#nextNumber + index - this.#next
  }

  /** Drops up to `count` of the oldest tokens that can be taken back. @returns how many */
  dropOldest(count: number): number {
    const dropped = this.#remove(this.firstWaiting, count)
    dropped.forEach(letGo)
    this.#taken -= dropped.length
    return dropped.length
  }

  /** Takes one token back. @returns false when bytes of it are out already */
  withdraw(number: number): boolean {
    if (number < this.firstWaiting || number > this.#taken) return false
    const behind = number - this.#nextNumber - this.size
    const token = behind < 0 ? this.#remove(number, 1)[0] : this.#abandoned[behind]
    if (behind >= 0) this.#abandoned = this.#abandoned.toSpliced(behind, 1)
    letGo(token as QueuedToken)
    this.#taken--
    return true
  }

  /** Takes back the tokens longer than that. `onLonger` is given the number of each at that moment. */
  withdrawLonger(length: number, onLonger: (number: number, token: QueuedToken) => void): void {
    let number = this.firstWaiting
    for (let token = this.#at(number); token !== undefined; token = this.#at(number)) {
      if ((token.length ?? 0) <= length) {
        number++
      } else {
        this.withdraw(number)
        onLonger(number, token)
      }
    }
  }

  /** Takes back the tokens of streams. `onStreamed` is given the number of each at that moment. */
  withdrawStreamed(onStreamed: (number: number, token: TokenSource) => void): void {
    let number = this.firstWaiting
    for (let token = this.#at(number); token !== undefined; token = this.#at(number)) {
      if (!isStreamed(token)) {
        number++
      } else {
        this.#remove(number, 1).forEach(letGo)
        this.#taken--
        onStreamed(number, token)
      }
    }
  }

  /** Gives up the tokens of which this transport has no byte: there is no other after it. */
  abandon(): void {
    const first = Math.max(this.#sent + 1, this.#nextNumber + (this.#isBegun ? 1 : 0))
    if (first === this.#sent + 1) this.#isHalfOut = false
    this.#abandoned = [...this.#remove(first, Number.POSITIVE_INFINITY), ...this.#abandoned]
    this.#abandoned.forEach(letGo)
  }

  /** Gives up the head, too, whose next part is not begun. */
  abandonHead(): void {
    const token = this.head as QueuedToken
    this.unbegin(null)
    this.#isHalfOut = false
    this.#splice(this.#next, 1)
    this.#abandoned = [token, ...this.#abandoned]
    this.#countWaiting()
  }

  /** Gives everything up. @returns those of which the last byte was never given to a socket; null for a stream's */
  takeUnsent(): (Uint8Array | null)[] {
    const waiting = this.#splice(this.#next + Math.max(0, this.#sent + 1 - this.#nextNumber), this.#end)
    this.#abandoned = [...waiting, ...this.#abandoned]
    this.#abandoned.forEach(letGo)
    this.#countWaiting()
    return this.#abandoned.map(token => (isStreamed(token) ? null : token))
  }

  /** Lets go of everything. */
  clear(): void {
    this.#splice(0, this.#end).forEach(letGo)
    this.#abandoned.forEach(letGo)
    this.#entries = places.none
    this.#abandoned = NONE
    this.#first = 0
    this.#next = 0
    this.waitingBytes = 0
    this.#keptBytes = 0
  }

  #at(number: number): QueuedToken | undefined {
    const index = this.#next + number - this.#nextNumber
    return index < this.#end ? this.#entries[index] : undefined
  }

  #remove(number: number, count: number): QueuedToken[] {
    const removed = this.#splice(this.#next + number - this.#nextNumber, count)
    for (const token of removed) this.waitingBytes -= waitingCost(token)
    return removed
  }

  #splice(start: number, count: number): QueuedToken[] {
    this.#entries.length = this.#end
    const removed = this.#entries.splice(start, count)
    this.#end = this.#entries.length
    return removed
  }

  #forget(): void {
    while (this.#first < this.#next) this.#entries[this.#first++] = GONE
    this.#compact()
  }

  #compact(): void {
    if (this.#first === this.#end) {
      places.give(this.#entries)
      this.#entries = places.none
      this.#end = 0
    } else if (this.#first > COMPACT_ABOVE && this.#first * 2 > this.#end) {
      this.#splice(0, this.#first)
    } else {
      return
    }
    this.#next -= this.#first
    this.#first = 0
  }

  #countWaiting(): void {
    this.waitingBytes = 0
    for (let i = this.#next; i < this.#end; i++)
      this.waitingBytes += waitingCost(this.#entries[i] as QueuedToken)
  }
}

export function isStreamed(token: QueuedToken | undefined): token is TokenSource {
  return token instanceof TokenSource
}

function waitingCost(token: QueuedToken): number {
  return isStreamed(token) ? HEADER_LENGTH : costOf(token.length)
}

function keptCost(token: QueuedToken | undefined): number {
  return token === undefined || isStreamed(token) ? 0 : costOf(token.length)
}

function letGo(token: QueuedToken): void {
  if (isStreamed(token)) token.release()
}
