import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { type Connection, controlOf } from '../connection/connection'
import type { DeliverOptions, Handler } from '../connection/connection-context'
import { checkOptions } from '../connection/delivering'
import type { CloseInfo, CloseOptions } from '../errors/close-info'
import { notSent } from '../errors/fate-errors'
import { checkOption, timerDelay, wait } from '../options/checks'
import type { HandleOptions } from '../options/handle-options'
import { summary } from '../runtime/one-line'
import { nameOf } from '../tls/peer'
import { checkToken } from '../wire/check-token'
import type { TokenClientEvents } from './client-events'
import { ClientLifecycle } from './client-lifecycle'
import { addressOf, type ClientSettings, clientSettings, type TokenClientOptions } from './client-options'
import type { ClientStats } from './client-report'
import { Outbox } from './outbox'

/**
 * Connects to a TokenServer over mutual TLS, and dials from its construction on.
 *
 * With a session the connection goes on when it has lost its transport and the next dial has reached the server. After
 * GOAWAY it is used until another one takes over.
 *
 * What is sent before `connect` waits in an outbox bounded by `outboxBytes`, and so does, with `reconnect` or a session, what
 * had not left when a connection was lost, and what a server that has closed in order has not processed: a restart loses nothing.
 *
 * `Data` is what the application keeps in `connection.data`.
 */
export class TokenClient<Data = unknown> extends EventEmitter<TokenClientEvents<Data>> {
  readonly #settings: ClientSettings
  readonly #outbox: Outbox
  readonly #lifecycle: ClientLifecycle

  /** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` */
  constructor(options: TokenClientOptions) {
    super()
    this.#settings = clientSettings(options)
    const { outboxBytes, highWaterMark } = this.#settings.connection
    this.#outbox = new Outbox(outboxBytes, highWaterMark)
    this.#lifecycle = new ClientLifecycle(this, this.#settings, this.#outbox)
    this.connect()
  }

  /** The connection, from `connect` until it is lost, or its session is; null otherwise. */
  get connection(): Connection<Data> | null {
    return this.#lifecycle.connection as Connection<Data> | null
  }

  /** Settles when the client has closed, anew after each `connect()`; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#lifecycle.report.life.closed
  }

  /**
   * Resolves when the server has accepted the client, for the first time since `connect()`. It rejects when the client has
   * closed before: with its error, which is then not thrown by `error` if nobody listens for that, or with `ERR_ABORTED`.
   */
  get ready(): Promise<void> {
    return this.#lifecycle.report.life.ready
  }

  /** Bytes that `send()` took and the operating system has not, 4 for each token's header included. */
  get bufferedAmount(): number {
    return this.#outbox.bytes + (this.connection?.bufferedAmount ?? 0)
  }

  /** Counters since the construction, as they are at this moment. */
  get stats(): ClientStats {
    return this.#lifecycle.report.stats(this.bufferedAmount)
  }

  /** True from `bufferedAmount` ≥ `highWaterMark` until `drain`: a polite sender waits. */
  get writableNeedDrain(): boolean {
    return this.#lifecycle.writableNeedDrain
  }

  /**
   * Connects again after `close`.
   *
   * @param delay milliseconds to wait before; default 0
   * @returns false when the client is connected or about to be
   * @throws TokenError `ERR_OPTION`
   */
  connect(delay = 0): boolean {
    checkOption('delay', delay, timerDelay)
    return this.#lifecycle.connect(delay)
  }

  /**
   * Queues a token, in order; before `connect` in the outbox. It must not be changed until it has left, and in a session or
   * with `reconnect` until the server has acknowledged it.
   *
   * @returns true when the token was taken; false when the client is closed or the outbox is full, and then
   * nothing was taken
   * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`
   */
  send(token: Uint8Array): boolean {
    const { connection } = this
    if (connection !== null && !this.#lifecycle.mustWait(connection)) return connection.send(token)
    checkToken(token, this.#settings.connection.maxTokenLength)
    return this.#lifecycle.takesTokens && this.#outbox.add(token)
  }

  /**
   * Sends a token and waits until the server's application has processed it; before `connect` it waits for that too.
   *
   * @throws (rejects) as `Connection.deliver`
   */
  deliver(token: Uint8Array, options?: DeliverOptions): Promise<void> {
    const { connection } = this
    if (connection !== null && !this.#lifecycle.mustWait(connection))
      return connection.deliver(token, options)
    return this.#deliverLater(token, options ?? {}, false) as Promise<void>
  }

  /**
   * Sends a token and waits for the answer of the server's handler; before `connect` it waits for that too.
   *
   * @returns the answer, empty when the handler returned nothing
   * @throws (rejects) as `Connection.request`
   */
  request(token: Uint8Array, options: DeliverOptions = {}): Promise<Buffer> {
    const { connection } = this
    if (connection !== null && !this.#lifecycle.mustWait(connection))
      return connection.request(token, options)
    return this.#deliverLater(token, options, true) as Promise<Buffer>
  }

  async #deliverLater(token: Uint8Array, options: DeliverOptions, isRequest: boolean): Promise<unknown> {
    checkOptions(options)
    checkToken(token, this.#settings.connection.maxTokenLength)
    if (!this.#lifecycle.takesTokens) throw notSent('closed', this.#lifecycle.report.life.error)
    if (isRequest && this.#pendingRequests >= this.#settings.connection.maxPendingRequests)
      throw notSent('too-many-requests')
    return await this.#outbox.deliver(token, options, isRequest)
  }

  /** Requests that wait for their answer, on the connection or for one. */
  get #pendingRequests(): number {
    const { connection } = this
    return this.#outbox.requests + (connection === null ? 0 : controlOf(connection).delivering.unanswered)
  }

  /**
   * As `Connection.handle()`, for each connection of the client that has no consumer of its own.
   *
   * @throws TokenError `ERR_CONSUMER`, `ERR_OPTION`
   */
  handle(handler: Handler<Connection<Data>>, options: HandleOptions = {}): void {
    this.#lifecycle.listeners.handle({ handler, options })
  }

  /**
   * Ends the client in order: what `send()` and `deliver()` took before leaves first. While some of it waits in the outbox,
   * the client goes on with what it does, a dial or the wait for one, as it would without this call, until it has left
   * or `timeout` is over. When nothing waits, when the next dial would come too late, or with `timeout: 0`, a dial and a wait are
   * cancelled at once.
   *
   * @param options `timeout`: milliseconds for all of it, default `closeTimeout`
   * @returns true when this call ended the client, false when it was ended before
   * @throws TokenError `ERR_OPTION`
   */
  close(options: CloseOptions = {}): boolean {
    const timeout = options.timeout ?? this.#settings.connection.closeTimeout
    checkOption('timeout', timeout, wait)
    return this.#lifecycle.close(timeout)
  }

  /** What `console.log` shows: one line. */
  [inspect.custom](): string {
    const { connection } = this
    return summary('TokenClient', [
      this.#lifecycle.state,
      this.#settings.servers.map(addressOf).join(' or '),
      connection?.id,
      connection?.protocol,
      nameOf(connection?.peer ?? null),
      `${this.bufferedAmount} B to send`
    ])
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed
  }
}
