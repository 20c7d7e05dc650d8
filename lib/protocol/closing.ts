import { closeCodeOf, isTold } from '../errors/close-code-of'
import { closeCodeNumber, type WireCloseCode } from '../errors/close-codes'
import type { CloseCode } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import { Deadline } from '../runtime/deadline'
import { nextTick } from '../runtime/event-loop'
import type { ControlQueue } from './control-queue'
import type { Heartbeat } from './heartbeat'
import type { ProtocolHost } from './protocol'
import { lingerAfter } from './say-close'

/** What this side has said, or will say when the queue is flushed. */
type Local = 'open' | 'ending' | 'ended' | 'closing' | 'closed' | 'broken' | 'over'

/** What the peer has said. */
type Remote = 'open' | 'ended' | 'closed'

/**
 * How the two sides of a transport of token/2 end, `docs/wire-format.md` sections 7.4 and 7.5: END says that a side has
 * no more tokens, CLOSE is its last frame.
 *
 * ```
 *  local    open ──▶ ending ──flushed──▶ ended             CLOSE of both is out
 *             │         │                  │                        │
 *             └─────────┴───── close() ────┴──▶ closing ──flushed──▶ closed ──▶ over
 *             any of these ── a fault ──▶ broken ──flushed──▶ over
 *
 *  remote   open ──END──▶ ended ──CLOSE──▶ closed
 *             └────────────CLOSE─────────────▲
 * ```
 *
 * What the application has been handed belongs to the session: a resumed transport begins where the last one was.
 */
export class Closing {
  readonly #host: ProtocolHost
  readonly #control: ControlQueue
  readonly #heartbeat: Heartbeat
  readonly #sendsEnd: boolean
  #local: Local = 'open'
  #remote: Remote = 'open'
  #code: WireCloseCode = 'normal'
  #lingerDeadline: Deadline | null = null

  /** @param sendsEnd the peer knows END */
  constructor(host: ProtocolHost, control: ControlQueue, heartbeat: Heartbeat, sendsEnd: boolean) {
    this.#host = host
    this.#control = control
    this.#heartbeat = heartbeat
    this.#sendsEnd = sendsEnd
  }

  /** True while this side has not begun to close. */
  get isOpen(): boolean {
    return this.#local === 'open' || this.#local === 'ending' || this.#local === 'ended'
  }

  /** True when neither side says anything any more: what the socket does then is no error. */
  get isOver(): boolean {
    if (this.#local === 'closed') return this.#remote === 'closed'
    return this.#local === 'over' || this.#local === 'broken'
  }

  /** True when this side has said CLOSE: its count of handed tokens is final. */
  get hasClosed(): boolean {
    return this.#local === 'closed' || this.isOver
  }

  /** True when no token of the peer may follow. */
  get hasPeerEnded(): boolean {
    return this.#remote !== 'open'
  }

  /** END was read. A second one is harmless. */
  endRead(): void {
    if (this.#remote !== 'open') return
    this.#remote = 'ended'
    this.#host.receiver.end()
  }

  /** CLOSE was read, and its count settled. */
  closeRead(): void {
    this.#remote = 'closed'
    this.#heartbeat.stop()
  }

  /**
   * The peer ends in order: this side answers when the application has been handed everything.
   *
   * @param isMidToken the peer stopped between two fragments of a token
   */
  answerClose(code: WireCloseCode, isMidToken: boolean): void {
    const { sender, receiver, session } = this.#host
    if (this.#local === 'closing') {
      // The peer hands out nothing any more: what waits is not sent.
      sender.abandon()
    } else if (this.#local !== 'closed') {
      this.#code = code
      this.#host.armClose()
      if (session.isAllHanded) this.answerIfDue()
      else receiver.end(isMidToken)
      return
    }
    sender.end()
  }

  /** After END this side may go on; CLOSE it answers, with a count that covers what the application still works on. */
  answerIfDue(): void {
    const { session, receiver } = this.#host
    if (!session.isAllHanded || this.hasClosed) return
    if (session.holdsOpen && this.#remote !== 'closed') return
    if (receiver.given.hasUnsettled) return
    this.#host.beginClose(this.#code === 'shutdown' ? 'shutdown' : 'normal')
  }

  /** This side has no more tokens: END, where the peer knows it, follows the last one. */
  endSending(): void {
    const { sender, session } = this.#host
    if (this.#local !== 'open') return
    if (!this.#sendsEnd || session.isAllHanded) {
      this.#host.beginClose('normal')
      return
    }
    this.#local = 'ending'
    sender.end()
  }

  /** This side ends: CLOSE follows the last token. */
  close(code: CloseCode): void {
    const { sender, receiver, session } = this.#host
    if (!this.isOpen) return
    this.#local = 'closing'
    if (this.#remote === 'closed') sender.abandon()
    else this.#code = code === 'shutdown' ? 'shutdown' : 'normal'
    receiver.stopHandling()
    if (session.isAgreed) sender.unbound()
    sender.end()
  }

  /** All that may be sent was given to the socket. */
  flushed(): void {
    if (this.#local === 'ending') {
      this.#local = 'ended'
      this.#control.say({ type: 'end' })
    } else if (this.#local === 'closing') {
      // What handlers still work on is waited for: `settled` goes on.
      if (!this.#host.receiver.given.hasUnsettled) this.#sayClose('closed')
    } else if (this.#local === 'broken' || (this.#local === 'closed' && this.#remote === 'closed')) {
      this.#local = 'over'
      this.#host.socket.end()
    }
  }

  /** A token is settled, perhaps in the middle of a write. */
  settled(): void {
    const { sender, receiver, session } = this.#host
    if (receiver.given.hasUnsettled || this.hasClosed) return
    if (this.#local === 'closing') nextTick(() => sender.end())
    else if (session.isAllHanded) nextTick(() => this.answerIfDue())
  }

  /**
   * Says CLOSE because of an error, and ends the transport. A reset would overtake CLOSE: so what comes is ignored for a
   * while, and only then the socket is destroyed.
   *
   * @returns false when the peer can't be told
   */
  breakOff(error: TokenError): boolean {
    const code = closeCodeOf(error)
    const isHeard = this.#remote !== 'closed' || error.code === 'ERR_CLOSE_TIMEOUT'
    if (code === null || this.hasClosed || !isHeard) return false
    if (this.#host.sender.isMidToken || !this.#host.socket.writable) return false
    isTold(error, code)
    this.#code = code
    this.#host.sender.abandon()
    this.#host.sender.abandonAnswers()
    this.#lingerDeadline = new Deadline(lingerAfter(error), () => this.#host.socket.destroy())
    this.#lingerDeadline.arm()
    this.#sayClose('broken', error)
    return true
  }

  stop(): void {
    this.#local = 'over'
    this.#lingerDeadline?.clear()
  }

  /** CLOSE is the last word: what is handed out after it would not be counted. */
  #sayClose(local: 'closed' | 'broken', error: TokenError | null = null): void {
    const { sender, receiver, session } = this.#host
    this.#local = local
    this.#heartbeat.stop()
    receiver.discard()
    // The application has had what it was given before: the peer must not send it again.
    receiver.settleGiven(error)
    const { handed } = session
    if (receiver.tokens > handed && session.peerHandles)
      this.#control.say({ type: 'begun', count: receiver.tokens })
    this.#control.close({ type: 'close', code: closeCodeNumber(this.#code), handed, reason: '' })
    sender.end()
  }
}
