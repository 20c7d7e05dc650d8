import type { Duplex } from 'node:stream'
import { closeCodeOf, isTold, keepsSession } from '../errors/close-code-of'
import { closeCodeName } from '../errors/close-codes'
import type { CloseCode, CloseInfo } from '../errors/close-info'
import { socketError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import type { ConnectionLimits, ProtocolOptions, SessionLimits } from '../options/connection-options'
import type { AuthorizeAnswer } from '../protocol/authorization'
import type { Goaway } from '../protocol/goaway'
import type { Handshake } from '../protocol/handshake'
import type { Protocol } from '../protocol/protocol'
import { lingerAfter, sayClose } from '../protocol/say-close'
import { Token2 } from '../protocol/token-2'
import { endedWithoutClose } from '../protocol/token-2-errors'
import { Receiver, type ReceiverEvents } from '../receiving/receiver'
import { Deadline } from '../runtime/deadline'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { Sender, type SenderEvents } from '../sending/sender'
import { Session, type SessionLoss, type SessionLossReason } from '../session/session'
import { type Peer, peerOf } from '../tls/peer'
import type { GoawayFrame } from '../wire/control-frame'
import { MIN_PART_LENGTH, type ProtocolName } from '../wire/header'
import type { Role, SessionLookup, SessionPart } from '../wire/hello'
import type { Forward } from './connection-context'
import type { ConnectionControl } from './connection-control'
import { Delivering, type DeliveringHost } from './delivering'
import {
  chunkError,
  closeTimeoutError,
  idleError,
  prematureCloseError,
  replacedError,
  sessionLostError,
  stallError
} from './lifecycle-errors'
import { Opening, type OpeningHost } from './opening'
import { Transport, type TransportEvents } from './transport'
import type { Handover, TransportFacts } from './transport-facts'

const OPENING = 0
const OPEN = 1
const DETACHED = 2
const CLOSING = 3
const CLOSED = 4

type State = typeof OPENING | typeof OPEN | typeof DETACHED | typeof CLOSING | typeof CLOSED

/** What a lifecycle asks of its connection and tells it. */
export interface LifecycleEvents {
  /** True while there are listeners to hand tokens to. */
  readonly hasListeners: boolean
  onToken(token: Buffer): void
  /** From now on that one takes what no consumer of the connection does. */
  forwardTo(forward: Forward): void
  /** There is room again. */
  onDrain(): void
  /** It was sent before the connection was open, is longer than the peer takes, and nobody has a promise of it. */
  onUndeliverable(token: Uint8Array): void
  onGoaway(goaway: Goaway): void
  authorize(signal: AbortSignal): AuthorizeAnswer | Promise<AuthorizeAnswer>
  /** @returns why the peer is not accepted; or what became of the session it asks for, null for no session */
  admit(request: SessionPart | null): TokenError | SessionLookup | null
  /** It will never be open. */
  onRefused(error: TokenError): void
  onOpen(): void
  onDetached(error: TokenError): void
  onResumed(): void
  onSessionLost(loss: SessionLoss): void
  /** @param successor the transport, when it goes on without this connection */
  onClose(info: CloseInfo, successor: Handover | null): void
}

/** What is fixed for a lifecycle. */
export interface LifecycleOptions {
  readonly limits: ConnectionLimits
  readonly protocol: ProtocolOptions
  /** A client asks for a session, a server may grant one. */
  readonly session: SessionLimits | undefined
  /** Milliseconds that `authorize` is given at most; null when there is none. */
  readonly authorizeTimeout: number | null
}

/**
 * From the first transport of a connection to its last event: which transport it has, in which state it is, and why it
 * ends.
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
export class Lifecycle
  implements ConnectionControl, DeliveringHost, OpeningHost, TransportEvents, SenderEvents, ReceiverEvents
{
  readonly limits: ConnectionLimits
  readonly session = new Session()
  readonly sender: Sender
  readonly receiver: Receiver
  readonly delivering: Delivering
  readonly #options: LifecycleOptions
  readonly #events: LifecycleEvents
  /** Null without `idleTimeout`. */
  readonly #idleDeadline: Deadline | null
  /** Null without a session. */
  readonly #resumeDeadline: PatientDeadline | null
  /** Made when `authorize` is asked: few connections need one, and it takes more memory than a timer. */
  #gone: AbortController | null = null
  #facts: TransportFacts
  #peer: Peer | null
  #socket: Duplex
  /** Null when the last one is gone. */
  #transport: Transport | null = null
  /** Null when the transport is open, or there is none. */
  #opening: Opening | null = null
  /** Null before the first handshake is done; of a session, the last one's until the next begins. */
  #protocol: Protocol | null = null
  #closeDeadline: PatientDeadline | null = null
  #state: State = OPENING
  #isSendingEnded = false
  #closeCode: CloseCode = 'normal'
  #error: TokenError | null = null
  #lossReason: SessionLossReason | null = null
  #info: CloseInfo | null = null
  #closed: Promise<CloseInfo> | null = null
  #resolveClosed: ((info: CloseInfo) => void) | null = null

  constructor(socket: Duplex, options: LifecycleOptions, facts: TransportFacts, events: LifecycleEvents) {
    const { limits, session } = options
    this.limits = limits
    this.#options = options
    this.#events = events
    this.#socket = socket
    this.#facts = facts
    this.#peer = facts.peer === undefined ? peerOf(socket) : facts.peer
    this.#idleDeadline =
      limits.idleTimeout === 0 ? null : new Deadline(limits.idleTimeout, () => this.#idleExpired())
    this.#resumeDeadline =
      session === undefined
        ? null
        : new PatientDeadline(session.resumeTimeout, () => this.loseSession('expired'))
    this.sender = new Sender(limits, this)
    this.receiver = new Receiver(limits.maxTokenLength, this, this.protocolName === 'token/2')
    this.delivering = new Delivering(this)
  }

  /** Made when it is asked for: few connections are waited for, and a promise takes 200 bytes. */
  get closed(): Promise<CloseInfo> {
    this.#closed ??=
      this.#info !== null
        ? Promise.resolve(this.#info)
        : new Promise(resolve => {
            this.#resolveClosed = resolve
          })
    return this.#closed
  }

  /** The transport, or the last one. */
  get socket(): Duplex {
    return this.#socket
  }

  get peer(): Peer | null {
    return this.#peer
  }

  get protocolName(): ProtocolName {
    return this.#options.protocol.protocol ?? 'token/1'
  }

  get role(): Role {
    return this.#options.protocol.role ?? 'client'
  }

  get isManualAck(): boolean {
    return this.#options.protocol.ack === 'manual'
  }

  get rtt(): number | null {
    return this.#protocol?.rtt ?? null
  }

  /** The protocol of this transport, once it may carry tokens. */
  get token2(): Token2 | null {
    return this.#protocol instanceof Token2 ? this.#protocol : null
  }

  get isOpen(): boolean {
    return this.#state === OPEN
  }

  get isDetached(): boolean {
    return this.#state === DETACHED
  }

  get isDead(): boolean {
    if (this.#state >= CLOSING || this.#isSendingEnded) return true
    return !this.#socket.writable && !this.session.isAgreed
  }

  get isBroken(): boolean {
    return this.#state === CLOSED || this.#error !== null
  }

  /** Bytes that the peer has sent behind its HELLO, before it was accepted. */
  get heldBytes(): number {
    return this.#opening?.handshake?.demultiplexer.heldBytes ?? 0
  }

  get isOpening(): boolean {
    return this.#state === OPENING && this.#error === null
  }

  get wantsSession(): boolean {
    return this.#options.session !== undefined && this.role === 'client'
  }

  get authorizeTimeout(): number | null {
    return this.#options.authorizeTimeout
  }

  get gone(): AbortSignal {
    this.#gone ??= new AbortController()
    return this.#gone.signal
  }

  /** Bytes of the longest token that can be sent: this side's limit and, once it is known, the peer's. */
  get maxTokenLength(): number {
    return Math.min(this.session.peerMaxTokenLength, this.limits.maxTokenLength)
  }

  get maxStreamLength(): number {
    const { peerMaxStreamLength, peerMaxTokenLength } = this.session
    // A part is no shorter, but for the last.
    if (peerMaxTokenLength < MIN_PART_LENGTH) return this.maxTokenLength
    return Math.max(this.maxTokenLength, peerMaxStreamLength)
  }

  /** Begins with the first transport. */
  start(): void {
    const opening = this.#carry(this.#socket)
    this.#idleDeadline?.arm()
    if (this.#facts.greeted === undefined) opening.begin()
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
      const timeLeft = this.#closeDeadline?.timeLeft ?? 0
      if (timeout !== undefined && timeout < timeLeft) this.#armClose(timeout)
      return false
    }
    this.#armClose(timeout ?? this.limits.closeTimeout)
    this.beginClose(code)
    return true
  }

  /** The application has had `count` more tokens. @returns false when this side has said its last word before */
  acknowledge(count: number): boolean {
    if (this.#state !== DETACHED && this.token2 !== null) return this.token2.acknowledge(count)
    if (this.#state >= CLOSING) return false
    // The next HELLO says it.
    this.session.acknowledge(count)
    return true
  }

  /** A consumer has come: it may have been armed because nobody was there to take what came before the peer's end. */
  claimed(): void {
    if (this.#state !== OPEN) return
    this.#closeDeadline?.clear()
    this.#closeDeadline = null
  }

  /** This side has no more tokens. */
  endSending(): void {
    if (this.isDead) return
    this.#isSendingEnded = true
    this.#protocol?.endSending()
  }

  /**
   * The first error is the one that is told; `close` of the socket does the rest.
   *
   * @param reason for a peer that is refused
   */
  fail(error: TokenError, reason = ''): void {
    if (this.#state === CLOSED) return
    if (this.#error !== null) {
      this.#socket.destroy()
      return
    }
    if (this.#outlives(error)) {
      this.#detach(error)
      return
    }
    this.#error = error
    const wasOpening = this.#state === OPENING
    if (this.#transport === null) nextTick(() => this.#finish())
    else if (this.#sayGoodbye(error, reason)) this.#state = CLOSING
    else this.#socket.destroy()
    this.#gone?.abort()
    if (wasOpening) this.#events.onRefused(error)
  }

  /**
   * Goes on with another transport, on which a client greets anew and a server has been greeted. The old one, if it is
   * still there, is let go of first.
   */
  attach(socket: Duplex, facts: TransportFacts): void {
    if (this.#transport !== null) this.#dropTransport(replacedError())
    this.#facts = facts
    this.#peer = facts.peer ?? null
    if (this.#state === OPEN) this.#state = DETACHED
    if (this.#resumeDeadline?.isArmed === false) this.#resumeDeadline.arm()
    this.#protocol = null
    const opening = this.#carry(socket)
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

  /** The session can't go on. */
  loseSession(reason: SessionLossReason): void {
    if (this.#state >= CLOSING) return
    this.#dropTransport()
    this.#lose(reason, null)
  }

  forwardTo(forward: Forward): void {
    this.#events.forwardTo(forward)
    this.receiver.deliver()
  }

  dropOldest(count: number): number {
    return this.delivering.dropOldest(count)
  }

  takeUnsent(): Uint8Array[] {
    return this.delivering.takeUnsent()
  }

  // --- the transport

  #carry(socket: Duplex): Opening {
    this.#socket = socket
    const opening = new Opening(this, socket, this.#facts, this.#peer)
    this.#opening = opening
    this.#transport = new Transport(socket, this)
    return opening
  }

  carries(protocol: Protocol): void {
    this.#protocol = protocol
    if (this.protocolName === 'token/2') this.#opening = null
  }

  onData(chunk: unknown): void {
    if (!Buffer.isBuffer(chunk)) {
      this.fail(chunkError(chunk))
    } else if (this.#protocol === null) {
      this.#opening?.handshake?.read(chunk)
    } else {
      this.#protocol.read(chunk)
    }
  }

  memory(): Buffer | null {
    return this.receiver.memory
  }

  onEnd(): void {
    if (this.#protocol !== null) this.#protocol.transportEnded()
    else if (!this.#opening?.handshake?.isOver) this.fail(endedWithoutClose())
  }

  onError(error: Error): void {
    this.fail(socketError(error))
  }

  onClose(): void {
    const error = this.#prematureClose()
    if (error !== null && this.#error === null && this.#outlives(error)) this.#detach(error)
    else this.#finish()
  }

  authorize(signal: AbortSignal): AuthorizeAnswer | Promise<AuthorizeAnswer> {
    return this.#events.authorize(signal)
  }

  admit(request: SessionPart | null): TokenError | SessionLookup | null {
    return this.#events.admit(request)
  }

  sessionLost(reason: SessionLossReason): void {
    this.#lose(reason, this.#giveAway())
  }

  // --- what the sender tells

  onDrain(): void {
    this.#events.onDrain()
  }

  onActivity(hasTokens: boolean): void {
    if (hasTokens) this.#idleDeadline?.arm()
    this.#protocol?.wrote()
  }

  onStall(): void {
    this.fail(stallError(this.limits.writeTimeout))
  }

  onFlushed(): void {
    this.#protocol?.flushed()
  }

  onFault(error: unknown): void {
    this.fail(error instanceof TokenError ? error : socketError(error as Error))
  }

  onAborted(place: number, cause: unknown): void {
    this.delivering.aborted(place, cause)
  }

  onWithdrawn(place: number, cause: unknown): void {
    this.delivering.withdrawn(place, cause)
  }

  // --- what the receiver tells

  get hasListeners(): boolean {
    return this.#error === null && this.#events.hasListeners
  }

  onToken(token: Buffer): void {
    this.#events.onToken(token)
  }

  onHanded(count: number, cost: number): void {
    if (!this.isManualAck) this.session.handed += count
    if (this.#protocol !== null) this.#protocol.freed(cost)
    else this.#opening?.handshake?.freed(cost)
  }

  /** Nobody acknowledges it: it counts when all before it do. */
  onTokenAborted(number: number): void {
    if (this.isManualAck) this.session.aborted(number)
    else this.session.handed++
    this.#protocol?.freed(0)
  }

  onDelivered(isDrained: boolean): void {
    this.#protocol?.delivered(isDrained)
  }

  onDiscard(): void {
    this.#protocol?.discarding()
  }

  onBroken(error: TokenError): void {
    this.fail(error)
  }

  onAllHanded(holdsOpen: boolean): void {
    // Also while the next transport is greeted, and nobody else is there to know it.
    this.session.isAllHanded = true
    this.session.holdsOpen = holdsOpen
    this.#protocol?.allHanded(holdsOpen)
  }

  onAbandoned(): void {
    this.armClose()
  }

  // --- what the protocol tells

  active(): void {
    this.#idleDeadline?.arm()
  }

  goaway({ code, retryAfter, reason }: GoawayFrame): void {
    this.#events.onGoaway(Object.freeze({ code: closeCodeName(code, 'goaway'), retryAfter, reason }))
  }

  opened(): void {
    this.#opening = null
    if (this.#state === DETACHED) {
      this.#resumed()
      return
    }
    if (this.#state === OPENING) this.#state = OPEN
    if (this.session.isAgreed) this.sender.retain(this.#options.session?.windowBytes ?? 0)
    if (this.protocolName === 'token/2')
      this.delivering.takeOutTooLong(token => nextTick(() => this.#events.onUndeliverable(token)))
    this.#events.onOpen()
    // close() or the end of a stream came before: what was sent until then is sent first.
    if (this.#state === CLOSING) {
      this.#protocol?.close(this.#closeCode)
      this.sender.end()
    } else if (this.#isSendingEnded) {
      this.#protocol?.endSending()
    }
    this.receiver.open()
  }

  #resumed(): void {
    this.#state = OPEN
    this.#resumeDeadline?.clear()
    this.#idleDeadline?.arm()
    if (this.#isSendingEnded) this.#protocol?.endSending()
    this.#events.onResumed()
    this.receiver.deliver()
  }

  // --- the end

  beginClose(code: CloseCode): void {
    if (this.#state >= CLOSING) return
    const wasDetached = this.#state === DETACHED
    this.#state = CLOSING
    this.#closeCode = code
    if (wasDetached) {
      this.#dropTransport()
      nextTick(() => this.#finish())
      return
    }
    if (this.#closeDeadline === null) this.armClose()
    const handshake = this.#opening?.handshake ?? null
    if (handshake !== null) {
      // A client waits for its handshake, and then sends what it has taken.
      const isRefused = this.role === 'client' || handshake.refuse(code === 'shutdown' ? code : 'normal')
      if (!isRefused) this.#socket.destroy()
      return
    }
    this.#protocol?.close(code)
    this.sender.end()
  }

  armClose(): void {
    this.#armClose(this.limits.closeTimeout)
  }

  #armClose(timeout: number): void {
    this.#closeDeadline?.clear()
    this.#closeDeadline = new PatientDeadline(Math.max(timeout, 1), () =>
      this.fail(closeTimeoutError(timeout))
    )
    this.#closeDeadline.arm()
  }

  #idleExpired(): void {
    if (this.#protocol?.isPaused) {
      this.#idleDeadline?.arm()
      return
    }
    this.fail(idleError(this.limits.idleTimeout))
  }

  #sayGoodbye(error: TokenError, reason: string): boolean {
    if (this.#protocol !== null) return this.#protocol.sayGoodbye(error)
    const code = closeCodeOf(error)
    if (code === null || !this.#opening?.handshake?.refuse(code, reason, lingerAfter(error))) return false
    isTold(error, code)
    return true
  }

  /** While it is greeted anew, a refused dial ends the dial and not the session. */
  #outlives(error: TokenError): boolean {
    if (!this.session.isAgreed || error.code === 'ERR_ABORTED') return false
    if (this.#state === DETACHED) return this.#transport !== null
    return this.#state === OPEN && keepsSession(error)
  }

  #detach(error: TokenError): void {
    this.#dropTransport(error)
    this.#state = DETACHED
    if (this.#resumeDeadline?.isArmed === false) this.#resumeDeadline.arm()
    this.#events.onDetached(error)
  }

  /** Lets go of the transport; what is on it and not whole is thrown away. @param error what the peer is told */
  #dropTransport(error: TokenError | null = null): void {
    const transport = this.#transport
    if (transport === null) return
    const code = error === null || this.#state !== OPEN ? null : closeCodeOf(error)
    const canSpeak = code !== null && !this.sender.isMidToken && transport.socket.writable
    this.#release(error)
    if (!canSpeak) {
      transport.socket.destroy()
      return
    }
    if (error !== null) isTold(error, code)
    sayClose(transport.socket, code, { handed: this.session.handed })
  }

  #release(cause: TokenError | null): void {
    this.#transport?.release()
    this.#transport = null
    this.#idleDeadline?.clear()
    this.#stopTalking()
    this.sender.detach(cause ?? undefined)
    this.session.received = this.receiver.restart()
  }

  #stopTalking(): void {
    this.#opening?.stop()
    this.#opening = null
    this.#protocol?.stop()
  }

  #lose(reason: SessionLossReason, successor: Handover | null): void {
    this.#lossReason = reason
    this.#error = sessionLostError(reason)
    this.#finish(successor)
  }

  #giveAway(): Handover {
    const handshake = this.#opening?.handshake as Handshake
    this.#opening?.stop()
    this.#opening = null
    this.#transport?.release()
    this.#transport = null
    return { socket: this.#socket, handshake, peer: this.#peer }
  }

  /** @param successor the transport, when it goes on without this connection */
  #finish(successor: Handover | null = null): void {
    if (this.#state !== CLOSED) this.#tellEnd(this.#end(), successor)
  }

  /** All that happens, before anybody is told. */
  #end(): CloseInfo {
    const wasAttached = this.#transport !== null
    this.#state = CLOSED
    this.#transport = null
    this.#idleDeadline?.clear()
    this.#closeDeadline?.clear()
    this.#resumeDeadline?.clear()
    this.sender.stop()
    if (wasAttached) this.#error ??= this.#prematureClose()
    const error = this.#error
    const info = this.#closeInfo()
    this.#stopTalking()
    this.session.deliveries.end(this.sender.firstUnsent, null, error)
    this.receiver.stop(error)
    this.#settleClosed(info)
    return info
  }

  #tellEnd(info: CloseInfo, successor: Handover | null): void {
    this.#gone?.abort()
    const { unconfirmed, unsent } = info
    if (this.#lossReason !== null)
      this.#events.onSessionLost(Object.freeze({ reason: this.#lossReason, unknown: unconfirmed, unsent }))
    this.#events.onClose(info, successor)
  }

  #settleClosed(info: CloseInfo): void {
    this.#info = info
    this.#resolveClosed?.(info)
  }

  /** The error of a socket that someone else destroyed, or null when both sides had ended. */
  #prematureClose(): TokenError | null {
    const { errored, readableEnded, writableFinished } = this.#socket
    if ((this.#protocol ?? this.#opening?.handshake)?.isOver) return null
    if (errored !== null) return socketError(errored)
    if (readableEnded && writableFinished) return null
    return prematureCloseError()
  }

  #closeInfo(): CloseInfo {
    const error = this.#error
    const { handed } = this.session.deliveries
    return Object.freeze({
      code: error?.code ?? this.#closeCode,
      hadError: error !== null,
      error,
      unsent: this.sender.tokensUnsent,
      unconfirmed: this.sender.tokensSent - handed,
      undeliveredBytes: this.receiver.undeliveredBytes
    })
  }
}
