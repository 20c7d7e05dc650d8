import type { Duplex } from 'node:stream'
import { keepsSession } from '../errors/close-code-of'
import { closeCodeName } from '../errors/close-codes'
import type { CloseCode, CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import type { ConnectionLimits, ProtocolOptions, SessionLimits } from '../options/connection-options'
import type { Protocol } from '../protocol/protocol'
import type { Receiver } from '../receiving/receiver'
import type { TokenHandlerHost } from '../receiving/token-handler'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import type { Sender } from '../sending/sender'
import type { Session, SessionLossReason } from '../session/session'
import { peerOf } from '../tls/peer'
import type { GoawayFrame } from '../wire/control-frame'
import type { ProtocolName } from '../wire/header'
import type { Role } from '../wire/hello'
import type { ContextOf, Forward } from './connection-context'
import { Delivering, type DeliveringHost } from './delivering'
import { Ending } from './ending'
import type { Dispatcher } from './event-dispatcher'
import { Opening, type OpeningHost } from './opening'
import { TokenFlow, type TokenFlowHost } from './token-flow'
import { Transport, type TransportHost } from './transport'
import type { Handover, TransportFacts } from './transport-facts'

const OPENING = 0
const OPEN = 1
const DETACHED = 2
const CLOSING = 3
const CLOSED = 4

/** Bytes that are kept without a session: all that a peer with the default window leaves unacknowledged fits. */
const MIN_RETAINED_BYTES = 16 * 1024 * 1024

type State = typeof OPENING | typeof OPEN | typeof DETACHED | typeof CLOSING | typeof CLOSED

/**
 * From the first transport of a connection to its last event: in which state it is, and what takes it to the next.
 *
 * ```
 *            accepted          close(), the peer's end               the socket has closed
 *   OPENING ─────────▶ OPEN ────────────────────────────▶ CLOSING ─────────────────────────▶ CLOSED
 *      │                 │                               flush, end                             ▲
 *      └─────────────────┴─────── destroy(), a broken frame, a timeout, a socket's error ───────┘
 * ```
 *
 * With a session:
 *
 * ```
 *          the transport is gone              resumeTimeout, evicted, unknown to the server: `session-lost`
 *   OPEN ─────────────────────────▶ DETACHED ─────────────────────────────────────────────────────────────▶ CLOSED
 *     ▲                              │   ▲ │ the dial fails
 *     └──────── accepted ────────────┘   └─┘
 * ```
 */
export class Lifecycle implements DeliveringHost, OpeningHost, TokenFlowHost, TransportHost {
  readonly limits: ConnectionLimits
  readonly protocolName: ProtocolName
  readonly role: Role
  readonly events: Dispatcher
  readonly session: Session
  readonly sender: Sender
  readonly receiver: Receiver
  readonly delivering: Delivering
  readonly ending: Ending
  readonly #flow: TokenFlow
  readonly #sessionLimits: SessionLimits | undefined
  readonly #resumeDeadline: PatientDeadline | undefined
  #state: State = OPENING
  #isSendingEnded = false

  /** @param context `session`: a client asks for one, a server may grant one */
  constructor(
    limits: ConnectionLimits,
    { protocol = 'token/1', role = 'client' }: ProtocolOptions,
    { session, goesOn = false }: Pick<ContextOf<never>, 'session' | 'goesOn'>,
    events: Dispatcher
  ) {
    this.limits = limits
    this.protocolName = protocol
    this.role = role
    this.events = events
    this.#sessionLimits = session
    this.#resumeDeadline =
      session && new PatientDeadline(session.resumeTimeout, () => this.loseSession('expired'))
    this.#flow = new TokenFlow(this, goesOn)
    this.session = this.#flow.session
    this.sender = this.#flow.sender
    this.receiver = this.#flow.receiver
    this.delivering = new Delivering(this)
    this.ending = new Ending(error => this.fail(error))
  }

  get transport(): Transport {
    return this.#flow.transport
  }

  get socket(): Duplex {
    return this.#flow.transport.socket
  }

  get isOpen(): boolean {
    return this.#state === OPEN
  }

  get isDetached(): boolean {
    return this.#state === DETACHED
  }

  /** True when nothing more can be sent. */
  get isDead(): boolean {
    if (this.#state >= CLOSING || this.#isSendingEnded) return true
    return !this.socket.writable && !this.session.isAgreed
  }

  /** True from the error that ends it, or its end, on. */
  get isBroken(): boolean {
    return this.#state === CLOSED || this.ending.error !== null
  }

  get isOpening(): boolean {
    return this.#state === OPENING && this.ending.error === null
  }

  get wantsSession(): boolean {
    return this.#sessionLimits !== undefined && this.role === 'client'
  }

  /** Begins with the first transport. */
  start(socket: Duplex, facts: TransportFacts): void {
    const opening = this.#carry(socket, facts)
    this.active()
    if (facts.greeted === undefined) opening.begin()
    else opening.succeed()
  }

  /**
   * Ends in order. A second call that waits for less long shortens the wait of the first.
   *
   * @param timeout milliseconds; default `closeTimeout`, which shortens nothing
   * @returns false when it was ended before
   */
  close(code: CloseCode, timeout?: number): boolean {
    if (this.#state >= CLOSING) {
      if (timeout !== undefined) this.ending.shorten(timeout)
      return false
    }
    this.ending.arm(timeout ?? this.limits.closeTimeout)
    this.beginClose(code)
    return true
  }

  get handlerHost(): TokenHandlerHost {
    return this.#flow
  }

  settled(token: UnsettledToken): void {
    this.#flow.settled(token)
  }

  /** A consumer has come: the close deadline may run because nobody took what came before the peer's end. */
  claimed(): void {
    if (this.#state === OPEN) this.ending.disarm()
  }

  /** This side has no more tokens. */
  endSending(): void {
    if (this.isDead) return
    this.#isSendingEnded = true
    this.#flow.protocol.endSending?.()
  }

  /**
   * The first error is the one that is told; `close` of the socket does the rest.
   *
   * @param reason for a peer that is refused
   */
  fail(error: TokenError, reason = ''): void {
    if (this.#state === CLOSED) return
    if (this.ending.error !== null) {
      this.socket.destroy()
      return
    }
    if (this.#outlives(error)) {
      this.#detach(error)
      return
    }
    this.ending.because(error)
    this.events.mute()
    const wasOpening = this.#state === OPENING
    if (!this.transport.isAttached) nextTick(() => this.#finish())
    else if (this.#flow.protocol.sayGoodbye?.(error, reason)) this.#state = CLOSING
    else this.socket.destroy()
    this.ending.abort()
    if (wasOpening) this.events.onRefused(error)
  }

  /**
   * Goes on with another transport, on which a client greets anew and a server has been greeted. The old one, if it is
   * still there, is let go of first.
   */
  attach(socket: Duplex, facts: TransportFacts): void {
    this.#dropTransport(replacedError(), true)
    if (this.#state === OPEN) this.#state = DETACHED
    if (this.#resumeDeadline?.isArmed === false) this.#resumeDeadline.arm()
    const opening = this.#carry(socket, facts)
    if (facts.greeted === undefined) opening.begin()
    else opening.bind('resumed')
  }

  /** The transport is another connection's from now on; this one was never open. Its end is told when that is done. */
  handOver(): Handover {
    const handover = this.#giveAway()
    const info = this.#end()
    nextTick(() => this.#tellEnd(info, handover))
    return handover
  }

  /** Gives what no consumer of the connection takes to that one from now on. */
  forwardTo(forward: Forward): void {
    this.events.forwardTo(forward)
    if (this.isOpen || this.isDetached) this.events.adopt()
    this.receiver.deliver()
  }

  /** The session can't go on. */
  loseSession(reason: SessionLossReason): void {
    if (this.#state >= CLOSING) return
    this.#dropTransport()
    this.ending.sessionLost(reason)
    this.#finish()
  }

  // --- the transport

  #carry(socket: Duplex, facts: TransportFacts): Opening {
    const peer = facts.peer === undefined ? peerOf(socket) : facts.peer
    const opening = new Opening(this, socket, facts, peer)
    this.#flow.carry(new Transport(socket, peer, opening, this))
    return opening
  }

  speak(protocol: Protocol): void {
    this.#flow.speak(protocol)
  }

  transportClosed(error: TokenError | null): void {
    if (error !== null && this.ending.error === null && this.#outlives(error)) {
      this.#detach(error)
    } else {
      this.ending.because(error)
      this.#finish()
    }
  }

  sessionLost(reason: SessionLossReason): void {
    const successor = this.#giveAway()
    this.ending.sessionLost(reason)
    this.#finish(successor)
  }

  // --- what the protocol tells

  active(): void {
    this.#flow.active()
  }

  tokensWait(): void {
    if (this.#state !== OPENING) this.#flow.tokensWait()
  }

  goaway({ code, retryAfter, reason }: GoawayFrame): void {
    this.events.onGoaway(Object.freeze({ code: closeCodeName(code, 'goaway'), retryAfter, reason }))
  }

  opened(): void {
    if (this.#state === DETACHED) {
      this.#resumed()
      return
    }
    if (this.#state === OPENING) this.#state = OPEN
    if (this.session.isAgreed || this.session.deliveries.goesOn) this.#retain()
    if (this.protocolName === 'token/2')
      this.delivering.takeOutTooLong(token => nextTick(() => this.events.onUndeliverable(token)))
    if (!this.session.peerHandles) this.delivering.takeOutRequests()
    this.events.onOpen()
    this.events.adopt()
    // close() or the end of a stream came before: what was sent until then is sent first.
    if (this.#state === CLOSING) this.#flow.protocol.close(this.ending.code)
    else if (this.#isSendingEnded) this.#flow.protocol.endSending?.()
    this.receiver.open()
  }

  /** Keeps what was sent until the peer acknowledges it: for a session, or for the next connection. */
  #retain(): void {
    if (this.protocolName === 'token/1') return
    const { windowBytes = Math.max(this.limits.outboxBytes, MIN_RETAINED_BYTES) } = this.#sessionLimits ?? {}
    this.sender.retain(windowBytes, this.session.isAgreed)
  }

  #resumed(): void {
    this.#state = OPEN
    this.ending.loss = null
    this.#resumeDeadline?.clear()
    this.active()
    if (this.#isSendingEnded) this.#flow.protocol.endSending?.()
    this.events.onResumed()
    this.receiver.deliver()
  }

  // --- the end

  beginClose(code: CloseCode): void {
    if (this.#state >= CLOSING) return
    const wasDetached = this.#state === DETACHED
    this.#state = CLOSING
    this.ending.inOrder(code)
    if (wasDetached) {
      this.#dropTransport()
      nextTick(() => this.#finish())
      return
    }
    this.armClose()
    this.#flow.protocol.close(code)
  }

  /** Begins the time that an end may take, unless it has begun: it may be shorter, and what causes it may come again. */
  armClose(): void {
    if (!this.ending.isArmed) this.ending.arm(this.limits.closeTimeout)
  }

  /** A dial that is refused while the session waits ends the dial and not the session. */
  #outlives(error: TokenError): boolean {
    if (!this.session.isAgreed || error.code === 'ERR_ABORTED') return false
    if (this.#state === DETACHED) return this.transport.isAttached
    return this.#state === OPEN && keepsSession(error)
  }

  #detach(error: TokenError): void {
    this.#dropTransport(error)
    this.ending.loss = error
    this.#state = DETACHED
    if (this.#resumeDeadline?.isArmed === false) this.#resumeDeadline.arm()
    this.events.onDetached(error)
  }

  /** @param error what the peer is told of it */
  #dropTransport(error: TokenError | null = null, isReplaced = false): void {
    if (this.transport.isAttached) this.#flow.drop(error, this.#state === OPEN ? error : null, isReplaced)
  }

  /** Gives away a transport on which the handshake is not done. */
  #giveAway(): Handover {
    const { transport } = this
    transport.release()
    return {
      socket: transport.socket,
      handshake: (transport.protocol as Opening).leave(),
      peer: transport.peer
    }
  }

  /** @param successor the transport, when it goes on without this connection */
  #finish(successor: Handover | null = null): void {
    if (this.#state !== CLOSED) this.#tellEnd(this.#end(), successor)
  }

  /** All that happens, before anybody is told. */
  #end(): CloseInfo {
    const { sender, receiver, session } = this
    this.#state = CLOSED
    this.#resumeDeadline?.clear()
    sender.stop()
    const info = this.ending.settle({
      unsent: sender.tokensUnsent,
      unconfirmed: sender.tokensSent - session.deliveries.handed,
      undeliveredBytes: receiver.undeliveredBytes
    })
    this.#flow.end(info.error)
    return info
  }

  #tellEnd(info: CloseInfo, successor: Handover | null): void {
    const loss = this.ending.lossOf(info)
    this.ending.abort()
    if (loss !== null) this.events.onSessionLost(loss)
    this.events.onEnd(info, successor)
    this.session.deliveries.settle(this.sender.firstUnsent, info.error)
    this.sender.release()
    this.events.onClose(info)
  }
}

function replacedError(): TokenError {
  return new TokenError('ERR_LOST', 'Cannot use the transport: a newer dial has the session', {
    closeCode: 'session-replaced'
  })
}
