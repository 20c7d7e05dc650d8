import type { CloseCode, CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { PatientDeadline } from '../runtime/patient-deadline'
import type { SessionLoss, SessionLossReason } from '../session/session'

/** What became of the tokens of a connection. */
type Counts = Pick<CloseInfo, 'unsent' | 'unconfirmed' | 'undeliveredBytes'>

/**
 * Why a connection ends, how long that may take, and how it has ended.
 *
 * ```
 *  close()        inOrder(code), arm(timeout) ──┐
 *  an error       because(error) ───────────────┼──▶ settle(): CloseInfo, and `closed`
 *  the session    sessionLost(reason) ──────────┘
 * ```
 *
 * The first error stands: what follows from it is not told.
 */
export class Ending {
  /** The error that cost a session its transport; null while it has one. */
  loss: TokenError | null = null
  readonly #onTimeout: (error: TokenError) => void
  #code: CloseCode = 'normal'
  #error: TokenError | null = null
  #lossReason: SessionLossReason | null = null
  #deadline: PatientDeadline | null = null
  /** Made when `authorize` is asked: few connections need one, and it takes more memory than a timer. */
  #gone: AbortController | null = null
  #info: CloseInfo | null = null
  #closed: Promise<CloseInfo> | null = null
  #resolveClosed: ((info: CloseInfo) => void) | null = null

  /** @param onTimeout is given the error when the end in order takes too long */
  constructor(onTimeout: (error: TokenError) => void) {
    this.#onTimeout = onTimeout
  }

  /** What broke the connection; null while nothing did. */
  get error(): TokenError | null {
    return this.#error
  }

  /** The code of an end in order. */
  get code(): CloseCode {
    return this.#code
  }

  /** True when all is over. */
  get isSettled(): boolean {
    return this.#info !== null
  }

  /** True while the time for an end in order runs. */
  get isArmed(): boolean {
    return this.#deadline !== null
  }

  /** Aborts when the connection breaks or has ended. */
  get gone(): AbortSignal {
    this.#gone ??= new AbortController()
    return this.#gone.signal
  }

  /** Made when it is asked for: few connections are waited for, and a promise takes 200 bytes. */
  get closed(): Promise<CloseInfo> {
    this.#closed ??=
      this.#info !== null
        ? Promise.resolve(this.#info)
        : new Promise(resolve => {
            this.#resolveClosed = resolve
          })
    return this.#closed
  }

  inOrder(code: CloseCode): void {
    this.#code = code
  }

  because(error: TokenError | null): void {
    this.#error ??= error
  }

  /** This is told in the place of any other error: whoever had the session must know. */
  sessionLost(reason: SessionLossReason): void {
    this.#lossReason = reason
    this.#error = new TokenError('ERR_SESSION_LOST', `Cannot go on with the session: ${reason}`, {
      closeCode: 'session-lost'
    })
  }

  /** Starts to count the time for an end in order, anew when it was already counting. */
  arm(timeout: number): void {
    this.disarm()
    this.#deadline = new PatientDeadline(Math.max(timeout, 1), () =>
      this.#onTimeout(
        new TokenError(
          'ERR_CLOSE_TIMEOUT',
          `Cannot close the connection in order: it was not done in ${timeout} ms`
        )
      )
    )
    this.#deadline.arm()
  }

  /** As `arm`, unless less time is left. */
  shorten(timeout: number): void {
    if (timeout < (this.#deadline?.timeLeft ?? 0)) this.arm(timeout)
  }

  disarm(): void {
    this.#deadline?.clear()
    this.#deadline = null
  }

  /** What `authorize` answers is of no use any more. */
  abort(): void {
    this.#gone?.abort()
  }

  /** All is known. */
  settle(counts: Counts): CloseInfo {
    this.disarm()
    const error = this.#error
    this.#info = Object.freeze({
      code: error?.code ?? this.#code,
      hadError: error !== null,
      error,
      ...counts
    })
    this.#resolveClosed?.(this.#info)
    return this.#info
  }

  /** What was lost with the session; null when none was. */
  lossOf({ unconfirmed, unsent }: CloseInfo): SessionLoss | null {
    if (this.#lossReason === null) return null
    return Object.freeze({ reason: this.#lossReason, unknown: unconfirmed, unsent })
  }
}
