import { fateUnknown, mayBeRepeated, notSent, reasonOfEnd } from '../errors/fate-errors'
import type { TokenError } from '../errors/token-error'

const PENDING = 0
/** Its fate was told; its token still has a number. */
const TOLD = 1
/** Its token was taken back: it has no number. */
const GONE = 2

/** How many of those that wait for nothing may stay. */
const MOST_IDLE = 32

/** Why somebody gives a delivery up. */
export type GiveUpReason = 'aborted' | 'timeout'

/** Who has the token of a delivery: a connection, or the outbox of a client. */
export interface Holder {
  /** Nobody waits for it any more: takes the token back where that is possible, and tells the fate. */
  giveUp(delivery: Delivery, reason: GiveUpReason, cause: unknown): void
}

/** A token that `deliver` or `request` sent and whose fate is not known yet. */
export class Delivery {
  readonly resolve: (answer: never) => void
  readonly reject: (error: TokenError) => void
  /** Of its token in the queue. */
  place: number
  state: typeof PENDING | typeof TOLD | typeof GONE = PENDING
  /** Null while nobody has the token, and when its fate is told. */
  holder: Holder | null = null
  /** It is resolved by an answer, and not by a count. */
  readonly isRequest: boolean
  /** The answer has come, or the news that there will be none. */
  isAnswered = false

  constructor(
    place: number,
    resolve: (answer: never) => void,
    reject: (error: TokenError) => void,
    isRequest = false
  ) {
    this.place = place
    this.resolve = resolve
    this.reject = reject
    this.isRequest = isRequest
  }

  get isPending(): boolean {
    return this.state === PENDING
  }

  /** The peer may still answer it, also when it was given up. */
  get isUnanswered(): boolean {
    return this.isRequest && !this.isAnswered
  }

  giveUp(reason: GiveUpReason, cause: unknown): void {
    this.holder?.giveUp(this, reason, cause)
  }
}

/**
 * The fates of acknowledged tokens, `docs/wire-format.md` section 9: places, counts and promises, no frames.
 *
 * A token is *handed* when a count covers it, *not sent* when its last byte never left or the peer's final count
 * is below it, and *unknown* otherwise.
 *
 * The number of a token is its place without the gaps before it. One that was taken back stays here as a gap, so that
 * nobody behind it has to be numbered anew: the counts are in order, and what they pass is counted once.
 */
export class Deliveries {
  /** True when what the peer has not had may go on by another connection. */
  readonly goesOn: boolean
  /** In the order of their places; those before `#first` are done with. */
  #all: (Delivery | null)[] = []
  #first = 0
  /** Gaps that the counts have passed. */
  #passedGaps = 0
  /** Those of `#all` that wait for nothing. */
  #idle = 0
  /** Gaps that they have not. */
  #gaps = 0
  /** Requests without an answer. */
  #unanswered = 0
  #settled = 0
  /** The peer has given its final count: what it does not cover was never handed. */
  #isFinal = false
  /** The tokens that the peer's handlers had begun then. */
  #begun = 0
  #returnsAbove: number | null = null

  /** @param goesOn its connection is that of a client that dials again */
  constructor(goesOn = false) {
    this.goesOn = goesOn
  }

  /** How many wait for their fate, or were given up and may still be answered. */
  get size(): number {
    return this.#all.length - this.#first - this.#idle
  }

  /** Requests that wait for an answer, also those that were given up. */
  get unanswered(): number {
    return this.#unanswered
  }

  /** The count that covers most so far. */
  get handed(): number {
    return this.#settled
  }

  /** True when the peer has said its last word. */
  get isFinal(): boolean {
    return this.#isFinal
  }

  /**
   * The tokens above this number go on by the next connection, and their promises with them: the peer has ended in order,
   * and its application has not had them. Null when there is no such number.
   */
  get returnsAbove(): number | null {
    return this.#returnsAbove
  }

  /** True when it is worth it to close the gaps, of so many tokens that wait: their number pays for the walk. */
  isSparse(waiting: number): boolean {
    return this.#idle > MOST_IDLE && this.#idle > this.size && this.#idle > waiting
  }

  add(delivery: Delivery): void {
    this.#all.push(delivery)
    if (delivery.isRequest) this.#unanswered++
  }

