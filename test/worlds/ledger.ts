import type { CloseInfo } from '../../lib'
import type { FrameTap } from './frame-tap'
import { simulatedAnswer, simulatedToken } from './token'

/** What a promise has said of a token; `none`: it has no promise. */
export type Fate =
  | 'none'
  | 'pending'
  | 'handed'
  | 'ERR_NOT_SENT'
  | 'ERR_FATE_UNKNOWN'
  | 'ERR_HANDLER_FAILED'
  | 'ERR_NO_HANDLER'

/** How a handler can fail, as `reason` of `ERR_HANDLER_FAILED`. */
export type Failure = 'handler-failed' | 'answer-too-large'

/** By which call a token was sent. */
export type Call = 'send' | 'deliver' | 'request' | 'sendFrom' | 'write'

/** One token, from the call that sent it: what was said of it, and what became of it. */
export interface Entry {
  readonly ledger: Ledger
  readonly number: number
  readonly call: Call
  readonly length: number
  fate: Fate
  /** Time by which its promise must be settled, milliseconds; null: when its connection is. */
  due: number | null
  /** The call said no, or an event said that it was not sent. */
  isRefused: boolean
  /** A byte of it was given to a transport; all of them were. */
  isBegun: boolean
  isWhole: boolean
  /** What it left by last. */
  departed: Departed | null
  /** The peer's application was given it, whole; has left it in its middle; a handler is done with it, or has failed. */
  isGiven: boolean
  isSkipped: boolean
  isDone: boolean
  failure: Failure | null
  /** Bytes that the handler has answered. */
  answerLength: number
}

/** Who takes the tokens of a ledger. */
export interface Receiving {
  /** By a handler. */
  readonly handles: boolean
  /** Bytes of the longest answer that the sender takes. */
  readonly longestAnswer: number
}

/** The tokens of one sender, in the order of its calls, and what is true of them. */
export class Ledger {
  readonly entries: Entry[] = []
  /** Of the transports that they leave by. */
  readonly taps: FrameTap[] = []
  /** Counts that events have told. */
  dropped = 0
  unsent = 0
  unconfirmed = 0
  readonly #fail: (why: string) => void
  readonly #isBuffered: () => boolean

  /**
   * @param isBuffered true while a stream has a token that was not read out
   */
  constructor(
    readonly stream: number,
    readonly receiving: Receiving,
    fail: (why: string) => void,
    isBuffered: () => boolean
  ) {
    this.#fail = fail
    this.#isBuffered = isBuffered
  }

  add(call: Call, length: number): { entry: Entry; bytes: Buffer } {
    const number = this.entries.length + 1
    const bytes = simulatedToken(this.stream, number, length)
    const entry: Entry = {
      ledger: this,
      number,
      call,
      length: bytes.length,
      fate: 'none',
      due: null,
      isRefused: false,
      isBegun: false,
      isWhole: false,
      departed: null,
      isGiven: false,
      isSkipped: false,
      isDone: false,
      failure: null,
      answerLength: 0
    }
    this.entries.push(entry)
    return { entry, bytes }
  }

  get hasPending(): boolean {
    return this.entries.some(entry => entry.fate === 'pending')
  }

  given(entry: Entry): void {
    if (entry.isGiven) this.#fail(`${nameOf(entry)} was handed twice`)
    entry.isGiven = true
    if (entry.call === 'request' && !this.receiving.handles)
      this.#fail(`${nameOf(entry)} asks, and was handed to one who does not answer`)
    if (!entry.isBegun) this.#fail(`${nameOf(entry)} was handed and had never left`)
    if (entry.isRefused) this.#fail(`${nameOf(entry)} was refused and handed`)
    if (entry.fate === 'ERR_NOT_SENT') this.#fail(`${nameOf(entry)} was told not sent and was handed`)
  }

  /** The handler that has it is done with it. @param answerLength bytes; null: it has failed */
  handled(entry: Entry, answerLength: number | null): void {
    entry.isDone = true
    entry.answerLength = answerLength ?? 0
    if (answerLength === null) entry.failure = 'handler-failed'
    else if (entry.call === 'request' && answerLength > this.receiving.longestAnswer)
      entry.failure = 'answer-too-large'
  }

