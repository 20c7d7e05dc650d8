import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { callApplication } from './application-call'
import { authorization, type Verdict } from './authorization'
import { CLOSE_CODES, closeCodeName, closeCodeNumber } from './close-codes'
import type { CloseCode, CloseInfo, CloseOptions } from './close-info'
import {
  attach,
  breakWith,
  type ConnectionContext,
  type ConnectionEvents,
  closeWith,
  type DeliverOptions,
  dropOldest,
  forwardChanged,
  type Goaway,
  type Handover,
  handOver,
  loseSession,
  sessionOf,
  type TransportFacts,
  takeUnsent
} from './connection-context'
import type { Claim, Consumer } from './consumer'
import type { GoawayFrame } from './control-frame'
import { Deadline } from './deadline'
import { type Delivery, fateUnknown, notSent } from './deliveries'
import { TokenError } from './errors'
import { closeCodeOf, keepsSession } from './goodbye'
import type { IncomingToken } from './incoming-token'
import { IncomingTokens } from './incoming-tokens'
import { sayLastWord } from './last-word'
import { OnlyListener } from './only-listener'
import {
  type ConnectionLimits,
  type ConnectionOptions,
  checkDelay,
  connectionLimits,
  duration,
  type ProtocolOptions
} from './options'
import { fingerprintBytes, type Peer, peerOf } from './peer'
import type { ProtocolHost } from './protocol'
import { mixedConsumers, Receiver, type ReceiverEvents } from './receiver'
import { Sender } from './sender'
import { Session, type SessionLossReason } from './session'
import { socketError } from './socket-error'
import { checkLength, checkToken, tooLargeError } from './token'
import { Token1 } from './token-1'
import { Token2 } from './token-2'
import { TokenIterator } from './token-iterator'
import { TokenSource } from './token-source'
import { TokenStream } from './token-stream'
import { Transport } from './transport'
import { watchListeners } from './watch-listeners'
import type { ProtocolName } from './wire'

/** Milliseconds for HELLO and `authorize` when nobody has used some of them before. */
const GREETING_TIMEOUT = 10_000

const OPENING = 0
const OPEN = 1
const DETACHED = 2
const CLOSING = 3
const CLOSED = 4

type State = typeof OPENING | typeof OPEN | typeof DETACHED | typeof CLOSING | typeof CLOSED

/**
 * Tokens, which are Buffers, over any Duplex: tls, net, a Unix socket, `stream.duplexPair()`.
 *
 * ```
 *            accepted          close(), the peer's end               the socket has closed
 *   OPENING ─────────▶ OPEN ────────────────────────────▶ CLOSING ─────────────────────────▶ CLOSED
 *      │                 │                               flush, end                             ▲
 *      └─────────────────┴─────── destroy(), a broken frame, a timeout, a socket's error ───────┘
 * ```
 *
 * With a session:
 *
 * ```
 *          the transport is gone              resumeTimeout, evicted, unknown to the server: `session-lost`
 *   OPEN ─────────────────────────▶ DETACHED ─────────────────────────────────────────────────────────────▶ CLOSED
 *     ▲                              │   ▲ │ the dial fails
 *     └──────── accepted ────────────┘   └─┘
 * ```
 *
 * What the bytes mean is the protocol's matter: {@link Token1} or {@link Token2}. Tokens go to one kind of
 * consumer at a time: `token` listeners, `for await`, or `stream()`. While there is none they wait, so that the
 * first token is never lost.
 */
export class Connection extends EventEmitter<ConnectionEvents> {
  /** Settles when the connection has closed; never rejects. */
  readonly closed: Promise<CloseInfo>

