import type { Duplex } from 'node:stream'
import { tell } from './application-call'
import { authorization, type Verdict } from './authorization'
import { closeCodeName } from './close-codes'
import type { CloseCode, CloseInfo } from './close-info'
import type { Connection } from './connection'
import type { ConnectionContext, Handover, TransportFacts } from './connection-context'
import type { ConnectionLimits, ProtocolOptions } from './connection-options'
import type { GoawayFrame } from './control-frame'
import { Deadline } from './deadline'
import { TokenError } from './errors'
import { closeCodeOf, keepsSession } from './goodbye'
import type { SessionLookup, SessionPart } from './hello'
import { sayLastWord } from './last-word'
import { fingerprintBytes, type Peer, peerOf } from './peer'
import type { ProtocolHost } from './protocol'
import { Receiver, type ReceiverEvents } from './receiver'
import { Sender } from './sender'
import type { SenderEvents } from './sender-events'
import { Session, type SessionLossReason } from './session'
import { socketError } from './socket-error'
import { Token1 } from './token-1'
import { Token2 } from './token-2'
import { Transport, type TransportEvents } from './transport'

/** Milliseconds for HELLO and `authorize` when nobody has used some of them before. */
const GREETING_TIMEOUT = 10_000

const NO_NUMBERS: ReadonlySet<number> = new Set()

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
  /** The token from a stream will never be whole. */
  onAborted(number: number, cause: unknown): void
  /** It was taken out of the queue: those behind it move up. */
  onWithdrawn(number: number, cause: unknown): void
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
export class ConnectionLife {
  readonly session = new Session()
  readonly sender: Sender
  readonly receiver: Receiver
  /** Numbers of the tokens that never left and of which a promise said so; known at the end. */
  unsentDeliveries: ReadonlySet<number> = NO_NUMBERS
  readonly #connection: Connection
  readonly #limits: ConnectionLimits
  readonly #protocolOptions: ProtocolOptions
  readonly #context: ConnectionContext
  readonly #tokens: LifeTokens
  /** Null without `idleTimeout`. */
  readonly #idleDeadline: Deadline | null
  /** Null without a session. */
  readonly #resumeDeadline: Deadline | null
  /** Made when `authorize` is asked: few connections need one, and it takes more memory than a timer. */
  #gone: AbortController | null = null
  #facts: TransportFacts
  #peer: Peer | null
  #socket: Duplex
  /** Null when the last one is gone. */
  #transport: Transport | null = null
  #protocol!: Token1 | Token2
  #closeDeadline: Deadline | null = null
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
    this.#limits = limits
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
      session === undefined ? null : new Deadline(session.resumeTimeout, () => this.loseSession('expired'))
    this.sender = new Sender(limits, new ConnectionLife.#Sent(this))
    this.receiver = this.#createReceiver(options.protocol.protocol === 'token/2')
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

  get protocol(): Token1 | Token2 {
    return this.#protocol
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
    this.#attach(this.#socket)
    this.#idleDeadline?.arm()
  }

  /** Ends in order. @returns false when it was ended before */
  close(code: CloseCode, timeout: number): boolean {
    if (this.#state >= CLOSING) return false
    this.#armClose(timeout)
    this.#beginClose(code)
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
    this.#protocol.endSending()
  }

  /** The first error is the one that is told; `close` of the socket does the rest. */
  fail(error: TokenError): void {
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
    if (this.#transport === null) process.nextTick(() => this.#finish())
    else if (this.#protocol.sayGoodbye(error)) this.#state = CLOSING
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
    this.#attach(socket)
  }

  /** The transport is another connection's from now on; this one was never open. Its end is told when that is done. */
  handOver(): Handover {
    const handover = this.#giveAway()
    const info = this.#end(handover)
    process.nextTick(() => this.#tellEnd(info, handover))
    return handover
  }

  /** The session can't go on. */
  loseSession(reason: SessionLossReason): void {
    if (this.#state >= CLOSING) return
    this.#dropTransport()
    this.#lose(reason, null)
  }

  // --- the transport

  #attach(socket: Duplex): void {
    const { greeted } = this.#facts
    this.#socket = socket
    const host = new ConnectionLife.#Host(this, socket)
    const protocol = greeted ?? this.#createProtocol(host)
    this.#protocol = protocol
    this.sender.attach(socket, protocol instanceof Token2 ? protocol : undefined)
    // Before authorize is asked, which may end the connection.
    this.#transport = new Transport(socket, new ConnectionLife.#Carried(this))
    if (greeted === undefined) protocol.start()
    else greeted.rebind(host)
  }

  /** What the transport tells: a class, as the others. */
  static readonly #Carried = class implements TransportEvents {
    readonly #life: ConnectionLife

    constructor(life: ConnectionLife) {
      this.#life = life
    }

    onData(chunk: unknown): void {
      this.#life.#read(chunk)
    }

    memory(): Buffer | null {
      return this.#life.receiver.memory
    }

    onEnd(): void {
      this.#life.#protocol.transportEnded()
    }

    onError(error: Error): void {
      this.#life.fail(socketError(error))
    }

    onClose(): void {
      this.#life.#transportClosed()
    }
  }

  #createReceiver(hasMarks: boolean): Receiver {
    return new Receiver(
      this.#limits.maxTokenLength,
      new ConnectionLife.#Received(this, this.#tokens),
      hasMarks
    )
  }

  /** A class, as the others. */
  static readonly #Sent = class implements SenderEvents {
    readonly #life: ConnectionLife

    constructor(life: ConnectionLife) {
      this.#life = life
    }

    onDrain(): void {
      this.#life.#context.onDrain?.()
      tell(this.#life.#connection, 'drain')
    }

    onActivity(hasTokens: boolean): void {
      if (hasTokens) this.#life.#idleDeadline?.arm()
      this.#life.#protocol.wrote()
    }

    onStall(): void {
      this.#life.fail(stallError(this.#life.#limits.writeTimeout))
    }

    onFlushed(): void {
      this.#life.#protocol.flushed()
    }

    onAborted(number: number, cause: unknown): void {
      this.#life.#tokens.onAborted(number, cause)
    }

    onWithdrawn(number: number, cause: unknown): void {
      this.#life.#tokens.onWithdrawn(number, cause)
    }
  }

  /** A class, for a literal with a getter makes a hidden class of its own for each connection: 1 KB. */
  static readonly #Received = class implements ReceiverEvents {
    readonly #life: ConnectionLife
    readonly #tokens: LifeTokens

    constructor(life: ConnectionLife, tokens: LifeTokens) {
      this.#life = life
      this.#tokens = tokens
    }

    get hasListeners(): boolean {
      return this.#life.#error === null && this.#tokens.hasListeners()
    }

    onToken(token: Buffer): void {
      this.#tokens.onToken(token)
    }

    onHanded(count: number, cost: number): void {
      this.#life.#protocol.handed(count, cost)
    }

    onAborted(number: number): void {
      this.#life.#protocol.aborted(number)
    }

    onDelivered(isDrained: boolean): void {
      this.#life.#protocol.delivered(isDrained)
    }

    onDiscard(): void {
      this.#life.#protocol.discarding()
    }

    onBroken(error: TokenError): void {
      this.#life.fail(error)
    }

    onEnd(holdsOpen: boolean): void {
      this.#life.#protocol.allHanded(holdsOpen)
    }

    onAbandoned(): void {
      this.#life.#armClose(this.#life.#limits.closeTimeout)
    }
  }

  /** What the protocol on one transport may do: a class, for a literal of closures costs each connection 1 KB. */
  static readonly #Host = class implements ProtocolHost {
    readonly socket: Duplex
    readonly limits: ConnectionLimits
    readonly sender: Sender
    readonly receiver: Receiver
    readonly session: Session
    readonly #life: ConnectionLife

    constructor(life: ConnectionLife, socket: Duplex) {
      this.#life = life
      this.socket = socket
      this.limits = life.#limits
      this.sender = life.sender
      this.receiver = life.receiver
      this.session = life.session
    }

    get wantsSession(): boolean {
      return this.#life.#context.session !== undefined && this.#life.#protocolOptions.role === 'client'
    }

    authorize(): Promise<Verdict> | null {
      return this.#life.#authorize()
    }

    admit(request: SessionPart | null): TokenError | SessionLookup | null {
      const life = this.#life
      if (life.#error !== null) return life.#error
      return life.#state === OPENING ? (life.#context.admit?.(life.#connection, request) ?? null) : null
    }

    sessionLost(reason: SessionLossReason): void {
      this.#life.#succeed(reason)
    }

    opened(): void {
      this.#life.#opened()
    }

    beginClose(code: CloseCode): void {
      this.#life.#beginClose(code)
    }

    armClose(): void {
      this.#life.#armClose(this.limits.closeTimeout)
    }

    active(): void {
      this.#life.#idleDeadline?.arm()
    }

    fail(error: TokenError): void {
      this.#life.fail(error)
    }

    goaway(frame: GoawayFrame): void {
      this.#life.#goaway(frame)
    }
  }

  #createProtocol(host: ProtocolHost): Token1 | Token2 {
    const { protocol, role = 'client', ack } = this.#protocolOptions
    if (protocol !== 'token/2') return new Token1(host)
    return new Token2(host, {
      role,
      fingerprints: {
        own: this.#facts.ownFingerprints ?? [],
        peer: this.#peer && fingerprintBytes(this.#peer)
      },
      greetingTimeout: this.#facts.greetingTimeout ?? GREETING_TIMEOUT,
      isManualAck: ack === 'manual'
    })
  }

  #read(chunk: unknown): void {
    if (Buffer.isBuffer(chunk)) {
      this.#protocol.read(chunk)
    } else {
      const message = `Cannot read from the socket: it gives a ${typeof chunk} instead of a Buffer (setEncoding, object mode)`
      this.fail(new TokenError('ERR_SOCKET', message))
    }
  }

