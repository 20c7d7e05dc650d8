import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import { isMainThread, threadId } from 'node:worker_threads'
import type { CloseInfo, CloseOptions } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { checkOption, wait } from '../options/checks'
import { type ConnectionOptions, connectionLimits, type ProtocolOptions } from '../options/connection-options'
import { type HandleOptions, handleLimits } from '../options/handle-options'
import { type Goaway, goawayFrame } from '../protocol/goaway'
import { type Claim, type Consumer, mixedConsumers } from '../receiving/consumer'
import type { IncomingToken } from '../receiving/incoming-token'
import { IncomingTokens } from '../receiving/incoming-tokens'
import type { Receiver } from '../receiving/receiver'
import { TokenHandler } from '../receiving/token-handler'
import { TokenIterator } from '../receiving/token-iterator'
import { TokenStream } from '../receiving/token-stream'
import { addressAndPort, summary } from '../runtime/one-line'
import type { Sender } from '../sending/sender'
import { nameOf, type Peer } from '../tls/peer'
import { checkToken } from '../wire/check-token'
import type { ProtocolName } from '../wire/header'
import type { ConnectionEvents, ContextOf, DeliverOptions, Handler } from './connection-context'
import { requireToken2 } from './delivering'
import { EventDispatcher } from './event-dispatcher'
import { Lifecycle } from './lifecycle'
import type { ConnectionStats } from './traffic-totals'

/** What a server or a client knows of a connection that it makes, and of its first transport (internal). */
export type ConnectionContext = ContextOf<Connection>

/** What a server or a client may do with its connections beside their public API (internal). */
export type ConnectionControl = Pick<
  Lifecycle,
  'session' | 'delivering' | 'ending' | 'forwardTo' | 'close' | 'fail' | 'attach' | 'handOver' | 'loseSession'
>

/** @returns the control of a connection of one's own (internal) */
export let controlOf: (connection: Connection) => ConnectionControl

/** Every thread of a process counts its own. */
const ID_PREFIX = isMainThread ? 'c' : `${threadId}c`
let connectionsMade = 0

/**
 * Tokens, which are Buffers, over any Duplex: tls, net, a Unix socket, `stream.duplexPair()`.
 *
 * What the bytes mean is the protocol's matter: {@link Token1} or {@link Token2}. Tokens go to one kind of
 * consumer at a time: `token` listeners, `for await`, or `stream()`. While there is none they wait, so that the
 * first token is never lost.
 *
 * `Data` is what the application keeps in {@link Connection.data}.
 */
export class Connection<Data = unknown> extends EventEmitter<ConnectionEvents> {
  static {
    controlOf = connection => connection.#life
  }

  /**
   * A short name for logs, of no other connection of this process: `c1`, `c2` … It stays when a session goes on with another
   * transport, and is not the id of the session, which is a secret.
   */
  readonly id: string = ID_PREFIX + ++connectionsMade

  /** The application's own value; undefined until it sets one. The library does not look at it. */
  data: Data | undefined

