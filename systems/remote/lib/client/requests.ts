import { fieldOf } from '../encoding/json'
import { isErrorCode, RemoteError } from '../errors/remote-error'
import type { Clock } from '../time/clock'
import { Deadlines } from '../time/deadlines'
import type { ClientSession } from './connection-owner'
import { Numbered } from './numbered'
import { quietly } from './quietly'
import type { Request } from './request'

export interface RequestsOptions {
  readonly clock: Clock
  /** Why nothing has been answered so far, for a request whose time is over. */
  readonly expired: (request: Request) => RemoteError
}

/** All that was asked and is not settled, in the order in which it was asked. Each is settled once, and forgotten then. */
export class Requests {
  readonly #pending = new Numbered<Request>()
  readonly #deadlines: Deadlines<Request>
  #last = 0
  #rev: number | undefined
  /** Of this session's news. */
  #newest = 0
  #highestSettledThatLeft = 0

  constructor({ clock, expired }: RequestsOptions) {
    this.#deadlines = new Deadlines(
      clock,
      () => this.#pending.values(),
      request => this.giveUp(request, expired(request))
    )
  }

  /** The revision of the device's state, as it was told last; undefined: not yet. */
  get rev(): number | undefined {
    return this.#rev
  }

  /** The revision at which a session began. */
  beginAt(rev: unknown): void {
    this.#newest = 0
    this.knowRev(rev)
  }

  /**
   * @param rev 0: as before
   * @param isNews news of the state overtake answers, which are not to take the revision back
   * @returns whether nothing newer is known
   */
  knowRev(rev: unknown, isNews = false): boolean {
    if (typeof rev !== 'number' || rev < this.#newest) return false
    if (isNews) this.#newest = rev
    if (rev > 0) this.#rev = rev
    return true
  }

  get size(): number {
    return this.#pending.size
  }

  /** The lowest number that is not settled. */
  get floor(): number {
    return this.#pending.lowest ?? this.#last + 1
  }

  /** The highest number that may have reached the device. */
  get highestThatLeft(): number {
    let highest = this.#highestSettledThatLeft
    for (const { hasLeft, number } of this.#pending.values())
      if (hasLeft && number > highest) highest = number
    return highest
  }

  values(): Iterable<Request> {
    return this.#pending.values()
  }

  get(number: unknown): Request | undefined {
    return this.#pending.get(number)
  }

  /** A number that no request had. */
  next(): number {
    return ++this.#last
  }

  add(request: Request): void {
    this.#pending.add(request)
    this.#deadlines.note(request.deadline)
    const { signal } = request.options
    if (signal === undefined) return
    const onAbort = () =>
      this.giveUp(request, request.failure('cancelled', 'it was given up', { cause: signal.reason }))
    signal.addEventListener('abort', onAbort, { once: true })
    request.onSettled = () => signal.removeEventListener('abort', onAbort)
  }

  /**
   * Settles a request by what the device says of it; what is late, said twice or of no request does nothing.
   *
   * @param mayComeAgain what was sent before may still reach the device, which does not remember what it has refused
   */
  take(message: readonly unknown[], mayComeAgain = false): void {
    const request = this.get(message[1])
    if (request === undefined) return
    if (message[0] === 'res') {
      this.knowRev(message[2])
      this.resolve(request, message[3])
    } else if (message[0] === 'err') this.reject(request, failureOf(request, message[2], mayComeAgain))
    else if (message[0] === 'progress') {
      request.hasBegun = true
      quietly(() => request.options.onProgress?.(message[2]))
    }
  }

  resolve(request: Request, value: unknown): void {
    if (this.#remove(request)) request.resolve(value)
  }

  reject(request: Request, error: RemoteError): void {
    if (this.#remove(request)) request.reject(error)
  }

  /** Nobody waits any more: the device is told, if it may have had it. */
  giveUp(request: Request, error: RemoteError): void {
    if (request.hasLeft) request.session?.outbox.say(`["cancel",${request.number}]`)
    this.reject(request, error)
  }

  /** Sends under a session what waits for one. */
  sendUnder(session: ClientSession): void {
    for (const request of this.#pending.values())
      if (request.session === undefined) this.send(request, session)
  }

  send(request: Request, session: ClientSession): void {
    request.session = session
    request.hadLeft = request.hasLeft
    session.outbox.push(request)
  }

  /** A session brings no more answers. @param lastTaken the other side has certainly not processed the frames after this one */
  sessionEnded(session: ClientSession, lastTaken: number): void {
    for (const request of this.#pending.values()) {
      if (request.session !== session) continue
      request.session = undefined
      if (request.frame > lastTaken) request.hasLeft = request.hadLeft
    }
  }

  /** What has certainly not reached the device fails at once. */
  rejectUnsent(errorOf: (request: Request) => RemoteError): void {
    for (const request of this.#pending.values())
      if (!request.hasLeft && request.session === undefined) this.reject(request, errorOf(request))
  }

  rejectAll(errorOf: (request: Request) => RemoteError): void {
    for (const request of this.#pending.values()) this.reject(request, errorOf(request))
  }

  #remove(request: Request): boolean {
    if (!this.#pending.delete(request.number)) return false
    request.isDropped = true
    if (request.hasLeft && request.number > this.#highestSettledThatLeft)
      this.#highestSettledThatLeft = request.number
    request.onSettled?.()
    if (this.#pending.size === 0) this.#deadlines.idle()
    return true
  }
}

/** What the device says of a request that failed. */
function failureOf({ event }: Request, failure: unknown, mayComeAgain: boolean): RemoteError {
  const [code, message, ran] = [
    fieldOf(failure, 'code'),
    fieldOf(failure, 'message'),
    fieldOf(failure, 'ran')
  ]
  const [reason, rev] = [fieldOf(failure, 'reason'), fieldOf(failure, 'rev')]
  return new RemoteError(isErrorCode(code) ? code : 'refused', String(message ?? '').slice(0, 1000), {
    ran: ran === 'yes' || ran === 'maybe' ? ran : mayComeAgain ? 'maybe' : 'no',
    event,
    ...(typeof reason === 'string' && { reason: reason.slice(0, 64) }),
    ...(typeof rev === 'number' && { rev })
  })
}
