import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { CloseCode, CloseInfo, CloseOptions } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { duration } from '../options/checks'
import {
  type ConnectionLimits,
  type ConnectionOptions,
  connectionLimits,
  type ProtocolOptions
} from '../options/connection-options'
import type { Goaway } from '../protocol/goaway'
import { goawayFrame } from '../protocol/goaway'
import { Token1 } from '../protocol/token-1'
import { Token2 } from '../protocol/token-2'
import type { Claim, Consumer } from '../receiving/consumer'
import type { IncomingToken } from '../receiving/incoming-token'
import { IncomingTokens } from '../receiving/incoming-tokens'
import { mixedConsumers, type Receiver } from '../receiving/receiver'
import { TokenIterator } from '../receiving/token-iterator'
import { TokenStream } from '../receiving/token-stream'
import { unwatchSignal, watchSignal } from '../runtime/abort-signals'
import { callApplication, tell } from '../runtime/application-call'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { type ListenerWatch, watchListeners } from '../runtime/watch-listeners'
import type { Sender } from '../sending/sender'
import type { QueuedToken } from '../sending/token-queue'
import { TokenSource } from '../sending/token-source'
import { Delivery, fateUnknown, notSent } from '../session/deliveries'
import type { Session, SessionLossReason } from '../session/session'
import type { Peer } from '../tls/peer'
import { checkLength, checkToken, tooLargeError } from '../wire/check-token'
import { MIN_PART_LENGTH, type ProtocolName } from '../wire/header'
import {
  attach,
  breakWith,
  type ConnectionContext,
  type ConnectionEvents,
  closeWith,
  type DeliverOptions,
  dropOldest,
  type Forward,
  forwardChanged,
  type Handover,
  handOver,
  loseSession,
  sessionOf,
  type TransportFacts,
  takeUnsent
} from './connection-context'
import { ConnectionLife, type LifeTokens } from './lifecycle'

/**
 * Tokens, which are Buffers, over any Duplex: tls, net, a Unix socket, `stream.duplexPair()`.
 *
 * What the bytes mean is the protocol's matter: {@link Token1} or {@link Token2}. Tokens go to one kind of
 * consumer at a time: `token` listeners, `for await`, or `stream()`. While there is none they wait, so that the
 * first token is never lost.
 */
export class Connection extends EventEmitter<ConnectionEvents> {
  readonly #limits: ConnectionLimits
  readonly #context: ConnectionContext
  readonly #life: ConnectionLife
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #session: Session
  #hasListener = false
  /** What the stream does when there is room again: no listener, which another one's exception would keep from it. */
  #goOn: (() => void) | null = null

