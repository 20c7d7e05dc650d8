import { EventEmitter } from 'node:events'
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { CloseInfo, CloseOptions } from './close-info'
import { Connection, type Forward, forwardChanged } from './connection'
import { Deadline } from './deadline'
import { TokenError } from './errors'
import { type ClientSettings, checkDelay, clientSettings, duration, type TokenClientOptions } from './options'
import { codeOf, dialError } from './socket-error'
import { secureContext } from './tls-defaults'
import { checkToken } from './token'
import { watchListeners } from './watch-listeners'
import { ALPN_TOKEN_1, HEADER_LENGTH } from './wire'

/** Events of a {@link TokenClient}. */
export interface TokenClientEvents {
  /** The TLS handshake is done and the server is verified. */
  connect: []
  /** A token arrived, and the connection has no iterator and no stream. */
  token: [token: Buffer, connection: Connection]
  /** `bufferedAmount` fell to half of `highWaterMark` after it had reached it. */
  drain: []
  /** The dial failed or the connection broke. Always followed by `close`. */
  error: [error: TokenError]
  /** The last event after each `connect()`, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}

type State = 'closed' | 'waiting' | 'dialling' | 'open' | 'cancelled'

/** Milliseconds between two tries of a refused dial. */
const REFUSED_RETRY_INTERVAL = 25

/**
 * Connects to a TokenServer over mutual TLS, and dials from its construction on.
 *
 * ```
 *            connect(delay)           delay over             secureConnect
 *   closed ─────────────────▶ waiting ──────────▶ dialling ───────────────▶ open
 *     ▲                          │ close()           │ close()                │ the connection has closed
 *     │◀────── cancelled ◀───────┴───────────────────┤ failed                 │
 *     └──────────────────────────────────────────────┴────────────────────────┘
 * ```
 *
 * What is sent before `connect` waits in an outbox bounded by `outboxBytes`.
 */
export class TokenClient extends EventEmitter<TokenClientEvents> {
  readonly #settings: ClientSettings
  readonly #secureContext: SecureContext
  readonly #forward: Forward & { isWanting: boolean }
  readonly #dialDeadline: Deadline
  #state: State = 'closed'
  #connection: Connection | null = null
  #socket: TLSSocket | null = null
  /** The timer of a delayed connect, or of the next try of a refused dial. */
  #delay: NodeJS.Timeout | null = null
  #retryUntil = 0
  #outbox: Uint8Array[] = []
  #outboxBytes = 0
  #closed!: Promise<CloseInfo>
  #resolveClosed!: (info: CloseInfo) => void

  /** @throws TokenError `ERR_OPTION` */
  constructor(options: TokenClientOptions) {
    super()
    this.#settings = clientSettings(options)
    this.#secureContext = this.#settings.tls.secureContext ?? secureContext(this.#settings.tls)
    this.#dialDeadline = new Deadline(this.#settings.connectTimeout, () => this.#dialExpired())
    this.#forward = {
      isWanting: false,
      take: (token, connection) => void this.emit('token', token, connection)
    }
    this.#watchListeners()
    this.connect()
  }

  /** The connection, from `connect` to `close`; null otherwise. */
  get connection(): Connection | null {
    return this.#connection
  }

  /** Settles when the client has closed, anew after each `connect()`; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed
  }

  /** Bytes that `send()` took and the operating system has not, 4 for each token's header included. */
  get bufferedAmount(): number {
    return this.#outboxBytes + (this.#connection?.bufferedAmount ?? 0)
  }

  /** True from `bufferedAmount` ≥ `highWaterMark` until `drain`: a polite sender waits. */
  get writableNeedDrain(): boolean {
    return this.#connection?.writableNeedDrain ?? this.#outboxBytes >= this.#settings.connection.highWaterMark
  }

