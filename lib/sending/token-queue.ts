import { HEADER_LENGTH } from '../wire/header'
import { GONE, isPlain, isStreamed, letGo, type QueuedToken, QueuePlaces, waitingCost } from './queue-places'
import type { TokenSource } from './token-source'

/** The most places at the front of the queue that may be empty before it is moved together. */
const COMPACT_ABOVE = 1024

/**
 * The tokens of one direction, in order: those that wait, and in a session those that are kept until the peer's
 * application has had them.
 *
 * ```
 *            acknowledged │ kept                   │ to be written          │ given up
 *  tokens    [ ·  ·  ·  · │ d  e  f  ×  h  i  j  k │ l  m  ×  ×  p  q  r  s │ t  u ]
 *                          #first                   #next                    #end   #givenUpEnd
 *                           ◀─────────────────────── rewind()
 *  after it  [ ·  ·  ·  · │ d  e │ f  h  i  j  k  l  m  p  q  r  s ]
 *                          #first #next              #untouched
 * ```
 *
 * A token has a *place* from the beginning, counted from 1, and a *number* on the wire from its first byte on. A token
 * that is taken back leaves a gap (×): the places behind it stay as they are until `closeGaps`, and their numbers are
 * smaller by one. Only what is *untouched*, of which no socket ever had a byte, can be taken back: that is a fact of
 * the token, which a rewind does not change.
 */
export class TokenQueue {
  /** Bytes of the frames of tokens that wait, as far as they are not out; for those of streams the header only. */
  waitingBytes = 0
  #taken = 0
  #windowBytes: number | null = null
  /** The places; those behind `#end` and `#givenUpEnd` are for later. */
  #places = QueuePlaces.none
  /** The place of the first entry. */
  #base = 1
  #end = 0
  #first = 0
  #next = 0
  /** The first entry of which no byte was ever given to a socket. */
  #untouched = 0
  /** A byte of the entry before `#untouched` was, and its last one was not. */
  #isHalfOut = false
  /** Gaps between `#next` and `#end`. */
  #gaps = 0
  /** The number of the token at `#first`; kept only in a session. */
  #firstNumber = 1
  /** The number of the token at `#next`. */
  #nextNumber = 1
  #sent = 0
  #isBegun = false
  #keptBytes = 0
  /** End of those that were given up and stand behind `#end`; 0 before the first. */
  #givenUpEnd = 0

  /** The token to be written next, or being written. */
  get head(): QueuedToken | undefined {
    return this.#next < this.#end ? this.#places.tokens[this.#next] : undefined
  }

  /** Tokens that wait, with the one begun. */
  get size(): number {
    return this.#end - this.#next - this.#gaps
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
    return this.#places.keptCost(this.#next) <= this.room
  }

  /** The place of the next token that is pushed. */
  get nextPlace(): number {
    return this.#base + this.#end
  }

  /** The first place of which the last byte was never given to a socket. */
  get firstUnsent(): number {
    return this.#base + this.#untouched - (this.#isHalfOut ? 1 : 0)
  }

