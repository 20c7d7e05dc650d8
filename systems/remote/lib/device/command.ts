import { randomText } from '../encoding/random-id'
import type { Outgoing } from '../sealing/outbox'
import type { KeyMode, Session } from '../sealing/session'
import type { Timed } from '../time/deadlines'
import { ClientQueue } from './client-queue'

/**
 * What became of a request so far:
 *
 *     waiting → running → done
 *        └──────────────────┘   refused, or nobody waits any more
 */
export type CommandPhase = 'waiting' | 'running' | 'done'

export interface Answer extends Outgoing {
  /** Of the request. */
  readonly number: number
}

/** One request of a client, and then its answer. */
export class Command implements Answer, Timed {
  readonly number: number
  readonly event: string
  payload: unknown
  readonly ifRev: number | undefined
  /** Of one that waits: nobody wants it later. Of one that runs: when it has taken too long. */
  deadline: number
  readonly record: ClientRecord
  readonly queue: ClientQueue<Command>
  /** That waits behind it there. */
  next: Command | undefined
  /** Whom the answer goes to: where it was asked last. */
  session: DeviceSession
  phase: CommandPhase = 'waiting'
  isConcurrent = false
  /** The answer. */
  text = ''
  hasLeft = false
  #abort: AbortController | undefined
  #abortReason: Error | undefined

  constructor(
    number: number,
    event: string,
    payload: unknown,
    ifRev: number | undefined,
    deadline: number,
    session: DeviceSession
  ) {
    this.number = number
    this.event = event
    this.payload = payload
    this.ifRev = ifRev
    this.deadline = deadline
    this.record = session.record
    this.queue = session.record.queue
    this.session = session
  }

  /** For its handler. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason)
    return this.#abort.signal
  }

  /** Tells its handler, now or when it asks, that it need not go on. */
  abort(reason: Error): void {
    this.#abortReason ??= reason
    this.#abort?.abort(reason)
  }

  get requestId(): string {
    return this.record.prefix + this.number.toString(36).padStart(10, '0')
  }
}

/** What is remembered of one client object, through all of its connections. */
export class ClientRecord {
  /** Of this memory of it: the first 22 characters of its requests' ids. */
  readonly prefix = randomText(22)
  /** By number: what waits, runs, or was answered and may be asked for again. */
  readonly commands = new Map<number, Command>()
  /** What has a number up to this one, and is not in `commands`, may have run: its answer is gone. */
  forgotten = 0
  /** A session of it was opened since this memory began. */
  wasConnected = false
  /** Of the answers that are kept: how many, and their characters. */
  answers = 0
  length = 0
  /** Open sessions. */
  sessions = 0
  lastUsed: number
  /** Of its last session. */
  keyId: string
  /** Of its own. */
  readonly ownQueue = new ClientQueue<Command>()
  /** Where its next commands wait: its own, or that of the phone which it is. */
  queue = this.ownQueue

  constructor(keyId: string, now: number) {
    this.keyId = keyId
    this.lastUsed = now
  }
}

/** Where a request came from, and where its answer goes. */
export interface DeviceSession {
  readonly keyId: string
  readonly mode: KeyMode
  readonly record: ClientRecord
  /** Undefined of a request without a connection. */
  readonly session: Session | undefined
  /** Milliseconds that a request of this client waits. */
  readonly timeout: number
  /** Its client is told nothing more. */
  readonly isEnded: boolean
  /** What it asked of the device itself and is not answered yet. */
  asks: number
  /** Its key was replaced: what is under way is answered, and nothing else is taken. */
  isRetired: boolean
  /** The revision that the client was told last. */
  toldRev: number
  /** Characters that wait to be read by the client. */
  readonly waitingLength: number
  /** One that the connection can't carry is answered with a failure instead. */
  answer(item: Answer): void
  /** Something beside answers; a request without a connection hears nothing of it. */
  say(text: string): void
  /** The state, instead of what was told of it and has not left yet. */
  tellState(text: string): void
}
