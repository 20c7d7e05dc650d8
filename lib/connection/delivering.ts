import { fateUnknown, givenUp, notSent, reasonOfEnd } from '../errors/fate-errors'
import { TokenError } from '../errors/token-error'
import { checkOption, wait } from '../options/checks'
import type { ConnectionLimits } from '../options/connection-options'
import { isStreamed, type QueuedToken } from '../sending/queue-places'
import { Request } from '../sending/request'
import type { Sender } from '../sending/sender'
import { TokenSource } from '../sending/token-source'
import { Delivery, type GiveUpReason, type Holder } from '../session/deliveries'
import type { Session } from '../session/session'
import { promised, within } from '../session/within'
import { checkLength, checkToken, tooLargeError } from '../wire/check-token'
import { MIN_PART_LENGTH, type ProtocolName } from '../wire/header'
import type { DeliverOptions } from './connection-context'
import type { Ending } from './ending'

/** What has to be known of a connection to deliver on it. */
export interface DeliveringHost {
  readonly limits: ConnectionLimits
  readonly protocolName: ProtocolName
  readonly sender: Sender
  readonly session: Session
  readonly ending: Pick<Ending, 'error' | 'loss'>
  readonly socket: { readonly writable: boolean }
  /** True when nothing more can be sent. */
  readonly isDead: boolean
  /** True until it closes. */
  readonly isOpen: boolean
}

/** A token that a connection has not sent, or for nothing, and that another one may send. */
export interface ReturnedToken {
  readonly token: Uint8Array
  /** Bytes that it had when it was taken: its memory may have gone away. */
  readonly length: number
  /** It is null when the token was sent without a promise. */
  readonly delivery: Delivery | null
}

/** What a connection gives back, in order. */
export interface Returned {
  readonly tokens: readonly ReturnedToken[]
  /** Number of those that had left. */
  readonly left: number
}

/**
 * Tokens with a promise of their fate: it keeps the queue and the promises in step, whichever way a token leaves it.
 *
 * ```
 *   deliver() ─▶ queue ─▶ written ─▶ acknowledged: resolved
 *                  │         ├─▶ given up, or the end: ERR_FATE_UNKNOWN
 *                  │         └─▶ the peer has ended in order without it: takeBack(), or ERR_NOT_SENT
 *                  └─▶ taken back, dropped, too long: ERR_NOT_SENT
 * ```
 */
export class Delivering implements Holder {
  readonly #host: DeliveringHost

  constructor(host: DeliveringHost) {
    this.#host = host
  }

  /** Bytes of the longest token that can be sent: this side's limit and, once it is known, the peer's. */
  get maxTokenLength(): number {
    const { session, limits } = this.#host
    return Math.min(session.peerMaxTokenLength, limits.maxTokenLength)
  }

  /** Bytes of the longest token from a stream. */
  get maxStreamLength(): number {
    const { peerMaxStreamLength, peerMaxTokenLength } = this.#host.session
    // A part is no shorter, but for the last.
    if (peerMaxTokenLength < MIN_PART_LENGTH) return this.maxTokenLength
    return Math.max(this.maxTokenLength, peerMaxStreamLength)
  }

  /** True when the peer has ended in order without some of what was sent, which goes on by the next connection. */
  get returns(): boolean {
    const { sender, session } = this.#host
    const { returnsAbove } = session.deliveries
    return returnsAbove !== null && sender.tokensTaken > returnsAbove
  }

  /** Requests that wait for their answer, also those that were given up. */
  get unanswered(): number {
    return this.#host.session.deliveries.unanswered
  }