  /**
   * @param socket the Duplex, owned by the connection from now on
   * @param context what a server or a client knows of it (internal)
   * @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED`
   */
  constructor(
    socket: Duplex,
    options: ConnectionOptions & ProtocolOptions = {},
    context: ConnectionContext = {}
  ) {
    super()
    this.#limits = connectionLimits(options)
    this.#context = context
    this.#life = new ConnectionLife(
      this,
      socket,
      { limits: this.#limits, protocol: options, context },
      new Connection.#Tokens(this)
    )
    this.#sender = this.#life.sender
    this.#receiver = this.#life.receiver
    this.#session = this.#life.session
    watchListeners(this, 'token', new Connection.#TokenListeners(this))
    this.#life.start()
  }

  /** Settles when the connection has closed; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#life.closed
  }

  /** The Duplex underneath, or the last one. Reading from it or writing to it breaks the framing. */
  get socket(): Duplex {
    return this.#life.socket
  }

  /**
   * The verified identity of the other side; null over anything but TLS, and for a peer without certificate. A session
   * that goes on after the certificate was renewed has the new one.
   */
  get peer(): Peer | null {
    return this.#life.peer
  }

  /** The protocol spoken. */
  get protocol(): ProtocolName {
    return this.#life.protocolName
  }

  /** True when the connection can no longer be written. */
  get isDead(): boolean {
    return this.#life.isDead
  }

  /** Bytes of the longest token that can be sent: this side's limit and, once it is known, the peer's. */
  get maxTokenLength(): number {
    return Math.min(this.#session.peerMaxTokenLength, this.#limits.maxTokenLength)
  }

  /** Bytes of the longest token that `sendFrom()` can send: `maxTokenLength`, or more when the peer takes streams. */
  get maxStreamLength(): number {
    const { peerMaxStreamLength, peerMaxTokenLength } = this.#session
    // A part is no shorter, but for the last.
    if (peerMaxTokenLength < MIN_PART_LENGTH) return this.maxTokenLength
    return Math.max(this.maxTokenLength, peerMaxStreamLength)
  }

  /** True from `open` until the connection begins to close, but not while it is detached. */
  get isOpen(): boolean {
    return this.#life.isOpen
  }

  /** True while a session waits for its next transport. */
  get isDetached(): boolean {
    return this.#life.isDetached
  }

  /** True when the connection outlives its transport. */
  get hasSession(): boolean {
    return this.#session.isAgreed
  }

  /** Bytes of tokens that were sent and that a session keeps until the peer's application has had them. */
  get retainedBytes(): number {
    return this.#sender.retainedBytes
  }

  /** Bytes that `send()` took and the operating system has not, 4 for each token's header included. */
  get bufferedAmount(): number {
    return this.#sender.bufferedAmount
  }

  /** True from `bufferedAmount` ≥ `highWaterMark`, or a full outbox, until `drain`: a polite sender waits. */
  get writableNeedDrain(): boolean {
    return this.#sender.needsDrain
  }

  /** Bytes that arrived and wait for a consumer. */
  get unreadBytes(): number {
    return this.#receiver.unreadBytes
  }

  /** Tokens that `send()` and `deliver()` took. */
  get tokensSent(): number {
    return this.#sender.tokensTaken
  }

  /** Tokens taken of which the last byte has not left. */
  get tokensUnsent(): number {
    return this.#sender.tokensUnsent
  }

  /** Tokens given to this side's consumer. */
  get tokensReceived(): number {
    return this.#receiver.tokens
  }

  /** Milliseconds of the last round trip of a PING; null on token/1 and before the first. */
  get rtt(): number | null {
    return this.#life.rtt
  }

  /**
   * Queues a token, in order. It must not be changed until it has left (`bufferedAmount` 0), and in a session until the
   * peer's application has had it (`retainedBytes` 0 too).
   *
   * @returns true when the token was taken; false when the connection is dead or the outbox is full, and then
   * nothing was taken
   * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`
   */
  send(token: Uint8Array): boolean {
    checkToken(token, this.maxTokenLength)
    return !this.isDead && this.#sender.send(token)
  }

  /**
   * Sends a token and waits until the peer's application has had it; token/2 only. Any number at once.
   *
   * It rejects with `ERR_NOT_SENT` when the peer has not had the token and will not: sending it again makes no
   * duplicate. It rejects with `ERR_FATE_UNKNOWN` when the token left and no answer came.
   *
   * @throws (rejects) TokenError `ERR_NOT_SENT`, `ERR_FATE_UNKNOWN`, `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`,
   * `ERR_PROTOCOL_REQUIRED`, `ERR_OPTION`
   */
  deliver(token: Uint8Array, options?: DeliverOptions): Promise<void> {
    return options === undefined ? this.#deliverPlainly(token) : this.#deliverWithin(token, options)
  }

  async #deliverWithin(token: Uint8Array, options: DeliverOptions): Promise<void> {
    this.#honest('deliver()')
    if (options.timeout !== undefined) duration('timeout', options.timeout)
    if (options.signal?.aborted) throw notSent(options.signal.reason)
    checkToken(token, this.maxTokenLength)
    const giveUp = (delivery: Delivery, cause: unknown) => this.#giveUp(delivery, cause)
    await this.#deliver(() => this.send(token), giveUp, options)
  }

  /**
   * As `deliver()`, for a token whose bytes come from a stream, which is read as fast as the peer takes them. The
   * chunks must not be changed until they have left.
   *
   * It needs a peer that takes tokens in parts. It rejects with `ERR_NOT_SENT` when the stream fails or does not give
   * exactly `length` bytes, or when the connection is cut before the end: the stream is then destroyed. A session goes
   * on without the token, because its bytes can't be sent again.
   *
   * @param length bytes that the stream will give, when that is known
   * @throws (rejects) TokenError as `deliver()`
   */
  async sendFrom(
    stream: AsyncIterable<Uint8Array>,
    length?: number,
    options: DeliverOptions = {}
  ): Promise<void> {
    const source = new TokenSource(stream, { length, maxLength: () => this.maxStreamLength })
    try {
      this.#honest('sendFrom()')
      if (!this.#session.peerTakesParts) throw partsRequired()
      if (length !== undefined) checkLength(length, this.maxStreamLength)
      if (options.timeout !== undefined) duration('timeout', options.timeout)
      if (options.signal?.aborted) throw notSent(options.signal.reason)
      const send = () => !this.isDead && this.#sender.sendFrom(source)
      const giveUp = (delivery: Delivery, cause: unknown) => {
        if (!source.fail(cause)) this.#giveUp(delivery, cause)
      }
      await this.#deliver(send, giveUp, options)
    } catch (error) {
      source.release(error)
      throw error
    }
  }

  /** The straight path: a promise and nothing around it. What is thrown rejects it. */
  #deliverPlainly(token: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#honest('deliver()')
      checkToken(token, this.maxTokenLength)
      const { deliveries } = this.#session
      // Before it is sent: over a Duplex in memory the answer can come while send() runs.
      deliveries.add(new Delivery(this.#sender.nextPlace, resolve, reject))
      if (!this.isDead && this.#sender.send(token)) return
      deliveries.retract()
      throw notSent()
    })
  }

  async #deliver(
    send: () => boolean,
    giveUp: (delivery: Delivery, cause: unknown) => void,
    { signal, timeout }: DeliverOptions
  ): Promise<void> {
    const { deliveries } = this.#session
    let delivery!: Delivery
    const fate = new Promise<void>((resolve, reject) => {
      delivery = new Delivery(this.#sender.nextPlace, resolve, reject)
    })
    // Before it is sent: over a Duplex in memory the answer can come while send() runs.
    deliveries.add(delivery)
    if (!send()) {
      deliveries.retract()
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

  /**
   * Says that the application has had `count` more tokens, with the option `ack: 'manual'`.
   *
   * @returns false when this side has said its last word before: then the peer takes them for not handed
   * @throws TokenError `ERR_OPTION` when it was not given so many, `ERR_PROTOCOL_REQUIRED`
   */
  acknowledge(count = 1): boolean {
    this.#honest('acknowledge()')
    if (!this.#life.isManualAck) {
      throw new TokenError('ERR_OPTION', "Cannot acknowledge tokens: it needs the option ack: 'manual'")
    }
    const unacknowledged = this.#session.unacknowledged(this.#receiver.tokens)
    if (!Number.isSafeInteger(count) || count < 0 || count > unacknowledged) {
      throw new TokenError(
        'ERR_OPTION',
        `Cannot acknowledge ${count} tokens: ${unacknowledged} were given to the application and wait for it`
      )
    }
    return this.#life.acknowledge(count)
  }

  /**
   * Asks the client of this connection to go; token/2 on a server only. Tokens go on until it has gone.
   *
   * @param goaway default: code `drain`, to come back at once, without a reason
   * @throws TokenError `ERR_PROTOCOL_REQUIRED`, `ERR_OPTION`
   */
  goaway(goaway: Partial<Goaway> = {}): void {
    this.#honest('goaway()')
    if (this.#life.role === 'client')
      throw new TokenError('ERR_OPTION', 'Cannot send GOAWAY: only a server may')
    this.#life.token2?.goaway(goawayFrame(goaway))
  }

  /**
   * Ends the connection in order: flushes what was taken, then ends and waits for the peer's end. What arrives
   * until then: on token/1 it is handed to the consumer, on token/2 it is not, and the peer knows so.
   *
   * @returns true when this call ended the connection, false when it was ended before
   * @throws TokenError `ERR_OPTION`
   */
  close(options: CloseOptions = {}): boolean {
    return this[closeWith]('normal', options)
  }

  [closeWith](code: CloseCode, options: CloseOptions): boolean {
    const timeout = options.timeout ?? this.#limits.closeTimeout
    duration('timeout', timeout)
    return this.#life.close(code, timeout)
  }

  /** Cuts the connection at once, and ends its session. What was not sent is lost, and counted in {@link CloseInfo}. */
  destroy(): void {
    this.#life.fail(new TokenError('ERR_ABORTED', 'Cannot use the connection: this side has destroyed it'))
  }

  [breakWith](error: TokenError): void {
    this.#life.fail(error)
  }

  /** @returns how many were dropped; a token of which bytes are out stays */
  [dropOldest](count: number): number {
    return this.#takeOut(
      () => true,
      count,
      () => notSent()
    )
  }

  /** Those that `deliver()` sent are left out: their promises were settled. */
  [takeUnsent](): Uint8Array[] {
    const { deliveries } = this.#session
    return this.#sender.unsent(place => deliveries.find(place) === null)
  }

  /**
   * The tokens as an async iterator. It throws what broke the connection.
   *
   * @throws TokenError `ERR_CONSUMER`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    return new TokenIterator(consumer => this.#claim(consumer))
  }

  /**
   * The tokens as they arrive: each is an async iterator of its bytes, so that a long one needs no memory.
   *
   * @throws TokenError `ERR_CONSUMER`
   */
  incomingTokens(): AsyncIterableIterator<IncomingToken> {
    return new IncomingTokens(consumer => this.#claim(consumer))
  }

  /**
   * The connection as a Duplex in object mode, for `pipeline`.
   *
   * @throws TokenError `ERR_CONSUMER`
   */
  stream(): TokenStream {
    const sink = {
      isDead: () => this.isDead,
      send: (token: Uint8Array) => this.send(token),
      needsDrain: () => this.writableNeedDrain,
      onceDrained: (goOn: () => void) => {
        this.#goOn = goOn
      },
      end: () => this.#life.endSending(),
      close: () => void this.close(),
      destroy: () => this.destroy(),
      closed: this.closed
    }
    return new TokenStream(sink, consumer => this.#claim(consumer))
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed
  }

  [forwardChanged](): void {
    this.#receiver.deliver()
  }

  [attach](socket: Duplex, facts: TransportFacts): void {
    this.#life.attach(socket, facts)
  }

  [handOver](): Handover {
    return this.#life.handOver()
  }

  [loseSession](reason: SessionLossReason): void {
    this.#life.loseSession(reason)
  }

  get [sessionOf](): Session {
    return this.#session
  }

  /** A class, for a literal of closures costs each connection 400 bytes. */
  static readonly #Tokens = class implements LifeTokens {
    readonly #connection: Connection

    constructor(connection: Connection) {
      this.#connection = connection
    }

    hasListeners(): boolean {
      const connection = this.#connection
      return connection.#hasListener || connection.#context.forward?.isWanting === true
    }

    onToken(token: Buffer): void {
      this.#connection.#emitToken(token)
    }

    onAbilities(): void {
      this.#connection.#withdrawTooLong()
    }

    onDrain(): void {
      const goOn = this.#connection.#goOn
      this.#connection.#goOn = null
      if (goOn !== null) callApplication(goOn)
    }

    onAborted(place: number, cause: unknown): void {
      this.#connection.#rejectStreamed(place, cause)
    }

    onWithdrawn(place: number, cause: unknown): void {
      this.#connection.#tidy(this.#connection.#rejectStreamed(place, cause))
    }
  }

  static readonly #TokenListeners = class implements ListenerWatch {
    readonly #connection: Connection

    constructor(connection: Connection) {
      this.#connection = connection
    }

    onAdd(): void {
      const connection = this.#connection
      if (connection.#receiver.isClaimed) throw mixedConsumers()
      connection.#hasListener = true
      nextTick(() => connection.#receiver.deliver())
    }

    onRemove(isLast: boolean): void {
      this.#connection.#hasListener = !isLast
    }
  }

  #withdrawTooLong(): void {
    const length = this.maxTokenLength
    this.#takeOut(
      token => (token.length ?? 0) > length,
      Number.POSITIVE_INFINITY,
      token => tooLargeError(token.length as number, length),
      token => {
        nextTick(() => {
          this.#context.onUndeliverable?.(token as Uint8Array)
          tell(this, 'undeliverable', token as Uint8Array)
        })
      }
    )
  }

  /** @param onPlain is given those that nobody has a promise of @returns how many were taken out */
  #takeOut(
    isWanted: (token: QueuedToken) => boolean,
    most: number,
    errorOf: (token: QueuedToken) => TokenError,
    onPlain: (token: QueuedToken) => void = () => {}
  ): number {
    const { deliveries } = this.#session
    const places = this.#sender.takeOut(isWanted, most, (place, token) => {
      const delivery = deliveries.find(place)
      if (delivery === null) onPlain(token)
      else if (deliveries.tell(delivery)) delivery.reject(errorOf(token))
    })
    deliveries.removed(places)
    return places.length
  }

  /** The listeners of a server or a client give way to a consumer, the connection's own do not. */
  #claim(consumer: Consumer): Claim {
    if (this.#hasListener) throw mixedConsumers()
    const claim = this.#receiver.claim(consumer)
    this.#life.claimed()
    return claim
  }

  #emitToken(token: Buffer): void {
    const { forward } = this.#context
    if (!forward?.isWanting) tell(this, 'token', token)
    else if (!this.#hasListener) forward.take(token, this)
    else this.#emitTwice(token, forward)
  }

  /** The listeners of a server or a client get it whatever those of the connection throw. */
  #emitTwice(token: Buffer, forward: Forward): void {
    tell(this, 'token', token)
    if (forward.isWanting) forward.take(token, this)
  }