  /** The last one that was added was not taken. */
  retract(): void {
    if (this.#all.pop()?.isRequest) this.#unanswered--
  }

  /** The peer's application has had the first `count` tokens. */
  acknowledge(count: number): void {
    this.#settled = count
    const all = this.#all
    while (this.#first < all.length) {
      const delivery = all[this.#first] as Delivery
      if (delivery.place - this.#passedGaps > count) break
      all[this.#first++] = null
      if (delivery.isUnanswered) this.#unanswered--
      if (delivery.state === PENDING) {
        delivery.state = TOLD
        if (delivery.isRequest) delivery.reject(fateUnknown('unanswered'))
        else delivery.resolve(undefined as never)
      } else {
        if (!delivery.isUnanswered) this.#idle--
        if (delivery.state !== GONE) continue
        this.#passedGaps++
        this.#gaps--
      }
    }
    if (this.#first * 2 > all.length) this.#open()
  }

  /** @returns the delivery of the token at that place, or null when it was sent without one */
  find(place: number): Delivery | null {
    const all = this.#all
    const first = all[this.#first]
    // Where it is when all tokens since the first have a promise.
    const direct = first ? all[this.#first + place - first.place] : undefined
    if (direct?.place === place) return direct
    let low = this.#first
    let high = all.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((all[middle] as Delivery).place < place) low = middle + 1
      else high = middle
    }
    const found = all[low]
    return found?.place === place ? (found as Delivery) : null
  }

  /** True when the token of this number asks for an answer that has not come. */
  isAsked(number: number): boolean {
    return this.#findNumber(number)?.isUnanswered === true
  }

  /** The answer to the token of this number, which asks for it. */
  answer(number: number, answer: Buffer): void {
    const delivery = this.#findNumber(number)
    if (delivery === null) return
    this.#answered(delivery)
    if (this.tell(delivery)) delivery.resolve(answer as never)
  }

  /**
   * The peer had the token of this number and did not do it.
   *
   * @param errorOf is asked only if somebody waits for it
   * @returns false when it was answered before
   */
  fail(number: number, errorOf: () => TokenError): boolean {
    const delivery = this.#findNumber(number)
    if (delivery === null) return true
    if (delivery.isAnswered) return false
    this.#answered(delivery)
    if (this.tell(delivery)) delivery.reject(errorOf())
    return true
  }

  #answered(delivery: Delivery): void {
    if (delivery.isUnanswered) {
      this.#unanswered--
      if (delivery.state !== PENDING) this.#idle++
    }
    delivery.isAnswered = true
  }

  #findNumber(number: number): Delivery | null {
    let place = number + this.#passedGaps
    if (this.#gaps > 0) {
      for (let index = this.#first; index < this.#all.length; index++) {
        const delivery = this.#all[index] as Delivery
        if (delivery.place > place) break
        if (delivery.state === GONE) place++
      }
    }
    return this.find(place)
  }

  /** Whoever asked tells its fate now. @returns false when that was told before */
  tell(delivery: Delivery): boolean {
    if (delivery.state !== PENDING) return false
    delivery.state = TOLD
    if (!delivery.isUnanswered) this.#idle++
    return true
  }

  /** The token of one whose fate was told was taken back: those behind it have a smaller number. */
  leaveGap(delivery: Delivery): void {
    delivery.state = GONE
    this.#gaps++
    this.#answered(delivery)
  }

  /** The queue has moved together behind tokens that were taken out of it. @param places that they had, in order */
  removed(places: readonly number[]): void {
    let before = 0
    this.#keep(delivery => {
      while (before < places.length && (places[before] as number) < delivery.place) before++
      if (places[before] === delivery.place) return false
      delivery.place -= before
      return true
    })
  }

  /**
   * Forgets the gaps, and whatever waits for nothing.
   *
   * @param firstUnsent the first place of which the last byte has not left: nobody else may send what was told of it
   * @returns how many gaps there were
   */
  closeGaps(firstUnsent: number): number {
    const firstToSend = this.goesOn ? 0 : firstUnsent
    let gaps = 0
    this.#keep(delivery => {
      if (delivery.state === GONE) gaps++
      const isTold = delivery.state === TOLD
      const isKept =
        delivery.isPending || (isTold && (delivery.isUnanswered || delivery.place >= firstToSend))
      delivery.place -= gaps
      return isKept
    })
    return gaps
  }

  /**
   * The peer has said its last word, or the connection is over: tells every fate that is left, but for those that go on
   * by another connection.
   *
   * @param firstUnsent the first place of which the last byte has not left
   * @param final the final count of the peer, null when it gave none
   * @param cause what has broken the connection, null: it ended in order
   * @param begun the tokens that its handlers had begun then
   */
  end(firstUnsent: number, final: number | null, cause: TokenError | null, begun = final): void {
    if (final !== null) {
      this.acknowledge(final)
      this.#isFinal = true
      this.#begun = begun ?? final
      if (this.goesOn && mayBeRepeated(cause)) this.#returnsAbove = this.#begun
    }
    const reason = cause === null && this.#isFinal ? 'peer-closed' : reasonOfEnd(cause)
    let gaps = this.#passedGaps
    for (const delivery of this.#open()) {
      if (delivery.state === GONE) gaps++
      const number = delivery.place - gaps
      if (this.#returnsAbove !== null && number > this.#returnsAbove) continue
      if (!this.tell(delivery)) continue
      const isNotSent = delivery.place >= firstUnsent || (this.#isFinal && number > this.#begun)
      delivery.reject(isNotSent ? notSent(reason, cause) : fateUnknown(reason, cause))
    }
  }

  /** Nobody goes on with what is left: as `end`. */
  settle(firstUnsent: number, cause: TokenError | null): void {
    this.#returnsAbove = null
    this.end(firstUnsent, null, cause)
  }

  /** Lets go of all: they were told, or are someone else's. */
  clear(): void {
    this.#all = []
    this.#first = 0
    this.#idle = 0
  }

  #keep(isKept: (delivery: Delivery) => boolean): void {
    const kept = this.#open().filter(isKept)
    this.#idle = 0
    this.#gaps = 0
    this.#unanswered = 0
    for (const delivery of kept) {
      if (delivery.isUnanswered) this.#unanswered++
      else if (delivery.state !== PENDING) this.#idle++
      if (delivery.state === GONE) this.#gaps++
    }
    this.#all = kept
  }

  /** Moves those that are left to the front. @returns them alone */
  #open(): Delivery[] {
    if (this.#first > 0) this.#all.splice(0, this.#first)
    this.#first = 0
    return this.#all as Delivery[]
  }
}
