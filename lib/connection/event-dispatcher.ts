import type { EventEmitter } from 'node:events'
import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { HandleOptions } from '../options/handle-options'
import type { AuthorizeAnswer } from '../protocol/authorization'
import type { Goaway } from '../protocol/goaway'
import type { Receiver } from '../receiving/receiver'
import { callApplication, tell } from '../runtime/application-call'
import type { SessionLoss } from '../session/session'
import type { SessionLookup, SessionPart } from '../wire/hello'
import type { ConnectionEvents, ContextOf, Forward } from './connection-context'
import type { UnconsumedTokens } from './consumer-watch'
import * as lives from './lives'
import { TokenListeners } from './token-listeners'
import { GREETING_TIMEOUT, type Handover } from './transport-facts'

type Emitter = EventEmitter<ConnectionEvents> & {
  readonly isDetached: boolean
  handle(handler: never, options: HandleOptions): void
}

/**
 * Tells what happens to a connection: first the server or client that made it, then the listeners of the connection.
 *
 * A class, for a literal of closures costs each connection 400 bytes.
 */
export class EventDispatcher<Connection extends Emitter> {
  /** Times that the session went on. */
  resumptions = 0
  readonly #connection: Connection
  readonly #owner: ContextOf<Connection>
  #forward: Forward | null
  #listeners!: TokenListeners
  #isMuted = false
  #hasOpened = false
  #onceDrained: (() => void) | null = null
  #receiver!: Receiver

  constructor(connection: Connection, owner: ContextOf<Connection>) {
    this.#connection = connection
    this.#owner = owner
    this.#forward = owner.forward ?? null
  }

  /** Milliseconds that `authorize` is given at most; null when there is none. */
  get authorizeTimeout(): number | null {
    const { authorize, greetingTimeout = GREETING_TIMEOUT, authorizeTimeout = greetingTimeout } = this.#owner
    return authorize === undefined ? null : Math.min(greetingTimeout, authorizeTimeout)
  }

  /** True while the connection itself has listeners of `token`. */
  get hasListener(): boolean {
    return this.#listeners.isWanting
  }

  /** True while there are listeners to hand tokens to. */
  get hasListeners(): boolean {
    return (this.#listeners.isWanting || this.#forward?.isWanting === true) && !this.#isMuted
  }

  /** The connection is broken: listeners get no more tokens of it. */
  mute(): void {
    this.#isMuted = true
  }

  /** Looks after the listeners of `token` from now on: they take what the receiver has. */
  watch(receiver: Receiver): void {
    this.#receiver = receiver
    this.#listeners = new TokenListeners(this.#connection, receiver)
  }

  /** Calls it before the listeners of the next `drain`: no listener itself, which another one's exception would skip. */
  onceDrained(goOn: () => void): void {
    this.#onceDrained = goOn
  }

  /** Gives the tokens that no consumer of the connection takes to that one from now on, as far as it wants them. */
  forwardTo(forward: Forward): void {
    this.#forward = forward
  }

  /** A connection that nobody has claimed gets the handler of its server or client, if there is one. */
  adopt(): void {
    const handling = this.#forward?.handling
    if (handling == null || this.hasListener || this.#receiver.isClaimed) return
    this.#connection.handle(handling.handler as never, handling.options)
  }

  onToken(token: Buffer): void {
    const forward = this.#forward
    if (!forward?.isWanting) this.#listeners.give(token)
    else if (!this.#listeners.isWanting) forward.take(token, this.#connection)
    else this.#toBoth(token, forward)
  }

  /** A handler has failed; the peer is told. */
  onHandlerError(error: unknown): void {
    lives.handlerFailed.tell(this.#connection, this.#maker, error)
    this.#owner.onHandlerError?.(error, this.#connection)
    tell(this.#connection, 'handlerError', error)
  }

  /** The queue has room again. */
  onDrain(): void {
    const goOn = this.#onceDrained
    this.#onceDrained = null
    this.#owner.onDrain?.()
    if (goOn !== null) callApplication(goOn)
    tell(this.#connection, 'drain')
  }

  /** It was sent before the connection was open, is longer than the peer takes, and nobody has a promise of it. */
  onUndeliverable(token: Uint8Array): void {
    this.#owner.onUndeliverable?.(token)
    tell(this.#connection, 'undeliverable', token)
  }

  /** Tokens wait, and nobody takes one. */
  onUnconsumed(waiting: UnconsumedTokens): void {
    lives.tokensUnconsumed.tell(this.#connection, this.#maker, waiting)
    this.#owner.onUnconsumed?.(waiting, this.#connection)
    tell(this.#connection, 'unconsumed', waiting)
  }

  onGoaway(goaway: Goaway): void {
    this.#owner.onGoaway?.(goaway, this.#connection)
    tell(this.#connection, 'goaway', goaway)
  }

  authorize(signal: AbortSignal): AuthorizeAnswer | Promise<AuthorizeAnswer> {
    const { authorize } = this.#owner
    // An answer of undefined is no yes.
    return authorize === undefined || authorize(this.#connection, signal)
  }

  /** @returns why the peer is not accepted; or what became of the session it asks for, null for no session */
  admit(request: SessionPart | null): TokenError | SessionLookup | null {
    return this.#owner.admit?.(this.#connection, request) ?? null
  }

  /** It will never be open. */
  onRefused(error: TokenError): void {
    this.#owner.onRefused?.(error)
  }

  onOpen(): void {
    this.#hasOpened = true
    lives.connectionOpened.tell(this.#connection, this.#maker)
    this.#owner.onOpen?.(this.#connection)
    tell(this.#connection, 'open')
  }

  onDetached(error: TokenError): void {
    const connection = this.#connection
    lives.connectionDetached.tell(connection, this.#maker, error)
    this.#owner.onDetached?.(error, connection)
    // A client that gives up ends the session at once, and nothing follows `close`.
    if (connection.isDetached) tell(connection, 'detached', error)
  }

  onResumed(): void {
    this.resumptions++
    lives.connectionResumed.tell(this.#connection, this.#maker)
    this.#owner.onResumed?.(this.#connection)
    tell(this.#connection, 'resumed')
  }

  onSessionLost(loss: SessionLoss): void {
    lives.sessionLost.tell(this.#connection, this.#maker, loss)
    this.#owner.onSessionLost?.(loss, this.#connection)
    tell(this.#connection, 'session-lost', loss)
  }

  /** All is over. @param successor the transport, when it goes on without this connection */
  onEnd(info: CloseInfo, successor: Handover | null): void {
    const connection = this.#connection
    const { error } = info
    // The refusal, or the end of the dial, tells of a connection that was never open.
    if (this.#hasOpened) lives.connectionClosed.tell(connection, this.#maker, info)
    if (error !== null && connection.listenerCount('error') > 0) tell(connection, 'error', error)
    this.#owner.onClose?.(info, connection, successor)
  }

  /** The last event. */
  onClose(info: CloseInfo): void {
    tell(this.#connection, 'close', info.hadError, info)
  }

  get #maker(): object | null {
    return this.#owner.owner ?? null
  }

  /** The listeners of a server or a client get it whatever those of the connection throw. */
  #toBoth(token: Buffer, forward: Forward): void {
    tell(this.#connection, 'token', token)
    if (forward.isWanting) forward.take(token, this.#connection)
  }
}

/** The same for callers that do not know the class of the connection. */
export type Dispatcher = Pick<EventDispatcher<never>, keyof EventDispatcher<never>>
