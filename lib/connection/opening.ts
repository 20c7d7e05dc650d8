import type { Duplex } from 'node:stream'
import { closeCodeOf, isTold } from '../errors/close-code-of'
import type { CloseCode } from '../errors/close-info'
import { protocolError, TokenError } from '../errors/token-error'
import { noHandler } from '../protocol/answer-of'
import { authorization } from '../protocol/authorization'
import { Handshake, type HandshakeHost } from '../protocol/handshake'
import type { Protocol, ProtocolHost } from '../protocol/protocol'
import { lingerAfter } from '../protocol/say-close'
import { Token1 } from '../protocol/token-1'
import { Token2 } from '../protocol/token-2'
import { endedWithoutClose } from '../protocol/token-2-errors'
import type { UnsettledToken } from '../receiving/unsettled-token'
import { nextTick } from '../runtime/event-loop'
import type { SessionLossReason } from '../session/session'
import { fingerprintBytes, type Peer } from '../tls/peer'
import type { ProtocolName } from '../wire/header'
import {
  FEATURE_HANDLER,
  FEATURE_PART,
  type Hello,
  type Role,
  type SessionLookup,
  type SessionPart
} from '../wire/hello'
import type { Ending } from './ending'
import type { Dispatcher } from './event-dispatcher'
import { GREETING_TIMEOUT, type TransportFacts } from './transport-facts'

/** The connection for which a transport is opened. */
export interface OpeningHost extends ProtocolHost {
  readonly events: Pick<Dispatcher, 'authorizeTimeout' | 'authorize' | 'admit'>
  readonly protocolName: ProtocolName
  readonly role: Role
  /** A client asks for a session, and does not go on without one. */
  readonly wantsSession: boolean
  /** True until the connection is open for the first time, closes or breaks: then nobody is asked any more. */
  readonly isOpening: boolean
  /** True from its error, or its end, on. */
  readonly isBroken: boolean
  readonly ending: Pick<Ending, 'gone'>
  /** @param reason for the peer */
  fail(error: TokenError, reason?: string): void
  /** The server has lost the session, and begun another one on this transport. */
  sessionLost(reason: SessionLossReason): void
  /** This protocol is spoken from now on. */
  speak(protocol: Protocol): void
  /** Tokens may be sent and handed out. */
  opened(): void
}

/**
 * From a transport to a protocol that tokens may flow by: the handshake of token/2, `authorize`, and the session that
 * goes on. It is spoken itself until then.
 *
 * ```
 *  token/1   begin() ───────────────────────────────▶ authorize ──▶ admit ──▶ opened()
 *  client    begin() ──▶ HELLO ──▶ the server's HELLO ──────────────────────▶ opened(), or sessionLost()
 *  server    begin() ──▶ the client's HELLO ──▶ authorize ──▶ admit ──▶ HELLO ──▶ opened()
 *                                                             └─▶ a resumed session: bind() by its own connection
 * ```
 */
export class Opening implements Protocol, HandshakeHost {
  readonly #host: OpeningHost
  readonly #socket: Duplex
  /** It is null on token/1. */
  readonly #handshake: Handshake | null
  #isStopped = false