  readonly #limits: ConnectionLimits
  readonly #context: ConnectionContext
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #session = new Session()
  readonly #protocolOptions: ProtocolOptions
  readonly #resumeDeadline: Deadline
  #facts: TransportFacts
  #peer: Peer | null
  #socket: Duplex
  /** Null when the last one is gone. */
  #transport: Transport | null = null
  #protocol: Token1 | Token2
  readonly #idleDeadline: Deadline
  readonly #gone = new AbortController()
  #closeDeadline: Deadline | null = null
  #state: State = OPENING
  #isSendingEnded = false
  readonly #tokenListener = new OnlyListener(this, 'token')
  #hasListener = false
  #closeCode: CloseCode = 'normal'
  #error: TokenError | null = null
  #lossReason: SessionLossReason | null = null
  /** Numbers of the tokens that never left and of which a promise said so. */
  #unsentDeliveries: ReadonlySet<number> = new Set()
  #resolveClosed!: (info: CloseInfo) => void

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
    this.#socket = socket
    this.#facts = context
    this.#peer = context.peer === undefined ? peerOf(socket) : context.peer
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#limits = connectionLimits(options)
    this.#context = context
    this.#idleDeadline = new Deadline(this.#limits.idleTimeout, () => this.#idleExpired())
    this.#resumeDeadline = new Deadline(context.session?.resumeTimeout ?? 0, () =>
      this[loseSession]('expired')
    )
    this.#protocolOptions = options
    this.#sender = this.#createSender()
    this.#receiver = this.#createReceiver(options.protocol === 'token/2')
    this.#watchListeners()
    this.#protocol = this.#attach(socket)
    this.#idleDeadline.arm()
  }

  /** The Duplex underneath, or the last one. Reading from it or writing to it breaks the framing. */
  get socket(): Duplex {
    return this.#socket
  }

  /**
   * The verified identity of the other side; null over anything but TLS, and for a peer without certificate. A session
   * that goes on after the certificate was renewed has the new one.
   */
  get peer(): Peer | null {
    return this.#peer
  }

  /** The protocol spoken. */
  get protocol(): ProtocolName {
    return this.#protocol.name
  }

  /** True when the connection can no longer be written. */
  get isDead(): boolean {
    if (this.#state >= CLOSING || this.#isSendingEnded) return true
    return !this.#socket.writable && !this.#session.isAgreed
  }

  /** Bytes of the longest token that can be sent: this side's limit and, once it is known, the peer's. */
  get maxTokenLength(): number {
    const peers = this.#protocol instanceof Token2 ? this.#protocol.peerMaxTokenLength : null
    return peers === null ? this.#limits.maxTokenLength : Math.min(peers, this.#limits.maxTokenLength)
  }

  /** Bytes of the longest token that `sendFrom()` can send: `maxTokenLength`, or more when the peer takes streams. */
  get maxStreamLength(): number {
    const peers = this.#protocol instanceof Token2 ? this.#protocol.peerMaxStreamLength : null
    return Math.max(this.maxTokenLength, peers ?? 0)
  }

  /** True from `open` until the connection begins to close, but not while it is detached. */
  get isOpen(): boolean {
    return this.#state === OPEN
  }

  /** True while a session waits for its next transport. */
  get isDetached(): boolean {
    return this.#state === DETACHED
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
    return this.#protocol.rtt
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
      if (!this.#honest('sendFrom()').hasParts) throw partsRequired()
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
      const delivery: Delivery = { number: this.#sender.tokensTaken + 1, resolve, reject }
      // Before it is sent: over a Duplex in memory the answer can come while send() runs.
      deliveries.add(delivery)
      if (!this.isDead && this.#sender.send(token)) return
      deliveries.remove(delivery)
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
      delivery = { number: this.#sender.tokensTaken + 1, resolve, reject }
    })
    // Before it is sent: over a Duplex in memory the answer can come while send() runs.
    deliveries.add(delivery)
    if (!send()) {
      deliveries.remove(delivery)
      throw notSent()
    }
    if (signal === undefined && timeout === undefined) return fate
    const limit = new Deadline(timeout ?? 0, () => giveUp(delivery, null))
    const abort = () => giveUp(delivery, signal?.reason)
    limit.arm()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await fate
    } finally {
      limit.clear()
      signal?.removeEventListener('abort', abort)
    }
  }

  /**
   * Says that the application has had `count` more tokens, with the option `ack: 'manual'`.
   *
   * @returns false when this side has said its last word before: then the peer takes them for not handed
   * @throws TokenError `ERR_OPTION` when it was not given so many, `ERR_PROTOCOL_REQUIRED`
   */
  acknowledge(count = 1): boolean {
    const protocol = this.#honest('acknowledge()')
    const { unacknowledged } = protocol
    if (unacknowledged === null) {
      throw new TokenError('ERR_OPTION', "Cannot acknowledge tokens: it needs the option ack: 'manual'")
    }
    if (!Number.isSafeInteger(count) || count < 0 || count > unacknowledged) {
      throw new TokenError(
        'ERR_OPTION',
        `Cannot acknowledge ${count} tokens: ${unacknowledged} were given to the application and wait for it`
      )
    }
    return protocol.acknowledge(count)
  }

  /**
   * Asks the client of this connection to go; token/2 on a server only. Tokens go on until it has gone.
   *
   * @param goaway default: code `drain`, to come back at once, without a reason
   * @throws TokenError `ERR_PROTOCOL_REQUIRED`, `ERR_OPTION`
   */
  goaway(goaway: Partial<Goaway> = {}): void {
    const { code = 'drain', retryAfter = 0, reason = '' } = goaway
    const protocol = this.#honest('goaway()')
    if (protocol.role === 'client')
      throw new TokenError('ERR_OPTION', 'Cannot send GOAWAY: only a server may')
    if (!(CLOSE_CODES[code]?.in as readonly string[] | undefined)?.includes('goaway')) {
      throw new TokenError('ERR_OPTION', `Cannot send GOAWAY: ${String(code)} is no code for it`)
    }
    checkDelay(retryAfter)
    protocol.goaway({ type: 'goaway', code: closeCodeNumber(code), retryAfter, reason: String(reason) })
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
    if (this.#state >= CLOSING) return false
    this.#armClose(timeout)
    this.#beginClose(code)
    return true
  }

  /** Cuts the connection at once, and ends its session. What was not sent is lost, and counted in {@link CloseInfo}. */
  destroy(): void {
    this.#fail(new TokenError('ERR_ABORTED', 'Cannot use the connection: this side has destroyed it'))
  }

  [breakWith](error: TokenError): void {
    this.#fail(error)
  }

  /** @returns how many were dropped; a token of which bytes are out stays */
  [dropOldest](count: number): number {
    const first = this.#sender.firstWaiting
    const dropped = this.#sender.dropOldest(count)
    this.#session.deliveries.drop(first, dropped)
    return dropped
  }

  /** Those that `deliver()` sent are left out: their promises were settled. */
  [takeUnsent](): Uint8Array[] {
    const first = this.#sender.tokensSent + 1
    const isFree = (token: Uint8Array | null, index: number): token is Uint8Array =>
      token !== null && !this.#unsentDeliveries.has(first + index)
    return this.#sender.takeUnsent().filter(isFree)
  }

  /**
   * The tokens as an async iterator. It throws what broke the connection.
   *
   * @throws TokenError `ERR_CONSUMER`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer, undefined> {
    return new TokenIterator(consumer => this.#claim(consumer))
  }

  /**
   * The tokens as they arrive: each is an async iterator of its bytes, so that a long one needs no memory.
   *
   * @throws TokenError `ERR_CONSUMER`
   */
  incomingTokens(): AsyncIterableIterator<IncomingToken, undefined> {
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
      onceDrained: (listener: () => void) => void this.once('drain', listener),
      end: () => this.#endSending(),
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

  // --- set-up

  #attach(socket: Duplex): Token1 | Token2 {
    const { greeted } = this.#facts
    this.#socket = socket
    const host = this.#createHost(socket)
    const protocol = greeted ?? this.#createProtocol(host)
    this.#protocol = protocol
    this.#sender.attach(
      socket,
      protocol instanceof Token2 ? hasData => protocol.takeControl(hasData) : undefined
    )
    if (greeted === undefined) protocol.start()
    else greeted.rebind(host)
    this.#transport = new Transport(socket, {
      onData: chunk => this.#read(chunk),
      onEnd: () => protocol.transportEnded(),
      onError: error => this.#fail(socketError(error)),
      onClose: () => this.#transportClosed()
    })
    return protocol
  }

  #createSender(): Sender {
    return new Sender(this.#limits, {
      onDrain: () => {
        this.#context.onDrain?.()
        this.emit('drain')
      },
      onActivity: hasTokens => {
        if (hasTokens) this.#idleDeadline.arm()
        this.#protocol.wrote()
      },
      onStall: () => this.#fail(stallError(this.#limits.writeTimeout)),
      onFlushed: () => this.#protocol.flushed(),
      onAborted: (number, cause) => this.#rejectStreamed(number, cause),
      onWithdrawn: (number, cause) => {
        this.#rejectStreamed(number, cause)
        this.#session.deliveries.shiftAfter(number)
      }
    })
  }

  #createReceiver(hasMarks: boolean): Receiver {
    const connection = this
    const events: ReceiverEvents = {
      get hasListeners() {
        if (connection.#error !== null) return false
        return connection.#hasListener || connection.#context.forward?.isWanting === true
      },
      onToken: token => this.#emitToken(token),
      onHanded: (count, cost) => this.#protocol.handed(count, cost),
      onAborted: number => this.#protocol.aborted(number),
      onDelivered: isDrained => this.#protocol.delivered(isDrained),
      onDiscard: () => this.#protocol.discarding(),
      onBroken: error => this.#fail(error),
      onEnd: holdsOpen => this.#protocol.allHanded(holdsOpen),
      onAbandoned: () => this.#armClose(this.#limits.closeTimeout)
    }
    return new Receiver(this.#limits.maxTokenLength, events, hasMarks)
  }

  #createHost(socket: Duplex): ProtocolHost {
    return {
      socket,
      limits: this.#limits,
      sender: this.#sender,
      receiver: this.#receiver,
      session: this.#session,
      wantsSession: this.#context.session !== undefined && this.#protocolOptions.role === 'client',
      authorize: () => this.#authorize(),
      admit: request => (this.#state === OPENING ? (this.#context.admit?.(this, request) ?? null) : null),
      sessionLost: reason => this.#succeed(reason),
      opened: () => this.#opened(),
      beginClose: code => this.#beginClose(code),
      armClose: () => this.#armClose(this.#limits.closeTimeout),
      active: () => this.#idleDeadline.arm(),
      fail: error => this.#fail(error),
      goaway: frame => callApplication(() => this.#goaway(frame))
    }
  }

  #createProtocol(host: ProtocolHost): Token1 | Token2 {
    const { protocol, role = 'client', ack } = this.#protocolOptions
    if (protocol !== 'token/2') return new Token1(host)
    return new Token2(host, {
      role,
      fingerprints: {
        own: this.#facts.ownFingerprints ?? [],
        peer: this.peer && fingerprintBytes(this.peer)
      },
      greetingTimeout: this.#facts.greetingTimeout ?? GREETING_TIMEOUT,
      isManualAck: ack === 'manual'
    })
  }

  #watchListeners(): void {
    watchListeners(this, 'token', {
      onAdd: () => {
        if (this.#receiver.isClaimed) throw mixedConsumers()
        this.#hasListener = true
        this.#tokenListener.suspend()
        process.nextTick(() => {
          this.#tokenListener.forget()
          this.#receiver.deliver()
        })
      },
      onRemove: isLast => {
        this.#hasListener = !isLast
        this.#tokenListener.forget()
      }
    })
  }

  #read(chunk: unknown): void {
    if (Buffer.isBuffer(chunk)) {
      this.#protocol.read(chunk)
    } else {
      const message = `Cannot read from the socket: it gives a ${typeof chunk} instead of a Buffer (setEncoding, object mode)`
      this.#fail(new TokenError('ERR_SOCKET', message))
    }
  }

  // --- life

  #authorize(): Promise<Verdict> | null {
    const { authorize, greetingTimeout = GREETING_TIMEOUT } = this.#context
    const { authorizeTimeout = greetingTimeout } = this.#context
    if (authorize === undefined) return null
    const timeout = Math.min(greetingTimeout, authorizeTimeout)
    return authorization(signal => authorize(this, signal), timeout, this.#gone.signal)
  }

  #opened(): void {
    if (this.#state === CLOSED) return
    if (this.#state === DETACHED) {
      this.#resumed()
      return
    }
    if (this.#state === OPENING) this.#state = OPEN
    if (this.#session.isAgreed) this.#sender.retain(this.#context.session?.windowBytes ?? 0)
    this.#withdrawTooLong()
    callApplication(() => {
      this.#context.onOpen?.(this)
      this.emit('open')
    })
    this.#receiver.open()
  }

  #resumed(): void {
    this.#state = OPEN
    this.#resumeDeadline.clear()
    this.#idleDeadline.arm()
    if (this.#isSendingEnded) this.#protocol.endSending()
    callApplication(() => {
      this.#context.onResumed?.(this)
      this.emit('resumed')
    })
    this.#receiver.deliver()
  }

  #withdrawTooLong(): void {
    if (!(this.#protocol instanceof Token2)) return
    const { deliveries } = this.#session
    const length = this.maxTokenLength
    this.#sender.withdrawLonger(length, (number, token) => {
      const delivery = deliveries.find(number)
      if (delivery !== null) {
        deliveries.remove(delivery)
        delivery.reject(tooLargeError(token.length as number, length))
      } else if (!(token instanceof TokenSource)) {
        process.nextTick(() => {
          this.#context.onUndeliverable?.(token)
          this.emit('undeliverable', token)
        })
      }
      deliveries.shiftAfter(number)
    })
  }

  /** The listeners of a server or a client give way to a consumer, the connection's own do not. */
  #claim(consumer: Consumer): Claim {
    if (this.#hasListener) throw mixedConsumers()
    const claim = this.#receiver.claim(consumer)
    // It may have been armed because nobody was there to take what came before the peer's end.
    if (this.#state === OPEN) this.#closeDeadline?.clear()
    return claim
  }

  #goaway({ code, retryAfter, reason }: GoawayFrame): void {
    const goaway = Object.freeze({ code: closeCodeName(code, 'goaway'), retryAfter, reason })
    this.#context.onGoaway?.(goaway, this)
    this.emit('goaway', goaway)
  }

  #emitToken(token: Buffer): void {
    if (this.#hasListener) this.#tokenListener.emit(token)
    if (this.#context.forward?.isWanting) this.#context.forward.take(token, this)
  }

  #giveUp(delivery: Delivery, cause: unknown): void {
    const { deliveries } = this.#session
    if (!deliveries.remove(delivery)) return
    if (this.#sender.withdraw(delivery.number)) {
      deliveries.shiftAfter(delivery.number)
      delivery.reject(notSent(cause))
    } else {
      if (delivery.number > this.#sender.tokensSent) deliveries.forsake(delivery.number)
      delivery.reject(fateUnknown(cause))
    }
  }

  /** A token from a stream will never be whole: the peer's application will not have it. */
  #rejectStreamed(number: number, cause: unknown): void {
    const { deliveries } = this.#session
    const delivery = deliveries.find(number)
    if (delivery !== null && deliveries.remove(delivery)) delivery.reject(notSent(cause))
  }

  #endSending(): void {
    if (this.isDead) return
    this.#isSendingEnded = true
    this.#protocol.endSending()
  }

  #beginClose(code: CloseCode): void {
    if (this.#state >= CLOSING) return
    const wasDetached = this.#state === DETACHED
    this.#state = CLOSING
    this.#closeCode = code
    if (wasDetached) {
      this.#dropTransport()
      process.nextTick(() => this.#finish())
      return
    }
    if (this.#closeDeadline === null) this.#armClose(this.#limits.closeTimeout)
    this.#protocol.close(code)
    this.#sender.end()
  }

  #armClose(timeout: number): void {
    this.#closeDeadline?.clear()
    this.#closeDeadline = new Deadline(Math.max(timeout, 1), () => this.#fail(closeTimeoutError(timeout)))
    this.#closeDeadline.arm()
  }

  #idleExpired(): void {
    if (this.#protocol.isPaused) {
      this.#idleDeadline.arm()
      return
    }
    const { idleTimeout } = this.#limits
    this.#fail(
      new TokenError(
        'ERR_IDLE_TIMEOUT',
        `Cannot keep the connection: no byte passed for idleTimeout, ${idleTimeout} ms`
      )
    )
  }

  /** The first error is the one that is told; `close` of the socket does the rest. */
  #fail(error: TokenError): void {
    if (this.#state === CLOSED) return
    if (this.#error !== null) {
      this.#socket.destroy()
      return
    }
    if (this.#outlives(error)) {
      this.#detach(error)
      return
    }
    this.#error = error
    this.#gone.abort()
    if (this.#state === OPENING) this.#context.onRefused?.(error)
    if (this.#transport === null) process.nextTick(() => this.#finish())
    else if (this.#protocol.sayGoodbye(error)) this.#state = CLOSING
    else this.#socket.destroy()
  }

  #transportClosed(): void {
    const error = this.#prematureClose()
    if (error !== null && this.#error === null && this.#outlives(error)) this.#detach(error)
    else this.#finish()
  }

  // --- sessions

  /** While it is greeted anew, a refused dial ends the dial and not the session. */
  #outlives(error: TokenError): boolean {
    if (!this.#session.isAgreed || error.code === 'ERR_ABORTED') return false
    if (this.#state === DETACHED) return this.#transport !== null
    return this.#state === OPEN && keepsSession(error)
  }

  #detach(error: TokenError | null): void {
    this.#dropTransport(error)
    this.#state = DETACHED
    if (!this.#resumeDeadline.isArmed) this.#resumeDeadline.arm()
    callApplication(() => {
      this.#context.onDetached?.(error, this)
      this.emit('detached', error)
    })
  }

  /** Lets go of the transport; what is on it and not whole is thrown away. @param error what the peer is told */
  #dropTransport(error: TokenError | null = null): void {
    const transport = this.#transport
    if (transport === null) return
    const code = error === null || this.#state !== OPEN ? null : closeCodeOf(error)
    const canSpeak = code !== null && !this.#sender.isMidToken && transport.socket.writable
    this.#release(error)
    if (canSpeak) sayLastWord(transport.socket, code, this.#session.handed)
    else transport.socket.destroy()
  }

  #release(cause: TokenError | null): void {
    this.#transport?.release()
    this.#transport = null
    this.#idleDeadline.clear()
    this.#protocol.stop()
    this.#sender.detach(cause ?? undefined)
    this.#session.received = this.#receiver.restart()
  }

  /**
   * Goes on with another transport, on which a client greets anew and a server has been greeted. The old one, if it is
   * still there, is let go of first.
   */
  [attach](socket: Duplex, facts: TransportFacts): void {
    if (this.#transport !== null) {
      const { code, message } = REPLACED
      this.#dropTransport(new TokenError(code, message, REPLACED))
    }
    this.#facts = facts
    this.#peer = facts.peer ?? null
    if (this.#state === OPEN) this.#state = DETACHED
    if (!this.#resumeDeadline.isArmed) this.#resumeDeadline.arm()
    this.#attach(socket)
  }

  [handOver](): Handover {
    const handover = { socket: this.#socket, protocol: this.#protocol as Token2 }
    this.#transport?.release()
    this.#transport = null
    this.#sender.detach()
    this.#state = CLOSED
    this.#idleDeadline.clear()
    this.#closeDeadline?.clear()
    this.#gone.abort()
    this.#resolveClosed(this.#closeInfo())
    return handover
  }

  [loseSession](reason: SessionLossReason): void {
    if (this.#state >= CLOSING) return
    this.#dropTransport()
    this.#lossReason = reason
    this.#error = sessionLostError(reason)
    this.#finish()
  }

  get [sessionOf](): Session {
    return this.#session
  }

  /** The server no longer has the session: it has begun another one on this transport, for the next connection. */
  #succeed(reason: SessionLossReason): void {
    const handover = { socket: this.#socket, protocol: this.#protocol as Token2 }
    this.#transport?.release()
    this.#transport = null
    this.#sender.detach()
    this.#lossReason = reason
    this.#error = sessionLostError(reason)
    this.#finish(handover)
  }

  /** @param successor the transport, when it goes on without this connection */
  #finish(successor: Handover | null = null): void {
    if (this.#state === CLOSED) return
    const wasAttached = this.#transport !== null
    this.#state = CLOSED
    this.#transport = null
    this.#gone.abort()
    this.#idleDeadline.clear()
    this.#closeDeadline?.clear()
    this.#resumeDeadline.clear()
    this.#sender.stop()
    if (wasAttached) this.#error ??= this.#prematureClose()
    const error = this.#error
    const info = this.#closeInfo()
    const { deliveries } = this.#session
    this.#unsentDeliveries = deliveries.numbers()
    if (successor === null) this.#protocol.stop()
    deliveries.end(this.#sender.tokensSent, null, error)
    this.#receiver.stop(error)
    this.#resolveClosed(info)
    this.#tellLoss(info)
    try {
      if (error !== null && this.listenerCount('error') > 0) this.emit('error', error)
    } finally {
      callApplication(() => this.#context.onClose?.(info, this, successor))
      this.#sender.release()
      this.emit('close', info.hadError, info)
    }
  }

  #tellLoss({ unconfirmed, unsent }: CloseInfo): void {
    const reason = this.#lossReason
    if (reason === null) return
    const loss = Object.freeze({ reason, unknown: unconfirmed, unsent })
    callApplication(() => {
      this.#context.onSessionLost?.(loss, this)
      this.emit('session-lost', loss)
    })
  }

  /** The error of a socket that someone else destroyed, or null when both sides had ended. */
  #prematureClose(): TokenError | null {
    const { errored, readableEnded, writableFinished } = this.#socket
    if (this.#protocol.isOver) return null
    if (errored !== null) return socketError(errored)
    if (readableEnded && writableFinished) return null
    const message = 'Cannot use the connection: its socket was destroyed before both sides had ended'
    return new TokenError('ERR_SOCKET', message)
  }

  #closeInfo(): CloseInfo {
    const error = this.#error
    const { handed } = this.#session.deliveries
    return Object.freeze({
      code: error?.code ?? this.#closeCode,
      hadError: error !== null,
      error,
      unsent: this.#sender.tokensUnsent,
      unconfirmed: this.#sender.tokensSent - handed,
      undeliveredBytes: this.#receiver.undeliveredBytes
    })
  }

  #honest(what: string): Token2 {
    if (this.#protocol instanceof Token2) return this.#protocol
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

function stallError(timeout: number): TokenError {
  return new TokenError(
    'ERR_WRITE_TIMEOUT',
    `Cannot send: the peer took nothing for writeTimeout, ${timeout} ms`
  )
}

function closeTimeoutError(timeout: number): TokenError {
  return new TokenError(
    'ERR_CLOSE_TIMEOUT',
    `Cannot close the connection in order: it was not done in ${timeout} ms`
  )
}

const REPLACED = {
  code: 'ERR_LOST',
  closeCode: 'session-replaced',
  message: 'Cannot use the transport: a newer dial has the session'
} as const

function sessionLostError(reason: SessionLossReason): TokenError {
  return new TokenError('ERR_SESSION_LOST', `Cannot go on with the session: ${reason}`, {
    closeCode: 'session-lost'
  })
}
