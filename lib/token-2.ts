import type { Verdict } from './authorization'
import { CLOSE_CODES, closeCodeName, closeCodeNumber, isOrderly, type WireCloseCode } from './close-codes'
import type { CloseCode } from './close-info'
import {
  type CloseFrame,
  COUNT_LENGTH,
  type ControlFrame,
  decodeControl,
  decodeCount,
  encodeControl,
  type GoawayFrame,
  isAck,
  writeAck,
  writeWindow
} from './control-frame'
import { CountSchedule, type CountScheduleEvents } from './count-schedule'
import { ReceiveCredit } from './credit'
import { Deadline } from './deadline'
import { TokenError } from './errors'
import { FrameSplitter, type SplitterEvents } from './frame-splitter'
import { FrameWatch } from './frame-watch'
import type { ControlSource } from './frame-writer'
import { closeCodeOf } from './goodbye'
import { type Fingerprints, helloFault, helloOf } from './greeting'
import { Heartbeat, type HeartbeatEvents } from './heartbeat'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART, type Hello, type Role, type SessionPart } from './hello'
import { LINGER_TIMEOUT } from './last-word'
import { PartOrder } from './part-order'
import type { Protocol, ProtocolHost } from './protocol'
import { protocolError } from './protocol-error'
import { RoundTrip } from './round-trip'
import type { Session } from './session'
import { frameTimeoutError } from './token-1'
import {
  escaped,
  heartbeatError,
  MAX_HELD_BYTES,
  noCredit,
  peerClosed,
  refused,
  tooMuchBeforeAcceptance,
  unexpected
} from './token-2-errors'
import { ABORT_COST, costOf } from './wire'

/** What the honest protocol has to know beside the limits. */
export interface Token2Options {
  readonly role: Role
  readonly fingerprints: Fingerprints
  /** Milliseconds for the greeting and `authorize`. */
  readonly greetingTimeout: number
  /** True when the application says itself which tokens it has had. */
  readonly isManualAck: boolean
}

/** Milliseconds for the same when `closeTimeout` is over already: whoever waits for the end has waited enough. */
const AFTER_CLOSE_TIMEOUT = 50

/** Tokens after which ACK is pressing: the peer's promises for more of them cost its garbage collector too much. */
const ACK_AFTER_TOKENS = 4096

/** The same for all, for an empty array of its own costs each connection 32 bytes. */
const NO_FRAMES: readonly Uint8Array[] = []

type State = 'greeting' | 'authorizing' | 'open' | 'saying-close' | 'awaiting-close' | 'over'

/**
 * The honest protocol, `docs/wire-format.md` sections 5 to 10 and 12.
 *
 * ```
 *              HELLO read             authorize said yes
 *  greeting ─────────────▶ authorizing ─────────────────▶ open
 *      │  client: HELLO read = connected                  ▲ │
 *      └──────────────────────────────────────────────────┘ │ close(), CLOSE read, a fault
 *                                                           ▼
 *      over ◀── both CLOSEs, or a fault told ── awaiting-close ◀── queue flushed ── saying-close
 * ```
 *
 * The socket is never paused: control frames are read at once, and the peer's tokens are bounded by credit.
 */
export class Token2 implements Protocol, ControlSource {
  readonly name = 'token/2'
  #host: ProtocolHost
  readonly role: Role
  readonly #isManualAck: boolean
  /** Null when it is over. */
  #greeting: Token2Options | null
  readonly #events: HeartbeatEvents
  readonly #splitter: FrameSplitter
  #credit: ReceiveCredit
  readonly #parts: PartOrder
  /** Made for the first frame that does not come whole. */
  #frameWatch: FrameWatch | null = null
  #greetingDeadline: Deadline | null = null
  #lingerDeadline: Deadline | null = null
  #heartbeat: Heartbeat | null = null
  #state: State = 'greeting'
  /** The peer's HELLO, until it is answered. */
  #hello: Hello | null = null
  /** What the peer's HELLO says that it can do. */
  #peerFeatures = 0
  #framesBegun = 0
  /** True when bytes came before the answer to HELLO: nothing but CLOSE may be in them. */
  #mustBeClose = false

