import { EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { type Connection, controlOf } from '../connection/connection'
import type { Handler } from '../connection/connection-context'
import { TokenListeners } from '../connection/token-listeners'
import { type CloseInfo, type CloseOptions, endedBy } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { checkOption, timerDelay, wait } from '../options/checks'
import { optionsByProtocol } from '../options/connection-options'
import type { HandleOptions } from '../options/handle-options'
import type { Goaway } from '../protocol/goaway'
import { closeOnAbort } from '../runtime/abort-signals'
import { nextTick } from '../runtime/event-loop'
import { addressAndPort, summary } from '../runtime/one-line'
import type { CredentialSources } from '../tls/current-credentials'
import { checkToken } from '../wire/check-token'
import { Admission } from './admission'
import { Arrivals } from './arrivals'
import { type BroadcastOptions, type BroadcastResult, broadcast } from './broadcast'
import type { ConnectionHost } from './create-connection'
import { Drain, type DrainOptions } from './drain'
import { Listener } from './listener'
import { LiveTrust } from './live-trust'
import { MemoryBudget, slowConsumers } from './memory-budget'
import { OtherProtocols } from './other-protocols'
import { clientLeft, PendingClients, type SecuredClient } from './pending-clients'
import { ProtocolSelection } from './protocol-selection'
import { ServerCredentials } from './server-credentials'
import type { TokenServerEvents } from './server-events'
import { type ServerSettings, serverSettings, type TokenServerOptions } from './server-options'
import { ServerReport, type ServerStats } from './server-report'

type State = 'closed' | 'waiting' | 'starting' | 'listening' | 'closing'

/**
 * Accepts clients over mutual TLS and listens from its construction on.
 *
 * `Data` is what the application keeps in `connection.data`.
 *
 * ```
 *            connect(delay)           delay over            bound
 *   closed ─────────────────▶ waiting ──────────▶ starting ───────▶ listening
 *     ▲                          │ close()            │ close()         │ close()
 *     │◀─────────────────────────┘                    ▼                 ▼
 *     └──────────── no connection is left ──────── closing ◀────────────┘
 *     ◀──────────── can't listen (from starting and listening)
 * ```
 */
export class TokenServer<Data = unknown> extends EventEmitter<TokenServerEvents<Data>> {
  readonly #settings: ServerSettings
  readonly #credentials: ServerCredentials
  readonly #trust: LiveTrust
  readonly #pendingClients: PendingClients
  readonly #protocolSelection: ProtocolSelection
  readonly #others: OtherProtocols
  readonly #admission: Admission
  readonly #budget: MemoryBudget<Connection>
  readonly #report = new ServerReport(this)
  readonly #tokenListeners = new TokenListeners(this, {
    deliver: () => {
      for (const connection of this.#admission.connections)
        controlOf(connection).forwardTo(this.#tokenListeners)
    }
  })
  readonly #arrivals = new Arrivals<Connection>()
  readonly #drains = new Set<Drain>()
  #state: State = 'closed'
  #isOutOfFiles = false
  #listener: Listener | null = null
  #delay: NodeJS.Timeout | null = null
  #lost = { unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }

  /** @throws TokenError `ERR_OPTION` */
  constructor(options: TokenServerOptions<Data>) {
    super()
    this.#settings = serverSettings(options as TokenServerOptions)
    const { expiryNoticeDays } = this.#settings.policies
    this.#credentials = new ServerCredentials(this.#settings.tls, expiryNoticeDays, this.#report)
    this.#trust = new LiveTrust(this.#credentials, this.#settings.tls)
    this.#others = new OtherProtocols(this.#settings.policies.protocols)
    this.#pendingClients = new PendingClients(this.#settings, {
      onSecured: client => this.#secured(client),
      onRefused: refusal => this.#report.refused(refusal)
    })
    this.#admission = new Admission(this.#settings, this.#trust, this.#pendingClients, this.#report)
    const connectionHost: ConnectionHost = {
      server: this,
      settings: this.#settings,
      connectionOptions: optionsByProtocol(this.#settings.connection, 'server'),
      credentials: this.#credentials,
      trust: this.#trust,
      admission: this.#admission,
      pendingClients: this.#pendingClients,
      forward: this.#tokenListeners,
      opened: connection => this.#opened(connection),
      resumed: connection => this.#resumed(connection),
      handlerFailed: (connection, error) => this.#report.handlerFailed(connection, error),
      sessionLost: (connection, loss) => this.#report.sessionLost(connection, loss),
      unconsumed: (connection, waiting) => this.#report.unconsumed(connection, waiting),
      ended: (client, connection, info) => this.#ended(client, connection, info)
    }
    this.#protocolSelection = new ProtocolSelection(connectionHost, this.#others)
    this.#budget = new MemoryBudget(
      this.#admission,
      this.#settings.memoryBudgetBytes,
      this.#settings.maxQueueAge,
      slowConsumers(this.#settings, (count, connection) => this.#report.dropped(count, connection))
    )
    this.connect()
  }

  /** The connections that are open now, and those whose session waits for its client. */
  get connections(): ReadonlySet<Connection<Data>> {
    return this.#admission.connections as ReadonlySet<Connection<Data>>
  }

  /** Clients between accept and acceptance: TLS, HELLO, `authorize`. */
  get pendingHandshakes(): number {
    return this.#pendingClients.size
  }

  /**
   * True from an accept that failed (too many open files and the like) until the next client comes in. On Linux
   * libuv often hides such a failure, and drops the client without a word.
   */
  get isOutOfFiles(): boolean {
    return this.#isOutOfFiles
  }

  /** Connections whose session waits for its client. */
  get detachedSessions(): number {
    return this.#admission.waiting().size
  }

  /** Bytes in the queues of all connections, of what sessions keep, and of what came before acceptance. */
  get queuedBytes(): number {
    return this.#budget.usedBytes
  }

  /** Counters since the construction, as they are at this moment. It looks at each connection. */
  get stats(): ServerStats {
    return this.#report.stats(this.#admission.connections, {
      detached: this.detachedSessions,
      pending: this.pendingHandshakes,
      queuedBytes: this.queuedBytes
    })
  }

  /** Settles when the server has closed, anew after each `connect()`; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#report.life.closed
  }

  /**
   * Resolves when the server listens, also for whoever asks later. It rejects when the server has closed before: with its
   * error, which is then not thrown by `error` if nobody listens for that, or with `ERR_ABORTED`.
   */
  get ready(): Promise<void> {
    return this.#report.life.ready
  }

  /** The address on which the server listens: `{ address, family, port }`, a path, or null while it does not listen. */
  address(): AddressInfo | string | null {
    return this.#state === 'listening' ? (this.#listener?.server.address() ?? null) : null
  }

  /**
   * Listens again after `close`.
   *
   * @param delay milliseconds to wait before; default 0
   * @returns false when the server listens already, is about to, or is not yet closed
   * @throws TokenError `ERR_OPTION`
   */
  connect(delay = 0): boolean {
    checkOption('delay', delay, timerDelay)
    if (this.#state !== 'closed') return false
    const listener = this.#createListener()
    this.#listener = listener
    this.#lost = { unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }
    this.#arrivals.begin()
    this.#report.life.begin()
    closeOnAbort(this.#settings.policies.signal, this.#report.life.closed, () => this.close())
    this.#state = 'waiting'
    if (delay === 0) this.#listen(listener)
    else this.#delay = setTimeout(() => this.#listen(listener), delay)
    return true
  }

  /**
   * Stops listening, cuts handshakes, and closes each connection in order: flushes, ends, waits for the peer.
   * What is left after the timeout is destroyed. `timeout: Infinity` waits for ever.
   *
   * @returns true when this call closed the server, false when it was closed before
   * @throws TokenError `ERR_OPTION`
   */
  close(options: CloseOptions = {}): boolean {
    const timeout = options.timeout ?? this.#settings.connection.closeTimeout
    checkOption('timeout', timeout, wait)
    if (this.#state === 'closed' || this.#state === 'closing') return false
    if (this.#delay !== null) clearTimeout(this.#delay)
    this.#listener?.close()
    if (this.#state !== 'listening') nextTick(() => this.#finish(null))
    this.#state = 'closing'
    for (const connection of [...this.#admission.connections])
      controlOf(connection).close('shutdown', timeout)
    this.#others.endWithin(timeout)
    // Last, because it calls listeners.
    this.#pendingClients.rejectAll(
      new TokenError('ERR_SERVER_CLOSED', 'Cannot accept a connection: the server is closing')
    )
    return true
  }

  /**
   * Sends a token to every connection that is open, and to those whose session waits for its client, as their `send()` does.
   * A peer that is slow keeps it from nobody else.
   *
   * @returns how many took it, and how many did not: their outbox is full, or their peer takes no token of this length
   * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`, `ERR_OPTION`; then nobody was sent anything
   */
  broadcast(token: Uint8Array, options: BroadcastOptions<Data> = {}): BroadcastResult {
    checkToken(token, this.#settings.connection.maxTokenLength)
    return broadcast(this.connections, token, options)
  }

  /**
   * As `Connection.handle()`, for each connection that has no consumer of its own when its `connection` event was told.
   *
   * @param options `concurrency` counts for each connection
   * @throws TokenError `ERR_CONSUMER`, `ERR_OPTION`
   */
  handle(handler: Handler<Connection<Data>>, options: HandleOptions = {}): void {
    this.#tokenListeners.handle({ handler, options })
  }

  /**
   * Asks every client to leave (GOAWAY) and waits until they have; the server goes on. Clients of token/1 can't be
   * asked and are closed in order. Nobody is asked before his turn, so that they don't all dial at once.
   *
   * A client with a session that is told `drain` or `overloaded` comes back, and has left when the session goes on;
   * one that is told `shutdown` ends it, and goes elsewhere if it can.
   *
   * @param goaway default: code `drain`, to come back at once; `timeout` as for `close`; `spread`: milliseconds over
   * which the clients are asked, default half of `timeout`
   * @returns how many had not left in time
   * @throws (rejects) TokenError `ERR_OPTION`
   */
  async drain(goaway: Partial<Goaway> & DrainOptions = {}): Promise<number> {
    const { closeTimeout } = this.#settings.connection
    const drain = new Drain([...this.#admission.connections], goaway, closeTimeout)
    this.#drains.add(drain)
    const left = await drain.done
    this.#drains.delete(drain)
    return left
  }

  /**
   * Takes a new key, certificate, CA set or CRL while the server runs. New handshakes use them at once, old TLS
   * tickets are void, and connections whose peer is not trusted any more are closed.
   *
   * @param credentials what is left out stays; if it is a function, that is called again
   * @throws TokenError `ERR_RELOAD`, and the old ones stay
   */
  reload(credentials: CredentialSources = {}): void {
    this.#credentials.reload(credentials, this.#listener?.server ?? null)
    this.#trust.reloaded()
    this.#admission.recheck()
    this.#others.recheck(socket => this.#trust.recheck(socket) === null)
  }

  /**
   * The connections: those that are open now, then each that is accepted, once in all loops together. Those that nobody has
   * asked for wait until they close, so that no more wait than are open. The loop ends when the server has closed, and throws
   * why when it could not listen. Leaving it closes nothing.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Connection<Data>> {
    const loop = this.#arrivals.loop(this.#admission.connections)
    return loop as AsyncIterableIterator<Connection<Data>>
  }

  /** What `console.log` shows: one line. */
  [inspect.custom](): string {
    const address = this.address()
    return summary('TokenServer', [
      this.#state,
      typeof address === 'string' ? address : addressAndPort(address?.address, address?.port),
      `connections: ${this.connections.size}`,
      `handshakes: ${this.pendingHandshakes}`,
      `${this.queuedBytes} B queued`
    ])
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#report.life.closed
  }

  // --- listening

  #createListener(): Listener {
    const { protocol } = this.#settings.policies
    const tokens = protocol === undefined ? ['token/2', 'token/1'] : [protocol]
    const listener = new Listener(this.#settings, this.#credentials, [...tokens, ...this.#others.names], {
      onListening: () => this.#listening(),
      onFailed: error => {
        if (this.#listener === listener) this.#finish(error)
      },
      onAcceptFailed: error => {
        this.#isOutOfFiles = true
        this.#pendingClients.acceptFailed(error)
      },
      onClosed: () => void this.#stopped(listener)
    })
    this.#pendingClients.guard(listener.server)
    return listener
  }

  #listen(listener: Listener): void {
    this.#state = 'starting'
    listener.listen()
  }

  #listening(): void {
    this.#state = 'listening'
    this.#credentials.watch()
    this.#budget.start()
    this.#report.listening()
  }

  /** Node's `close` waits for the raw sockets; their connections close a little later. */
  async #stopped(listener: Listener): Promise<void> {
    await Promise.all([...this.#admission.connections].map(connection => connection.closed))
    if (this.#listener === listener) this.#finish(null)
  }

  #secured(client: SecuredClient): void {
    this.#trust.secured(client)
    this.#isOutOfFiles = false
    this.#protocolSelection.secured(client)
  }

  #opened(connection: Connection): void {
    this.#arrivals.add(connection)
    this.#report.opened(connection)
  }

  #ended(client: SecuredClient, connection: Connection, info: CloseInfo): void {
    if (!this.#admission.closed(connection, info)) {
      this.#pendingClients.refused(client, info.error ?? clientLeft())
      return
    }
    this.#arrivals.delete(connection)
    this.#lost.unsent += info.unsent
    this.#lost.unconfirmed += info.unconfirmed
    this.#lost.undeliveredBytes += info.undeliveredBytes
    this.#report.left(info, connection)
  }

  #resumed(connection: Connection): void {
    this.#admission.resumed(connection)
    for (const drain of this.#drains) drain.resumed(connection)
    this.#report.resumed(connection)
  }

  #finish(error: TokenError | null): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#listener = null
    this.#credentials.stop()
    this.#budget.stop()
    this.#others.ended()
    const info = Object.freeze({ ...endedBy(error), ...this.#lost })
    this.#arrivals.end(error)
    this.#report.ended(info)
  }
}
