import { TokenError } from './errors'

/** A token that `deliver` sent and whose fate is not known yet. */
export interface Delivery {
  /** Its number on this connection, from 1; smaller when an earlier token was taken back. */
  number: number
  resolve(): void
  reject(error: TokenError): void
}

/**
 * The fates of acknowledged tokens, `docs/wire-format.md` section 9: numbers and promises, no frames.
 *
 * A token is *handed* when a count covers it, *not sent* when its last byte never left or the peer's final count
 * is below it, and *unknown* otherwise.
 */
export class Deliveries {
  /** In the order of their numbers; those before `#first` are done with. */
  #pending: (Delivery | null)[] = []
  #first = 0
  /** Numbers of tokens that were told not to arrive, or not to be known of. */
  #givenUp: Set<number> | null = null
  #settled = 0
  /** The peer has given its final count: what it does not cover was never handed. */
  #isFinal = false

  get size(): number {
    return this.#pending.length - this.#first
  }

  /** The count that covers most so far. */
  get handed(): number {
    return this.#settled
  }

  /** The numbers of the tokens that no count has covered: whatever was told of them, nobody else may send them. */
  numbers(): Set<number> {
    return new Set([...(this.#givenUp ?? []), ...this.#open().map(delivery => delivery.number)])
  }

  add(delivery: Delivery): void {
    this.#pending.push(delivery)
  }

  /** The peer's application has had the first `count` tokens. */
  acknowledge(count: number): void {
    this.#settled = count
    const pending = this.#pending
    while (this.#first < pending.length) {
      const delivery = pending[this.#first] as Delivery
      if (delivery.number > count) break
      pending[this.#first++] = null
      delivery.resolve()
    }
    if (this.#first * 2 > pending.length) this.#open()
  }

  /** @returns the delivery of the token with that number, or null when it was sent without one */
  find(number: number): Delivery | null {
    return this.#open().find(delivery => delivery.number === number) ?? null
  }

  /** Forgets a delivery: it was given up. @returns false when its fate was told before */
  remove(delivery: Delivery): boolean {
    const index = this.#pending.lastIndexOf(delivery)
    if (index < 0) return false
    this.#pending.splice(index, 1)
    return true
  }

  /** The promise of the token that is half out is settled: only this connection may send its rest. */
  forsake(number: number): void {
    this.#giveUp(number)
  }

  /** A token was taken out of the queue: those behind it move up. */
  shiftAfter(number: number): void {
    for (const delivery of this.#open()) if (delivery.number > number) delivery.number--
  }

  /** The tokens `first` to `first + count - 1` were dropped: those behind them move up. */
  drop(first: number, count: number): void {
    const kept: Delivery[] = []
    for (const delivery of this.#open()) {
      if (delivery.number >= first && delivery.number < first + count) {
        delivery.reject(notSent())
      } else {
        if (delivery.number >= first) delivery.number -= count
        kept.push(delivery)
      }
    }
    this.#pending = kept
  }

  /**
   * The connection is over: tells every fate that is left.
   *
   * @param sent tokens of which the last byte has left
   * @param final the final count of the peer, null when it gave none
   */
  end(sent: number, final: number | null, cause: TokenError | null): void {
    if (final !== null) {
      this.acknowledge(final)
      this.#isFinal = true
    }
    for (const delivery of this.#open().splice(0)) {
      this.#giveUp(delivery.number)
      delivery.reject(delivery.number > sent || this.#isFinal ? notSent(cause) : fateUnknown(cause))
    }
  }

  /** The set is made for the first one: most connections give up none. */
  #giveUp(number: number): void {
    this.#givenUp ??= new Set()
    this.#givenUp.add(number)
  }

  /** Moves those that are pending to the front. @returns them alone, to be changed in place */
  #open(): Delivery[] {
    if (this.#first > 0) this.#pending.splice(0, this.#first)
    this.#first = 0
    return this.#pending as Delivery[]
  }
}

/** The peer's application has not had the token and never will: sending it again makes no duplicate. */
export function notSent(cause?: unknown): TokenError {
  return new TokenError(
    'ERR_NOT_SENT',
    'Cannot deliver a token: the peer has not had it and will not get it',
    { cause }
  )
}

/** The token left, and whether the peer's application has had it can't be known. */
export function fateUnknown(cause?: unknown): TokenError {
  return new TokenError(
    'ERR_FATE_UNKNOWN',
    'Cannot tell whether a token was delivered: it left, and no answer came',
    {
      cause
    }
  )
}
