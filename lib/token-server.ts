import { EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { CloseInfo, CloseOptions } from './close-info'
import { Connection, closeWith, type Forward, forwardChanged } from './connection'
import { TokenError } from './errors'
import { checkDelay, duration, type ServerSettings, serverSettings, type TokenServerOptions } from './options'
import { Reception, type Refusal } from './reception'
import { codeOf } from './socket-error'
import { secureContext, secureDefaults } from './tls-defaults'
import { watchListeners } from './watch-listeners'
import { ALPN_TOKEN_1 } from './wire'

/** Events of a {@link TokenServer}. */
export interface TokenServerEvents {
  /** The server listens. */
  connect: []
  /** A client was accepted. No token is handed out before the listeners have returned. */
  connection: [connection: Connection]
  /** A token arrived on a connection that has no iterator and no stream. */
  token: [token: Buffer, connection: Connection]
  /** Someone came to the port and got no connection. */
  refused: [refusal: Refusal]
  /** A connection broke. */
  connectionError: [error: TokenError, connection: Connection]
  /** The server can't listen. Always followed by `close`. */
  error: [error: TokenError]
  /** The last event after each `connect()`, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}

type State = 'closed' | 'waiting' | 'starting' | 'listening' | 'closing'

/**
 * Accepts clients over mutual TLS and listens from its construction on.
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
export class TokenServer extends EventEmitter<TokenServerEvents> {
  readonly #settings: ServerSettings
  readonly #connections = new Set<Connection>()
  readonly #forward: Forward & { isWanting: boolean }
  #state: State = 'closed'
  #server: Server | null = null
  #reception: Reception | null = null
  #delay: NodeJS.Timeout | null = null
  #closed!: Promise<CloseInfo>
  #resolveClosed!: (info: CloseInfo) => void
  #lost = { unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }

  /** @throws TokenError `ERR_OPTION` */
  constructor(options: TokenServerOptions) {
    super()
    this.#settings = serverSettings(options)
    this.#forward = {
      isWanting: false,
      take: (token, connection) => void this.emit('token', token, connection)
    }
    this.#watchListeners()
    this.connect()
  }

  /** The connections that are open now. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** TLS handshakes under way. */
  get pendingHandshakes(): number {
    return this.#reception?.pending ?? 0
  }

  /** Settles when the server has closed, anew after each `connect()`; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed
  }

  /** Where the server listens: `{ address, family, port }`, a path, or null while it does not listen. */
  address(): AddressInfo | string | null {
    return this.#state === 'listening' ? (this.#server?.address() ?? null) : null
  }

  /**
   * Listens again after `close`.
   *
   * @param delay milliseconds to wait before; default 0
   * @returns false when the server listens already, is about to, or is not yet closed
   * @throws TokenError `ERR_OPTION`
   */
  connect(delay = 0): boolean {
    checkDelay(delay)
    if (this.#state !== 'closed') return false
    const server = this.#createServer()
    this.#server = server
    this.#lost = { unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#state = 'waiting'
    if (delay === 0) this.#listen(server)
    else this.#delay = setTimeout(() => this.#listen(server), delay)
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
    duration('timeout', timeout)
    if (this.#state === 'closed' || this.#state === 'closing') return false
    const isListening = this.#state === 'listening'
    if (this.#delay !== null) clearTimeout(this.#delay)
    this.#state = 'closing'
    this.#reception?.refuseAll(
      new TokenError('ERR_SERVER_CLOSED', 'Cannot accept a connection: the server is closing')
    )
    for (const connection of [...this.#connections]) connection[closeWith]('shutdown', { timeout })
    if (isListening) this.#server?.close()
    else process.nextTick(() => this.#finish(null))
    return true
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#closed
  }

  #createServer(): Server {
    const { tls, handshakeTimeout } = this.#settings
    secureContext(tls)
    const server = createServer({
      ...secureDefaults(tls),
      requestCert: tls.requestCert ?? true,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      ALPNProtocols: [ALPN_TOKEN_1],
      handshakeTimeout
    })
    this.#reception = new Reception(server, this.#settings, {
      onAccepted: socket => this.#accept(socket),
      onRefused: refusal => void this.emit('refused', refusal)
    })
    server.on('listening', () => this.#listening(server))
    server.on('error', error => this.#serverFailed(server, error))
    server.on('close', () => void this.#stopped(server))
    return server
  }

  #listen(server: Server): void {
    this.#state = 'starting'
    try {
      server.listen(this.#settings.tls)
    } catch (error) {
      process.nextTick(() => this.#serverFailed(server, error as Error))
    }
  }

  #listening(server: Server): void {
    // close() came while the host name was looked up: Node binds all the same.
    if (this.#server !== server || this.#state !== 'starting') {
      server.close()
      return
    }
    this.#state = 'listening'
    this.emit('connect')
  }

  /** Node's `close` waits for the raw sockets, of which a TLS socket and its connection close a little later. */
  async #stopped(server: Server): Promise<void> {
    await Promise.all([...this.#connections].map(connection => connection.closed))
    if (this.#server === server) this.#finish(null)
  }

  /** A failed accept (EMFILE and the like) is one client's, everything else the server's. */
  #serverFailed(server: Server, error: NodeJS.ErrnoException): void {
    if (this.#server !== server) return
    if (error.syscall === 'accept') {
      this.#acceptFailed(error)
      return
    }
    const { host, port, path } = this.#settings.tls
    const where = port === undefined ? path : `${host ?? '*'}:${port}`
    this.#finish(
      new TokenError('ERR_LISTEN', `Cannot listen on ${where}: it failed with ${codeOf(error)}`, {
        cause: error
      })
    )
  }

  #acceptFailed(cause: NodeJS.ErrnoException): void {
    const error = new TokenError(
      'ERR_TOO_MANY_FILES',
      `Cannot accept a connection: accept failed with ${codeOf(cause)}`,
      { cause }
    )
    this.emit('refused', Object.freeze({ address: 'unknown', port: 0, code: error.code, error }))
  }

  #accept(socket: TLSSocket): void {
    const connection = new Connection(socket, this.#settings.connection, this.#forward)
    this.#connections.add(connection)
    connection.on('close', (_hadError, info) => this.#connectionClosed(connection, info))
    this.emit('connection', connection)
  }

  #connectionClosed(connection: Connection, info: CloseInfo): void {
    this.#connections.delete(connection)
    this.#lost.unsent += info.unsent
    this.#lost.unconfirmed += info.unconfirmed
    this.#lost.undeliveredBytes += info.undeliveredBytes
    if (info.error !== null) this.emit('connectionError', info.error, connection)
  }

  #watchListeners(): void {
    watchListeners(this, 'token', {
      onAdd: () => {
        this.#forward.isWanting = true
        process.nextTick(() => {
          for (const connection of this.#connections) connection[forwardChanged]()
        })
      },
      onRemove: isLast => {
        this.#forward.isWanting = !isLast
      }
    })
  }

  #finish(error: TokenError | null): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#server = null
    this.#reception = null
    const info = Object.freeze({
      code: error?.code ?? 'normal',
      hadError: error !== null,
      error,
      ...this.#lost
    })
    this.#resolveClosed(info)
    try {
      if (error !== null) this.emit('error', error)
    } finally {
      this.emit('close', info.hadError, info)
    }
  }
}
