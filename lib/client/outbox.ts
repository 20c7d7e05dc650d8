import { type Connection, controlOf } from '../connection/connection'
import type { DeliverOptions } from '../connection/connection-context'
import type { ReturnedToken } from '../connection/delivering'
import type { CloseInfo } from '../errors/close-info'
import { givenUp, type NotSentReason, notSent, reasonOfEnd } from '../errors/fate-errors'
import { TokenError } from '../errors/token-error'
import type { Delivery, GiveUpReason, Holder } from '../session/deliveries'
import { promised, within } from '../session/within'
import { memoryLost } from '../wire/check-token'
import { costOf } from '../wire/header'

/** A token that waits for a connection; it has a promise when it was sent by `deliver()`. */
class Waiting implements Holder {
  readonly token: Uint8Array
  /** Bytes that it had when it was taken: its memory may go away. */
  readonly length: number
  readonly delivery: Delivery | null
  /** True when it was given up. */
  isGone = false
  readonly #outbox: Outbox

  constructor(outbox: Outbox, token: Uint8Array, length: number, delivery: Delivery | null) {
    this.#outbox = outbox
    this.token = token
    this.length = length
    this.delivery = delivery
    if (delivery !== null) delivery.holder = this
  }

  giveUp(delivery: Delivery, reason: GiveUpReason, cause: unknown): void {
    delivery.holder = null
    this.#outbox.remove(this)
    delivery.reject(givenUp(reason, cause, this.#outbox.loss))
  }

  /** @returns false when it can't be sent, and nobody has a promise of it */
  send(connection: Connection): boolean {
    const { token, length, delivery } = this
    const isWhole = token.byteLength === length
    if (delivery !== null) {
      delivery.holder = null
      if (isWhole) controlOf(connection).delivering.take(token, delivery)
      else delivery.reject(notSent('memory-lost', memoryLost()))
      return true
    }
    if (!isWhole || length > connection.maxTokenLength) return false
    connection.send(token)
    return true
  }
}

/** Tokens that wait for a connection, in order, bounded in bytes. */
export class Outbox {
  /** True when it has been full, or had `highWaterMark` bytes: a sender may wait for `drain`. */
  owesDrain = false
  /** The error that left the client without a connection; null while there is one, and before the first dial has failed. */
  loss: TokenError | null = null
  #wasOpen = false
  readonly #limit: number
  readonly #highWaterMark: number
  #waiting: Waiting[] = []
  /** Index of the first one that flush() has not sent yet. */
  #first = 0
  /** Number of those that were given up and still stand in `#waiting`. */
  #gone = 0
  #bytes = 0
  #requests = 0

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

  /** Number of those that ask for an answer. */
  get requests(): number {
    return this.#requests
  }

  /** @returns false when it is full, and then nothing was taken */
  add(token: Uint8Array, delivery: Delivery | null = null): boolean {
    const bytes = this.#bytes + costOf(token.byteLength)
    if (bytes >= this.#highWaterMark || bytes > this.#limit) this.owesDrain = true
    if (bytes > this.#limit) return false
    this.#waiting.push(new Waiting(this, token, token.byteLength, delivery))
    this.#bytes = bytes
    if (delivery?.isRequest) this.#requests++
    return true
  }

  /** The promise waits for a connection, then for the fate of the token on it. */
  async deliver(token: Uint8Array, options: DeliverOptions, isRequest: boolean): Promise<unknown> {
    if (options.signal?.aborted) throw notSent('aborted', options.signal.reason)
    const { delivery, fate } = promised<unknown>(isRequest)
    if (!this.add(token, delivery)) throw notSent('outbox-full')
    return await within(delivery, fate, options)
  }

  /** Takes what a connection that has ended gives back. @returns its end without what goes on by the next one */
  takeBack(connection: Connection, info: CloseInfo): CloseInfo {
    const { tokens, left } = controlOf(connection).delivering.takeBack(info.error)
    this.putBack(tokens)
    return {
      ...info,
      unsent: info.unsent - (tokens.length - left),
      unconfirmed: info.unconfirmed - left
    }
  }

  /** Puts them before the rest, also when that is more than the limit: they were taken before. */
  putBack(tokens: readonly ReturnedToken[]): void {
    const back = tokens.map(({ token, length, delivery }) => new Waiting(this, token, length, delivery))
    this.#waiting = [...back, ...this.#waiting.slice(this.#first)]
    this.#first = 0
    for (const { length, delivery } of tokens) {
      this.#bytes += costOf(length)
      if (delivery?.isRequest) this.#requests++
    }
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
      this.#leaves(waiting)
      if (!waiting.send(connection)) undeliverable.push(waiting.token)
    }
    this.#waiting.splice(0, this.#first)
    this.#first = 0
    return undeliverable
  }

  /** The client has a connection. */
  opened(): void {
    this.loss = null
    this.#wasOpen = true
  }

  /**
   * Gives up what waits, because the client has ended.
   *
   * @param error what has ended it; null: an end in order
   * @param isClosed by this side
   * @returns how many tokens were given up
   */
  clear(error: TokenError | null, isClosed: boolean): number {
    const reason = this.#reasonOf(error, isClosed)
    const waiting = this.#waiting.filter(({ isGone }) => !isGone)
    this.#waiting = []
    this.#gone = 0
    this.#bytes = 0
    this.#requests = 0
    for (const { delivery } of waiting) {
      if (delivery === null) continue
      delivery.holder = null
      delivery.reject(notSent(reason, error))
    }
    this.loss = null
    this.#wasOpen = false
    return waiting.length
  }

  #reasonOf(error: TokenError | null, isClosed: boolean): NotSentReason {
    if (error === null) return isClosed ? 'closed' : 'peer-closed'
    const reason = reasonOfEnd(error)
    return reason === 'connection-lost' && !this.#wasOpen ? 'never-connected' : reason
  }

  remove(waiting: Waiting): void {
    waiting.isGone = true
    this.#leaves(waiting)
    this.#gone++
    // flush() counts on the indices; and if each that is given up moved all, many would take quadratic time.
    if (this.#first > 0 || this.#gone * 2 <= this.#waiting.length) return
    this.#waiting = this.#waiting.filter(({ isGone }) => !isGone)
    this.#gone = 0
  }

  #leaves({ length, delivery }: Waiting): void {
    this.#bytes -= costOf(length)
    if (delivery?.isRequest) this.#requests--
  }
}

/** True when a connection, which still ends, will give something back. */
export function returnsTokens(connection: Connection): boolean {
  return controlOf(connection).delivering.returns
}

/** The error of a client that could not send everything before its end. @param cause why it had no connection */
export function leftInOutbox(cause: TokenError | null): TokenError {
  const message =
    'Cannot close the client in order: tokens waited in the outbox, and the timeout of close() was over'
  return new TokenError('ERR_CLOSE_TIMEOUT', message, cause === null ? {} : { cause })
}
