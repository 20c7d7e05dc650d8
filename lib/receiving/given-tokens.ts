import { UnsettledToken } from './unsettled-token'

/** Nothing is lent to a consumer. */
const NONE = -1

/**
 * The tokens that a consumer was given: those that it has had and that are not told yet, the one that it works on, and those
 * that a handler settles one by one.
 */
export class GivenTokens {
  /** Tokens to be told as handed, the number of the last one, and what they cost of the credit. */
  count = 0
  last = 0
  cost = 0
  /** Cost of the token that an iterator or a stream has and has not asked beyond. */
  #lent = NONE
  #lentNumber = 0
  /** It is null before the first. */
  #unsettled: Set<UnsettledToken> | null = null

  /** True while tokens are with a handler, or their outcome is not told. */
  get hasUnsettled(): boolean {
    return this.#unsettled !== null && this.#unsettled.size > 0
  }

  /** The application has processed it. */
  had(number: number, cost: number): void {
    this.count++
    this.last = number
    this.cost += cost
  }

  /** The consumer works on it until it asks for more. */
  lend(number: number, cost: number): void {
    this.settleLent()
    this.#lent = cost
    this.#lentNumber = number
  }

  settleLent(): void {
    if (this.#lent === NONE) return
    this.had(this.#lentNumber, this.#lent)
    this.#lent = NONE
  }

  /** @param isUnread asked whether nobody has read the token that is lent: then it was not given */
  dropLent(isUnread: () => boolean): boolean {
    const lent = this.#lent
    this.#lent = NONE
    if (isUnread()) return true
    this.#lent = lent
    return false
  }

  /** It is settled by itself, whatever is before it. What is lent was asked beyond: what is told together has no gap. */
  open(number: number, cost: number, isRequest: boolean): UnsettledToken {
    this.settleLent()
    const token = new UnsettledToken(number, cost, isRequest)
    this.#unsettled ??= new Set()
    this.#unsettled.add(token)
    return token
  }

  /** @returns what it still cost of the credit */
  settle(token: UnsettledToken): number {
    this.#unsettled?.delete(token)
    return token.cost
  }

  /** What arrived by the old transport costs nothing of the credit of the next. */
  forgetCost(): void {
    if (this.#lent !== NONE) this.#lent = 0
    for (const token of this.#unsettled ?? []) token.cost = 0
    this.cost = 0
  }

  told(): void {
    this.count = 0
    this.cost = 0
  }
}
