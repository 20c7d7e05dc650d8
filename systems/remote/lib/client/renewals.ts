import { RemoteError } from '../errors/remote-error'
import { within } from '../time/within'
import type { ControlMessage } from '../wire/control'

/** Fresh tokens for the open connection to a relay: one at a time, as its answers bear no number. */
export class Renewals {
  readonly #say: (message: ControlMessage) => void
  readonly #timeout: number
  /** Lets the first one go. Until then the relay takes none. */
  readonly begin: () => void
  #last: Promise<unknown>
  #settle: ((ok: boolean | undefined) => void) | undefined
  /** Answers that nobody waits for any more. */
  #late = 0
  #isEnded = false

  /** @param timeout milliseconds that the relay has to look at a token */
  constructor(say: (message: ControlMessage) => void, timeout = 10_000) {
    this.#say = say
    this.#timeout = timeout
    let begin = () => {}
    this.#last = new Promise<void>(resolve => {
      begin = resolve
    })
    this.begin = begin
  }

  /**
   * Resolves when the relay has taken it, and when the connection ends before.
   *
   * @throws (rejects) RemoteError `refused`, reason `unauthenticated`; `timeout`
   */
  ask(jwt: string): Promise<void> {
    const turn = this.#last.then(() => this.#ask(jwt))
    this.#last = turn.catch(() => {})
    return turn
  }

  answered(ok: boolean): void {
    if (this.#late > 0) this.#late--
    else this.#settle?.(ok)
  }

  end(): void {
    this.#isEnded = true
    this.begin()
    this.#settle?.(undefined)
  }

  async #ask(jwt: string): Promise<void> {
    if (this.#isEnded) return
    this.#say({ do: 'renew', jwt })
    const answer = new Promise<boolean | undefined>(resolve => {
      this.#settle = resolve
    })
    const late = () => {
      this.#late++
      return new RemoteError('timeout', 'Cannot renew the token: because no relay answers')
    }
    if ((await within(this.#timeout, undefined, late, () => answer)) === false)
      throw new RemoteError('refused', 'Cannot renew the token: because the relay does not take it', {
        reason: 'unauthenticated'
      })
  }
}