  /** The straight path: a promise and nothing around it. What is thrown rejects it. */
  deliver(token: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.take(token, new Delivery(0, resolve, reject)))
  }

  /** As `deliver`, and resolves with the answer of the peer's handler. */
  request(token: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => this.take(token, new Delivery(0, resolve, reject, true)))
  }

  /** Either of them, for as long as the caller waits. */
  async within<T>(token: Uint8Array, options: DeliverOptions, isRequest: boolean): Promise<T> {
    checkOptions(options)
    const { delivery, fate } = promised<T>(isRequest)
    this.take(token, delivery)
    return await within(delivery, fate, options)
  }

  /** Sends a token that has a promise, which is rejected when it can't be sent. */
  take(token: Uint8Array, delivery: Delivery): void {
    try {
      requireToken2(this.#host.protocolName, delivery.isRequest ? 'request()' : 'deliver()')
      checkToken(token, this.maxTokenLength)
      if (delivery.isRequest) this.#checkRequest()
      this.#begin(delivery, this)
      if (this.#host.isDead || !this.#send(token, delivery)) this.#retract(delivery)
    } catch (error) {
      delivery.reject(error as TokenError)
    }
  }

  /** Takes out the requests, which this peer does not know. */
  takeOutRequests(): void {
    this.#takeOut(token => token instanceof Request, Number.POSITIVE_INFINITY, handlerRequired)
  }

  /** @param length bytes that the stream will give, when that is known */
  async deliverFrom(
    stream: AsyncIterable<Uint8Array>,
    length: number | undefined,
    options: DeliverOptions
  ): Promise<void> {
    const source = new TokenSource(stream, { length, maxLength: () => this.maxStreamLength })
    try {
      requireToken2(this.#host.protocolName, 'sendFrom()')
      if (!this.#host.session.peerTakesParts) throw partsRequired()
      if (length !== undefined) checkLength(length, this.maxStreamLength)
      checkOptions(options)
      const { delivery, fate } = promised<void>()
      this.#begin(delivery, this.#holderOf(source))
      if (this.#host.isDead || !this.#host.sender.sendFrom(source)) this.#retract(delivery)
      await within(delivery, fate, options)
    } catch (error) {
      source.release(error)
      throw error
    }
  }

  giveUp(delivery: Delivery, reason: GiveUpReason, cause: unknown): void {
    const { ending, sender, session } = this.#host
    const { deliveries } = session
    if (!deliveries.tell(delivery)) return
    const isBack = sender.withdraw(delivery.place)
    const isNotSent = isBack || deliveries.isFinal
    delivery.reject(isNotSent ? givenUp(reason, cause, ending.loss) : fateUnknown(reason, cause))
    this.#tidy(isBack ? delivery : null)
  }

  /** Drops the oldest tokens of which no byte is out. @returns how many */
  dropOldest(count: number): number {
    return this.#takeOut(
      () => true,
      count,
      () => notSent('dropped')
    )
  }

  /** Takes out what is longer than the peer takes. @param onPlain is given those that nobody has a promise of */
  takeOutTooLong(onPlain: (token: Uint8Array) => void): void {
    const length = this.maxTokenLength
    this.#takeOut(
      token => (token.length ?? 0) > length,
      Number.POSITIVE_INFINITY,
      token => tooLargeError(token.length as number, length),
      token => onPlain(token as Uint8Array)
    )
  }

  /**
   * The connection is over: gives back what another one may send. Without the peer's last word that are the tokens that never
   * left, but those of promises, which were told.
   *
   * @param cause why tokens from streams are lost, which can't be sent again
   */
  takeBack(cause: TokenError | null): Returned {
    const { sender, session } = this.#host
    const { deliveries } = session
    const { firstUnsent } = sender
    const tokens: ReturnedToken[] = []
    let left = 0
    for (const { place, token, length } of sender.notHad(deliveries.returnsAbove)) {
      const delivery = deliveries.find(place)
      if (isStreamed(token)) {
        this.aborted(place, 'stream-cut', cause)
      } else if (delivery?.isPending !== false) {
        // A token that was given up is wanted no more.
        tokens.push({ token: token instanceof Request ? token.bytes : token, length, delivery })
        if (place < firstUnsent) left++
      }
    }
    deliveries.clear()
    return { tokens, left }
  }

  /** The token from a stream at that place will never be whole: the peer's application will not have it. */
  aborted(place: number, reason: 'stream-cut' | 'stream-failed', cause: unknown): Delivery | null {
    const { deliveries } = this.#host.session
    const delivery = deliveries.find(place)
    if (delivery !== null && deliveries.tell(delivery)) delivery.reject(notSent(reason, cause))
    return delivery
  }

  /** Its stream has failed before its first byte was taken: it was taken back, and left a gap. */
  withdrawn(place: number, cause: unknown): void {
    this.#tidy(this.aborted(place, 'stream-failed', cause))
  }

  /** The error for a token that can't be sent now. */
  refusal(): TokenError {
    const { ending, isDead, isOpen, session, socket } = this.#host
    if (!isDead) return notSent('outbox-full')
    const { error } = ending
    if (error === null && session.deliveries.isFinal) return notSent('peer-closed')
    if (error === null && isOpen && !socket.writable) return notSent('connection-lost')
    return notSent(reasonOfEnd(error), error)
  }

  #send(token: Uint8Array, { isRequest }: Delivery): boolean {
    const { sender } = this.#host
    return isRequest ? sender.request(token) : sender.send(token)
  }

  /** @throws TokenError when the peer gives no answers, or too many are waited for */
  #checkRequest(): void {
    const { session, limits } = this.#host
    if (session.isGreeted && !session.peerHandles) throw handlerRequired()
    if (this.unanswered >= limits.maxPendingRequests) throw notSent('too-many-requests')
  }

  /** This comes before the token is sent: over a Duplex in memory the answer can come while it is written. */
  #begin(delivery: Delivery, holder: Holder): void {
    const { sender, session } = this.#host
    delivery.place = sender.nextPlace
    delivery.holder = holder
    session.deliveries.add(delivery)
  }

  /** It was not taken. */
  #retract(delivery: Delivery): never {
    this.#host.session.deliveries.retract()
    delivery.holder = null
    throw this.refusal()
  }

  /** Gives up the token of a stream: it is void, unless the stream has given all of it. */
  #holderOf(source: TokenSource): Holder {
    return {
      giveUp: (delivery, reason, cause) => {
        const { deliveries } = this.#host.session
        if (source.isSettled) {
          this.giveUp(delivery, reason, cause)
        } else if (deliveries.tell(delivery)) {
          delivery.reject(notSent(reason, cause))
          source.fail(cause)
        }
      }
    }
  }

  /** @param onPlain is given those that nobody has a promise of @returns how many were taken out */
  #takeOut(
    isWanted: (token: QueuedToken) => boolean,
    most: number,
    errorOf: (token: QueuedToken) => TokenError,
    onPlain: (token: QueuedToken) => void = () => {}
  ): number {
    const { sender, session } = this.#host
    const { deliveries } = session
    const places = sender.takeOut(isWanted, most, (place, token) => {
      const delivery = deliveries.find(place)
      if (delivery === null) onPlain(token)
      else if (deliveries.tell(delivery)) delivery.reject(errorOf(token))
    })
    deliveries.removed(places)
    return places.length
  }

  /** @param gap whose token was taken back */
  #tidy(gap: Delivery | null): void {
    const { sender, session } = this.#host
    const { deliveries } = session
    if (gap !== null) deliveries.leaveGap(gap)
    const waiting = deliveries.goesOn ? sender.tokensTaken - deliveries.handed : sender.tokensUnsent
    if (deliveries.isSparse(waiting)) sender.closeGaps(deliveries.closeGaps(sender.firstUnsent))
  }
}

/** @throws TokenError `ERR_PROTOCOL_REQUIRED` on token/1 */
export function requireToken2(protocol: ProtocolName, what: string): void {
  if (protocol === 'token/2') return
  throw new TokenError(
    'ERR_PROTOCOL_REQUIRED',
    `Cannot use ${what}: it needs token/2, this connection speaks token/1`
  )
}

function handlerRequired(): TokenError {
  return new TokenError(
    'ERR_PROTOCOL_REQUIRED',
    'Cannot use request(): it needs a peer that knows answers, this one is of an older version'
  )
}

/** @throws TokenError `ERR_OPTION`, `ERR_NOT_SENT` when the signal has aborted */
export function checkOptions({ timeout, signal }: DeliverOptions): void {
  if (timeout !== undefined) checkOption('timeout', timeout, wait)
  if (signal?.aborted) throw notSent('aborted', signal.reason)
}

function partsRequired(): TokenError {
  return new TokenError(
    'ERR_PROTOCOL_REQUIRED',
    'Cannot use sendFrom(): it needs a peer that takes tokens in parts, this one does not'
  )
}
