import type { Duplex } from 'node:stream'
import { closeCodeOf, isTold, keepsSession } from '../errors/close-code-of'
import { closeCodeName } from '../errors/close-codes'
import type { CloseCode, CloseInfo } from '../errors/close-info'
import { protocolError } from '../errors/protocol-error'
import { socketError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import type { ConnectionLimits, ProtocolOptions } from '../options/connection-options'
import { authorization } from '../protocol/authorization'
import { Handshake, type HandshakeHost } from '../protocol/handshake'
import type { Protocol, ProtocolHost } from '../protocol/protocol'
import { lingerAfter, sayLastWord } from '../protocol/say-close'
import { Token1 } from '../protocol/token-1'
import { Token2 } from '../protocol/token-2'
import { endedWithoutClose } from '../protocol/token-2-errors'
import { Receiver, type ReceiverEvents } from '../receiving/receiver'
import { tell } from '../runtime/application-call'
import { Deadline } from '../runtime/deadline'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { Sender } from '../sending/sender'
import type { SenderEvents } from '../sending/sender-events'
import { Session, type SessionLossReason } from '../session/session'
import { fingerprintBytes, type Peer, peerOf } from '../tls/peer'
import type { GoawayFrame } from '../wire/control-frame'
import type { ProtocolName } from '../wire/header'
import { FEATURE_PART, type Hello, type Role, type SessionLookup, type SessionPart } from '../wire/hello'
import type { Connection } from './connection'
import type { ConnectionContext, Handover, TransportFacts } from './connection-context'
import { Transport, type TransportEvents } from './transport'

/** Milliseconds for HELLO and `authorize` when nobody has used some of them before. */
const GREETING_TIMEOUT = 10_000

const OPENING = 0
const OPEN = 1
const DETACHED = 2
const CLOSING = 3
const CLOSED = 4

type State = typeof OPENING | typeof OPEN | typeof DETACHED | typeof CLOSING | typeof CLOSED

/** What a life leaves to its connection: whose tokens they are. */
export interface LifeTokens {
  /** True while there are listeners to hand tokens to. */
  hasListeners(): boolean
  onToken(token: Buffer): void
  /** What the peer takes is known, and nothing has been sent. */
  onAbilities(): void
  /** There is room again. */
  onDrain(): void
  /** The token from a stream at that place will never be whole. */
  onAborted(place: number, cause: unknown): void
  /** It was taken back, and left a gap. */
  onWithdrawn(place: number, cause: unknown): void
}

/** What is fixed for a life. */
export interface LifeOptions {
  readonly limits: ConnectionLimits
  readonly protocol: ProtocolOptions
  readonly context: ConnectionContext
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
export class ConnectionLife
  implements TransportEvents, SenderEvents, ReceiverEvents, ProtocolHost, HandshakeHost
{
  readonly limits: ConnectionLimits
  readonly session = new Session()
  readonly sender: Sender
  readonly receiver: Receiver
  readonly #connection: Connection
  readonly #protocolOptions: ProtocolOptions
  readonly #context: ConnectionContext
  readonly #tokens: LifeTokens
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
  /** While the two sides of token/2 greet each other. */
  #handshake: Handshake | null = null
  /** Null before the first handshake is done; of a session, the last one's until the next begins. */
  #protocol: Protocol | null = null
  #closeDeadline: PatientDeadline | null = null
  #state: State = OPENING
  #isSendingEnded = false
  #closeCode: CloseCode = 'normal'
  #error: TokenError | null = null
  #lossReason: SessionLossReason | null = null
  /** What is known at the end. */
  #info: CloseInfo | null = null
  #closed: Promise<CloseInfo> | null = null
  #resolveClosed: ((info: CloseInfo) => void) | null = null

  /** @param connection whose events are told */
  constructor(connection: Connection, socket: Duplex, options: LifeOptions, tokens: LifeTokens) {
    const { limits, context } = options
    this.#connection = connection
    this.limits = limits
    this.#protocolOptions = options.protocol
    this.#context = context
    this.#tokens = tokens
    this.#socket = socket
    this.#facts = context
    this.#peer = context.peer === undefined ? peerOf(socket) : context.peer
    this.#idleDeadline =
      limits.idleTimeout === 0 ? null : new Deadline(limits.idleTimeout, () => this.#idleExpired())
    const { session } = context
    this.#resumeDeadline =
      session === undefined
        ? null
        : new PatientDeadline(session.resumeTimeout, () => this.loseSession('expired'))
    this.sender = new Sender(limits, this)
    this.receiver = new Receiver(limits.maxTokenLength, this, this.protocolName === 'token/2')
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
    return this.#protocolOptions.protocol ?? 'token/1'
  }

  get role(): Role {
    return this.#protocolOptions.role ?? 'client'
  }

  get isManualAck(): boolean {
    return this.#protocolOptions.ack === 'manual'
  }

  /** Milliseconds of the last round trip; null when none is known. */
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

  /** True when nothing more can be sent. */
  get isDead(): boolean {
    if (this.#state >= CLOSING || this.#isSendingEnded) return true
    return !this.#socket.writable && !this.session.isAgreed
  }

  /** True from the error that ends it. */
  get isBroken(): boolean {
    return this.#error !== null
  }

  /** Begins with the first transport. */
  start(): void {
    const { greeted } = this.#facts
    this.#carry(this.#socket)
    this.#idleDeadline?.arm()
    if (greeted === undefined) this.#greet()
    else this.#succeed(greeted)
  }

  /** Ends in order. @returns false when it was ended before */
  close(code: CloseCode, timeout: number): boolean {
    if (this.#state >= CLOSING) return false
    this.#armClose(timeout)
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
    if (wasOpening) this.#context.onRefused?.(error)
  }

  /**
   * Goes on with another transport, on which a client greets anew and a server has been greeted. The old one, if it is
   * still there, is let go of first.
   */
  attach(socket: Duplex, facts: TransportFacts): void {
    if (this.#transport !== null) {
      const { code, message } = REPLACED
      this.#dropTransport(new TokenError(code, message, REPLACED))
    }
    this.#facts = facts
    this.#peer = facts.peer ?? null
    if (this.#state === OPEN) this.#state = DETACHED
    if (this.#resumeDeadline?.isArmed === false) this.#resumeDeadline.arm()
    this.#protocol = null
    this.#carry(socket)
    if (facts.greeted === undefined) this.#greet()
    else this.#bind(facts.greeted, 'resumed')
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

  // --- the transport

  #carry(socket: Duplex): void {
    this.#socket = socket
    this.#transport = new Transport(socket, this)
  }

  onData(chunk: unknown): void {
    if (!Buffer.isBuffer(chunk)) {
      const message = `Cannot read from the socket: it gives a ${typeof chunk} instead of a Buffer (setEncoding, object mode)`
      this.fail(new TokenError('ERR_SOCKET', message))
    } else if (this.#handshake === null) {
      this.#protocol?.read(chunk)
    } else {
      this.#handshake.read(chunk)
    }
  }

  memory(): Buffer | null {
    return this.receiver.memory
  }

  onEnd(): void {
    if (this.#handshake === null) this.#protocol?.transportEnded()
    else if (!this.#handshake.isOver) this.fail(endedWithoutClose())
  }

  onError(error: Error): void {
    this.fail(socketError(error))
  }

  onClose(): void {
    const error = this.#prematureClose()
    if (error !== null && this.#error === null && this.#outlives(error)) this.#detach(error)
    else this.#finish()
  }

  // --- the handshake, until the transport may carry tokens

  #greet(): void {
    const { role } = this
    if (this.protocolName === 'token/1') {
      this.#protocol = new Token1(this)
      this.sender.attach(this.#socket)
      this.#decide()
      return
    }
    const wantsSession = this.#context.session !== undefined && role === 'client'
    const fingerprints = {
      own: this.#facts.ownFingerprints ?? [],
      peer: this.#peer && fingerprintBytes(this.#peer)
    }
    const timeout = this.#facts.greetingTimeout ?? GREETING_TIMEOUT
    const options = { role, fingerprints, timeout, wantsSession }
    const handshake = new Handshake(this.#socket, this.limits, options, this)
    this.#handshake = handshake
    if (role === 'server') return
    handshake.makeHello(wantsSession ? this.session.request() : null, this.receiver.heldBytes)
    handshake.sayHello()
  }

  greeted(): void {
    const handshake = this.#handshake as Handshake
    if (handshake.role === 'server') {
      this.#decide()
      return
    }
    try {
      const answer = handshake.hello.session
      const reason = answer === null ? null : this.session.judge(answer)
      // The server has begun another one on this transport, for the next connection.
      if (reason !== null) this.#lose(reason, this.#giveAway())
      else this.#bind(handshake, null)
    } catch (error) {
      this.fail(error as TokenError)
    }
  }

  /** A server has answered a lost session with a new one, which this connection begins. */
  #succeed(handshake: Handshake): void {
    const { session } = handshake.hello
    this.#handshake = handshake
    if (session !== null) this.session.begin(session, session.generation)
    // HELLO spoke for the connection that is lost, and for what it held.
    handshake.credit.freeAll()
    nextTick(() => {
      if (this.#handshake === handshake) this.#bind(handshake, null)
    })
  }

  /** Asks `authorize`, where there is one. */
  #decide(): void {
    const { authorize, greetingTimeout = GREETING_TIMEOUT } = this.#context
    const { authorizeTimeout = greetingTimeout } = this.#context
    if (authorize === undefined) {
      if (this.#handshake === null) nextTick(() => this.#admit())
      else this.#admit()
      return
    }
    const timeout = Math.min(greetingTimeout, authorizeTimeout)
    this.#gone = new AbortController()
    const verdict = authorization(signal => authorize(this.#connection, signal), timeout, this.#gone.signal)
    void verdict.then(answer => {
      if (this.#state !== OPENING) return
      if (answer.isAccepted) this.#admit()
      else this.fail(answer.error, answer.reason)
    })
  }

  #admit(): void {
    if (this.#state === CLOSED || this.#error !== null) return
    const handshake = this.#handshake
    const request = handshake?.hello.session ?? null
    const admission =
      this.#state === OPENING ? (this.#context.admit?.(this.#connection, request) ?? null) : null
    if (admission instanceof TokenError) this.fail(admission)
    else if (this.protocolName === 'token/1') this.#opened()
    // A resumed session has taken the transport to its own connection.
    else if (handshake !== null && this.#handshake === handshake) this.#bind(handshake, admission)
  }

  /**
   * Both sides have greeted each other, or will have when this one has said HELLO: tokens may flow.
   *
   * @param lookup what a server says of the session that its client asked for; null: there is none
   */
  #bind(handshake: Handshake, lookup: SessionLookup | null): void {
    const { hello, role } = handshake
    const { sender } = this
    handshake.stop()
    this.#handshake = null
    if (role === 'server')
      handshake.makeHello(lookup === null ? null : this.session.answer(lookup), this.receiver.heldBytes)
    const protocol = new Token2(this, handshake)
    this.#protocol = protocol
    handshake.sayHello()
    const isResumed = (role === 'server' ? lookup : hello.session?.lookup) === 'resumed'
    try {
      if (isResumed) this.#resume(hello)
    } catch (error) {
      this.fail(error as TokenError)
      return
    }
    const { session } = this
    session.peerMaxTokenLength = hello.maxTokenLength
    session.peerMaxStreamLength = hello.maxStreamLength ?? 0
    session.peerTakesParts = (hello.features & FEATURE_PART) !== 0
    sender.attach(this.#socket, protocol.control)
    sender.credit = hello.receiveWindow
    sender.splitsTokens = session.peerTakesParts
    sender.maxFrameLength = hello.maxTokenLength
    sender.cork()
    this.#opened()
    protocol.open()
    sender.uncork()
  }

  /** @throws TokenError when the peer can't stand where it says */
  #resume(hello: Hello): void {
    const peer = hello.session as SessionPart
    const { session, sender } = this
    // What is begun in parts or aborted could not be said any more.
    if (session.peerTakesParts && (hello.features & FEATURE_PART) === 0) {
      throw protocolError('unsupported', 'Cannot resume the session: the peer takes no parts any more')
    }
    const fault = session.faultOf(peer, sender.tokensSent)
    if (fault !== null) throw fault
    sender.closeGaps(session.deliveries.closeGaps(sender.firstUnsent))
    sender.rewind(peer.received)
    sender.acknowledge(peer.handed)
    session.deliveries.acknowledge(peer.handed)
  }

  // --- what the sender tells

  onDrain(): void {
    this.#context.onDrain?.()
    this.#tokens.onDrain()
    tell(this.#connection, 'drain')
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
    this.#tokens.onAborted(place, cause)
  }

  onWithdrawn(place: number, cause: unknown): void {
    this.#tokens.onWithdrawn(place, cause)
  }

  // --- what the receiver tells

  get hasListeners(): boolean {
    return this.#error === null && this.#tokens.hasListeners()
  }

  onToken(token: Buffer): void {
    this.#tokens.onToken(token)
  }

  onHanded(count: number, cost: number): void {
    if (!this.isManualAck) this.session.handed += count
    if (this.#handshake === null) this.#protocol?.freed(cost)
    else this.#handshake.freed(cost)
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
    const goaway = Object.freeze({ code: closeCodeName(code, 'goaway'), retryAfter, reason })
    this.#context.onGoaway?.(goaway, this.#connection)
    tell(this.#connection, 'goaway', goaway)
  }

  #opened(): void {
    if (this.#state === DETACHED) {
      this.#resumed()
      return
    }
    if (this.#state === OPENING) this.#state = OPEN
    if (this.session.isAgreed) this.sender.retain(this.#context.session?.windowBytes ?? 0)
    if (this.protocolName === 'token/2') this.#tokens.onAbilities()
    this.#context.onOpen?.(this.#connection)
    tell(this.#connection, 'open')
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
    this.#context.onResumed?.(this.#connection)
    tell(this.#connection, 'resumed')
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
    if (this.#handshake !== null) {
      // A client waits for its handshake, and then sends what it has taken.
      const isRefused =
        this.role === 'client' || this.#handshake.refuse(code === 'shutdown' ? code : 'normal')
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
    const { idleTimeout } = this.limits
    this.fail(
      new TokenError(
        'ERR_IDLE_TIMEOUT',
        `Cannot keep the connection: no byte of a token passed for idleTimeout, ${idleTimeout} ms`
      )
    )
  }

  #sayGoodbye(error: TokenError, reason: string): boolean {
    if (this.#handshake === null) return this.#protocol?.sayGoodbye(error) ?? false
    const code = closeCodeOf(error)
    if (code === null || !this.#handshake.refuse(code, reason, lingerAfter(error))) return false
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
    this.#context.onDetached?.(error, this.#connection)
    // A client that gives up ends the session at once, and nothing follows `close`.
    if (this.#state === DETACHED) tell(this.#connection, 'detached', error)
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
    sayLastWord(transport.socket, code, { handed: this.session.handed })
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
    this.#handshake?.stop()
    this.#handshake = null
    this.#protocol?.stop()
  }

  #lose(reason: SessionLossReason, successor: Handover | null): void {
    this.#lossReason = reason
    this.#error = sessionLostError(reason)
    this.#finish(successor)
  }

  #giveAway(): Handover {
    const handshake = this.#handshake as Handshake
    this.#transport?.release()
    this.#transport = null
    this.#handshake = null
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
    const { error } = info
    const connection = this.#connection
    this.#gone?.abort()
    this.#tellLoss(info)
    if (error !== null && connection.listenerCount('error') > 0) tell(connection, 'error', error)
    this.#context.onClose?.(info, connection, successor)
    this.sender.release()
    tell(connection, 'close', info.hadError, info)
  }

  #settleClosed(info: CloseInfo): void {
    this.#info = info
    this.#resolveClosed?.(info)
  }

  #tellLoss({ unconfirmed, unsent }: CloseInfo): void {
    const reason = this.#lossReason
    if (reason === null) return
    const loss = Object.freeze({ reason, unknown: unconfirmed, unsent })
    this.#context.onSessionLost?.(loss, this.#connection)
    tell(this.#connection, 'session-lost', loss)
  }

  /** The error of a socket that someone else destroyed, or null when both sides had ended. */
  #prematureClose(): TokenError | null {
    const { errored, readableEnded, writableFinished } = this.#socket
    if ((this.#handshake ?? this.#protocol)?.isOver) return null
    if (errored !== null) return socketError(errored)
    if (readableEnded && writableFinished) return null
    const message = 'Cannot use the connection: its socket was destroyed before both sides had ended'
    return new TokenError('ERR_SOCKET', message)
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

function stallError(timeout: number): TokenError {
  return new TokenError(
    'ERR_WRITE_TIMEOUT',
    `Cannot send: the peer took nothing for writeTimeout, ${timeout} ms`
  )
}

function closeTimeoutError(timeout: number): TokenError {
  return new TokenError(
    'ERR_CLOSE_TIMEOUT',
    `Cannot close the connection in order: it was not done in ${timeout} ms`
  )
}

const REPLACED = {
  code: 'ERR_LOST',
  closeCode: 'session-replaced',
  message: 'Cannot use the transport: a newer dial has the session'
} as const

function sessionLostError(reason: SessionLossReason): TokenError {
  return new TokenError('ERR_SESSION_LOST', `Cannot go on with the session: ${reason}`, {
    closeCode: 'session-lost'
  })
}