  /** Control frames that wait, in order. */
  #urgent = NO_FRAMES
  /** The newest PING that is not answered. */
  #pongOwed: Uint8Array | null = null
  /** The count that the peer was told last. */
  #ackSent = 0
  readonly #counts: CountSchedule
  /** WINDOW and ACK as they are written, and the first of them; made for the first one. */
  #countFrames: Buffer | null = null
  #countFrame: Buffer | null = null
  #granted = 0
  #peerHasClosed = false
  #hasPeerEnded = false
  /** The peer waits for CLOSE, and the application has not acknowledged everything. */
  #isAnswerOwed = false
  #isEndWanted = false
  #isEndSaid = false
  #saying: { code: WireCloseCode; reason: string } | null = null
  #isBreaking = false
  #isStopped = false
  /** Null before the first PING. */
  #roundTrip: RoundTrip | null = null

  constructor(host: ProtocolHost, options: Token2Options) {
    this.#host = host
    this.role = options.role
    this.#isManualAck = options.isManualAck
    this.#greeting = options
    this.#credit = this.#newCredit()
    this.#parts = new PartOrder(host.limits.maxTokenLength, host.limits.maxStreamLength)
    const events = new Token2.#Events(this)
    this.#events = events
    this.#counts = new CountSchedule(events)
    this.#splitter = new FrameSplitter(events)
  }

  /** What its parts ask of it and tell it: a class, for literals of closures cost each connection 1 KB. */
  static readonly #Events = class implements SplitterEvents, CountScheduleEvents, HeartbeatEvents {
    readonly #protocol: Token2

    constructor(protocol: Token2) {
      this.#protocol = protocol
    }

    onFrame(length: number): TokenError | null {
      return this.#protocol.#frameBegins(length)
    }

    onMark(isAbort: boolean): TokenError | null {
      return this.#protocol.#markRead(isAbort)
    }

    onData(run: Buffer): void {
      const host = this.#protocol.#host
      host.active()
      host.receiver.push(run)
    }

    onCount(frame: Buffer, offset: number): void {
      this.#protocol.#countRead(isAck(frame, offset), decodeCount(frame, offset))
    }

    onControl(body: Buffer, behind: number): void {
      this.#protocol.#controlRead(decodeControl(body), behind)
    }

    refuseControl(length: number): TokenError {
      return protocolError(
        'protocol-error',
        `Cannot read a control frame: its length is ${length}, 1 to 1024 is allowed`
      )
    }

    hasNews(): boolean {
      const protocol = this.#protocol
      return protocol.#session.handed > protocol.#ackSent || protocol.#credit.isDue
    }

    isPressing(): boolean {
      const protocol = this.#protocol
      return protocol.#credit.isDue || protocol.#session.handed - protocol.#ackSent >= ACK_AFTER_TOKENS
    }

    onDue(): void {
      this.#protocol.#host.sender.wake()
    }

    ping(): void {
      this.#protocol.ping()
    }