  /**
   * Connects again after `close`.
   *
   * @param delay milliseconds to wait before; default 0
   * @returns false when the client is connected or about to be
   * @throws TokenError `ERR_OPTION`
   */
  connect(delay = 0): boolean {
    checkDelay(delay)
    if (this.#state !== 'closed') return false
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#state = 'waiting'
    if (delay === 0) this.#startDial()
    else this.#delay = setTimeout(() => this.#startDial(), delay)
    return true
  }

  /**
   * Queues a token, in order; before `connect` in the outbox. It must not be changed until it has left.
   *
   * @returns true when the token was taken; false when the client is closed or the outbox is full, and then
   * nothing was taken
   * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`
   */
  send(token: Uint8Array): boolean {
    if (this.#connection !== null) return this.#connection.send(token)
    const { maxTokenLength, outboxBytes } = this.#settings.connection
    checkToken(token, maxTokenLength)
    const bytes = this.#outboxBytes + HEADER_LENGTH + token.byteLength
    if (this.#state === 'closed' || this.#state === 'cancelled' || bytes > outboxBytes) return false
    this.#outbox.push(token)
    this.#outboxBytes = bytes
    return true
  }

  /**
   * Ends the connection in order, or cancels a delayed connect or a dial: then what waits in the outbox is not
   * sent, and counted in {@link CloseInfo}.
   *
   * @returns true when this call ended the connection, false when it was ended before
   * @throws TokenError `ERR_OPTION`
   */
  close(options: CloseOptions = {}): boolean {
    if (options.timeout !== undefined) duration('timeout', options.timeout)
    if (this.#connection !== null) return this.#connection.close(options)
    if (this.#state === 'closed' || this.#state === 'cancelled') return false
    this.#state = 'cancelled'
    this.#abandonDial()
    process.nextTick(() => this.#finish(null))
    return true
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#closed
  }

  #startDial(): void {
    this.#state = 'dialling'
    this.#retryUntil = performance.now() + this.#settings.refusedRetryTimeout
    this.#dialDeadline.arm()
    this.#dial()
  }

  #dial(): void {
    const { tls } = this.#settings
    const options: ConnectionOptions = {
      ...tls,
      secureContext: this.#secureContext,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      ALPNProtocols: [ALPN_TOKEN_1]
    }
    let isTcpOpen = false
    let socket: TLSSocket
    try {
      socket = connect(options)
    } catch (cause) {
      process.nextTick(() => {
        if (this.#state === 'dialling') this.#dialFailed(cause as Error, false)
      })
      return
    }
    this.#socket = socket
    const failed = (cause: Error) => this.#dialFailed(cause, isTcpOpen)
    socket.once('connect', () => {
      isTcpOpen = true
    })
    socket.once('error', failed)
    socket.once('secureConnect', () => {
      socket.removeListener('error', failed)
      this.#connected(socket)
    })
  }

  #connected(socket: TLSSocket): void {
    this.#dialDeadline.clear()
    this.#state = 'open'
    const connection = new Connection(socket, this.#settings.connection, this.#forward)
    this.#connection = connection
    connection.on('drain', () => this.emit('drain'))
    connection.on('close', (_hadError, info) => this.#connectionClosed(info))
    for (const token of this.#outbox) connection.send(token)
    this.#clearOutbox()
    this.emit('connect')
  }

  #dialFailed(cause: Error, isTcpOpen: boolean): void {
    const isChainRefused = Boolean(this.#socket?.authorizationError)
    if (!isTcpOpen && isRefused(cause) && performance.now() < this.#retryUntil) {
      this.#delay = setTimeout(() => this.#dial(), REFUSED_RETRY_INTERVAL)
    } else {
      this.#giveUp(dialError(cause, this.#target, isTcpOpen, isChainRefused))
    }
  }

  #dialExpired(): void {
    const { connectTimeout } = this.#settings
    this.#giveUp(
      new TokenError(
        'ERR_CONNECT_TIMEOUT',
        `Cannot connect to ${this.#target}: it took longer than connectTimeout, ${connectTimeout} ms`
      )
    )
  }

  #giveUp(error: TokenError): void {
    this.#abandonDial()
    this.#finish(error)
  }

  #abandonDial(): void {
    this.#dialDeadline.clear()
    if (this.#delay !== null) clearTimeout(this.#delay)
    const socket = this.#socket
    this.#socket = null
    socket?.removeAllListeners('secureConnect')
    socket?.removeAllListeners('error')
    socket?.on('error', () => {})
    socket?.destroy()
  }

  get #target(): string {
    const { path, host, port } = this.#settings.tls
    return path ?? `${host ?? 'localhost'}:${port}`
  }

  #connectionClosed(info: CloseInfo): void {
    this.#connection = null
    this.#end(info)
  }

  #finish(error: TokenError | null): void {
    const unsent = this.#outbox.length
    this.#clearOutbox()
    this.#end(
      Object.freeze({
        code: error?.code ?? 'normal',
        hadError: error !== null,
        error,
        unsent,
        unconfirmed: 0,
        undeliveredBytes: 0
      })
    )
  }

  /** What this side decided (`close({ timeout })`, `destroy()`) is told by `close` alone. */
  #end(info: CloseInfo): void {
    this.#state = 'closed'
    this.#resolveClosed(info)
    const { error } = info
    try {
      if (error !== null && error.code !== 'ERR_CLOSE_TIMEOUT' && error.code !== 'ERR_ABORTED')
        this.emit('error', error)
    } finally {
      this.emit('close', info.hadError, info)
    }
  }

  #clearOutbox(): void {
    this.#outbox = []
    this.#outboxBytes = 0
  }

  #watchListeners(): void {
    watchListeners(this, 'token', {
      onAdd: () => {
        this.#forward.isWanting = true
        process.nextTick(() => {
          this.#connection?.[forwardChanged]()
        })
      },
      onRemove: isLast => {
        this.#forward.isWanting = !isLast
      }
    })
  }
}

/** Nobody listens there yet: every address tried refused, or the Unix path is not there. */
function isRefused(cause: Error): boolean {
  const code = codeOf(cause)
  return code === 'ECONNREFUSED' || code === 'ENOENT'
}
