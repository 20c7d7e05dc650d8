import { CLOSE_CODES, closeCodeName, isOrderly } from '../errors/close-codes'
import type { CloseCode } from '../errors/close-info'
import { escaped } from '../errors/escaped'
import { protocolError, type TokenError } from '../errors/token-error'
import type { UnsettledToken } from '../receiving/unsettled-token'
import {
  type CloseFrame,
  type ControlFrame,
  decodeControl,
  decodeCount,
  type GoawayFrame,
  isAck,
  isAnswerFrame
} from '../wire/control-frame'
import type { Demultiplexer, DemultiplexerEvents } from '../wire/demultiplexer'
import { ABORT_COST, costOf, TYPE_ABORT, TYPE_PART, TYPE_REQUEST } from '../wire/header'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART, type Role } from '../wire/hello'
import { noHandler } from './answer-of'
import { Closing } from './closing'
import { ControlQueue } from './control-queue'
import { FragmentRules } from './fragment-rules'
import { FrameWatch } from './frame-watch'
import type { Handshake } from './handshake'
import { Heartbeat, type HeartbeatEvents } from './heartbeat'
import { IncomingAnswers } from './incoming-answers'
import type { Protocol, ProtocolHost } from './protocol'
import type { ReceiveCredit } from './receive-credit'
import { endedWithoutClose, heartbeatError, noCredit, peerClosed, unexpected } from './token-2-errors'

/**
 * The honest protocol on one transport whose two sides have greeted each other, `docs/wire-format.md` sections 6 to 10
 * and 12. Each of its conversations is an object of its own; this one reads frames and tells them.
 *
 * ```
 *  chunk ──▶ Demultiplexer ─┬─ data, PART, ABORT ──▶ FragmentRules, ReceiveCredit ──▶ the receiver
 *                           ├─ ACK, WINDOW ────────▶ the sender, the session's promises
 *                           ├─ PING, PONG ─────────▶ ControlQueue, Heartbeat
 *                           └─ END, CLOSE ─────────▶ Closing
 * ```
 *
 * The socket is never paused: control frames are read at once, and the peer's tokens are bounded by credit.
 */
export class Token2 implements Protocol, DemultiplexerEvents, HeartbeatEvents {
  readonly control: ControlQueue
  /** The data frame that began last is an answer. */
  isAnswer = false
  readonly #host: ProtocolHost
  readonly #role: Role
  readonly #demultiplexer: Demultiplexer
  readonly #credit: ReceiveCredit
  readonly #fragments: FragmentRules
  readonly #heartbeat: Heartbeat
  readonly #closing: Closing
  readonly #takesParts: boolean
  /** Made for the first frame that does not come whole. */
  #frameWatch: FrameWatch | null = null
  /** Bytes of tokens since the last look at their progress. */
  #tokenBytes = 0
  /** What the peer's last WINDOW said. */
  #granted = 0
  /** Bytes came before the answer to HELLO: nothing but CLOSE may be in them. */
  readonly #mustBeClose: boolean
  /** Null before the first. */
  #answers: IncomingAnswers | null = null
  /** Tokens that the peer's handlers have begun, as it says before CLOSE; null: it has not. */
  #begun: number | null = null
  #isDiscarding = false
  #isStopped = false

  /** @param handshake that both sides have completed; what it holds is read by {@link open} */
  constructor(host: ProtocolHost, handshake: Handshake) {
    const { hello, credit, demultiplexer } = handshake
    const { limits, session } = host
    const peerHas = (feature: number) => (hello.features & feature) !== 0
    // The application may have had more since HELLO was said; and HELLO may have spoken for a session that is lost.
    const handedSaid = Math.min(handshake.handedSaid, session.handed)
    this.#host = host
    this.#role = handshake.role
    this.#demultiplexer = demultiplexer
    this.#credit = credit
    this.#fragments = new FragmentRules(limits.maxTokenLength, limits.maxStreamLength)
    this.#heartbeat = new Heartbeat(limits.heartbeat, hello.heartbeat, this)
    this.control = new ControlQueue(host, credit, peerHas(FEATURE_ACK), handedSaid)
    this.#closing = new Closing(host, this.control, this.#heartbeat, peerHas(FEATURE_END))
    this.#takesParts = peerHas(FEATURE_PART)
    this.#mustBeClose = handshake.hasEarlyBytes
  }

  get isHeldUp(): boolean {
    return this.#host.sender.isFullOfAnswers
  }

  get isOver(): boolean {
    return this.#closing.isOver
  }

  get rtt(): number | null {
    return this.#heartbeat.rtt
  }