  /** The promise of a token that asks was told its answer. */
  answered(entry: Entry, answer: Buffer): void {
    const { number, answerLength } = entry
    if (!answer.equals(simulatedAnswer(this.stream, number, answerLength)))
      this.#fail(
        `${nameOf(entry)} has an answer of ${answer.length} bytes, which is not that of ${answerLength} bytes`
      )
  }

  /** The promise of a token has told that its handler failed. */
  failed(entry: Entry, reason: string | undefined): void {
    if (reason !== entry.failure)
      this.#fail(`${nameOf(entry)} was told ${reason} of its handler, which is ${entry.failure}`)
  }

  /** Its promise has told a fate, for the first time. */
  settled(entry: Entry, fate: Fate): void {
    entry.fate = fate
    // What a stream has taken and nobody has read out, the one who closes counts: at the end it must have been read.
    if (fate === 'handed' && !this.had(entry) && !this.#isBuffered())
      this.#fail(`${nameOf(entry)} was told handed and was not`)
    if (fate === 'ERR_NO_HANDLER' && this.receiving.handles)
      this.#fail(`${nameOf(entry)} was told that there is no handler, and there is one`)
    if (fate === 'handed' && entry.failure !== null)
      this.#fail(`${nameOf(entry)} was told handed, and its handler failed`)
    if (fate === 'ERR_NOT_SENT' && entry.isGiven && !entry.isSkipped)
      this.#fail(`${nameOf(entry)} was told not sent and was handed`)
    if (fate === 'ERR_FATE_UNKNOWN' && !entry.isBegun && !this.taps.some(tap => tap.isUncertain))
      this.#fail(`${nameOf(entry)} was told unknown, and no byte of it had left`)
  }

  /** Whether the peer's application has had it, as this ledger's receiver means it. */
  had(entry: Entry): boolean {
    return this.receiving.handles ? entry.isDone : entry.isGiven || entry.isSkipped
  }

  /** Tokens whose sender was told nothing of them, and that did not arrive. */
  get silent(): Entry[] {
    return this.entries.filter(
      ({ fate, isRefused, isGiven, isSkipped }) => fate === 'none' && !isRefused && !isGiven && !isSkipped
    )
  }

  /** At the end: tokens that vanished must have been counted. @param lostInStreams tokens that a receiver threw away unread */
  checkUnsent(lostInStreams: number): void {
    const vanished = this.silent
    const never = vanished.filter(({ isWhole }) => !isWhole)
    const told = this.unsent + this.dropped
    if (never.length > told)
      this.#fail(`${never.length} tokens never left, and ${told} were counted: ${never.map(nameOf)}`)
    if (vanished.length > told + this.unconfirmed + lostInStreams)
      this.#fail(
        `${vanished.length} tokens vanished, ${told} were counted as unsent and ${this.unconfirmed} as unconfirmed: ${vanished.map(nameOf)}`
      )
    const notGiven = this.entries.filter(entry => !entry.isGiven).length
    if (this.unsent > notGiven)
      this.#fail(`${this.unsent} tokens were counted as unsent, and ${notGiven} did not arrive`)
    for (const entry of this.entries)
      if (entry.fate === 'pending') this.#fail(`the promise of ${nameOf(entry)} was never settled`)
  }
}

/** What left by the transports of one connection. */
export class Departed {
  readonly #entries = new Set<Entry>()
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  add(entry: Entry): void {
    this.#entries.add(entry)
    entry.departed = this
  }

  /** At the end. @param lostInStreams tokens that a receiver threw away unread.  @returns what is untrue of its count, or null */
  faultOf({ unconfirmed }: Pick<CloseInfo, 'unconfirmed'>, lostInStreams: number): string | null {
    const entries = [...this.#entries]
    // In the place of one from a stream, which can't be said again after a cut, an abort is confirmed.
    const isVoid = ({ call, fate, ledger }: Entry) =>
      (call === 'sendFrom' && fate !== 'handed') || (call === 'request' && !ledger.receiving.handles)
    const missing = entries.filter(entry => !entry.ledger.had(entry) && !isVoid(entry))
    if (missing.length > unconfirmed + lostInStreams) {
      return `${missing.length} tokens that left did not arrive, unconfirmed is ${unconfirmed}: ${missing.map(nameOf)}`
    }
    // What an end in order has left over left again by another connection.
    // An answer comes before the count that covers its token.
    const isCovered = ({ call, fate, departed }: Entry) =>
      call !== 'request' && fate === 'handed' && departed === this
    const resolved = entries.filter(isCovered).length
    const voided = this.#ledger.entries.filter(({ call }) => call === 'sendFrom').length
    if (unconfirmed > entries.length - resolved + voided) {
      return `unconfirmed is ${unconfirmed}, and of ${entries.length} tokens ${resolved} were told handed`
    }
    return null
  }
}

export function nameOf({ ledger, number, call }: Entry): string {
  return `token ${number} of stream ${ledger.stream} (${call})`
}
