import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { CloseCode, CloseInfo, CloseOptions } from './close-info'
import type { Claim, Consumer } from './consumer'
import { Deadline } from './deadline'
import { TokenError } from './errors'
import { type ConnectionLimits, type ConnectionOptions, connectionLimits, duration } from './options'
import { type Peer, peerOf } from './peer'
import { mixedConsumers, Receiver } from './receiver'
import { Sender } from './sender'
import { socketError } from './socket-error'
import { checkToken } from './token'
import { TokenIterator } from './token-iterator'
import { TokenStream } from './token-stream'
import { watchListeners } from './watch-listeners'

/** Events of a {@link Connection}. */
export interface ConnectionEvents {
  /** A token arrived. */
  token: [token: Buffer]
  /** `bufferedAmount` fell to half of `highWaterMark` after it had reached it, or after the outbox was full. */
  drain: []
  /** What broke the connection; emitted only while someone listens, and always followed by `close`. */
  error: [error: TokenError]
  /** The last event, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}

/** Takes the tokens of the connections of a server or a client that have no consumer of their own. */
export interface Forward {
  readonly isWanting: boolean
  take(token: Buffer, connection: Connection): void
}

/** Tells a connection that its {@link Forward} wants now (internal). */
export const forwardChanged = Symbol('forwardChanged')

/** Closes a connection with a code of its own (internal). */
export const closeWith = Symbol('closeWith')

const OPEN = 0
const CLOSING = 1
const CLOSED = 2

/**
 * Tokens, which are Buffers, over any Duplex: tls, net, a Unix socket, `stream.duplexPair()`.
 *
 * ```
 *            close(), the peer's end               the socket has closed
 *    OPEN ────────────────────────────▶ CLOSING ─────────────────────────▶ CLOSED
 *      │                               flush, end()                           ▲
 *      └────────── destroy(), a broken frame, a timeout, a socket's error ────┘
 * ```
 *
 * Tokens go to one kind of consumer at a time: `token` listeners, `for await`, or `stream()`. While there is
 * none they wait, so that the first token is never lost.
 */
export class Connection extends EventEmitter<ConnectionEvents> {
  /** The protocol spoken. */
  readonly protocol = 'token/1'
  /** The Duplex underneath. Reading from it or writing to it breaks the framing. */
  readonly socket: Duplex
  /** The verified identity of the other side; null over anything but TLS, and for a peer without certificate. */
  readonly peer: Peer | null
  /** Settles when the connection has closed; never rejects. */
  readonly closed: Promise<CloseInfo>

  readonly #limits: ConnectionLimits
  readonly #forward: Forward | null
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #idleDeadline: Deadline
  #closeDeadline: Deadline | null = null
  #state: typeof OPEN | typeof CLOSING | typeof CLOSED = OPEN
  #hasListener = false
  #closeCode: CloseCode = 'normal'
  #error: TokenError | null = null
  #resolveClosed!: (info: CloseInfo) => void

  /**
   * @param socket the Duplex, owned by the connection from now on
   * @param forward takes the tokens that no other consumer takes (internal)
   * @throws TokenError `ERR_OPTION`
   */
  constructor(socket: Duplex, options?: ConnectionOptions, forward?: Forward) {
    super()
    this.socket = socket
    this.peer = peerOf(socket)
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#limits = connectionLimits(options)
    this.#forward = forward ?? null
    this.#idleDeadline = new Deadline(this.#limits.idleTimeout, () => this.#idleExpired())
    this.#prepareSocket()
    this.#sender = this.#createSender()
    this.#receiver = this.#createReceiver()
    this.#watchListeners()
    this.#idleDeadline.arm()
  }

  /** True when the connection can no longer be written. */
  get isDead(): boolean {
    return this.#state !== OPEN || !this.socket.writable
  }

  /** Bytes that `send()` took and the operating system has not, 4 for each token's header included. */
  get bufferedAmount(): number {
    return this.#sender.bufferedAmount
  }

  /** True from `bufferedAmount` ≥ `highWaterMark`, or a full outbox, until `drain`: a polite sender waits. */
  get writableNeedDrain(): boolean {
    return this.#sender.needsDrain
  }

  /** Tokens that `send()` took. */
  get tokensSent(): number {
    return this.#sender.tokensTaken
  }

  /** Tokens handed to this side's consumer. */
  get tokensReceived(): number {
    return this.#receiver.tokens
  }

