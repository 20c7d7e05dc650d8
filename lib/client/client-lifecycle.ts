import type { EventEmitter } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { type Connection, controlOf } from '../connection/connection'
import { TokenListeners } from '../connection/token-listeners'
import type { Handover, TransportFacts } from '../connection/transport-facts'
import { CLOSE_CODES } from '../errors/close-codes'
import { type CloseInfo, endedBy, lostBy } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { certificateExpired } from '../errors/trust-errors'
import { type OptionsByProtocol, optionsByProtocol } from '../options/connection-options'
import type { Goaway } from '../protocol/goaway'
import { closeOnAbort } from '../runtime/abort-signals'
import { tell } from '../runtime/application-call'
import { type ClockTimer, clock } from '../runtime/clock'
import { nextTick } from '../runtime/event-loop'
import { WallClockDeadline } from '../runtime/wall-clock-deadline'
import type { TokenClientEvents } from './client-events'
import type { ClientSettings } from './client-options'
import { ClientReport } from './client-report'
import { type ConnectionHost, createConnection } from './create-connection'
import type { Dial } from './dial'
import { Dialler } from './dialler'
import { Flushing } from './flushing'
import { Migration, type MigrationHost } from './migration'
import { leftInOutbox, type Outbox, returnsTokens } from './outbox'
import { Redial } from './redial'

type State = 'closed' | 'waiting' | 'dialling' | 'greeting' | 'open' | 'cancelled'

/**
 * Gets a client to a connection, keeps it connected, and ends it: dials, sessions, and migrations after GOAWAY. Its members
 * that `TokenClient` has too do what is said there.
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
 */
export class ClientLifecycle implements ConnectionHost, MigrationHost {
  readonly client: EventEmitter<TokenClientEvents>
  readonly settings: ClientSettings
  readonly connectionOptions: OptionsByProtocol
  readonly goesOn: boolean
  readonly #outbox: Outbox
  readonly listeners: TokenListeners
  readonly report: ClientReport
  readonly #dialler: Dialler
  readonly #redial: Redial
  #state: State = 'closed'
  #isClosing = false
  /** It is on when `close()` was called while tokens waited, which leave first. */
  readonly #flushing = new Flushing(() => this.#endNow(0))
  #dial: Dial | null = null
  #connection: Connection | null = null
  #migration: Migration | null = null
  #end: WallClockDeadline | null = null
  #delay: ClockTimer | null = null
  /** When the next dial comes, by the monotonic clock. */
  #dialAt = 0
  /** The reason why this side can't go on, which is told instead of what ended the connection. */
  #fault: TokenError | null = null