  #giveUp(delivery: Delivery, cause: unknown): void {
    if (!this.#session.deliveries.tell(delivery)) return
    const isBack = this.#sender.withdraw(delivery.place)
    delivery.reject(isBack ? notSent(cause) : fateUnknown(cause))
    this.#tidy(isBack ? delivery : null)
  }

  /** @param gap whose token was taken back */
  #tidy(gap: Delivery | null): void {
    const { deliveries } = this.#session
    if (gap !== null) deliveries.leaveGap(gap)
    if (deliveries.isSparse(this.#sender.tokensUnsent))
      this.#sender.closeGaps(deliveries.closeGaps(this.#sender.firstUnsent))
  }

  /** A token from a stream will never be whole: the peer's application will not have it. */
  #rejectStreamed(place: number, cause: unknown): Delivery | null {
    const { deliveries } = this.#session
    const delivery = deliveries.find(place)
    if (delivery !== null && deliveries.tell(delivery)) delivery.reject(notSent(cause))
    return delivery
  }

  #honest(what: string): void {
    if (this.protocol === 'token/2') return
    throw new TokenError(
      'ERR_PROTOCOL_REQUIRED',
      `Cannot use ${what}: it needs token/2, this connection speaks token/1`
    )
  }
}

function partsRequired(): TokenError {
  return new TokenError(
    'ERR_PROTOCOL_REQUIRED',
    'Cannot use sendFrom(): it needs a peer that takes tokens in parts, this one does not'
  )
}
