import { unwatchSignal, watchSignal } from './abort-signals'
import { clock } from './clock'
import type { Connection } from './connection'
import type { DeliverOptions } from './connection-context'
import { Deadline } from './deadline'
import { notSent } from './deliveries'
import { costOf } from './wire'

/** A token that waits for a connection; with a promise when it was sent by `deliver()`. */
interface Waiting {
  readonly token: Uint8Array
  readonly promise?: {
    readonly options: DeliverOptions
    /** When it began to wait, by the monotonic clock. */
    readonly since: number
    resolve(fate: Promise<void>): void
    reject(error: unknown): void
  }
}

/** Tokens that wait for a connection, in order, bounded in bytes. */
export class Outbox {
  readonly #limit: number
  #waiting: Waiting[] = []
  /** Those before it have just been sent. */
  #first = 0
  #bytes = 0

  /** @param limit bytes, 4 for each token's header included */
  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @returns false when it is full, and then nothing was taken */
  add(waiting: Waiting): boolean {
    const bytes = this.#bytes + costOf(waiting.token.byteLength)
    if (bytes > this.#limit) return false
    this.#waiting.push(waiting)
    this.#bytes = bytes
    return true
  }

  /** Waits for a connection, then for the fate of the token on it. */
  deliver(token: Uint8Array, options: DeliverOptions): Promise<void> {
    const { signal, timeout } = options
    return new Promise<void>((resolve, reject) => {
      const settled = () => {
        limit.clear()
        if (signal !== undefined) unwatchSignal(signal, aborted)
      }
      const waiting: Waiting = {
        token,
        promise: {
          options,
          since: clock.now(),
          resolve: fate => {
            settled()
            resolve(fate)
          },
          reject: error => {
            settled()
            reject(error)
          }
        }
      }
      const giveUp = () => {
        if (this.#remove(waiting)) waiting.promise?.reject(notSent(signal?.reason))
      }
      const aborted = { aborted: giveUp }
      const limit = new Deadline(timeout ?? 0, giveUp)
      if (signal?.aborted || !this.add(waiting)) {
        reject(notSent(signal?.reason))
        return
      }
      if (signal !== undefined) watchSignal(signal, aborted)
      limit.arm()
    })
  }

  /** What a lost connection had not sent goes before the rest. It was within the limit there. */
  putBack(tokens: readonly Uint8Array[]): void {
    this.#waiting = [...tokens.map(token => ({ token })), ...this.#waiting.slice(this.#first)]
    this.#first = 0
    for (const token of tokens) this.#bytes += costOf(token.byteLength)
  }

  /**
   * Sends as much as a connection takes; the rest waits for its `drain`. What is added meanwhile goes behind it.
   *
   * @returns the tokens that are longer than the peer takes, which nobody has been told of
   */
  flush(connection: Connection): readonly Uint8Array[] {
    const tooLong: Uint8Array[] = []
    for (;;) {
      const waiting = this.#waiting[this.#first]
      if (waiting === undefined || connection.isDead) break
      const { token, promise } = waiting
      const bytes = costOf(token.byteLength)
      if (connection.bufferedAmount + bytes > this.#limit) break
      this.#first++
      this.#bytes -= bytes
      if (promise !== undefined) promise.resolve(connection.deliver(token, timeLeft(promise)))
      else if (token.byteLength > connection.maxTokenLength) tooLong.push(token)
      else connection.send(token)
    }
    this.#waiting.splice(0, this.#first)
    this.#first = 0
    return tooLong
  }

  /** Gives everything up. @returns how many tokens that were */
  clear(): number {
    const waiting = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    for (const { promise } of waiting) promise?.reject(notSent())
    return waiting.length
  }

  #remove(waiting: Waiting): boolean {
    const index = this.#waiting.indexOf(waiting)
    if (index < 0) return false
    this.#waiting.splice(index, 1)
    this.#bytes -= costOf(waiting.token.byteLength)
    return true
  }
}

/** The options of a delivery that has waited already. */
function timeLeft({ options, since }: { options: DeliverOptions; since: number }): DeliverOptions {
  // 0 is never, here as there.
  if (!options.timeout) return options
  return { ...options, timeout: Math.max(1, options.timeout - Math.round(clock.now() - since)) }
}