  readonly #events: EventDispatcher<Connection>
  readonly #life: Lifecycle
  readonly #sender: Sender
  readonly #receiver: Receiver

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
    this.#events = new EventDispatcher<Connection>(this, context)
    this.#life = new Lifecycle(connectionLimits(options), options, context, this.#events)
    this.#sender = this.#life.sender
    this.#receiver = this.#life.receiver
    this.#events.watch(this.#receiver)
    this.#life.start(socket, context)
  }

  /** Settles when the connection has closed; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#life.ending.closed
  }

  /** The Duplex underneath, or the last one. Reading from it or writing to it breaks the framing. */
  get socket(): Duplex {
    return this.#life.socket
  }

  /** The address of the other side, of the last transport while there is none; null over a Unix socket or another Duplex. */
  get remoteAddress(): string | null {
    return this.#life.transport.remoteAddress
  }

  /** The port of the other side, likewise. */
  get remotePort(): number | null {
    return this.#life.transport.remotePort
  }

  /**
   * The verified identity of the other side; null over anything but TLS, and for a peer without certificate. A session
   * that goes on after the certificate was renewed has the new one.
   */
  get peer(): Peer | null {
    return this.#life.transport.peer
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
    return this.#life.delivering.maxTokenLength
  }

  /** Bytes of the longest token that `sendFrom()` can send: `maxTokenLength`, or more when the peer takes streams. */
  get maxStreamLength(): number {
    return this.#life.delivering.maxStreamLength
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
    return this.#life.session.isAgreed
  }

  /** Bytes of tokens that were sent and are kept until the peer acknowledges them: in a session, or to reconnect. */
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

  /** Bytes that arrived and wait for a consumer, or for the acceptance of their sender. */
  get unreadBytes(): number {
    return this.#receiver.unreadBytes + (this.#life.transport.protocol.heldBytes ?? 0)
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
    return this.#life.transport.protocol.rtt ?? null
  }

  /** Counters, as they are at this moment. */
  get stats(): ConnectionStats {
    return Object.freeze({
      tokensSent: this.#sender.tokensSent,
      tokensReceived: this.tokensReceived,
      bytesSent: this.#sender.bytesWritten,
      bytesReceived: this.#life.session.bytesRead,
      tokensUnsent: this.tokensUnsent,
      bufferedAmount: this.bufferedAmount,
      retainedBytes: this.retainedBytes,
      unreadBytes: this.unreadBytes,
      resumptions: this.#events.resumptions
    })
  }

  /**
   * Queues a token, in order. It must not be changed until it has left (`bufferedAmount` 0), and in a session until the
   * peer has acknowledged it (`retainedBytes` 0 too).
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
   * Sends a token and waits until the peer's application has processed it; token/2 only. Any number at once.
   *
   * It rejects with `ERR_NOT_SENT` when the peer has not processed the token and never will: sending it again makes no
   * duplicate. It rejects with `ERR_FATE_UNKNOWN` when the token left and no answer came.
   *
   * @throws (rejects) TokenError `ERR_NOT_SENT`, `ERR_FATE_UNKNOWN`, `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`,
   * `ERR_PROTOCOL_REQUIRED`, `ERR_OPTION`
   */
  deliver(token: Uint8Array, options?: DeliverOptions): Promise<void> {
    const { delivering } = this.#life
    return options === undefined ? delivering.deliver(token) : delivering.within<void>(token, options, false)
  }

  /**
   * Sends a token and waits for the answer of the peer's handler; token/2 only. Requests of both sides may be under way, and
   * handlers may ask.
   *
   * @returns the answer, empty when the handler returned nothing
   * @throws (rejects) TokenError as `deliver()`; `ERR_HANDLER_FAILED` when the handler has thrown, `ERR_NO_HANDLER` when
   * the peer has none, `ERR_NOT_SENT` when `maxPendingRequests` wait
   */
  request(token: Uint8Array, options?: DeliverOptions): Promise<Buffer> {
    const { delivering } = this.#life
    return options === undefined ? delivering.request(token) : delivering.within<Buffer>(token, options, true)
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
    await this.#life.delivering.deliverFrom(stream, length, options)
  }

  /**
   * Asks the client of this connection to go; token/2 on a server only. Tokens go on until it has gone.
   *
   * @param goaway default: code `drain`, to come back at once, without a reason
   * @throws TokenError `ERR_PROTOCOL_REQUIRED`, `ERR_OPTION`
   */
  goaway(goaway: Partial<Goaway> = {}): void {
    requireToken2(this.protocol, 'goaway()')
    if (this.#life.role === 'client')
      throw new TokenError('ERR_OPTION', 'Cannot send GOAWAY: only a server may')
    this.#life.transport.protocol.goaway?.(goawayFrame(goaway))
  }

  /**
   * Ends the connection in order: flushes what was taken, then ends and waits for the peer's end. What arrives
   * until then: on token/1 it is handed to the consumer, on token/2 it is not, and the peer knows so.
   *
   * @returns true when this call ended the connection, false when it was ended before
   * @throws TokenError `ERR_OPTION`
   */
  close(options: CloseOptions = {}): boolean {
    if (options.timeout !== undefined) checkOption('timeout', options.timeout, wait)
    return this.#life.close('normal', options.timeout)
  }

  /** Cuts the connection at once, and ends its session. What was not sent is lost, and counted in {@link CloseInfo}. */
  destroy(): void {
    this.#life.fail(new TokenError('ERR_ABORTED', 'Cannot use the connection: this side has destroyed it'))
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
   * Gives each token to `handler`, in order, and counts it as processed when the promise of the handler settles: only then
   * does the peer's `deliver()` resolve, and only then does the token give its credit back. What the handler returns answers a
   * `request()`. When it throws, the peer's promise rejects with `ERR_HANDLER_FAILED`, and the connection goes on; the
   * peer gets the error's message only if the error has `expose: true`.
   *
   * It is the consumer of the connection from now on: no listener of `token`, iterator or stream can be added.
   *
   * @throws TokenError `ERR_CONSUMER`, `ERR_OPTION`
   */
  handle(handler: Handler<this>, options: HandleOptions = {}): void {
    const { concurrency } = handleLimits(handler, options)
    new TokenHandler(
      consumer => this.#claim(consumer),
      this.#life.handlerHost,
      token => handler(token, this),
      concurrency
    )
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
      refusal: () => this.#life.delivering.refusal(),
      send: (token: Uint8Array) => this.send(token),
      needsDrain: () => this.writableNeedDrain,
      onceDrained: (goOn: () => void) => this.#events.onceDrained(goOn),
      end: () => this.#life.endSending(),
      close: () => void this.close(),
      destroy: () => this.destroy(),
      closed: this.closed
    }
    return new TokenStream(sink, consumer => this.#claim(consumer))
  }

  /** What `console.log` shows: one line. */
  [inspect.custom](): string {
    return summary(`Connection ${this.id}`, [
      this.#stateName,
      this.protocol,
      this.hasSession && 'session',
      nameOf(this.peer),
      addressAndPort(this.remoteAddress, this.remotePort),
      `${this.bufferedAmount} B to send`,
      this.retainedBytes > 0 && `${this.retainedBytes} B kept`,
      `${this.unreadBytes} B to take`
    ])
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed
  }

  get #stateName(): string {
    if (this.isOpen) return 'open'
    if (this.isDetached) return 'detached'
    if (this.#life.ending.isSettled) return 'closed'
    return this.#life.isOpening ? 'opening' : 'closing'
  }

  /** The listeners of a server or a client give way to a consumer, the connection's own do not. */
  #claim(consumer: Consumer): Claim {
    if (this.#events.hasListener) throw mixedConsumers()
    const claim = this.#receiver.claim(consumer)
    this.#life.claimed()
    return claim
  }
}