  /** Reads what came behind HELLO. The session may have ended on an earlier transport, and the peer wait for an answer. */
  open(): void {
    for (const chunk of this.#demultiplexer.handTo(this)) this.read(chunk)
    this.#closing.answerIfDue()
  }

  read(chunk: Buffer): void {
    this.#heartbeat.sawRead()
    this.#host.session.bytesRead += chunk.length
    this.control.schedule.reading(chunk.length)
    this.#host.sender.cork()
    try {
      this.#demultiplexer.push(chunk)
    } catch (error) {
      this.#host.receiver.deliver()
      this.#host.fail(error as TokenError)
    }
    if (this.#isStopped) return
    const { sender, receiver } = this.#host
    this.#watchToken()
    receiver.deliver()
    if (this.#isDiscarding) this.#credit.freeAll()
    sender.uncork()
    this.control.schedule.read()
  }

  wrote(): void {
    this.#heartbeat.sawWrite()
  }

  handed(count: number, last: number, cost: number): void {
    this.#host.session.given(count, last)
    this.#credit.free(cost)
    if (this.#fragments.isMidToken && !this.#isStopped) this.#watchToken()
    this.control.schedule.moved()
  }

  delivered(isDrained: boolean): void {
    if (!isDrained) this.#host.tokensWait()
  }

  settled(): void {
    this.#closing.settled()
  }

  goaway(frame: GoawayFrame): void {
    if (this.#closing.isOpen) this.control.say(frame)
  }

  ping(opaque: Uint8Array): void {
    this.control.say({ type: 'ping', opaque })
  }

  dead(): void {
    this.#host.fail(heartbeatError(this.#host.limits.heartbeat))
  }

  transportEnded(): void {
    this.#frameWatch?.suspend()
    if (this.#closing.isOver) return
    this.#host.fail(endedWithoutClose())
  }

  /** What is thrown away gives credit: a peer that closes, too, has to write its last tokens before CLOSE. */
  discarding(): void {
    this.#isDiscarding = true
    this.#credit.freeAll()
    this.#host.receiver.given.forgetCost()
    this.control.schedule.moved()
  }

  unhandled(token: UnsettledToken): void {
    this.#host.sender.answer(noHandler(token))
  }

  tokenAborted(number: number): void {
    this.#host.session.settle(number)
    this.handed(0, 0, 0)
  }

  allHanded(holdsOpen: boolean): void {
    this.#host.session.allGiven(holdsOpen)
    this.#closing.answerIfDue()
  }

  close(code: CloseCode): void {
    this.#closing.close(code)
  }

  endSending(): void {
    this.#closing.endSending()
  }

  flushed(): void {
    this.#closing.flushed()
  }

  sayGoodbye(error: TokenError): boolean {
    const isSaid = this.#closing.breakOff(error)
    if (isSaid) this.#demultiplexer.stop()
    return isSaid
  }

  stop(): void {
    this.#isStopped = true
    this.control.stop()
    this.#closing.stop()
    this.#frameWatch?.clear()
    this.#heartbeat.stop()
  }

  // --- frames, in the order of the wire

  onFrame(length: number): TokenError | null {
    this.isAnswer = this.#fragments.isAnswer
    if (this.isAnswer) return this.#fragments.answerData(length)
    const fault = this.#gate('a token') ?? this.#fragments.data(length) ?? this.#afterEnd('a token')
    if (fault !== null) return fault
    return this.#credit.take(costOf(length)) ? null : noCredit()
  }

  onMark(type: number): TokenError | null {
    const isAbort = type === TYPE_ABORT
    const name = isAbort ? 'ABORT' : type === TYPE_PART ? 'PART' : 'REQUEST'
    const gate = this.#gate(name)
    if (gate !== null) return gate
    if (type === TYPE_REQUEST) return this.#requestRead()
    if (!this.#takesParts) return unexpected(name, 'both HELLOs must have its bit, and another frame')
    const fault = this.#afterEnd(name)
    if (fault !== null) return fault
    if (!isAbort) return this.#fragments.part()
    const { isBegun } = this.#fragments
    return this.#fragments.abort() ?? (this.#credit.take(ABORT_COST) || isBegun ? null : noCredit())
  }

  #requestRead(): TokenError | null {
    if (!this.#host.session.peerHandles)
      return unexpected('REQUEST', 'both HELLOs must have its bit, and another frame')
    return this.#afterEnd('REQUEST') ?? this.#fragments.request()
  }

  /** It is routed as it is read: tokens that wait for a consumer may wait for it. */
  onAnswer(bytes: Buffer, left: number): void {
    this.#tokenBytes += bytes.length
    this.#host.active()
    this.#answers?.push(bytes, left)
  }

  onData(run: Buffer): void {
    this.#tokenBytes += run.length
    this.#host.active()
    this.#host.receiver.push(run)
  }

  onCount(frame: Buffer, offset: number): void {
    if (isAnswerFrame(frame, offset)) {
      this.#admit('ANSWER')
      if (!this.#host.session.peerHandles) throw unexpected('ANSWER', 'another frame')
      this.#answerBegins(decodeCount(frame, offset))
      return
    }
    const isCountOfTokens = isAck(frame, offset)
    this.#admit(isCountOfTokens ? 'ACK' : 'WINDOW')
    const count = decodeCount(frame, offset)
    if (isCountOfTokens) this.#ackRead(count)
    else this.#windowRead(count)
  }

  onControl(body: Buffer): void {
    const frame = decodeControl(body)
    this.#admit(frame?.type.toUpperCase() ?? 'a frame')
    if (frame !== null) this.#controlRead(frame)
  }

  /** @returns why a frame of this name may not stand here, whatever is in it */
  #gate(name: string): TokenError | null {
    return this.#mustBeClose && name !== 'CLOSE' ? unexpected(name, 'CLOSE') : null
  }

  #afterEnd(name: string): TokenError | null {
    return this.#closing.hasPeerEnded ? unexpected(name, 'nothing after END') : null
  }

  /** @throws TokenError when a control frame of this name may not stand here */
  #admit(name: string): void {
    const fault = this.#gate(name) ?? this.#fragments.control(name)
    if (fault !== null) throw fault
  }

  #controlRead(frame: ControlFrame): void {
    if (frame.type === 'window') this.#windowRead(frame.granted)
    else if (frame.type === 'ack') this.#ackRead(frame.handed)
    else if (frame.type === 'ping') this.control.pong(frame.opaque)
    else if (frame.type === 'pong') this.#heartbeat.pong(frame.opaque)
    else if (frame.type === 'close') this.#closeRead(frame)
    else if (frame.type === 'end') this.#closing.endRead()
    else if (this.#host.session.peerHandles && this.#answerRead(frame)) return
    else if (frame.type === 'goaway' && this.#role === 'client')
      this.#host.goaway({ ...frame, reason: escaped(frame.reason) })
    else throw unexpected(frame.type.toUpperCase(), 'another frame')
  }

  /** @returns false when the frame is none of those about single tokens */
  #answerRead(frame: ControlFrame): boolean {
    const { sender } = this.#host
    if (frame.type === 'answer') {
      this.#answerBegins(frame.to)
    } else if (frame.type === 'failed') {
      this.#incomingAnswers.failed(frame, sender.tokensSent)
    } else if (frame.type === 'answered') {
      sender.confirmAnswers(frame.count)
    } else if (frame.type === 'begun') {
      this.#checkCount(frame.count)
      this.#begun = frame.count
    } else {
      return false
    }
    return true
  }

  #answerBegins(to: number): void {
    this.#fragments.answer()
    this.#incomingAnswers.begin(to)
  }

  get #incomingAnswers(): IncomingAnswers {
    const { session, limits } = this.#host
    this.#answers ??= new IncomingAnswers(session, limits.maxTokenLength)
    return this.#answers
  }

  #windowRead(granted: number): void {
    if (granted < this.#granted)
      throw protocolError('flow-control', 'Cannot read WINDOW: its count went back')
    const more = granted - this.#granted
    this.#granted = granted
    this.#host.sender.addCredit(more)
  }

  /** The peer's application has had the first `handed` tokens. */
  #ackRead(handed: number): void {
    const { sender, session } = this.#host
    this.#checkCount(handed)
    sender.acknowledge(handed)
    session.deliveries.acknowledge(handed)
  }

  /** @throws TokenError for a count that can't be true of this side's tokens */
  #checkCount(count: number): void {
    const { sender, session } = this.#host
    const least = session.deliveries.handed
    const most = this.#begun ?? sender.tokensSent
    if (count >= least && count <= most) return
    throw protocolError(
      'protocol-error',
      `Cannot read a count of tokens: it is ${count}, and may be from ${least} to ${most}`
    )
  }

  /** The count in CLOSE is final if the connection has no session, or if the code ends it; else it is an ACK. */
  #closeRead(frame: CloseFrame): void {
    const { session, sender } = this.#host
    const code = closeCodeName(frame.code)
    this.#ackRead(frame.handed)
    this.#demultiplexer.stop()
    this.#closing.closeRead()
    if (session.isAgreed && CLOSE_CODES[code].keepsSession) throw peerClosed(frame)
    session.end()
    // The peer has said its last word, and confirms nothing any more.
    sender.keepNoAnswers()
    const error = isOrderly(code) ? null : peerClosed(frame)
    session.deliveries.end(sender.firstUnsent, frame.handed, error, this.#begun ?? frame.handed)
    if (error !== null) throw error
    this.#closing.answerClose(code, this.#fragments.isBegun)
  }

  /** Between two parts the peer must go on, too, while it has credit; control frames are no progress. */
  #watchToken(): void {
    const hasCredit = this.#credit.isLeft || this.#credit.isDue
    const isMidToken = this.#demultiplexer.isMidFrame || (this.#fragments.isMidToken && hasCredit)
    if (isMidToken) this.#frameWatch ??= new FrameWatch(this.#host)
    this.#frameWatch?.update(isMidToken, this.#fragments.tokensBegun, this.#tokenBytes)
    this.#tokenBytes = 0
  }
}