    dead(): void {
      const host = this.#protocol.#host
      host.fail(heartbeatError(host.limits.heartbeat))
    }
  }

  readonly isPaused = false

  get isOver(): boolean {
    return this.#state === 'over' || this.#isBreaking
  }

  get rtt(): number | null {
    return this.#roundTrip?.milliseconds ?? null
  }

  /**
   * Another connection has this transport from now on: on a server one that goes on with a session and says so in its
   * HELLO, on a client one that begins anew, after HELLO spoke for the old one.
   */
  rebind(host: ProtocolHost): void {
    this.#host = host
    if (this.role === 'server') this.#credit = this.#newCredit()
    else this.#credit.freeAll()
    this.#ackSent = 0
    host.sender.credit = 0
  }

  #newCredit(): ReceiveCredit {
    const { limits, receiver } = this.#host
    return new ReceiveCredit(limits.receiveWindow, receiver.heldBytes)
  }

  start(): void {
    this.#host.sender.credit = 0
    const { greetingTimeout } = this.#greeting as Token2Options
    this.#greetingDeadline = new Deadline(greetingTimeout, () => this.#greetingExpired(greetingTimeout))
    this.#greetingDeadline.arm()
    if (this.role === 'client') {
      this.#sayHello(this.#host.wantsSession ? this.#session.request() : null)
    }
  }

  read(chunk: Buffer): void {
    this.#heartbeat?.sawRead()
    this.#counts.reading(chunk.length)
    this.#host.sender.cork()
    try {
      this.#splitter.push(chunk)
    } catch (error) {
      this.#host.receiver.deliver()
      this.#host.fail(error as TokenError)
    }
    if (this.#isStopped) return
    const { sender, receiver } = this.#host
    if (this.#splitter.heldBytes > MAX_HELD_BYTES && !this.#isBreaking)
      this.#host.fail(tooMuchBeforeAcceptance())
    this.#watchFrame(chunk.length)
    receiver.deliver()
    sender.uncork()
    this.#counts.read()
  }

  #watchFrame(bytes: number): void {
    const { isMidFrame } = this.#splitter
    if (isMidFrame) {
      this.#frameWatch ??= new FrameWatch(this.#host.limits.frameTimeout, count =>
        this.#host.fail(frameTimeoutError(count))
      )
    }
    this.#frameWatch?.update(isMidFrame, this.#framesBegun, bytes)
  }

  wrote(): void {
    this.#heartbeat?.sawWrite()
  }

  delivered(): void {}

  discarding(): void {}

  handed(count: number, cost: number): void {
    this.#credit.free(cost)
    if (!this.#isManualAck) this.#session.handed += count
    this.#counts.moved()
  }

  /** Nobody acknowledges it: it counts when all before it do. */
  aborted(number: number): void {
    if (this.#isManualAck) this.#session.aborted(number)
    else this.#session.handed++
    this.#counts.moved()
  }

  /** Tokens that the application was given and that it has not acknowledged; null when it need not. */
  get unacknowledged(): number | null {
    if (!this.#isManualAck) return null
    return this.#host.receiver.tokens - this.#session.handed - this.#session.voidsWaiting
  }

  /** The application has had `count` more tokens. @returns false when the final count was said before */
  acknowledge(count: number): boolean {
    if (this.#hasSaidClose) return false
    this.#session.acknowledge(count)
    this.#counts.moved()
    if (this.#isAnswerOwed && this.unacknowledged === 0) this.#answer()
    return true
  }

  /** Asks for a PONG. */
  ping(): void {
    this.#roundTrip ??= new RoundTrip()
    this.#say({ type: 'ping', opaque: this.#roundTrip.begin() })
  }

  /** Asks the client to go. */
  goaway(frame: GoawayFrame): void {
    if (this.#state === 'open') this.#say(frame)
  }

  // --- what the writer asks: which control frames go before the next token

  /** @param isAccompanied data goes out with it, so that ACK and WINDOW cost no write of their own */
  takeControl(isAccompanied: boolean): Uint8Array | null {
    const isQuiet = this.#urgent.length === 0 && this.#pongOwed === null
    if (isQuiet) return isAccompanied || this.#counts.isDue ? this.#takeCounts() : null
    const frames = [...this.#urgent]
    this.#urgent = NO_FRAMES
    if (this.#pongOwed !== null && !this.#hasSaidClose) {
      frames.push(encodeControl({ type: 'pong', opaque: this.#pongOwed }))
      this.#pongOwed = null
    }
    const counts = this.#takeCounts()
    if (counts !== null) frames.push(counts)
    if (frames.length === 0) return null
    return frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames)
  }

  /** WINDOW and ACK as far as there is news, in memory that the next ones are written to. */
  #takeCounts(): Uint8Array | null {
    if (this.#state !== 'open' && this.#state !== 'saying-close') return null
    this.#counts.told()
    const { handed } = this.#session
    const hasAck = handed > this.#ackSent && this.#peerHas(FEATURE_ACK)
    if (!hasAck && !this.#credit.isDue) return null
    this.#countFrames ??= Buffer.allocUnsafe(2 * COUNT_LENGTH)
    const frames = this.#countFrames
    let end = 0
    if (this.#credit.isDue) end = writeWindow(frames, end, this.#credit.grant())
    if (hasAck) {
      this.#ackSent = handed
      end = writeAck(frames, end, handed)
    }
    if (end === frames.length) return frames
    this.#countFrame ??= frames.subarray(0, COUNT_LENGTH)
    return this.#countFrame
  }

  #say(frame: ControlFrame): void {
    this.#urgent = [...this.#urgent, encodeControl(frame)]
    this.#host.sender.wake()
  }

  // --- reading

  #frameBegins(length: number): TokenError | null {
    if (this.#state === 'greeting') return unexpected('a token', 'HELLO')
    if (this.#mustBeClose) return unexpected('a token', 'CLOSE')
    const fault = this.#parts.data(length)
    if (fault !== null) return fault
    if (this.#hasPeerEnded) return unexpected('a token', 'nothing after END')
    this.#framesBegun++
    if (this.#credit.take(costOf(length))) return null
    return noCredit()
  }

  /** PART or ABORT, which the receiver gets in its place. */
  #markRead(isAbort: boolean): TokenError | null {
    if (this.#state === 'greeting') return unexpected('a frame', 'HELLO')
    if (this.#mustBeClose) return unexpected('a frame', 'CLOSE')
    const name = isAbort ? 'ABORT' : 'PART'
    if (!this.#peerHas(FEATURE_PART))
      return unexpected(name, 'both HELLOs must have its bit, and another frame')
    if (this.#hasPeerEnded) return unexpected(name, 'nothing after END')
    if (!isAbort) return this.#parts.part()
    const isBegun = this.#parts.isBegun
    const fault = this.#parts.abort()
    return fault ?? (this.#credit.take(ABORT_COST) || isBegun ? null : noCredit())
  }

  #controlRead(frame: ControlFrame | null, behind: number): void {
    if (this.#state === 'greeting') {
      this.#greetingRead(frame, behind)
      return
    }
    if (this.#mustBeClose && frame?.type !== 'close') throw unexpected('a frame', 'CLOSE')
    const fault = this.#parts.control(frame?.type.toUpperCase() ?? 'a frame')
    if (fault !== null) throw fault
    if (frame !== null) this.#frameRead(frame)
  }

  /** ACK or WINDOW, in its place. */
  #countRead(isAck: boolean, count: number): void {
    if (this.#state === 'greeting') throw unexpected('a frame', 'HELLO')
    if (this.#mustBeClose) throw unexpected('a frame', 'CLOSE')
    const fault = this.#parts.control(isAck ? 'ACK' : 'WINDOW')
    if (fault !== null) throw fault
    if (isAck) this.#ackRead(count)
    else this.#windowRead(count)
  }

  #frameRead(frame: ControlFrame): void {
    if (frame.type === 'window') this.#windowRead(frame.granted)
    else if (frame.type === 'ack') this.#ackRead(frame.handed)
    else if (frame.type === 'ping') this.#pingRead(frame.opaque)
    else if (frame.type === 'pong') this.#roundTrip?.end(frame.opaque)
    else if (frame.type === 'close') this.#closeRead(frame)
    else if (frame.type === 'end') this.#endRead()
    else if (frame.type === 'goaway' && this.role === 'client')
      this.#host.goaway({ ...frame, reason: escaped(frame.reason) })
    else throw unexpected(frame.type.toUpperCase(), 'another frame')
  }

  #windowRead(granted: number): void {
    if (granted < this.#granted)
      throw protocolError('flow-control', 'Cannot read WINDOW: its count went back')
    const more = granted - this.#granted
    this.#granted = granted
    this.#host.sender.addCredit(more)
  }

  #pingRead(opaque: Uint8Array): void {
    this.#pongOwed = opaque
    this.#host.sender.wake()
  }

  #ackRead(handed: number): void {
    this.#checkCount(handed)
    this.#acknowledged(handed)
  }

  /** The peer's application has had the first `handed` tokens. */
  #acknowledged(handed: number): void {
    this.#host.sender.acknowledge(handed)
    this.#session.deliveries.acknowledge(handed)
  }

  #endRead(): void {
    this.#hasPeerEnded = true
    this.#host.receiver.end()
  }

  #checkCount(handed: number): void {
    const least = this.#session.deliveries.handed
    const { tokensSent } = this.#host.sender
    if (handed < least || handed > tokensSent) {
      throw protocolError(
        'protocol-error',
        `Cannot read a count of tokens: it is ${handed}, and may be from ${least} to ${tokensSent}`
      )
    }
  }

  get #session(): Session {
    return this.#host.session
  }

  get #hasSaidClose(): boolean {
    return this.#state === 'awaiting-close' || this.#state === 'over'
  }

  #peerHas(feature: number): boolean {
    return (this.#peerFeatures & feature) !== 0
  }

  // --- greeting

  #greetingRead(frame: ControlFrame | null, behind: number): void {
    const { role, fingerprints } = this.#greeting as Token2Options
    if (frame?.type === 'close' && role === 'client') {
      this.#peerHasClosed = true
      throw refused(frame)
    }
    if (frame?.type !== 'hello') throw unexpected('a frame', 'HELLO')
    const fault = helloFault(frame, role, fingerprints, this.#host.wantsSession)
    if (fault !== null) throw fault
    this.#hello = frame
    this.#peerFeatures = frame.features
    if (role === 'server') this.#askAuthorize(behind)
    else if (frame.session === null) this.#open()
    else this.#sessionAnswered(frame.session)
  }

  #sessionAnswered(answer: SessionPart): void {
    const reason = this.#session.judge(answer)
    if (reason !== null) {
      this.#host.sessionLost(reason)
      if (this.#isStopped) return
      this.#session.begin(answer, answer.generation)
    }
    this.#open(answer.lookup === 'resumed' ? answer : null)
  }

  /** @param behind bytes that were read with HELLO, and stand behind it */
  #askAuthorize(behind: number): void {
    this.#state = 'authorizing'
    const verdict = this.#host.authorize()
    if (verdict === null) {
      this.#accept(behind)
      return
    }
    this.#splitter.hold()
    void verdict.then(answer => {
      if (this.#state !== 'authorizing') return
      if (answer.isAccepted) this.#accept(this.#splitter.heldBytes)
      else this.#refuse(answer)
    })
  }

  #refuse({ reason, error }: Verdict & { isAccepted: false }): void {
    this.#saying = { code: error.closeCode ?? 'refused', reason }
    this.#host.fail(error)
  }

  /** @param early bytes that are there before the client can know of its acceptance */
  #accept(early: number): void {
    const { session: request } = this.#hello as Hello
    const admission = this.#host.admit(request)
    if (admission instanceof TokenError) {
      this.#host.fail(admission)
      return
    }
    this.#mustBeClose = early > 0
    try {
      this.#sayHello(admission === null ? null : this.#session.answer(admission))
      this.#open(admission === 'resumed' ? request : null)
      this.#splitter.release()
    } catch (error) {
      this.#host.fail(error as TokenError)
    }
    this.#host.receiver.deliver()
  }

  #sayHello(session: SessionPart | null): void {
    const { role, fingerprints } = this.#greeting as Token2Options
    const receiveWindow = this.#credit.helloWindow
    this.#ackSent = session?.handed ?? 0
    this.#say({ type: 'hello', ...helloOf(role, this.#host.limits, fingerprints, session), receiveWindow })
  }

  /** @param resumed where the peer stands in the session that goes on; null when nothing does */
  #open(resumed: SessionPart | null = null): void {
    const peer = this.#hello as Hello
    if (resumed !== null) this.#resume(resumed)
    this.#state = 'open'
    this.#endGreeting()
    this.#heartbeat = new Heartbeat(this.#host.limits.heartbeat, peer.heartbeat, this.#events)
    this.#host.sender.credit = peer.receiveWindow
    this.#readAbilities(peer)
    this.#host.opened()
    // close() or the end of a stream came before: what was sent until then is sent first.
    if (this.#saying !== null) this.#state = 'saying-close'
    else if (this.#isEndWanted) this.#endOrClose()
    if (this.#saying !== null) this.#host.sender.end()
    // Known from an earlier transport: the peer may not say it again, and was not answered.
    if (this.#session.isAllHanded) this.allHanded(this.#session.holdsOpen)
    this.#host.sender.wake()
  }

  /** Lets go of what only the greeting needs. */
  #endGreeting(): void {
    this.#greeting = null
    this.#hello = null
    this.#greetingDeadline?.clear()
    this.#greetingDeadline = null
  }

  #readAbilities(peer: Hello): void {
    const session = this.#session
    session.peerMaxTokenLength = peer.maxTokenLength
    session.peerMaxStreamLength = peer.maxStreamLength ?? 0
    session.peerTakesParts = this.#peerHas(FEATURE_PART)
    this.#host.sender.splitsTokens = session.peerTakesParts
  }

  #resume(peer: SessionPart): void {
    // What is begun in parts or aborted could not be said any more.
    if (this.#session.peerTakesParts && !this.#peerHas(FEATURE_PART)) {
      throw protocolError('unsupported', 'Cannot resume the session: the peer takes no parts any more')
    }

    const fault = this.#session.faultOf(peer, this.#host.sender.tokensSent)
    if (fault !== null) throw fault
    this.#host.sender.rewind(peer.received)
    this.#acknowledged(peer.handed)
  }

  #greetingExpired(greetingTimeout: number): void {
    this.#host.fail(
      new TokenError(
        'ERR_HANDSHAKE_TIMEOUT',
        `Cannot greet the peer: HELLO and authorize took longer than ${Math.round(greetingTimeout)} ms`
      )
    )
  }

  // --- the end

  #closeRead(frame: CloseFrame): void {
    const code = closeCodeName(frame.code)
    this.#checkCount(frame.handed)
    this.#peerHasClosed = true
    this.#splitter.stop()
    this.#heartbeat?.stop()
    this.#acknowledged(frame.handed)
    // The tokens above the count may still be handed if the session goes on, whatever this side is doing.
    if (this.#session.isAgreed && CLOSE_CODES[code].keepsSession) throw peerClosed(frame)
    this.#session.end()
    this.#session.deliveries.end(this.#host.sender.tokensSent, frame.handed, null)
    if (!isOrderly(code)) throw peerClosed(frame)
    if (this.#state === 'awaiting-close') {
      this.#state = 'over'
      this.#host.socket.end()
    } else if (this.#state === 'open') {
      this.#saying = { code, reason: '' }
      this.#host.armClose()
      if (this.#session.isAllHanded) this.allHanded(false)
      else this.#host.receiver.end(this.#parts.isBegun)
    } else {
      this.#host.sender.abandon()
      this.#host.sender.end()
    }
  }

  transportEnded(): void {
    this.#frameWatch?.suspend()
    if (this.#state === 'over' || this.#isBreaking) return
    this.#host.fail(
      new TokenError('ERR_LOST', 'Cannot go on: the peer ended the transport without saying CLOSE')
    )
  }

  /** The tokens before the peer's CLOSE are handed out: now it is answered. After END this side may still send. */
  allHanded(holdsOpen: boolean): void {
    this.#session.isAllHanded = true
    this.#session.holdsOpen = holdsOpen
    // The last word throws away what is left, and that is an end too.
    if (this.#hasSaidClose) return
    if (holdsOpen && !this.#peerHasClosed) return
    // The final count must cover what the application still works on.
    if (this.unacknowledged) this.#isAnswerOwed = true
    else this.#answer()
  }

  #answer(): void {
    this.#isAnswerOwed = false
    this.#host.beginClose(this.#saying?.code === 'shutdown' ? 'shutdown' : 'normal')
  }

  close(code: CloseCode): void {
    this.#saying ??= { code: code === 'shutdown' ? 'shutdown' : 'normal', reason: '' }
    if (this.#state === 'authorizing' || (this.#state === 'greeting' && this.role === 'server')) {
      this.#breakOff(this.#saying.code)
    } else if (this.#state === 'open') {
      this.#state = 'saying-close'
      // The peer hands out nothing any more: what waits is not sent.
      if (this.#peerHasClosed) this.#host.sender.abandon()
    }
  }

  endSending(): void {
    this.#isEndWanted = true
    if (this.#state === 'open') this.#endOrClose()
  }

  #endOrClose(): void {
    if (this.#peerHas(FEATURE_END) && !this.#session.isAllHanded) this.#host.sender.end()
    else this.#host.beginClose('normal')
  }

  flushed(): void {
    if (this.#state === 'open' && this.#isEndWanted && !this.#isEndSaid) {
      this.#isEndSaid = true
      this.#say({ type: 'end' })
    } else if (this.#state === 'saying-close') {
      this.#sayClose()
    } else if (this.#isBreaking || this.#peerHasClosed) {
      this.#state = 'over'
      this.#host.socket.end()
    }
  }

  /** CLOSE is the last word: what is handed out after it would not be counted. */
  #sayClose(): void {
    const { code, reason } = this.#saying as { code: WireCloseCode; reason: string }
    this.#state = 'awaiting-close'
    this.#heartbeat?.stop()
    this.#host.receiver.discard()
    // What the application was given before the last word it has had: the peer must not send it again.
    if (!this.#isManualAck) this.#session.handed = this.#host.receiver.tokens
    const { handed } = this.#session
    const close = encodeControl({ type: 'close', code: closeCodeNumber(code), handed, reason })
    this.#urgent = [...this.#urgent, close]
    this.#host.sender.end()
  }

  sayGoodbye(error: TokenError): boolean {
    const code = closeCodeOf(error)
    const isHeard = !this.#peerHasClosed || error.code === 'ERR_CLOSE_TIMEOUT'
    if (code === null || this.#hasSaidClose || !isHeard) return false
    if (this.#host.sender.isMidToken || !this.#host.socket.writable) return false
    this.#breakOff(code, error.code === 'ERR_CLOSE_TIMEOUT' ? AFTER_CLOSE_TIMEOUT : LINGER_TIMEOUT)
    return true
  }

  /** A reset would overtake CLOSE: the transport is ended, what comes is ignored, and only then it is destroyed. */
  #breakOff(code: WireCloseCode, linger = LINGER_TIMEOUT): void {
    this.#isBreaking = true
    if (this.#saying?.code !== code) this.#saying = { code, reason: '' }
    this.#splitter.stop()
    this.#pongOwed = null
    this.#host.sender.abandon()
    this.#lingerDeadline = new Deadline(linger, () => this.#host.socket.destroy())
    this.#lingerDeadline.arm()
    this.#sayClose()
  }

  stop(): void {
    this.#state = 'over'
    this.#isStopped = true
    this.#counts.stop()
    this.#frameWatch?.clear()
    this.#greetingDeadline?.clear()
    this.#lingerDeadline?.clear()
    this.#heartbeat?.stop()
  }
}
