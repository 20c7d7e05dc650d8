import type { ControlSource } from '../sending/frame-writer'
import type { Sender } from '../sending/sender'
import type { Session } from '../session/session'
import {
  type CloseFrame,
  COUNT_LENGTH,
  COUNTS_LENGTH,
  type ControlFrame,
  encodeControl,
  writeAck,
  writeAnswered,
  writeWindow
} from '../wire/control-frame'
import { AckSchedule, type AckScheduleEvents } from './ack-schedule'
import type { ProtocolHost } from './protocol'
import type { ReceiveCredit } from './receive-credit'

/** Tokens after which ACK is pressing: the peer's promises for more of them cost its garbage collector too much. */
const ACK_AFTER_TOKENS = 4096

/** The same for all, for an empty array of its own costs each connection 32 bytes. */
const NO_FRAMES: readonly Uint8Array[] = []

/** @returns views of the same memory, by how many frames they have */
function countFrames(): readonly Buffer[] {
  const memory = Buffer.allocUnsafe(COUNTS_LENGTH)
  return Array.from({ length: COUNTS_LENGTH / COUNT_LENGTH + 1 }, (_, count) =>
    memory.subarray(0, count * COUNT_LENGTH)
  )
}

/**
 * The control frames of one side that wait for the writer: first those that were said, then the newest PONG, then
 * WINDOW, ACK and ANSWERED as they stand at that moment, which go with data or when their schedule says so.
 *
 * CLOSE is the last frame: nothing follows it.
 */
export class ControlQueue implements ControlSource, AckScheduleEvents {
  /** When ACK and WINDOW are written by themselves. */
  readonly schedule = new AckSchedule(this)
  readonly #session: Session
  readonly #sender: Sender
  readonly #credit: ReceiveCredit
  readonly #acknowledges: boolean
  /** Frames that were said, in order. */
  #said = NO_FRAMES
  /** The newest PING that is not answered. */
  #pongOwed: Uint8Array | null = null
  /** The count that the peer was told last. */
  #ackSent: number
  /** The count of answers that the peer was told last. */
  #answeredSent: number
  /** The counts as they are written, all of them, two or one; made for the first one. */
  #countFrames: readonly Buffer[] | null = null
  #isClosed = false

  /**
   * @param acknowledges the peer wants ACK
   * @param handedSaid the count of tokens that the peer was told in HELLO
   */
  constructor(
    { session, sender }: ProtocolHost,
    credit: ReceiveCredit,
    acknowledges: boolean,
    handedSaid: number
  ) {
    this.#session = session
    this.#sender = sender
    this.#credit = credit
    this.#acknowledges = acknowledges
    this.#ackSent = handedSaid
    this.#answeredSent = session.answered
  }

  /** Queues a frame. */
  say(frame: ControlFrame): void {
    this.#said = [...this.#said, encodeControl(frame)]
    this.#sender.wake()
  }

  /** Queues CLOSE, which no PONG, ACK or WINDOW follows. */
  close(frame: CloseFrame): void {
    this.#isClosed = true
    this.#pongOwed = null
    this.#said = [...this.#said, encodeControl(frame)]
  }

  /** The peer wants a PONG with these bytes; of several PINGs the newest is answered. */
  pong(opaque: Uint8Array): void {
    if (this.#isClosed) return
    this.#pongOwed = opaque
    this.#sender.wake()
  }

  stop(): void {
    this.#isClosed = true
    this.schedule.stop()
  }

  takeControl(isAccompanied: boolean): Uint8Array | null {
    const isQuiet = this.#said.length === 0 && this.#pongOwed === null
    if (isQuiet) return isAccompanied || this.schedule.isDue ? this.takeCounts() : null
    const frames = [...this.#said]
    this.#said = NO_FRAMES
    if (this.#pongOwed !== null) {
      frames.push(encodeControl({ type: 'pong', opaque: this.#pongOwed }))
      this.#pongOwed = null
    }
    const counts = this.takeCounts()
    if (counts !== null) frames.push(counts)
    return frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames)
  }

  hasNews(): boolean {
    return this.#session.handed > this.#ackSent || this.#credit.isDue || this.#hasAnswerNews
  }

  isPressing(): boolean {
    return this.#credit.isDue || this.#session.handed - this.#ackSent >= ACK_AFTER_TOKENS
  }

  onDue(): void {
    this.#sender.wake()
  }

  /** WINDOW, ACK and ANSWERED as far as there is news, in memory that the next ones are written to. */
  takeCounts(): Uint8Array | null {
    if (this.#isClosed) return null
    this.schedule.told()
    const { handed } = this.#session
    const hasAck = handed > this.#ackSent && this.#acknowledges
    const hasAnswered = this.#hasAnswerNews
    if (!hasAck && !hasAnswered && !this.#credit.isDue) return null
    this.#countFrames ??= countFrames()
    const frames = this.#countFrames[COUNTS_LENGTH / COUNT_LENGTH] as Buffer
    let end = 0
    if (this.#credit.isDue) end = writeWindow(frames, end, this.#credit.grant())
    if (hasAck) {
      this.#ackSent = handed
      end = writeAck(frames, end, handed)
    }
    if (hasAnswered) {
      this.#answeredSent = this.#session.answered
      end = writeAnswered(frames, end, this.#answeredSent)
    }
    return this.#countFrames[end / COUNT_LENGTH] as Buffer
  }

  /** Only in a session is it kept until the peer knows. */
  get #hasAnswerNews(): boolean {
    return this.#session.answered > this.#answeredSent && this.#session.isAgreed
  }
}
