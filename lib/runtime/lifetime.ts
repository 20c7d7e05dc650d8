import type { EventEmitter } from 'node:events'
import type { CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { tell } from './application-call'
import { Readiness, tellError } from './readiness'

/** What this side has decided itself (`close({ timeout })`, `destroy()`) is told by `close` alone. */
const OWN_DECISIONS: readonly string[] = ['ERR_CLOSE_TIMEOUT', 'ERR_ABORTED']

/** Events that a server and a client have alike. */
interface ClosingEvents {
  close: [hadError: boolean, info: CloseInfo]
}

/** A server or a client from `connect()` to `close`, each time anew: its promises, and its last two events. */
export class Lifetime {
  /** What has ended it; null when it ended in order, and before. */
  error: TokenError | null = null
  readonly #emitter: EventEmitter<ClosingEvents>
  readonly #closedBefore: string
  #ready = new Readiness()
  #closed!: Promise<CloseInfo>
  #resolveClosed!: (info: CloseInfo) => void

  /**
   * @param emitter of `error` and `close`
   * @param closedBefore what `ready` says when `close()` came first
   */
  constructor(emitter: object, closedBefore: string) {
    this.#emitter = emitter as EventEmitter<ClosingEvents>
    this.#closedBefore = closedBefore
  }

  /** Settles when it is ready for the first time since {@link begin}, or has closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Settles when it has closed; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed
  }

  begin(): void {
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#ready = new Readiness()
    this.error = null
  }

  succeed(): void {
    this.#ready.succeed()
  }

  end(info: CloseInfo): void {
    const { error } = info
    this.error = error
    this.#resolveClosed(info)
    if (error !== null && !OWN_DECISIONS.includes(error.code)) tellError(this.#emitter, error, this.#ready)
    // An error is made with its stack: after each connection that was ready it would cost 50 µs, for nobody.
    else if (!this.#ready.isKnown) this.#ready.fail(error ?? this.#abortedError(), true)
    tell(this.#emitter, 'close', info.hadError, info)
  }

  #abortedError(): TokenError {
    return new TokenError('ERR_ABORTED', this.#closedBefore)
  }
}