  /** @param peer at the other end of the transport */
  constructor(host: OpeningHost, socket: Duplex, facts: TransportFacts, peer: Peer | null) {
    this.#host = host
    this.#socket = socket
    this.#handshake =
      facts.greeted ?? (host.protocolName === 'token/2' ? this.#createHandshake(facts, peer) : null)
  }

  get isOver(): boolean {
    return this.#handshake?.isOver === true
  }

  get isHeldUp(): boolean {
    return this.#host.sender.isFullOfAnswers
  }

  get heldBytes(): number {
    return this.#isStopped ? 0 : (this.#handshake?.demultiplexer.heldBytes ?? 0)
  }

  begin(): void {
    const { role, wantsSession, session, sender, receiver } = this.#host
    if (this.#handshake === null) {
      this.#host.speak(new Token1(this.#host))
      sender.attach(this.#socket)
      this.#decide()
    } else if (role === 'client') {
      this.#handshake.makeHello(wantsSession ? session.request() : null, receiver.heldBytes, session.answered)
      this.#handshake.sayHello()
    }
  }

  /** Goes on with the new session with which a server has answered a lost one. */
  succeed(): void {
    const handshake = this.#handshake as Handshake
    const { session } = handshake.hello
    if (session !== null) this.#host.session.begin(session, session.generation)
    // HELLO spoke for the connection that is lost, and for what it held.
    handshake.credit.freeAll()
    nextTick(() => {
      if (!this.#isStopped) this.bind(null)
    })
  }

  /** @returns the handshake, which whoever has the transport next may bind */
  leave(): Handshake {
    this.stop()
    return this.#handshake as Handshake
  }

  read(chunk: Buffer): void {
    this.#handshake?.read(chunk)
  }

  /** What was held from an older transport was taken: HELLO may have given credit already. */
  handed(count: number, last: number, cost: number): void {
    this.#host.session.given(count, last)
    if (!this.#isStopped) this.#handshake?.freed(cost)
  }

  unhandled(token: UnsettledToken): void {
    this.#host.sender.answer(noHandler(token))
  }

  tokenAborted(number: number): void {
    this.#host.session.settle(number)
  }

  /** The next protocol goes by it, and nobody else is there to know it. */
  allHanded(holdsOpen: boolean): void {
    this.#host.session.allGiven(holdsOpen)
  }

  transportEnded(): void {
    if (!this.isOver) this.#host.fail(endedWithoutClose())
  }

  /** A client waits for its handshake, and then sends what it has taken. */
  close(code: CloseCode): void {
    if (this.#host.role === 'client') return
    if (!this.#handshake?.refuse(code === 'shutdown' ? code : 'normal')) this.#socket.destroy()
  }

  sayGoodbye(error: TokenError, reason: string): boolean {
    const code = closeCodeOf(error)
    if (code === null || !this.#handshake?.refuse(code, reason, lingerAfter(error))) return false
    isTold(error, code)
    return true
  }

  /** Nothing comes of it any more: the transport is gone, refused, or someone else's. */
  stop(): void {
    this.#isStopped = true
    this.#handshake?.stop()
  }

  greeted(): void {
    if (this.#host.role === 'server') {
      this.#decide()
      return
    }
    try {
      const answer = this.#handshake?.hello.session ?? null
      const reason = answer === null ? null : this.#host.session.judge(answer)
      if (reason === null) this.bind(null)
      else this.#host.sessionLost(reason)
    } catch (error) {
      this.#host.fail(error as TokenError)
    }
  }

  fail(error: TokenError): void {
    this.#host.fail(error)
  }

  /**
   * Both sides have greeted each other, or will have when this one has said HELLO: tokens may flow.
   *
   * @param lookup what a server says of the session that its client asked for; null: there is none
   */
  bind(lookup: SessionLookup | null): void {
    const handshake = this.#handshake as Handshake
    const { session, sender, receiver } = this.#host
    const { hello, role } = handshake
    this.stop()
    if (role === 'server')
      handshake.makeHello(
        lookup === null ? null : session.answer(lookup),
        receiver.heldBytes,
        session.answered
      )
    const protocol = new Token2(this.#host, handshake)
    this.#host.speak(protocol)
    handshake.sayHello()
    try {
      if ((role === 'server' ? lookup : hello.session?.lookup) === 'resumed') this.#resume(hello)
    } catch (error) {
      this.#host.fail(error as TokenError)
      return
    }
    session.peerMaxTokenLength = hello.maxTokenLength
    session.peerMaxStreamLength = hello.maxStreamLength ?? 0
    session.peerTakesParts = (hello.features & FEATURE_PART) !== 0
    session.peerHandles = (hello.features & FEATURE_HANDLER) !== 0
    sender.attach(this.#socket, protocol.control)
    sender.credit = hello.receiveWindow
    sender.splitsTokens = session.peerTakesParts
    sender.maxFrameLength = hello.maxTokenLength
    sender.cork()
    this.#host.opened()
    protocol.open()
    sender.uncork()
  }

  #createHandshake(
    { ownFingerprints = [], greetingTimeout = GREETING_TIMEOUT }: TransportFacts,
    peer: Peer | null
  ) {
    const { role, wantsSession, limits } = this.#host
    const fingerprints = { own: ownFingerprints, peer: peer && fingerprintBytes(peer.fingerprint) }
    return new Handshake(
      this.#socket,
      limits,
      { role, fingerprints, timeout: greetingTimeout, wantsSession },
      this
    )
  }

  /** Asks `authorize`, where there is one. */
  #decide(): void {
    const { events } = this.#host
    const { authorizeTimeout } = events
    if (authorizeTimeout === null) {
      if (this.#handshake === null) nextTick(() => this.#admit())
      else this.#admit()
      return
    }
    // Asked for here alone: it makes a controller that most connections never need.
    const { gone } = this.#host.ending
    const verdict = authorization(signal => events.authorize(signal), authorizeTimeout, gone)
    void verdict.then(answer => {
      if (!this.#host.isOpening) return
      if (answer.isAccepted) this.#admit()
      else this.#host.fail(answer.error, answer.reason)
    })
  }

  #admit(): void {
    if (this.#host.isBroken) return
    const admission = this.#host.isOpening
      ? this.#host.events.admit(this.#handshake?.hello.session ?? null)
      : null
    if (admission instanceof TokenError) this.#host.fail(admission)
    else if (this.#handshake === null) this.#host.opened()
    // A resumed session has taken the transport to its own connection.
    else if (!this.#isStopped) this.bind(admission)
  }

  /** @throws TokenError when the peer can't stand where it says */
  #resume(hello: Hello): void {
    const peer = hello.session as SessionPart
    const { session, sender } = this.#host
    // What is begun in parts or aborted could not be said any more.
    if (session.peerTakesParts && (hello.features & FEATURE_PART) === 0) {
      throw protocolError('unsupported', 'Cannot resume the session: the peer takes no parts any more')
    }
    if (session.peerHandles && (hello.features & FEATURE_HANDLER) === 0) {
      throw protocolError('unsupported', 'Cannot resume the session: the peer knows no answers any more')
    }
    const fault = session.faultOf(peer, sender.tokensSent)
    if (fault !== null) throw fault
    sender.closeGaps(session.deliveries.closeGaps(sender.firstUnsent))
    if (hello.answered !== undefined) sender.rewindAnswers(hello.answered)
    sender.rewind(peer.received)
    sender.acknowledge(peer.handed)
    session.deliveries.acknowledge(peer.handed)
  }
}