  /** @param cost what `waitingCost` says, where the caller knows it: asking costs as much as the rest */
  push(token: QueuedToken, cost = waitingCost(token)): void {
    if (this.#places === QueuePlaces.none) this.#places = QueuePlaces.take()
    const { tokens, costs } = this.#places
    tokens[this.#end] = token
    costs[this.#end++] = cost
    this.#taken++
    this.waitingBytes += cost
  }

  /** A byte of the head goes out. */
  begin(): void {
    this.#isBegun = true
    this.waitingBytes -= HEADER_LENGTH
    if (this.#isAgain) return
    this.#untouched = this.#next + 1
    this.#isHalfOut = true
    if (this.#windowBytes !== null) this.#keptBytes += this.#places.keptCost(this.#next)
  }

  /** The last byte of the head goes out. */
  finish(): void {
    this.#isBegun = false
    this.#next++
    if (!this.#isAgain) {
      this.#sent = this.#nextNumber
      this.#untouched = this.#next
      this.#isHalfOut = false
    }
    this.#nextNumber++
    this.#skipGaps()
  }

  /**
   * The token `ahead` places behind the head, when it can leave whole with all those before it: null for a request, for one
   * from a stream, behind a gap, or beyond what was ever sent where that is written again.
   */
  wholeAt(ahead: number): Uint8Array | null {
    const index = this.#next + ahead
    if (index >= this.#end || (this.#isAgain && this.#nextNumber + ahead > this.#sent)) return null
    const token = this.#places.tokens[index] as QueuedToken
    return token === GONE || !isPlain(token) ? null : token
  }

  /** What that token cost when it was taken. */
  costAt(ahead: number): number {
    return this.#places.costs[this.#next + ahead] as number
  }

  /** Bytes of tokens that may leave before the window of the session is full. */
  get room(): number {
    return this.#windowBytes === null || this.#isAgain
      ? Number.POSITIVE_INFINITY
      : this.#windowBytes - this.#keptBytes
  }

  /** All bytes of the first `count` tokens, which `wholeAt` gave, go out at once. @param cost of them together */
  pass(count: number, cost: number): void {
    if (count === 0) return
    this.waitingBytes -= cost
    if (this.#windowBytes !== null && !this.#isAgain) this.#keptBytes += cost
    this.#next += count - 1
    this.#nextNumber += count - 1
    this.finish()
  }

  /** The transport is gone: the head goes back to its first byte. @returns its place when it can't, and is void */
  unbegin(cause: unknown): number | null {
    if (!this.#isBegun) return null
    this.#isBegun = false
    const token = this.head
    if (this.#windowBytes !== null && !this.#isAgain) this.#keptBytes -= this.#places.keptCost(this.#next)
    this.waitingBytes = this.#places.costBetween(this.#next, this.#end)
    if (!isStreamed(token) || token.isVoid) return null
    token.spoil(cause)
    return this.#base + this.#next
  }

  /** Keeps what is sent until it is acknowledged, this many bytes at most; null keeps nothing. */
  keep(windowBytes: number | null): void {
    this.#windowBytes = windowBytes
    if (this.#first === this.#next) this.#firstNumber = this.#nextNumber
    if (windowBytes !== null) return
    this.#keptBytes = 0
    this.#forget()
  }

  /** The peer's application has processed the tokens up to this number. */
  acknowledge(count: number): void {
    if (this.#windowBytes === null) return
    const { tokens } = this.#places
    // A peer that counts what it was not given again after a rewind gains nothing by it.
    while (this.#first < this.#next && this.#firstNumber <= count) {
      if (tokens[this.#first] !== GONE) this.#firstNumber++
      this.#keptBytes -= this.#places.keptCost(this.#first)
      tokens[this.#first++] = GONE
    }
    this.#compact()
  }

  /**
   * The peer has the tokens up to this number: those behind are written again. The gaps must be closed before.
   *
   * @returns places of tokens that became void
   */
  rewind(received: number): number[] {
    if (received < this.#firstNumber - 1 || received > this.#sent) {
      throw new RangeError(
        `Cannot go on behind token ${received}: those from ${this.#firstNumber} to ${this.#sent} are kept`
      )
    }
    this.#next = this.#first + received + 1 - this.#firstNumber
    this.#nextNumber = received + 1
    const voided: number[] = []
    const firstUnsent = this.firstUnsent - this.#base
    for (let index = this.#next; index < firstUnsent; index++) {
      const token = this.#places.tokens[index]
      if (!isStreamed(token) || token.isVoid) continue
      token.spoil(null)
      voided.push(this.#base + index)
    }
    this.waitingBytes = this.#places.costBetween(this.#next, this.#end)
    return voided
  }

  /** Takes one token back and leaves a gap. @returns false when bytes of it are out already, or it is gone */
  withdraw(place: number): boolean {
    const index = place - this.#base
    if (!this.#isUntouched(index)) return false
    const { tokens, costs } = this.#places
    this.#let(index)
    tokens[index] = GONE
    costs[index] = 0
    if (index < this.#end) this.#gaps++
    this.#skipGaps()
    return true
  }

  /**
   * Takes back the first `most` tokens that are wanted, of those that wait, and moves the others together.
   *
   * @param onTaken is given the place that each had
   * @returns all these places, in order
   */
  takeOut(
    isWanted: (token: QueuedToken) => boolean,
    most: number,
    onTaken: (place: number, token: QueuedToken) => void
  ): number[] {
    const { tokens } = this.#places
    const taken: number[] = []
    if (this.#givenUpEnd > 0) return taken
    let to = Math.max(this.#untouched, this.#next)
    for (let from = to; from < this.#end; from++) {
      const token = tokens[from] as QueuedToken
      if (token === GONE || taken.length === most || !isWanted(token)) {
        this.#move(from, to++)
      } else {
        this.#let(from)
        taken.push(this.#base + from)
        onTaken(this.#base + from, token)
      }
    }
    tokens.fill(GONE, to, this.#end)
    this.#end = to
    this.#skipGaps()
    return taken
  }

  /**
   * Moves together what is here.
   *
   * @param withdrawn all that were taken back since the last time and are not acknowledged, here or out of the queue
   */
  closeGaps(withdrawn: number): void {
    const { tokens } = this.#places
    const [next, untouched, end, last] = [this.#next, this.#untouched, this.#end, this.#lastEnd]
    let here = 0
    for (let index = this.#first; index < last; index++) if (tokens[index] === GONE) here++
    this.#base -= Math.max(0, withdrawn - here)
    let to = this.#first
    for (let from = to; from <= last; from++) {
      if (from === next) this.#next = to
      if (from === untouched) this.#untouched = to
      if (from === end) this.#end = to
      if (from < last && tokens[from] !== GONE) this.#move(from, to++)
    }
    tokens.fill(GONE, to, last)
    if (this.#givenUpEnd > 0) this.#givenUpEnd = to
    this.#gaps = 0
    this.#compact()
  }

  /** True while the token is here and not out. */
  has(token: TokenSource): boolean {
    const index = token.place - this.#base
    return index >= this.#next && this.#places.tokens[index] === token
  }

  /** Gives up the tokens of which this transport has no byte: there is no other after it. */
  abandon(): void {
    const from = this.#next + (this.#isBegun ? 1 : 0)
    this.waitingBytes -= this.#places.costBetween(from, this.#end)
    this.#places.letGo(from, this.#end)
    this.#givenUpEnd = this.#lastEnd
    this.#end = Math.min(this.#end, from)
    this.#gaps = 0
  }

  /**
   * @param above the number above which the peer has not had any; null: that is not known
   * @returns those behind it that are kept or wait; when it is null, those of which the last byte was never given to a socket
   */
  notHad(above: number | null) {
    const from = above === null ? this.firstUnsent - this.#base : this.#first
    const placed = this.#places.placed(from, this.#lastEnd, this.#base)
    return above === null ? placed : placed.slice(Math.max(0, above + 1 - this.#firstNumber))
  }

  /** Lets go of everything. */
  clear(): void {
    this.#places.letGo(this.#first, this.#lastEnd)
    this.#base += this.#lastEnd
    this.#places = QueuePlaces.none
    this.#end = 0
    this.#first = 0
    this.#next = 0
    this.#untouched = 0
    this.#isHalfOut = false
    this.#gaps = 0
    this.#givenUpEnd = 0
    this.waitingBytes = 0
    this.#keptBytes = 0
  }

  /** True while what the socket before had is written again. */
  get #isAgain(): boolean {
    return this.#nextNumber <= this.#sent
  }

  get #lastEnd(): number {
    return Math.max(this.#end, this.#givenUpEnd)
  }

  /** True when no byte of it is out. Of those that were given up one may be half out: nobody writes them any more. */
  #isUntouched(index: number): boolean {
    const first = this.#givenUpEnd > 0 ? Math.max(this.#end, this.firstUnsent - this.#base) : this.#untouched
    return index >= first && index < this.#lastEnd && this.#places.tokens[index] !== GONE
  }

  /** The token at this entry is no longer one that was taken. */
  #let(index: number): void {
    const { tokens, costs } = this.#places
    letGo(tokens[index] as QueuedToken)
    this.#taken--
    if (index < this.#end) this.waitingBytes -= costs[index] as number
  }

  #move(from: number, to: number): void {
    const token = this.#places.tokens[from]
    this.#places.move(from, to)
    if (isStreamed(token)) token.place = this.#base + to
  }

  #skipGaps(): void {
    const { tokens } = this.#places
    while (this.#next < this.#end && tokens[this.#next] === GONE) {
      this.#next++
      this.#gaps--
    }
    if (this.#windowBytes === null) this.#forget()
  }

  #forget(): void {
    const { tokens } = this.#places
    while (this.#first < this.#next) tokens[this.#first++] = GONE
    this.#compact()
  }

  #compact(): void {
    const done = this.#first
    if (this.#givenUpEnd > 0) return
    if (done === this.#end) {
      QueuePlaces.give(this.#places)
      this.#places = QueuePlaces.none
      this.#end = 0
    } else if (done > COMPACT_ABOVE && done * 2 > this.#end) {
      this.#places.shift(done, this.#end)
      this.#end -= done
    } else {
      return
    }
    this.#base += done
    this.#next -= done
    this.#untouched = Math.max(0, this.#untouched - done)
    this.#first = 0
  }
}
