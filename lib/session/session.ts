import { protocolError, type TokenError } from '../errors/token-error'
import type { SessionLookup, SessionPart } from '../wire/hello'
import { Deliveries } from './deliveries'
import { SettledTokens } from './settled-tokens'

const NO_ID = Buffer.alloc(16)
const NO_EPOCH = Buffer.alloc(8)

/** Why a session can't go on; `evicted`: this server had to make room. */
export type SessionLossReason = Exclude<SessionLookup, 'request' | 'new' | 'resumed'> | 'evicted'

/** What became of the tokens of a session that can't go on. */
export interface SessionLoss {
  readonly reason: SessionLossReason
  /** Tokens that left, and of which nobody knows whether the peer's application has had them. */
  readonly unknown: number
  /** Tokens of which the last byte never left. A client sends those without a promise on its next session. */
  readonly unsent: number
}

/** Where a client and a server agree to go on. */
export interface SessionKey {
  /** 16 random bytes: a secret between the two. */
  readonly id: Buffer
  /** 8 bytes: which life of the server made the id. */
  readonly epoch: Buffer
}

/**
 * The positions of a connection of token/2 in both directions, `docs/wire-format.md` sections 9 and 11: numbers
 * and promises, no frames and no sockets. Once a session is agreed on they outlive the transport.
 *
 * ```
 *  my tokens      ├── handed (the peer's word) ──┤── kept for replay ──┤── never left ──┤
 *                                        ↑ the peer's `received`: written again from here
 *  the peer's     ├── handed ──┤── in the queue ──┤ received ┤ begun: thrown away by a cut
 * ```
 */
export class Session {
  /** The fates of this side's tokens. */
  readonly deliveries: Deliveries
  /** Tokens of the peer that the application has had. */
  handed = 0
  /** Bytes read since the beginning, behind HELLO. */
  bytesRead = 0
  /** Whole tokens of the peer that are safe on this side; counted when a transport is gone. */
  received = 0
  /** The peer has sent its last token, and the application was given all of them. */
  isAllHanded = false
  /** Who was given them may still answer. */
  holdsOpen = false
  /** What the peer's HELLO says that it takes: known from the first one on, also while the next transport is greeted. */
  peerMaxTokenLength = Number.POSITIVE_INFINITY
  peerMaxStreamLength = 0
  peerTakesParts = false
  /** The peer knows REQUEST and answers. */
  peerHandles = false
  /** Answers of the peer that came. */
  answered = 0
  /** Settled before one in front of them; null before the first. */
  #settled: SettledTokens | null = null
  #key: SessionKey | null = null
  #generation = 0
  #isEnded = false

  /** @param goesOn what the peer has not had may go on by another connection */
  constructor(goesOn = false) {
    this.deliveries = new Deliveries(goesOn)
  }

  /** True when the peer's HELLO is known. */
  get isGreeted(): boolean {
    return this.peerMaxTokenLength !== Number.POSITIVE_INFINITY
  }

  /** True while both sides keep it across transports. */
  get isAgreed(): boolean {
    return this.#key !== null && !this.#isEnded
  }

  /** The peer has ended it by its CLOSE. */
  end(): void {
    this.#isEnded = true
  }

  /** The application was given the `count` tokens up to number `last`, and has returned. */
  given(count: number, last: number): void {
    if (this.handed + count === last) this.handed = this.#settled?.after(last) ?? last
    else for (let number = last - count + 1; number <= last; number++) this.settle(number)
  }

  /** The token of this number is done with: it counts when all before it are. */
  settle(number: number): void {
    this.#settled ??= new SettledTokens()
    this.handed = this.#settled.add(number, this.handed)
  }

  /** The application was given all that the peer has sent. @param holdsOpen it may still answer */
  allGiven(holdsOpen: boolean): void {
    this.isAllHanded = true
    this.holdsOpen = holdsOpen
  }

  /** The largest generation of a dial; 0 before the first. */
  get generation(): number {
    return this.#generation
  }

  /** For the HELLO of a client: the next dial. */
  request(): SessionPart {
    this.#generation++
    return this.#part('request')
  }

  /** What a server's HELLO answers to a dial that it has accepted. */
  answer(lookup: SessionLookup): SessionPart {
    return this.#part(lookup)
  }

  /** A server's new session; `generation` is that of the client's HELLO. */
  begin(key: SessionKey, generation: number): void {
    this.#key = key
    this.#generation = generation
  }

  /** A server's session goes on with a newer dial. */
  advance(generation: number): void {
    this.#generation = generation
  }

  /**
   * What a server's answer means to the client that asked with {@link request}.
   *
   * @returns why the session is lost, or null: it begins or goes on
   * @throws TokenError `ERR_PROTOCOL` when it is no answer to what was asked
   */
  judge(answer: SessionPart): SessionLossReason | null {
    const { lookup, generation, id, epoch } = answer
    const isFirst = this.#key === null
    if (generation !== this.#generation)
      throw wrong(`its generation is ${generation}, not ${this.#generation}`)
    if ((lookup === 'new') !== isFirst) throw wrong(`its lookup is ${lookup}, which was not asked for`)
    if (lookup !== 'resumed') {
      if (!isFirst) return lookup as SessionLossReason
      this.#key = { id, epoch }
    } else if (!id.equals((this.#key as SessionKey).id) || !epoch.equals((this.#key as SessionKey).epoch)) {
      throw wrong('it is another session')
    }
    return null
  }

  /**
   * What can't be true of where the peer says that it stands; asked before anything is done about it.
   *
   * @param sent the number of the last token that left whole
   * @returns the error, or null
   */
  faultOf({ received, handed }: SessionPart, sent: number): TokenError | null {
    if (received > sent) return wrong(`${received} tokens were received, and ${sent} were sent`)
    if (handed >= this.deliveries.handed) return null
    return wrong(`${handed} tokens were handed, and ${this.deliveries.handed} before`)
  }

  #part(lookup: SessionLookup): SessionPart {
    const { id, epoch } = this.#key ?? { id: NO_ID, epoch: NO_EPOCH }
    const { received, handed } = this
    return { id, epoch, generation: this.#generation, received, handed, lookup }
  }
}

function wrong(why: string) {
  return protocolError('protocol-error', `Cannot resume the session: ${why}`)
}