  /** @throws TokenError `ERR_OPTION` */
  constructor(client: EventEmitter<TokenClientEvents>, settings: ClientSettings, outbox: Outbox) {
    const { connection, policies, session, stablePeriod } = settings
    this.client = client
    this.settings = settings
    this.report = new ClientReport(client)
    this.connectionOptions = optionsByProtocol(connection, 'client')
    this.#outbox = outbox
    this.listeners = new TokenListeners(client, {
      deliver: () => {
        if (this.#connection !== null) controlOf(this.#connection).forwardTo(this.listeners)
      }
    })
    this.#dialler = new Dialler(settings, this.report)
    this.#redial = new Redial(policies.reconnect ?? session !== undefined, stablePeriod)
    this.goesOn = this.#redial.isOn
  }

  get state(): State {
    return this.#state
  }

  get connection(): Connection | null {
    return this.#state === 'open' || this.#connection?.hasSession ? this.#connection : null
  }

  get writableNeedDrain(): boolean {
    if (this.#outbox.needsDrain) return true
    return this.connection !== null && !this.connection.isDead && this.connection.writableNeedDrain
  }

  /** True while what waits will get a connection. */
  get takesTokens(): boolean {
    return this.#state !== 'closed' && !this.#isClosing && !this.#flushing.isOn
  }

  /** True when a new token has to wait: for the next connection, because this one closes, or behind others that wait. */
  mustWait(connection: Connection): boolean {
    const isBetween = connection.isDead && this.#redial.isOn && !this.#isClosing
    return isBetween || this.#outbox.bytes > 0
  }

  connect(delay: number): boolean {
    if (this.#state !== 'closed') return false
    this.report.life.begin()
    closeOnAbort(this.settings.policies.signal, this.report.life.closed, () => this.close())
    this.#isClosing = false
    this.#redial.restart()
    this.#dialler.begin()
    this.#wait(delay)
    return true
  }

  close(timeout = this.settings.connection.closeTimeout): boolean {
    if (this.#isClosing || this.#state === 'closed') return false
    const dialsInTime = this.#state !== 'waiting' || this.#dialAt <= clock.now() + timeout
    if (!this.#hasWaiting || timeout === 0 || !dialsInTime) return this.#endNow(timeout)
    if (this.#flushing.isOn) return false
    this.#flushing.begin(timeout)
    // A server may hold a half-closed connection open for ever; what waits leaves by the next one.
    if (this.connection?.isOpen && this.connection.isDead) this.connection.close({ timeout })
    return true
  }

  #endNow(timeout: number): boolean {
    this.#isClosing = true
    this.#flushing.pause(timeout)
    this.#cancelMigration()
    if (this.#state !== 'open') {
      if (this.#delay !== null) clock.clearTimeout(this.#delay)
      this.#dial?.cancel()
    }
    // An end that throws tokens away is not in order, whatever the connection says.
    if (this.#hasWaiting) this.#fault = leftInOutbox(this.#outbox.loss)
    // When the connection has ended already, this call has ended the dial that would have followed.
    if (this.connection !== null) return this.connection.close({ timeout }) || this.#redial.isOn
    this.#state = 'cancelled'
    this.#connection?.destroy()
    nextTick(() => this.#finish(lostBy(null)))
    return true
  }

  /** Tokens wait for the next connection, or will when this one has closed. */
  get #hasWaiting(): boolean {
    return this.#outbox.bytes > 0 || (this.#connection !== null && returnsTokens(this.#connection))
  }

  #endIfFlushed(): void {
    if (!this.#flushing.isOn || this.#isClosing || this.#hasWaiting) return
    this.#endNow(Math.ceil(this.#flushing.timeLeft))
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
    // Tries 25 ms apart are for a client that starts with its server, not for a herd that has lost one.
    const refusedRetryTimeout = this.#redial.attempt === 0 ? this.settings.refusedRetryTimeout : 0
    try {
      this.#dial = this.#dialler.dial(refusedRetryTimeout, {
        onSocket: (socket, facts) => this.#greet(socket, facts),
        onFailed: error => this.#lost(lostBy(error))
      })
    } catch (error) {
      nextTick(() => this.#lost(lostBy(error as TokenError)))
    }
  }

  #greet(socket: TLSSocket, facts: TransportFacts): void {
    this.#state = 'greeting'
    if (this.#connection !== null) controlOf(this.#connection).attach(socket, facts)
    else this.#connection = createConnection(this, socket, facts, this.listeners)
  }

  #flush(): void {
    const { connection } = this
    if (connection === null) return
    for (const token of this.#outbox.flush(connection)) tell(this.client, 'undeliverable', token)
  }

  onDrain(): void {
    this.#flush()
    this.#endIfFlushed()
    if (this.writableNeedDrain) return
    this.#outbox.owesDrain = false
    tell(this.client, 'drain')
  }

  onOpen(connection: Connection): void {
    // The old connection releases the tokens that wait when it has closed in order.
    if (connection === this.#migration?.replacement) this.#connection?.close()
    else this.#open(connection, 'connect')
  }

  onResumed(connection: Connection): void {
    this.#open(connection, 'resumed')
  }

  #open(connection: Connection, event: 'connect' | 'resumed'): void {
    this.#state = 'open'
    this.#outbox.opened()
    this.#dialler.arrived()
    this.#redial.opened()
    const { peer } = connection
    // A connection lives no longer than the certificate of its server; a session that has moved has another one.
    this.#end?.clear()
    if (peer !== null && this.settings.tls.rejectUnauthorized !== false) {
      const end = () => controlOf(connection).fail(certificateExpired('server'))
      this.#end = new WallClockDeadline(peer.validTo, end)
    }
    this.#flush()
    this.report.opened(event)
    this.#endIfFlushed()
    if (this.#outbox.owesDrain) this.onDrain()
  }

  // --- sessions and GOAWAY

  onDetached(error: TokenError, connection: Connection): void {
    // The replacement has taken nothing over yet: the old connection is used to its end, and the next dial begins anew.
    if (connection === this.#migration?.replacement) {
      connection.destroy()
      return
    }
    this.#redial.closed()
    this.#end?.clear()
    this.#cancelMigration()
    if (this.#state !== 'cancelled') this.#lost(lostBy(error))
  }

  onGoaway(goaway: Goaway, connection: Connection): void {
    tell(this.client, 'goaway', goaway)
    if (!this.#redial.isOn || this.#isClosing || connection !== this.#connection) return
    this.#redial.asked(goaway.retryAfter)
    if (this.#migration !== null) return
    const movesSession = connection.hasSession && CLOSE_CODES[goaway.code].keepsSession
    const goesElsewhere = !movesSession && this.#dialler.hasOtherServers
    const delay = this.#redial.leave(goesElsewhere)
    // A client that will not come back uses the old connection to its end.
    if (delay === false || this.#isClosing) return
    if (delay instanceof TokenError) {
      this.#fault = delay
      this.close()
    } else {
      this.#migration = new Migration(this, this.#dialler, movesSession, goesElsewhere, delay)
    }
  }

  reached(migration: Migration, socket: TLSSocket, facts: TransportFacts): Connection | null {
    // A connection that is closing has ended its session.
    const movesSession = migration.movesSession && this.#connection?.isOpen === true
    if (this.#migration === migration && !movesSession) return createConnection(this, socket, facts)
    // The session moves to this socket; or the old connection has ended, and this is the dial for the next one.
    this.#migration = null
    this.#dial = migration.dial
    this.#greet(socket, facts)
    return null
  }

  failed(migration: Migration, error: TokenError): void {
    if (this.#migration === migration) this.#stay()
    else this.#lost(lostBy(error))
  }

  /** Uses the old connection to its end, because nobody takes over. */
  #stay(): void {
    this.#migration = null
    this.#dialler.goHome()
  }

  #cancelMigration(): void {
    this.#migration?.cancel()
    this.#migration = null
  }

  // --- the end

  onClose(info: CloseInfo, connection: Connection, successor: Handover | null): void {
    if (connection === this.#migration?.replacement) {
      this.#stay()
      return
    }
    if (connection !== this.#connection) return
    if (connection.writableNeedDrain) this.#outbox.owesDrain = true
    const wasDetached = this.#state !== 'open'
    this.#connection = null
    this.#redial.closed()
    this.#end?.clear()
    if (this.#state === 'cancelled') return
    if (info.error?.closeCode?.startsWith('certificate-')) this.#dialler.forgetTickets()
    if (!this.#redial.isOn || (this.#isClosing && !this.#reopens(connection))) {
      this.#lost(info)
      return
    }
    const left = this.#outbox.takeBack(connection, info)
    if (successor !== null) this.#handToSuccessor(successor)
    else if (this.#migration !== null) this.#moved(this.#migration, left)
    // When a session is lost while the next dial is on its way, that dial begins a new one.
    else if (!wasDetached || this.#state === 'greeting') this.#lost(left)
  }

  /** The server has ended in order while close() flushed: what it has not processed leaves by the next connection, in time. */
  #reopens(connection: Connection): boolean {
    const isInTime = this.#fault === null && returnsTokens(connection) && this.#flushing.resume()
    if (isInTime) this.#isClosing = false
    return isInTime
  }

  /** Goes on with the new session that the server has begun on the transport of the lost one. */
  #handToSuccessor({ socket, handshake, peer }: Handover): void {
    this.#connection = createConnection(this, socket, { greeted: handshake, peer }, this.listeners)
  }

  /** The old connection is gone: the one that was to take over is the connection from now on. */
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
    this.report.lost(info)
    if (replacement === null) return
    if (replacement.isOpen && !this.#isClosing) this.#open(replacement, 'connect')
    controlOf(replacement).forwardTo(this.listeners)
  }

  /** Dials again, or ends, when the connection or a dial is lost. */
  #lost(info: CloseInfo): void {
    if (this.#state === 'cancelled' || this.#state === 'closed') return
    const { error } = info
    this.#dial = null
    this.#outbox.loss = error
    if (this.#connection !== null) controlOf(this.#connection).ending.loss = error
    // A session is looked for at first on the server that has it.
    if (this.#state === 'open' && this.#connection !== null) this.#dialler.goHome()
    else this.#dialler.turn()
    const wasClosing = this.#isClosing
    const isTrying = this.#state === 'dialling' || this.#state === 'greeting'
    const hasUntriedServer = isTrying && !this.#dialler.hasComeRound
    const delay = !wasClosing && this.#redial.next(error, this.#state === 'open', hasUntriedServer)
    // The policy has closed the client.
    if (this.#isClosing && !wasClosing) return
    if (delay instanceof TokenError) this.#fault = delay
    const isInVain = Number(delay) > this.#flushing.timeLeft
    if (isInVain && error === null) this.#fault = leftInOutbox(null)
    if (typeof delay !== 'number' || isInVain) {
      this.#giveUp(info)
      return
    }
    this.#state = 'waiting'
    this.report.lost(info)
    if (this.#isClosing) return
    this.report.waits({ attempt: this.#redial.attempt, delay, error }, this.#redial.isHopeless)
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

  #finish(lost: CloseInfo): void {
    const error = this.#fault ?? lost.error
    const waiting = this.#outbox.clear(error, this.#isClosing)
    const end = error === null ? lost : { ...lost, ...endedBy(error) }
    const info: CloseInfo = Object.freeze({ ...end, unsent: lost.unsent + waiting })
    this.#fault = null
    this.#flushing.end()
    this.#state = 'closed'
    this.#dialler.end()
    this.report.ended(info)
  }
}