  #authorize(): Promise<Verdict> | null {
    const { authorize, greetingTimeout = GREETING_TIMEOUT } = this.#context
    const { authorizeTimeout = greetingTimeout } = this.#context
    if (authorize === undefined) return null
    const timeout = Math.min(greetingTimeout, authorizeTimeout)
    this.#gone = new AbortController()
    return authorization(signal => authorize(this.#connection, signal), timeout, this.#gone.signal)
  }

  #opened(): void {
    if (this.#state === CLOSED) return
    if (this.#state === DETACHED) {
      this.#resumed()
      return
    }
    if (this.#state === OPENING) this.#state = OPEN
    if (this.session.isAgreed) this.sender.retain(this.#context.session?.windowBytes ?? 0)
    if (this.#protocol instanceof Token2) this.#tokens.onAbilities()
    this.#context.onOpen?.(this.#connection)
    tell(this.#connection, 'open')
    this.receiver.open()
  }

  #resumed(): void {
    this.#state = OPEN
    this.#resumeDeadline?.clear()
    this.#idleDeadline?.arm()
    if (this.#isSendingEnded) this.#protocol.endSending()
    this.#context.onResumed?.(this.#connection)
    tell(this.#connection, 'resumed')
    this.receiver.deliver()
  }

  #goaway({ code, retryAfter, reason }: GoawayFrame): void {
    const goaway = Object.freeze({ code: closeCodeName(code, 'goaway'), retryAfter, reason })
    this.#context.onGoaway?.(goaway, this.#connection)
    tell(this.#connection, 'goaway', goaway)
  }

  // --- the end

  #beginClose(code: CloseCode): void {
    if (this.#state >= CLOSING) return
    const wasDetached = this.#state === DETACHED
    this.#state = CLOSING
    this.#closeCode = code
    if (wasDetached) {
      this.#dropTransport()
      process.nextTick(() => this.#finish())
      return
    }
    if (this.#closeDeadline === null) this.#armClose(this.#limits.closeTimeout)
    this.#protocol.close(code)
    this.sender.end()
  }

  #armClose(timeout: number): void {
    this.#closeDeadline?.clear()
    this.#closeDeadline = new Deadline(Math.max(timeout, 1), () => this.fail(closeTimeoutError(timeout)))
    this.#closeDeadline.arm()
  }

  #idleExpired(): void {
    if (this.#protocol.isPaused) {
      this.#idleDeadline?.arm()
      return
    }
    const { idleTimeout } = this.#limits
    this.fail(
      new TokenError(
        'ERR_IDLE_TIMEOUT',
        `Cannot keep the connection: no byte of a token passed for idleTimeout, ${idleTimeout} ms`
      )
    )
  }

  #transportClosed(): void {
    const error = this.#prematureClose()
    if (error !== null && this.#error === null && this.#outlives(error)) this.#detach(error)
    else this.#finish()
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
    tell(this.#connection, 'detached', error)
  }

  /** Lets go of the transport; what is on it and not whole is thrown away. @param error what the peer is told */
  #dropTransport(error: TokenError | null = null): void {
    const transport = this.#transport
    if (transport === null) return
    const code = error === null || this.#state !== OPEN ? null : closeCodeOf(error)
    const canSpeak = code !== null && !this.sender.isMidToken && transport.socket.writable
    this.#release(error)
    if (canSpeak) sayLastWord(transport.socket, code, this.session.handed)
    else transport.socket.destroy()
  }

  #release(cause: TokenError | null): void {
    this.#transport?.release()
    this.#transport = null
    this.#idleDeadline?.clear()
    this.#protocol.stop()
    this.sender.detach(cause ?? undefined)
    this.session.received = this.receiver.restart()
  }

  /** The server no longer has the session: it has begun another one on this transport, for the next connection. */
  #succeed(reason: SessionLossReason): void {
    this.#lose(reason, this.#giveAway())
  }

  #lose(reason: SessionLossReason, successor: Handover | null): void {
    this.#lossReason = reason
    this.#error = sessionLostError(reason)
    this.#finish(successor)
  }

  #giveAway(): Handover {
    this.#transport?.release()
    this.#transport = null
    this.sender.detach()
    return { socket: this.#socket, protocol: this.#protocol as Token2, peer: this.#peer }
  }

  /** @param successor the transport, when it goes on without this connection */
  #finish(successor: Handover | null = null): void {
    if (this.#state !== CLOSED) this.#tellEnd(this.#end(successor), successor)
  }

  /** All that happens, before anybody is told. */
  #end(successor: Handover | null): CloseInfo {
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
    const { deliveries } = this.session
    this.unsentDeliveries = deliveries.numbers()
    if (successor === null) this.#protocol.stop()
    deliveries.end(this.sender.tokensSent, null, error)
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
    if (this.#protocol.isOver) return null
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
