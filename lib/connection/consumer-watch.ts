import type { Receiver } from '../receiving/receiver'
import { Deadline } from '../runtime/deadline'

/** Tokens that arrived on a connection, and that nobody takes. */
export interface UnconsumedTokens {
  /** Bytes of the whole tokens that wait, 4 for each token's header included. */
  readonly bytes: number
  /** True when the connection has a consumer, which does not ask for the next token; false when it has none. */
  readonly hasConsumer: boolean
}

/**
 * Notices that whole tokens wait on a connection and none was taken for `consumerTimeout`. It counts from the first that
 * waits; when some were taken meanwhile, from then on once more: so it tells after twice that time at the latest.
 */
export class ConsumerWatch {
  readonly #receiver: Receiver
  readonly #deadline: Deadline
  #takenAtStart = 0
  /** Tokens that were taken when it told last: it tells again when that has changed. */
  #takenWhenTold = -1

  constructor(receiver: Receiver, timeout: number, onUnconsumed: (waiting: UnconsumedTokens) => void) {
    this.#receiver = receiver
    this.#deadline = new Deadline(timeout, () => {
      if (receiver.heldBytes === 0) return
      if (receiver.tokens !== this.#takenAtStart) {
        this.tokensWait()
        return
      }
      this.#takenWhenTold = receiver.tokens
      onUnconsumed(Object.freeze({ bytes: receiver.heldBytes, hasConsumer: receiver.hasConsumer }))
    })
  }

  /** Bytes were left when all was taken that is wanted at the moment. */
  tokensWait(): void {
    const { tokens } = this.#receiver
    if (this.#deadline.isArmed || tokens === this.#takenWhenTold) return
    this.#takenAtStart = tokens
    this.#deadline.arm()
  }

  clear(): void {
    this.#deadline.clear()
  }
}
