import type { TokenError, TokenErrorCode } from '../../lib'

/** What became of a token that was sent with a promise. */
export interface Fated {
  fate: 'pending' | 'handed' | TokenErrorCode
}

/** Keeps promises of `deliver()` unsettled, one after the other without a pause, and notes the fate of each. */
export abstract class Outstanding<T extends Fated> {
  /** Promises that were kept. */
  handed = 0
  onHanded: () => void = () => {}
  #isOver = false

  /** Keeps `outstanding` of them unsettled until `end`; resolves when all are settled. */
  async run(outstanding: number): Promise<void> {
    await Promise.all(Array.from({ length: outstanding }, () => this.#loop()))
  }

  end(): void {
    this.#isOver = true
  }

  /** Sends the next token. */
  protected abstract deliver(): { sent: T; promise: Promise<void> }

  /** Its promise was broken. */
  protected broken(_sent: T): void {}

  async #loop(): Promise<void> {
    while (!this.#isOver) {
      const { sent, promise } = this.deliver()
      try {
        await promise
        sent.fate = 'handed'
        this.handed++
        this.onHanded()
      } catch (error) {
        sent.fate = (error as TokenError).code
        this.broken(sent)
        await new Promise(resolve => setImmediate(resolve))
      }
    }
  }
}