  /**
   * Queues a token, in order. It must not be changed until it has left (`bufferedAmount` 0).
   *
   * @returns true when the token was taken; false when the connection is dead or the outbox is full, and then
   * nothing was taken
   * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`
   */
  send(token: Uint8Array): boolean {
    checkToken(token, this.#limits.maxTokenLength)
    return !this.isDead && this.#sender.send(token)
  }

  /**
   * Ends the connection in order: flushes what was taken, ends the socket and waits for the peer's end. Tokens
   * that still arrive are handed to the consumer; without one they are thrown away.
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
    if (this.#state !== OPEN) return false
    this.#beginClose(code, timeout)
    return true
  }

  /** Cuts the connection at once. What was not sent is lost, and counted in {@link CloseInfo}. */
  destroy(): void {
    this.#fail(new TokenError('ERR_ABORTED', 'Cannot use the connection: this side has destroyed it'))
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
   * The connection as a Duplex in object mode, for `pipeline`.
   *
   * @throws TokenError `ERR_CONSUMER`
   */
  stream(): TokenStream {
    return new TokenStream(this, consumer => this.#claim(consumer))
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed
  }

  [forwardChanged](): void {
    this.#receiver.deliver()
  }

  #prepareSocket(): void {
    const socket: Duplex & {
      setNoDelay?(on: boolean): void
      setKeepAlive?(on: boolean, delay: number): void
    } = this.socket
    // The sides end one by one: what is queued when the peer ends is still flushed.
    socket.allowHalfOpen = true
    socket.setNoDelay?.(true)
    socket.setKeepAlive?.(true, 60_000)
    socket.on('error', error => this.#fail(socketError(error)))
    socket.on('close', () => this.#finish())
    if (socket.destroyed) process.nextTick(() => this.#finish())
  }

  #createSender(): Sender {
    return new Sender(this.socket, this.#limits, {
      onDrain: () => this.emit('drain'),
      onActivity: () => this.#idleDeadline.arm(),
      onStall: () =>
        this.#fail(
          new TokenError(
            'ERR_WRITE_TIMEOUT',
            `Cannot send: the peer took nothing for writeTimeout, ${this.#limits.writeTimeout} ms`
          )
        )
    })
  }

  #createReceiver(): Receiver {
    const connection = this
    return new Receiver(this.socket, this.#limits, {
      get hasListeners() {
        if (connection.#error !== null) return false
        return connection.#hasListener || connection.#forward?.isWanting === true
      },
      onToken: token => this.#emitToken(token),
      onActivity: () => this.#idleDeadline.arm(),
      onBroken: error => this.#fail(error),
      onEnd: holdsOpen => {
        if (holdsOpen) this.#armClose(this.#limits.closeTimeout)
        else if (this.#state === OPEN) this.#beginClose('normal', this.#limits.closeTimeout)
      },
      onAbandoned: () => this.#armClose(this.#limits.closeTimeout)
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

  #emitToken(token: Buffer): void {
    if (this.#hasListener) this.emit('token', token)
    if (this.#forward?.isWanting) this.#forward.take(token, this)
  }

  #watchListeners(): void {
    watchListeners(this, 'token', {
      onAdd: () => {
        if (this.#receiver.isClaimed) throw mixedConsumers()
        this.#hasListener = true
        process.nextTick(() => this.#receiver.deliver())
      },
      onRemove: isLast => {
        this.#hasListener = !isLast
      }
    })
  }

  #beginClose(code: CloseCode, timeout: number): void {
    this.#state = CLOSING
    this.#closeCode = code
    this.#armClose(timeout)
    this.#receiver.discardUnclaimed()
    this.#sender.end()
  }

  #armClose(timeout: number): void {
    this.#closeDeadline?.clear()
    this.#closeDeadline = new Deadline(Math.max(timeout, 1), () => this.#closeExpired(timeout))
    this.#closeDeadline.arm()
  }

  #closeExpired(timeout: number): void {
    this.#fail(
      new TokenError(
        'ERR_CLOSE_TIMEOUT',
        `Cannot close the connection in order: it was not done in ${timeout} ms`
      )
    )
  }

  #idleExpired(): void {
    if (this.#receiver.isPaused) {
      this.#idleDeadline.arm()
      return
    }
    this.#fail(
      new TokenError(
        'ERR_IDLE_TIMEOUT',
        `Cannot keep the connection: no byte passed for idleTimeout, ${this.#limits.idleTimeout} ms`
      )
    )
  }

  /** The first error is the one that is told; `close` of the socket does the rest. */
  #fail(error: TokenError): void {
    if (this.#state === CLOSED || this.#error !== null) return
    this.#error = error
    this.socket.destroy()
  }

  #finish(): void {
    if (this.#state === CLOSED) return
    this.#state = CLOSED
    this.#idleDeadline.clear()
    this.#closeDeadline?.clear()
    this.#sender.stop()
    this.#error ??= this.#prematureClose()
    const error = this.#error
    const info = this.#closeInfo()
    this.#receiver.stop(error)
    this.#resolveClosed(info)
    try {
      if (error !== null && this.listenerCount('error') > 0) this.emit('error', error)
    } finally {
      this.emit('close', info.hadError, info)
    }
  }

  /** The error of a socket that someone else destroyed, or null when both sides had ended. */
  #prematureClose(): TokenError | null {
    const { errored, readableEnded, writableFinished } = this.socket
    if (errored !== null) return socketError(errored)
    if (readableEnded && writableFinished) return null
    return new TokenError(
      'ERR_SOCKET',
      'Cannot use the connection: its socket was destroyed before both sides had ended'
    )
  }

  #closeInfo(): CloseInfo {
    const error = this.#error
    return Object.freeze({
      code: error?.code ?? this.#closeCode,
      hadError: error !== null,
      error,
      unsent: this.#sender.tokensUnsent,
      unconfirmed: this.#sender.tokensTaken - this.#sender.tokensUnsent,
      undeliveredBytes: this.#receiver.undeliveredBytes
    })
  }
}
