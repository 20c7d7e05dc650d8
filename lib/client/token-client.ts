import type { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { Connection, type ConnectionContext, controlOf } from '../connection/connection'
import type { DeliverOptions } from '../connection/connection-context'
import type { Handover, TransportFacts } from '../connection/transport-facts'
import { CLOSE_CODES } from '../errors/close-codes'
import type { CloseInfo, CloseOptions } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { certificateExpired } from '../errors/trust-errors'
import { checkDelay, duration } from '../options/checks'
import { type OptionsByProtocol, optionsByProtocol } from '../options/connection-options'
import type { Goaway } from '../protocol/goaway'
import { tell } from '../runtime/application-call'
import { type ClockTimer, clock } from '../runtime/clock'
import { closeOnAbort } from '../runtime/close-on-abort'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { WallClockDeadline } from '../runtime/wall-clock-deadline'
import { watchListeners } from '../runtime/watch-listeners'
import { notSent } from '../session/deliveries'
import type { SessionLoss } from '../session/session'
import { checkToken } from '../wire/check-token'
import { ClientForward } from './client-forward'
import { type ClientSettings, clientSettings, type TokenClientOptions } from './client-options'
import type { Dial } from './dial'
import { Dialler } from './dialler'
import { Migration, type MigrationHost } from './migration'
import { Outbox } from './outbox'
import { fullJitter } from './reconnect'
import { type NextDial, Redial } from './redial'

/** Events of a {@link TokenClient}. */
export interface TokenClientEvents {
  /** The server has accepted this client, and begun a session if one was asked for; on token/1: TLS is up, which is less. */
  connect: []
  /** A token arrived, and the connection has no iterator and no stream. */
  token: [token: Buffer, connection: Connection]
  /** `bufferedAmount` fell to half of `highWaterMark` after it had reached it. */
  drain: []
  /** A token that was sent before `connect` is longer than the server takes, or has lost its memory. */
  undeliverable: [token: Uint8Array]
  /** The server wants this client to leave. With `reconnect` it leaves and comes back by itself. */
  goaway: [goaway: Goaway]
  /** The connection, or a dial, was lost, and the client goes on: with `reconnect`, or to the next of `servers`. */
  disconnect: [info: CloseInfo]
  /** The session goes on with another transport: nothing was lost, nothing comes twice. */
  resumed: []
  /** The session can't go on. What never left, and has no promise, is sent on the next one, after `connect`. */
  'session-lost': [loss: SessionLoss]
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
 * With a session, `waiting`, `dialling` and `greeting` keep the connection, which goes on when it is `open` again.
 * After GOAWAY the client stays `open` while it reaches the connection that takes over.
 *
 * What is sent before `connect` waits in an outbox bounded by `outboxBytes`, and so does, with `reconnect`, what
 * had not left when a connection was lost.
 */
export class TokenClient extends EventEmitter<TokenClientEvents> {
  readonly #settings: ClientSettings
  readonly #connectionOptions: OptionsByProtocol
  readonly #dialler: Dialler
  readonly #redial: Redial
  readonly #outbox: Outbox
  #hasListeners = false
  #state: State = 'closed'
  #isClosing = false
  /** `close()` was called while tokens waited: they leave first. */
  #flushing: PatientDeadline | null = null
  #dial: Dial | null = null
  #connection: Connection | null = null
  #migration: Migration | null = null
  #end: WallClockDeadline | null = null
  #delay: ClockTimer | null = null
  /** When the wait is over, by the monotonic clock. */
  #dialAt = 0
  /** Why this side can't go on, which is told in the place of what the connection ended with. */
  #fault: TokenError | null = null
  /** A sender waits for `drain`, and the connection that would have told it is gone or not there yet. */
  #owesDrain = false
  #closed!: Promise<CloseInfo>
  #resolveClosed!: (info: CloseInfo) => void

  /** @throws TokenError `ERR_OPTION`, `ERR_PROTOCOL_REQUIRED` */
  constructor(options: TokenClientOptions) {
    super()
    this.#settings = clientSettings(options)
    const { session } = this.#settings
    const { reconnect = session !== undefined } = this.#settings.policies
    this.#connectionOptions = optionsByProtocol(
      this.#settings.connection,
      'client',
      this.#settings.policies.ack
    )
    const policy = typeof reconnect === 'function' ? reconnect : reconnect ? fullJitter() : null
    this.#redial = new Redial(policy, this.#settings.stablePeriod)
    this.#outbox = new Outbox(this.#settings.connection.outboxBytes)
    this.#dialler = new Dialler(this.#settings)
    this.#watchListeners()
    this.connect()
  }

  /** The connection, from `connect` until it is lost, or its session is; null otherwise. */
  get connection(): Connection | null {
    return this.#state === 'open' || this.#connection?.hasSession ? this.#connection : null
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
    closeOnAbort(this.#settings.policies.signal, this.#closed, () => this.close())
    this.#isClosing = false
    this.#redial.restart()
    this.#wait(delay)
    return true
  }

  /**
   * Queues a token, in order; before `connect` in the outbox. It must not be changed until it has left, and in a session
   * until the server's application has had it.
   *
   * @returns true when the token was taken; false when the client is closed or the outbox is full, and then
   * nothing was taken
   * @throws TokenError `ERR_TOKEN_TYPE`, `ERR_TOKEN_TOO_LARGE`
   */
  send(token: Uint8Array): boolean {
    const { connection } = this
    if (connection !== null && !this.#mustWait(connection)) return connection.send(token)
    checkToken(token, this.#settings.connection.maxTokenLength)
    const isTaken = this.#takesTokens && this.#outbox.add(token) !== null
    if (!isTaken) this.#owesDrain = true
    return isTaken
  }

  /**
   * Sends a token and waits until the server's application has had it; before `connect` it waits for that too.
   *
   * @throws (rejects) as `Connection.deliver`
   */
  deliver(token: Uint8Array, options?: DeliverOptions): Promise<void> {
    const { connection } = this
    if (connection !== null && !this.#mustWait(connection)) return connection.deliver(token, options)
    return this.#deliverLater(token, options ?? {})
  }

  async #deliverLater(token: Uint8Array, options: DeliverOptions): Promise<void> {
    if (options.timeout !== undefined) duration('timeout', options.timeout)
    checkToken(token, this.#settings.connection.maxTokenLength)
    const { signal } = options
    if (signal?.aborted) throw notSent(signal.reason)
    if (!this.#takesTokens) throw notSent()
    await this.#outbox.deliver(token, options)
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
    duration('timeout', timeout)
    if (this.#isClosing || this.#state === 'closed') return false
    const dialsInTime = this.#state !== 'waiting' || this.#dialAt <= clock.now() + timeout
    if (this.#outbox.bytes === 0 || timeout === 0 || !dialsInTime) return this.#endNow(timeout)
    if (this.#flushing !== null) return false
    this.#flushing = new PatientDeadline(timeout, () => this.#endNow(0))
    this.#flushing.arm()
    return true
  }

  #endNow(timeout: number): boolean {
    this.#isClosing = true
    this.#flushing?.clear()
    this.#cancelMigration()
    if (this.#state !== 'open') this.#cancelDial()
    // Thrown away, whatever the connection says: that is no end in order.
    if (this.#outbox.bytes > 0) this.#fault = closeTimeoutError()
    // One that has ended already would have been followed by the next.
    if (this.connection !== null) return this.connection.close({ timeout }) || this.#redial.isOn
    this.#state = 'cancelled'
    this.#connection?.destroy()
    nextTick(() => this.#finish(null))
    return true
  }

  /** What `close()` has waited for has left the outbox. */
  #endIfFlushed(): void {
    if (this.#flushing === null || this.#isClosing || this.#outbox.bytes > 0) return
    const { timeLeft } = this.#flushing
    this.#endNow(timeLeft === Infinity ? timeLeft : Math.ceil(timeLeft))
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
    const isBetween = connection.isDead && this.#redial.isOn && !this.#isClosing
    return isBetween || this.#outbox.bytes > 0
  }

  get #takesTokens(): boolean {
    return this.#state !== 'closed' && !this.#isClosing && this.#flushing === null
  }

  // --- dialling

  #wait(delay: number): void {
    this.#state = 'waiting'
    this.#dialAt = clock.now() + delay
    if (delay === 0) this.#startDial()
    else this.#delay = clock.setTimeout(() => this.#startDial(), delay)
  }

  #startDial(): void {
    this.#state = 'dialling'
    // Its tries are 25 ms apart: for a client that starts with its server, not for a herd that lost one.
    const refusedRetryTimeout = this.#redial.attempt === 0 ? this.#settings.refusedRetryTimeout : 0
    try {
      this.#dial = this.#dialler.dial(refusedRetryTimeout, {
        onSocket: (socket, certificate) => this.#greet(socket, certificate),
        onFailed: error => this.#lost(lostInfo(error))
      })
    } catch (error) {
      nextTick(() => this.#lost(lostInfo(error as TokenError)))
    }
  }

  #cancelDial(): void {
    if (this.#delay !== null) clock.clearTimeout(this.#delay)
    this.#dial?.cancel()
  }

  #greet(socket: TLSSocket, certificate: X509Certificate | undefined): void {
    const fault = this.#protocolFault(socket)
    if (fault !== null) {
      this.#lost(lostInfo(fault))
      return
    }
    this.#state = 'greeting'
    const facts = this.#dialler.factsOf(socket, certificate, this.#timeLeft(this.#dial))
    if (this.#connection !== null) controlOf(this.#connection).attach(socket, facts)
    else this.#connection = this.#createConnection(socket, facts)
  }

  /** Why a socket is of no use; then it is destroyed. */
  #protocolFault(socket: TLSSocket): TokenError | null {
    const { protocol } = this.#settings.policies
    if (protocol !== 'token/2' || socket.alpnProtocol === 'token/2') return null
    socket.on('error', () => {})
    socket.destroy()
    const message = 'Cannot connect: the server did not agree on token/2 by ALPN'
    return new TokenError('ERR_PROTOCOL_REQUIRED', message)
  }

  #timeLeft(dial: Dial | null): number {
    return dial?.timeLeft ?? this.#settings.connectTimeout
  }

  #createConnection(socket: Duplex, facts: TransportFacts): Connection {
    const { session } = this.#settings
    const isHonest = facts.greeted !== undefined || (socket as TLSSocket).alpnProtocol === 'token/2'
    const protocol = isHonest ? 'token/2' : 'token/1'
    const forward = new ClientForward(
      // What comes on a replacement waits until the old connection has told all.
      connection => this.#hasListeners && connection === this.#connection,
      (token, from) => tell(this, 'token', token, from)
    )
    const context: ConnectionContext = {
      ...facts,
      session,
      forward,
      onOpen: opened => this.#opened(opened),
      onDrain: () => this.#drained(),
      onUndeliverable: token => tell(this, 'undeliverable', token),
      onGoaway: (goaway, from) => this.#goaway(from, goaway),
      onClose: (info, closed, successor) => this.#connectionClosed(closed, info, successor),
      onDetached: (error, from) => this.#detached(from, error),
      onResumed: resumed => this.#resumed(resumed),
      onSessionLost: loss => tell(this, 'session-lost', loss)
    }
    forward.connection = new Connection(socket, this.#connectionOptions[protocol], context)
    return forward.connection
  }

  #flush(): void {
    const { connection } = this
    if (connection === null) return
    for (const token of this.#outbox.flush(connection)) tell(this, 'undeliverable', token)
  }

  #drained(): void {
    this.#flush()
    this.#endIfFlushed()
    if (this.writableNeedDrain) return
    this.#owesDrain = false
    tell(this, 'drain')
  }

  #opened(connection: Connection): void {
    if (connection === this.#migration?.replacement) {
      // Its close, in order, is what releases the tokens that wait.
      this.#connection?.close()
      return
    }
    this.#takeOver(connection)
  }

  #takeOver(connection: Connection): void {
    this.#arrived(connection)
    tell(this, 'connect')
    this.#endIfFlushed()
    if (this.#owesDrain) this.#drained()
  }

  /** The server has accepted this client: tokens may flow. */
  #arrived(connection: Connection): void {
    this.#state = 'open'
    this.#dialler.arrived()
    this.#redial.opened()
    this.#endWithCertificate(connection)
    // Whatever has filled the outbox: who has looked at it then waits.
    if (this.writableNeedDrain) this.#owesDrain = true
    this.#flush()
  }

  /** A connection lives no longer than the certificate of its server. */
  #endWithCertificate(connection: Connection): void {
    if (connection.peer === null || this.#settings.tls.rejectUnauthorized === false) return
    this.#end = new WallClockDeadline(connection.peer.validTo, () =>
      controlOf(connection).fail(certificateExpired('server'))
    )
  }

  // --- sessions and GOAWAY

  #detached(connection: Connection, error: TokenError): void {
    // It has taken nothing over yet: the old connection is used to its end, and the next dial begins anew.
    if (connection === this.#migration?.replacement) {
      connection.destroy()
      return
    }
    this.#redial.closed()
    this.#end?.clear()
    this.#cancelMigration()
    if (this.#state !== 'cancelled') this.#lost(lostInfo(error))
  }

  #resumed(connection: Connection): void {
    this.#arrived(connection)
    tell(this, 'resumed')
    this.#endIfFlushed()
    if (this.#owesDrain) this.#drained()
  }

  #goaway(connection: Connection, goaway: Goaway): void {
    tell(this, 'goaway', goaway)
    if (!this.#redial.isOn || this.#isClosing || connection !== this.#connection) return
    this.#redial.asked(goaway.retryAfter)
    if (this.#migration !== null) return
    const movesSession = connection.hasSession && CLOSE_CODES[goaway.code].keepsSession
    const goesElsewhere = !movesSession && this.#dialler.hasOtherServers
    const delay = this.#redial.leave(goesElsewhere)
    // It will not come back: the old connection is used to its end.
    if (delay === false || this.#isClosing) return
    if (delay instanceof TokenError) {
      this.#fault = delay
      this.close()
    } else {
      this.#migration = new Migration(this.#migrates, this.#dialler, movesSession, goesElsewhere, delay)
    }
  }

  /** What a migration tells. */
  readonly #migrates: MigrationHost = {
    reached: (migration, socket, certificate) => {
      // The old connection has ended meanwhile: this is the dial for the next one.
      if (this.#migration !== migration || migration.movesSession) {
        this.#migration = null
        this.#dial = migration.dial
        this.#greet(socket, certificate)
        return null
      }
      const fault = this.#protocolFault(socket)
      const facts = this.#dialler.factsOf(socket, certificate, this.#timeLeft(migration.dial))
      if (fault === null) return this.#createConnection(socket, facts)
      this.#stay()
      return null
    },
    failed: (migration, error) => {
      if (this.#migration === migration) this.#stay()
      else this.#lost(lostInfo(error))
    }
  }

  /** Nobody takes over: the connection is used to its end. */
  #stay(): void {
    this.#migration = null
    this.#dialler.goHome()
  }

  #cancelMigration(): void {
    this.#migration?.cancel()
    this.#migration = null
  }

  // --- the end

  #connectionClosed(connection: Connection, info: CloseInfo, successor: Handover | null): void {
    if (connection === this.#migration?.replacement) {
      this.#stay()
      return
    }
    if (connection !== this.#connection) return
    if (connection.writableNeedDrain) this.#owesDrain = true
    const wasDetached = this.#state !== 'open'
    this.#connection = null
    this.#redial.closed()
    this.#end?.clear()
    if (this.#state === 'cancelled') return
    if (info.error?.closeCode?.startsWith('certificate-')) this.#dialler.forgetTickets()
    if (!this.#redial.isOn || this.#isClosing) {
      this.#lost(info)
      return
    }
    const unsent = controlOf(connection).takeUnsent()
    this.#outbox.putBack(unsent)
    const left = { ...info, unsent: info.unsent - unsent.length }
    if (successor !== null) this.#handToSuccessor(successor)
    else if (this.#migration !== null) this.#moved(this.#migration, left)
    // A session that was lost while the next dial is on its way: that one begins anew.
    else if (!wasDetached || this.#state === 'greeting') this.#lost(left)
  }

  /** The server has begun a new session on the transport of the lost one. */
  #handToSuccessor({ socket, handshake, peer }: Handover): void {
    this.#connection = this.#createConnection(socket, { greeted: handshake, peer })
  }

  /** The old connection is gone and the way to the next one has begun: it is the only one from now on. */
  #moved(migration: Migration, info: CloseInfo): void {
    const { dial, replacement } = migration
    this.#migration = null
    this.#connection = replacement
    if (!migration.hasBegun) {
      migration.abandon()
      this.#lost(info)
      return
    }
    this.#dial = dial
    this.#state = replacement === null ? 'dialling' : 'greeting'
    tell(this, 'disconnect', Object.freeze(info))
    if (replacement?.isOpen && !this.#isClosing) {
      this.#takeOver(replacement)
      controlOf(replacement).forwardChanged()
    }
  }

  /** The connection or a dial is lost: dial again, or end. */
  #lost(info: CloseInfo): void {
    if (this.#state === 'cancelled' || this.#state === 'closed') return
    const { error } = info
    this.#dial = null
    // A session is looked for where it was, at first.
    if (this.#state === 'open' && this.#connection !== null) this.#dialler.goHome()
    else this.#dialler.turn()
    const wasClosing = this.#isClosing
    const delay = wasClosing ? false : this.#nextDelay(error)
    // The policy has closed the client.
    if (this.#isClosing && !wasClosing) return
    if (delay instanceof TokenError) this.#fault = delay
    const isInVain = this.#flushing !== null && Number(delay) > this.#flushing.timeLeft
    if (isInVain && error === null) this.#fault = closeTimeoutError()
    if (typeof delay !== 'number' || isInVain) {
      this.#giveUp(info)
      return
    }
    this.#state = 'waiting'
    tell(this, 'disconnect', Object.freeze(info))
    if (this.#isClosing) return
    tell(this, 'reconnecting', Object.freeze({ attempt: this.#redial.attempt, delay, error }))
    if (!this.#isClosing) this.#wait(delay)
  }

  #giveUp(info: CloseInfo): void {
    const connection = this.#connection
    if (connection === null) {
      this.#finish(info)
    } else {
      this.#isClosing = true
      controlOf(connection).loseSession('expired')
    }
  }

  #nextDelay(error: TokenError | null): NextDial {
    if (!this.#redial.isOn) return this.#hasUntriedServer(error) ? 0 : false
    return this.#redial.next(error, this.#state === 'open')
  }

  /** Without `reconnect` each of the servers is tried once, as the addresses of one name are. */
  #hasUntriedServer(error: TokenError | null): boolean {
    const isTrying = this.#state === 'dialling' || this.#state === 'greeting'
    return error !== null && isTrying && !this.#dialler.hasComeRound
  }

  #finish(lost: CloseInfo | null): void {
    const waiting = this.#outbox.clear()
    const info: CloseInfo = Object.freeze({
      ...(lost ?? lostInfo(null)),
      ...(this.#fault !== null && errorOf(this.#fault)),
      unsent: (lost?.unsent ?? 0) + waiting
    })
    this.#fault = null
    this.#flushing?.clear()
    this.#flushing = null
    this.#state = 'closed'
    this.#dialler.first()
    this.#resolveClosed(info)
    const { error } = info
    // What this side decided itself (`close({ timeout })`, `destroy()`) is told by `close` alone.
    if (error !== null && error.code !== 'ERR_CLOSE_TIMEOUT' && error.code !== 'ERR_ABORTED')
      tell(this, 'error', error)
    tell(this, 'close', info.hadError, info)
  }

  #watchListeners(): void {
    watchListeners(this, 'token', {
      onAdd: () => {
        this.#hasListeners = true
        nextTick(() => {
          if (this.#connection !== null) controlOf(this.#connection).forwardChanged()
        })
      },
      onRemove: isLast => {
        this.#hasListeners = !isLast
      }
    })
  }
}

function closeTimeoutError(): TokenError {
  const message =
    'Cannot close the client in order: tokens waited in the outbox, and the timeout of close() was over'
  return new TokenError('ERR_CLOSE_TIMEOUT', message)
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
