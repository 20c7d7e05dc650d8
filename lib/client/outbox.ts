import type { Connection } from '../connection/connection'
import type { DeliverOptions } from '../connection/connection-context'
import { TokenError } from '../errors/token-error'
import { unwatchSignal, watchSignal } from '../runtime/abort-signals'
import { PatientDeadline } from '../runtime/patient-deadline'
import { notSent } from '../session/deliveries'
import { memoryLost } from '../wire/check-token'
import { costOf } from '../wire/header'

/** What a caller of `deliver()` waits for. */
interface Promised {
  readonly options: DeliverOptions
  /** Counts the timeout of the call. */
  readonly limit: PatientDeadline
  resolve(fate: Promise<void>): void
  reject(error: unknown): void
}

/** A token that waits for a connection; it has a promise when it was sent by `deliver()`. */
class Waiting {
  readonly token: Uint8Array
  /** How many bytes it had when it was taken: its memory may go away. */
  readonly length: number
  readonly promise: Promised | null
  /** True when it was given up. */
  isGone = false

  constructor(token: Uint8Array, promise: Promised | null) {
    this.token = token
    this.length = token.byteLength
    this.promise = promise
  }
}

/** Tokens that wait for a connection, in order, bounded in bytes. */
export class Outbox {
  /** True when it has been full, or had `highWaterMark` bytes: a sender may wait for `drain`. */
  owesDrain = false
  readonly #limit: number
  readonly #highWaterMark: number
  #waiting: Waiting[] = []
  /** Where the first one is that was not sent just now. */
  #first = 0
  /** How many were given up and still stand in `#waiting`. */
  #gone = 0
  #bytes = 0

  /**
   * @param limit bytes, 4 for each token's header included
   * @param highWaterMark bytes from which a polite sender waits
   */
  constructor(limit: number, highWaterMark = limit) {
    this.#limit = limit
    this.#highWaterMark = highWaterMark
  }

  get needsDrain(): boolean {
    return this.#bytes >= this.#highWaterMark
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @returns null when it is full, and then nothing was taken */
  add(token: Uint8Array, promise: Promised | null = null): Waiting | null {
    const bytes = this.#bytes + costOf(token.byteLength)
    if (bytes >= this.#highWaterMark || bytes > this.#limit) this.owesDrain = true
    if (bytes > this.#limit) return null
    const waiting = new Waiting(token, promise)
    this.#waiting.push(waiting)
    this.#bytes = bytes
    return waiting
  }

  /** The promise waits for a connection, then for the fate of the token on it. */
  deliver(token: Uint8Array, options: DeliverOptions): Promise<void> {
    const { signal, timeout } = options
    return new Promise<void>((resolve, reject) => {
      const limit = new PatientDeadline(timeout ?? 0, () => giveUp())
      const settled = () => {
        limit.clear()
        if (signal !== undefined) unwatchSignal(signal, aborted)
      }
      const promised: Promised = {
        options,
        limit,
        resolve: fate => {
          settled()
          resolve(fate)
        },
        reject: error => {
          settled()
          reject(error)
        }
      }
      const giveUp = () => {
        if (waiting !== null && this.#remove(waiting)) promised.reject(notSent(signal?.reason))
      }
      const aborted = { aborted: giveUp }
      const waiting = signal?.aborted ? null : this.add(token, promised)
      if (waiting === null) {
        reject(notSent(signal?.reason))
        return
      }
      if (signal !== undefined) watchSignal(signal, aborted)
      limit.arm()
    })
  }

  /** Puts what a lost connection has not sent before the rest. It was within the limit there. */
  putBack(tokens: readonly Uint8Array[]): void {
    const back = tokens.map(token => new Waiting(token, null))
    this.#waiting = [...back, ...this.#waiting.slice(this.#first)]
    this.#first = 0
    for (const token of tokens) this.#bytes += costOf(token.byteLength)
    if (this.needsDrain) this.owesDrain = true
  }

  /**
   * Sends as much as a connection takes; the rest waits for its `drain`, and what is added meanwhile stands behind it.
   *
   * @returns the tokens without a promise that can't be sent, because they are too long for the peer or have lost their memory
   */
  flush(connection: Connection): readonly Uint8Array[] {
    const undeliverable: Uint8Array[] = []
    for (;;) {
      const waiting = this.#waiting[this.#first]
      if (waiting === undefined || connection.isDead) break
      const bytes = costOf(waiting.length)
      if (!waiting.isGone && connection.bufferedAmount + bytes > this.#limit) break
      this.#first++
      if (waiting.isGone) {
        this.#gone--
        continue
      }
      this.#bytes -= bytes
      if (!send(waiting, connection)) undeliverable.push(waiting.token)
    }
    this.#waiting.splice(0, this.#first)
    this.#first = 0
    return undeliverable
  }

  /** @returns how many tokens were given up */
  clear(): number {
    const waiting = this.#waiting.filter(({ isGone }) => !isGone)
    this.#waiting = []
    this.#gone = 0
    this.#bytes = 0
    for (const { promise } of waiting) promise?.reject(notSent())
    return waiting.length
  }

  /** @returns false when it was removed before */
  #remove(waiting: Waiting): boolean {
    if (waiting.isGone) return false
    waiting.isGone = true
    this.#bytes -= costOf(waiting.length)
    this.#gone++
    // Not during flush(), and seldom: many that are given up one by one must not each move all.
    if (this.#first > 0 || this.#gone * 2 <= this.#waiting.length) return true
    this.#waiting = this.#waiting.filter(({ isGone }) => !isGone)
    this.#gone = 0
    return true
  }
}

/** The error of a client that could not send everything before its end. */
export function leftInOutbox(): TokenError {
  const message =
    'Cannot close the client in order: tokens waited in the outbox, and the timeout of close() was over'
  return new TokenError('ERR_CLOSE_TIMEOUT', message)
}

/** @returns false when the token can't be sent, and nobody has a promise of it */
function send({ token, length, promise }: Waiting, connection: Connection): boolean {
  const isWhole = token.byteLength === length
  if (promise !== null) {
    if (isWhole) promise.resolve(connection.deliver(token, timeLeft(promise)))
    else promise.reject(notSent(memoryLost()))
    return true
  }
  if (!isWhole || length > connection.maxTokenLength) return false
  connection.send(token)
  return true
}

function timeLeft({ options, limit }: Promised): DeliverOptions {
  return limit.timeLeft === Infinity ? options : { ...options, timeout: Math.ceil(limit.timeLeft) }
}
