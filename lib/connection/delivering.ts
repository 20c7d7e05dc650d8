import { TokenError } from '../errors/token-error'
import { checkOption, wait } from '../options/checks'
import type { ConnectionLimits } from '../options/connection-options'
import { unwatchSignal, watchSignal } from '../runtime/abort-signals'
import { PatientDeadline } from '../runtime/patient-deadline'
import type { QueuedToken } from '../sending/queue-places'
import type { Sender } from '../sending/sender'
import { TokenSource } from '../sending/token-source'
import { Delivery, fateUnknown, notSent } from '../session/deliveries'
import type { Session } from '../session/session'
import { checkLength, checkToken, tooLargeError } from '../wire/check-token'
import { MIN_PART_LENGTH, type ProtocolName } from '../wire/header'
import type { DeliverOptions } from './connection-context'

/** What has to be known of a connection to deliver on it. */
export interface DeliveringHost {
  readonly limits: ConnectionLimits
  readonly protocolName: ProtocolName
  readonly sender: Sender
  readonly session: Session
  /** True when nothing more can be sent. */
  readonly isDead: boolean
}

/**
 * Tokens with a promise of their fate: it keeps the queue and the promises in step, whichever way a token leaves it.
 *
 * ```
 *   deliver() ─▶ queue ─▶ written ─▶ acknowledged: resolved
 *                  │         └─▶ given up, or the end: ERR_FATE_UNKNOWN
 *                  └─▶ taken back, dropped, too long: ERR_NOT_SENT
 * ```
 */
export class Delivering {
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

  /** The straight path: a promise and nothing around it. What is thrown rejects it. */
  deliver(token: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      requireToken2(this.#host.protocolName, 'deliver()')
      const { sender, session, isDead } = this.#host
      checkToken(token, this.maxTokenLength)
      // Before it is sent: over a Duplex in memory the answer can come while send() runs.
      session.deliveries.add(new Delivery(sender.nextPlace, resolve, reject))
      if (!isDead && sender.send(token)) return
      session.deliveries.retract()
      throw notSent()
    })
  }

  async deliverWithin(token: Uint8Array, options: DeliverOptions): Promise<void> {
    requireToken2(this.#host.protocolName, 'deliver()')
    checkOptions(options)
    checkToken(token, this.maxTokenLength)
    const send = () => !this.#host.isDead && this.#host.sender.send(token)
    await this.#deliver(send, (delivery, cause) => this.#giveUp(delivery, cause), options)
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
      const send = () => !this.#host.isDead && this.#host.sender.sendFrom(source)
      const giveUp = (delivery: Delivery, cause: unknown) => {
        if (!source.fail(cause)) this.#giveUp(delivery, cause)
      }
      await this.#deliver(send, giveUp, options)
    } catch (error) {
      source.release(error)
      throw error
    }
  }

  /** Drops the oldest tokens of which no byte is out. @returns how many */
  dropOldest(count: number): number {
    return this.#takeOut(
      () => true,
      count,
      () => notSent()
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

  /** The tokens that never left, but those of promises: they were settled. */
  takeUnsent(): Uint8Array[] {
    const { sender, session } = this.#host
    return sender.unsent(place => session.deliveries.find(place) === null)
  }

  /** The token from a stream at that place will never be whole: the peer's application will not have it. */
  aborted(place: number, cause: unknown): Delivery | null {
    const { deliveries } = this.#host.session
    const delivery = deliveries.find(place)
    if (delivery !== null && deliveries.tell(delivery)) delivery.reject(notSent(cause))
    return delivery
  }

  /** It was taken back before its first byte, and left a gap. */
  withdrawn(place: number, cause: unknown): void {
    this.#tidy(this.aborted(place, cause))
  }

  async #deliver(
    send: () => boolean,
    giveUp: (delivery: Delivery, cause: unknown) => void,
    { signal, timeout }: DeliverOptions
  ): Promise<void> {
    const { sender, session } = this.#host
    let delivery!: Delivery
    const fate = new Promise<void>((resolve, reject) => {
      delivery = new Delivery(sender.nextPlace, resolve, reject)
    })
    // Before it is sent: over a Duplex in memory the answer can come while send() runs.
    session.deliveries.add(delivery)
    if (!send()) {
      session.deliveries.retract()
      throw notSent()
    }
    if (signal === undefined && timeout === undefined) return fate
    const limit = new PatientDeadline(timeout ?? 0, () => giveUp(delivery, null))
    const waiting = { aborted: (reason: unknown) => giveUp(delivery, reason) }
    limit.arm()
    if (signal !== undefined) watchSignal(signal, waiting)
    try {
      await fate
    } finally {
      limit.clear()
      if (signal !== undefined) unwatchSignal(signal, waiting)
    }
  }

  #giveUp(delivery: Delivery, cause: unknown): void {
    if (!this.#host.session.deliveries.tell(delivery)) return
    const isBack = this.#host.sender.withdraw(delivery.place)
    delivery.reject(isBack ? notSent(cause) : fateUnknown(cause))
    this.#tidy(isBack ? delivery : null)
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
    if (deliveries.isSparse(sender.tokensUnsent)) sender.closeGaps(deliveries.closeGaps(sender.firstUnsent))
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

function checkOptions({ timeout, signal }: DeliverOptions): void {
  if (timeout !== undefined) checkOption('timeout', timeout, wait)
  if (signal?.aborted) throw notSent(signal.reason)
}

function partsRequired(): TokenError {
  return new TokenError(
    'ERR_PROTOCOL_REQUIRED',
    'Cannot use sendFrom(): it needs a peer that takes tokens in parts, this one does not'
  )
}
