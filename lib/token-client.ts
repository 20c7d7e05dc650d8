import type { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { SecureContext, TLSSocket } from 'node:tls'
import { WallClockDeadline } from './certificate-clock'
import { type ClockTimer, clock } from './clock'
import type { CloseInfo, CloseOptions } from './close-info'
import { Connection } from './connection'
import {
  breakWith,
  type DeliverOptions,
  type Forward,
  forwardChanged,
  type Goaway,
  takeUnsent
} from './connection-context'
import { Deadline } from './deadline'
import { notSent } from './deliveries'
import { Dial, type Ticket } from './dial'
import { TokenError } from './errors'
import {
  type ClientSettings,
  checkDelay,
  clientSettings,
  duration,
  type ServerAddress,
  type TokenClientOptions
} from './options'
import { Outbox } from './outbox'
import { type Credentials, ownCertificates, validatePair } from './own-certificate'
import { peerFrom, presentedFingerprints } from './peer'
import { fullJitter, isHopeless, type ReconnectPolicy } from './reconnect'
import { secureContext } from './tls-defaults'
import { checkToken } from './token'
import { watchListeners } from './watch-listeners'

/** Events of a {@link TokenClient}. */
export interface TokenClientEvents {
  /** The server has accepted this client; on token/1: TLS is up, which is less. */
  connect: []
  /** A token arrived, and the connection has no iterator and no stream. */
  token: [token: Buffer, connection: Connection]
  /** `bufferedAmount` fell to half of `highWaterMark` after it had reached it. */
  drain: []
  /** A token that was sent before `connect` is longer than the server takes. */
  undeliverable: [token: Uint8Array]
  /** The server wants this client to leave. With `reconnect` it leaves and comes back by itself. */
  goaway: [goaway: Goaway]
  /** The connection, or a dial, was lost, and the client goes on: with `reconnect`, or to the next of `servers`. */
  disconnect: [info: CloseInfo]
  /** The next dial comes in `delay` milliseconds. */
  reconnecting: [next: Reconnecting]
  /** The dial failed or the connection broke, for good. Always followed by `close`. */
  error: [error: TokenError]
  /** The last event after each `connect()`, exactly once. */
  close: [hadError: boolean, info: CloseInfo]
}

/** A dial that is to come. */
export interface Reconnecting {
  /** 1 for the first after a stable connection. */
  readonly attempt: number
  /** Milliseconds until it. */
  readonly delay: number
  /** What made it necessary; null when the server ended the connection in order. */
  readonly error: TokenError | null
}

type State = 'closed' | 'waiting' | 'dialling' | 'greeting' | 'open' | 'cancelled'

/**
 * Connects to a TokenServer over mutual TLS, and dials from its construction on.
 *
 * ```
 *           connect(delay)           delay over            TLS is up              accepted
 *   closed ────────────────▶ waiting ──────────▶ dialling ──────────▶ greeting ─────────────▶ open
 *     ▲                       ▲   │ close()          │ failed             │ refused             │ lost
 *     │                       └───┼──── reconnect ───┴────────────────────┴─────────────────────┤
 *     └──────── cancelled ◀───────┴──── close(), or no reconnect ───────────────────────────────┘
 * ```
 *
 * What is sent before `connect` waits in an outbox bounded by `outboxBytes`, and so does, with `reconnect`, what
 * had not left when a connection was lost.
 */
export class TokenClient extends EventEmitter<TokenClientEvents> {
  readonly #settings: ClientSettings
  readonly #servers: readonly ServerAddress[]
  readonly #policy: ReconnectPolicy | null
  readonly #forward: Forward & { isWanting: boolean }
  readonly #outbox: Outbox
  readonly #stable: Deadline
  readonly #tickets = new Map<number, Ticket>()
  #state: State = 'closed'
  #isClosing = false
  #context: SecureContext | null = null
  #credentials: Credentials | null = null
  #ownFingerprints: readonly Uint8Array[] = []
  #dial: Dial | null = null
  #connection: Connection | null = null
  #end: WallClockDeadline | null = null
  #delay: ClockTimer | null = null
  /** Which of the servers is dialled next. */
  #turn = 0
  /** Dials since the last stable connection. */
  #attempt = 0
  #retryAfter: number | undefined
  /** A sender waits for `drain`, and the connection that would have told it is gone or not there yet. */
  #owesDrain = false
  #closed!: Promise<CloseInfo>
  #resolveClosed!: (info: CloseInfo) => void

  /** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` */
  constructor(options: TokenClientOptions) {
    super()
    this.#settings = clientSettings(options)
    const { servers, reconnect } = this.#settings.policies
    this.#servers = servers ?? [{}]
    this.#policy = typeof reconnect === 'function' ? reconnect : reconnect ? fullJitter() : null
    this.#outbox = new Outbox(this.#settings.connection.outboxBytes)
    this.#stable = new Deadline(this.#settings.stablePeriod, () => {
      this.#attempt = 0
    })
    this.#forward = {
      isWanting: false,
      take: (token, connection) => void this.emit('token', token, connection)
    }
    this.#readCredentials()
    this.#watchListeners()
    this.connect()
  }

  /** The connection, from `connect` until it is lost; null otherwise. */
  get connection(): Connection | null {
    return this.#state === 'open' ? this.#connection : null
  }

  /** Settles when the client has closed, anew after each `connect()`; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed
  }

  /** Bytes that `send()` took and the operating system has not, 4 for each token's header included. */
  get bufferedAmount(): number {
    return this.#outbox.bytes + (this.connection?.bufferedAmount ?? 0)
  }

  /** True from `bufferedAmount` ≥ `highWaterMark` until `drain`: a polite sender waits. */
  get writableNeedDrain(): boolean {
    if (this.#outbox.bytes >= this.#settings.connection.highWaterMark) return true
    return this.connection !== null && !this.connection.isDead && this.connection.writableNeedDrain
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
    this.#isClosing = false
    this.#attempt = 0
    this.#wait(delay)
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
    const { connection } = this
    if (connection !== null && !this.#mustWait(connection)) return connection.send(token)
    checkToken(token, this.#settings.connection.maxTokenLength)
    const isTaken = this.#takesTokens && this.#outbox.add({ token })
    if (!isTaken || this.writableNeedDrain) this.#owesDrain = true
    return isTaken
  }

  /**
   * Sends a token and waits until the server's application has had it; before `connect` it waits for that too.
   *
   * @throws (rejects) as `Connection.deliver`
   */
  async deliver(token: Uint8Array, options: DeliverOptions = {}): Promise<void> {
    const { connection } = this
    if (connection !== null && !this.#mustWait(connection)) return await connection.deliver(token, options)
    if (options.timeout !== undefined) duration('timeout', options.timeout)
    checkToken(token, this.#settings.connection.maxTokenLength)
    const { signal } = options
    if (signal?.aborted) throw notSent(signal.reason)
    if (!this.#takesTokens) throw notSent()
    await this.#outbox.deliver(token, options)
  }

  /**
   * Ends the connection in order, or cancels a delayed connect, a dial, a wait for the next one: then what waits in
   * the outbox is not sent, and counted in {@link CloseInfo}.
   *
   * @returns true when this call ended the connection, false when it was ended before
   * @throws TokenError `ERR_OPTION`
   */
  close(options: CloseOptions = {}): boolean {
    if (options.timeout !== undefined) duration('timeout', options.timeout)
    if (this.#isClosing || this.#state === 'closed') return false
    this.#isClosing = true
    if (this.connection !== null) return this.connection.close(options)
    this.#state = 'cancelled'
    if (this.#delay !== null) clock.clearTimeout(this.#delay)
    this.#dial?.cancel()
    this.#connection?.destroy()
    process.nextTick(() => this.#finish(null))
    return true
  }

  /** Closes in order and waits until that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#closed
  }

  /**
   * What comes now waits: for the next connection when the server is closing this one, or behind what waits.
   */
  #mustWait(connection: Connection): boolean {
    const isBetween = connection.isDead && this.#policy !== null && !this.#isClosing
    return isBetween || this.#outbox.bytes > 0
  }

  get #takesTokens(): boolean {
    return this.#state !== 'closed' && this.#state !== 'cancelled'
  }

  // --- dialling

  #wait(delay: number): void {
    this.#state = 'waiting'
    if (delay === 0) this.#startDial()
    else this.#delay = clock.setTimeout(() => this.#startDial(), delay)
  }

  #startDial(): void {
    this.#state = 'dialling'
    try {
      this.#readCredentials()
    } catch (error) {
      process.nextTick(() => this.#lost(lostInfo(error as TokenError)))
      return
    }
    const { tls, policies } = this.#settings
    const turn = this.#turn
    const options = {
      ...tls,
      ...this.#servers[turn],
      secureContext: tls.secureContext ?? (this.#context as SecureContext),
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      ALPNProtocols: policies.protocol === undefined ? ['token/2', 'token/1'] : [policies.protocol]
    }
    // Its tries are 25 ms apart: for a client that starts with its server, not for a herd that lost one.
    const times = this.#attempt === 0 ? this.#settings : { ...this.#settings, refusedRetryTimeout: 0 }
    this.#dial = new Dial(options, this.#tickets.get(turn), times, {
      onSocket: (socket, certificate) => this.#greet(socket, certificate),
      onFailed: error => {
        if (error.code === 'ERR_CERTIFICATE') this.#tickets.delete(turn)
        this.#lost(lostInfo(error))
      },
      onTicket: ticket => this.#tickets.set(turn, ticket)
    })
  }

  /** New keys void the tickets: a resumed connection would show the old certificate. */
  #readCredentials(): void {
    const { key, cert, ca } = this.#settings.policies
    const { tls } = this.#settings
    const given = attempt(() => ({ key: current(key), cert: current(cert), ca: current(ca) }))
    const credentials = { ...tls, ...given } as Credentials
    const old = this.#credentials
    if (old !== null && (['key', 'cert', 'ca'] as const).every(name => isSame(old[name], credentials[name])))
      return
    validatePair(credentials)
    this.#context = secureContext(credentials)
    this.#ownFingerprints = ownCertificates(credentials).map(certificate => certificate.fingerprint)
    this.#credentials = credentials
    this.#tickets.clear()
  }

  #greet(socket: TLSSocket, certificate: X509Certificate | undefined): void {
    const { connection: limits, policies } = this.#settings
    const protocol = socket.alpnProtocol === 'token/2' ? 'token/2' : 'token/1'
    if (policies.protocol === 'token/2' && protocol !== 'token/2') {
      socket.on('error', () => {})
      socket.destroy()
      const message = 'Cannot connect: the server did not agree on token/2 by ALPN'
      this.#lost(lostInfo(new TokenError('ERR_PROTOCOL_REQUIRED', message)))
      return
    }
    this.#state = 'greeting'
    const connection = new Connection(
      socket,
      { ...limits, protocol, role: 'client', ...(protocol === 'token/2' && { ack: policies.ack }) },
      {
        forward: this.#forward,
        peer: certificate === undefined ? null : peerFrom(certificate, socket.authorized),
        ownFingerprints: [...this.#ownFingerprints, ...presentedFingerprints(socket)],
        greetingTimeout: this.#dial?.timeLeft ?? this.#settings.connectTimeout,
        onOpen: opened => this.#opened(opened),
        onDrain: () => this.#drained(),
        onUndeliverable: token => this.emit('undeliverable', token),
        onGoaway: (goaway, from) => this.#goaway(from, goaway),
        onClose: (info, closed) => this.#connectionClosed(closed, info)
      }
    )
    this.#connection = connection
  }

  #flush(): void {
    if (this.connection !== null)
      this.#outbox.flush(this.connection, token => this.emit('undeliverable', token))
  }

  #drained(): void {
    this.#flush()
    if (this.writableNeedDrain) return
    this.#owesDrain = false
    this.emit('drain')
  }

  #opened(connection: Connection): void {
    this.#state = 'open'
    this.#stable.arm()
    this.#endWithCertificate(connection)
    this.#flush()
    this.emit('connect')
    if (this.#owesDrain) this.#drained()
  }

  /** A connection lives no longer than the certificate of its server. */
  #endWithCertificate(connection: Connection): void {
    if (connection.peer === null || this.#settings.tls.rejectUnauthorized === false) return
    const message = "Cannot keep the connection: the server's certificate has expired"
    const error = new TokenError('ERR_CERTIFICATE', message, { closeCode: 'certificate-expired' })
    this.#end = new WallClockDeadline(connection.peer.validTo, () => connection[breakWith](error))
  }

  #goaway(connection: Connection, goaway: Goaway): void {
    this.#retryAfter = goaway.retryAfter
    this.emit('goaway', goaway)
    if (this.#policy !== null) connection.close()
  }

  // --- the end

  #connectionClosed(connection: Connection, info: CloseInfo): void {
    if (connection.writableNeedDrain) this.#owesDrain = true
    this.#connection = null
    this.#stable.clear()
    this.#end?.clear()
    if (this.#state === 'cancelled') return
    if (info.error?.closeCode?.startsWith('certificate-')) this.#tickets.clear()
    if (this.#policy !== null && !this.#isClosing) {
      const unsent = connection[takeUnsent]()
      this.#outbox.putBack(unsent)
      this.#lost({ ...info, unsent: info.unsent - unsent.length })
    } else {
      this.#lost(info)
    }
  }

  /** The connection or a dial is lost: dial again, or end. */
  #lost(info: CloseInfo): void {
    if (this.#state === 'cancelled' || this.#state === 'closed') return
    const { error } = info
    this.#dial = null
    this.#turn = (this.#turn + 1) % this.#servers.length
    let delay: number | false = false
    try {
      if (!this.#isClosing) delay = this.#nextDelay(error)
    } catch (cause) {
      const message = 'Cannot connect again: the reconnect policy gave no milliseconds that can be waited'
      this.#finish({ ...info, ...errorOf(new TokenError('ERR_OPTION', message, { cause })) })
      return
    }
    if (delay === false) {
      this.#finish(info)
      return
    }
    this.emit('disconnect', Object.freeze(info))
    if (this.#isClosing) return
    this.emit('reconnecting', Object.freeze({ attempt: this.#attempt, delay, error }))
    if (!this.#isClosing) this.#wait(delay)
  }

  #nextDelay(error: TokenError | null): number | false {
    const retryAfter = this.#retryAfter
    this.#retryAfter = undefined
    if (this.#policy === null) return this.#hasUntriedServer(error) ? 0 : false
    this.#attempt++
    // A certificate that ended under a connection may have been renewed meanwhile: the next dial sees.
    const hasEnded = this.#state === 'open' && error?.code === 'ERR_CERTIFICATE'
    const isHopelessNow = error !== null && !hasEnded && isHopeless(error)
    const delay = this.#policy(this.#attempt, { error, isHopeless: isHopelessNow, retryAfter })
    if (delay !== false) checkDelay(delay)
    return delay
  }

  /** Without `reconnect` each of the servers is tried once, as the addresses of one name are. */
  #hasUntriedServer(error: TokenError | null): boolean {
    return error !== null && this.#state === 'dialling' && this.#turn !== 0
  }

  #finish(lost: CloseInfo | null): void {
    const waiting = this.#outbox.clear()
    const info: CloseInfo = Object.freeze({
      ...(lost ?? lostInfo(null)),
      unsent: (lost?.unsent ?? 0) + waiting
    })
    this.#state = 'closed'
    this.#turn = 0
    this.#resolveClosed(info)
    const { error } = info
    try {
      // What this side decided itself (`close({ timeout })`, `destroy()`) is told by `close` alone.
      if (error !== null && error.code !== 'ERR_CLOSE_TIMEOUT' && error.code !== 'ERR_ABORTED')
        this.emit('error', error)
    } finally {
      this.emit('close', info.hadError, info)
    }
  }

  #watchListeners(): void {
    watchListeners(this, 'token', {
      onAdd: () => {
        this.#forward.isWanting = true
        process.nextTick(() => this.#connection?.[forwardChanged]())
      },
      onRemove: isLast => {
        this.#forward.isWanting = !isLast
      }
    })
  }
}

function errorOf(error: TokenError | null): Pick<CloseInfo, 'code' | 'hadError' | 'error'> {
  return { code: error?.code ?? 'normal', hadError: error !== null, error }
}

function lostInfo(error: TokenError | null): CloseInfo {
  return {
    ...errorOf(error),
    unsent: 0,
    unconfirmed: 0,
    undeliveredBytes: 0
  }
}

function current<T>(value: T | (() => T)): T {
  return typeof value === 'function' ? (value as () => T)() : value
}

function attempt<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new TokenError('ERR_OPTION', 'Cannot dial: the function in option key, cert or ca has thrown', {
      cause
    })
  }
}

/** Read anew from a file, the same bytes are another Buffer. */
function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return a === b
}
