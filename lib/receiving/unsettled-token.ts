/** A token that a handler was given, until what became of it is settled. */
export class UnsettledToken {
  readonly number: number
  /** What it still costs of the credit, bytes. */
  cost: number
  /** The peer waits for an answer. */
  readonly isRequest: boolean

  constructor(number: number, cost: number, isRequest: boolean) {
    this.number = number
    this.cost = cost
    this.isRequest = isRequest
  }
}
