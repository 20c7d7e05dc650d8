import { fromBase64url } from '../encoding/base64url'
import { utf8 } from '../encoding/bytes'
import { parseJson } from '../encoding/json'
import { randomBytes } from '../encoding/random-id'
import { InOrder } from '../link/in-order'
import type { Link } from '../link/link'
import { ClientHandshake } from '../sealing/handshake'
import { deviceIdOf } from '../sealing/keys'
import { Outbox } from '../sealing/outbox'
import type { SealingKey, Session } from '../sealing/session'
import { backoff } from '../time/backoff'
import type { ClockTimer } from '../time/clock'
import { type ControlMessage, decodeControl, encodeControl } from '../wire/control'
import { decodeFrame, encodeFrame, type Frame, FrameKind, NO_SESSION, SESSION_LENGTH } from '../wire/frame'
import { decodeMessages, TOLD_DEPTH } from '../wire/message'
import type { ClientSession, ConnectionOwner } from './connection-owner'
import { Renewals } from './renewals'

type State =
  | 'joining'
  | 'idle'
  | 'asking'
  | 'starting'
  | 'started'
  | 'ready'
  | 'refused'
  | 'offline'
  | 'closed'

const HANDSHAKE_TIMEOUT = 5_000
/** Of frames that wait to be opened. */
const MAX_WAITING_BYTES = 67_108_864
/** Between two handshakes with a key that was refused, milliseconds. */
const MIN_INTERVAL = 250
/** Sessions of keys before this one whose requests may still be answered. */
const MAX_OLDER_SESSIONS = 4

/** One link of a client from its first frame to its end: the handshakes on it, and what is sealed both ways. */
export class Connection {
  readonly #link: Link
  readonly #owner: ConnectionOwner
  readonly #inbox = new InOrder(frame => this.#take(frame))
  readonly #renewals = new Renewals(message => this.#send(encodeControl(message)))
  /** Sealed frames that were opened. */
  heard = 0
  /** Frames that the link took. */
  #sent = 0
  #state: State = 'joining'
  #place = { device: '', client: '' }
  #publicKey: Uint8Array = new Uint8Array()
  #handshake: ClientHandshake | undefined
  #key: SealingKey | undefined
  #current: ClientSession | undefined
  #older: ClientSession[] = []
  #timer: ClockTimer | undefined
  /** Handshakes in a row that brought nothing. */
  #failures = 0
  #refusedAt = 0
  /** Tells a handshake from the one after it, across what is awaited. */
  #turn = 0
  #bye: Extract<ControlMessage, { do: 'bye' }> | undefined

  constructor(link: Link, owner: ConnectionOwner) {
    this.#link = link
    this.#owner = owner
    link.onFrame = bytes => {
      const frame = decodeFrame(bytes)
      if (frame === undefined) return
      if (this.#inbox.waitingBytes > MAX_WAITING_BYTES) this.close('more came than can be opened')
      else this.#inbox.push(frame)
    }
    link.onDrain = () => {
      for (const { outbox } of this.#sessions()) outbox.drained()
    }
    // What the device said last is heard before.
    link.onClose = ({ reason, refused, unsent = 0 }) =>
      this.#inbox.last(() => this.#closed(reason, refused === true, this.#sent - unsent))
  }

  get state(): State {
    return this.#state
  }

  get current(): ClientSession | undefined {
    return this.#state === 'ready' ? this.#current : undefined
  }

  /** @param device '' for whoever listens there */
  join(device: string, proof: { readonly jwt?: string; readonly tag?: string }): void {
    this.#place = { device, client: '' }
    this.#send(encodeControl({ do: 'join', device, ...proof }))
    this.#setTimer(HANDSHAKE_TIMEOUT, () => this.close('it was not let in in time'))
  }

  renewJwt(token: string): Promise<void> {
    return this.#renewals.ask(token)
  }

  /** Begins a session, beside the one that is there. Sooner or later the owner is told that it opened. */
  begin(): void {
    if (this.#state === 'joining' || this.#state === 'offline' || this.#state === 'closed') return
    this.#state = 'asking'
    this.#handshake = undefined
    this.#owner.opening()
    const turn = ++this.#turn
    void this.#owner.keyFor(this.#place.device).then(key => {
      if (turn !== this.#turn || this.#state !== 'asking') return
      this.#key = key
      if (key === undefined) {
        this.#state = 'idle'
        return
      }
      this.#setTimer(HANDSHAKE_TIMEOUT, () => this.#beginLater())
      this.#send(
        encodeFrame({ kind: FrameKind.ask, ...this.#place, key: '', session: NO_SESSION }, new Uint8Array())
      )
    })
  }

  /** Tries a key again that was refused: the device may have it by now. */
  tryAgain(): void {
    if (this.#state === 'refused' && this.#owner.clock.now() - this.#refusedAt >= MIN_INTERVAL) this.begin()
  }

  /** The device says that the key of this session was replaced: it answers what is under way, and takes nothing else. */
  retire(session: ClientSession): void {
    if (session !== this.#current) return
    this.#current = undefined
    this.#older = [...this.#older, session]
    this.begin()
  }

  /** This session brings nothing any more. @param lastTaken nobody has processed the frames after this one */
  drop(session: ClientSession, lastTaken = this.#sent): void {
    if (session === this.#current) this.#current = undefined
    else if (!this.#older.includes(session)) return
    this.#older = this.#older.filter(each => each !== session)
    session.outbox.end()
    this.#owner.sessionEnded(session, lastTaken)
  }

  close(why: string): void {
    if (this.#state === 'closed') return
    this.#link.close(why)
    this.#closed(why, false)
  }

  async #take(frame: Frame): Promise<void> {
    switch (frame.kind) {
      case FrameKind.sealed:
        return await this.#open(frame)
      case FrameKind.control:
        return await this.#control(decodeControl(frame))
      case FrameKind.hello:
        return await this.#start(frame)
      case FrameKind.accept:
        return await this.#finish(frame)
      case FrameKind.refuse:
        return this.#refused(frame)
      case FrameKind.forgotten: {
        if (this.#state === 'started' && isSame(frame.session, this.#handshake?.place.session))
          return this.#beginLater()
        const session = this.#find(frame)
        if (session === undefined) return
        const isCurrent = session === this.#current
        this.drop(session)
        if (isCurrent) this.#beginLater()
        return
      }
    }
  }

  async #control(message: ControlMessage | undefined): Promise<void> {
    switch (message?.do) {
      case 'welcome':
        if (this.#state === 'joining') await this.#welcome(message)
        return
      case 'online':
        if (this.#state === 'joining') return
        this.#endSessions()
        this.#state = 'idle'
        this.begin()
        return
      case 'offline':
        if (this.#state === 'joining') return
        this.#becomeOffline()
        return
      case 'renewed':
        this.#renewals.answered(message.ok)
        return
      case 'bye':
        this.#bye = message
        this.close(`the other side closed it: ${message.why}`)
    }
  }

  async #welcome({ client, device, publicKey, online }: Extract<ControlMessage, { do: 'welcome' }>) {
    const key = fromBase64url(publicKey)
    const wanted = this.#place.device
    if (key === undefined || (wanted !== '' && wanted !== device) || (await deviceIdOf(key)) !== device) {
      this.close('what answers is another device')
      return
    }
    if (this.#state !== 'joining') return
    this.#setTimer()
    this.#place = { device, client }
    this.#publicKey = key
    this.#state = 'idle'
    this.#renewals.begin()
    this.#owner.welcomed()
    if (this.#state !== 'idle') return
    if (online) this.begin()
    else this.#becomeOffline()
  }

  async #start(hello: Frame): Promise<void> {
    const { device, client } = this.#place
    if (this.#state !== 'asking' || this.#key === undefined) return
    if (hello.device !== device || hello.client !== client) return
    this.#state = 'starting'
    const turn = this.#turn
    const first = utf8(JSON.stringify(this.#owner.first()))
    try {
      const handshake = await ClientHandshake.begin(
        this.#owner.suite,
        hello,
        this.#publicKey,
        this.#key,
        first,
        randomBytes(SESSION_LENGTH)
      )
      if (turn !== this.#turn || this.#state !== 'starting') return
      this.#handshake = handshake
      this.#state = 'started'
      this.#send(handshake.start)
    } catch {
      if (turn === this.#turn) this.#refuse()
    }
  }

  async #finish(accept: Frame): Promise<void> {
    const handshake = this.#handshake
    if (this.#state !== 'started' || handshake === undefined || this.#key === undefined) return
    if (!isSame(accept.session, handshake.place.session)) return
    const turn = this.#turn
    let session: Session
    let greeting: unknown
    try {
      const finished = await handshake.finish(accept)
      session = finished.session
      greeting = parseJson(finished.reply)
    } catch {
      if (turn === this.#turn) this.#refuse()
      return
    }
    if (turn !== this.#turn || this.#state !== 'started') return
    this.#setTimer()
    this.#handshake = undefined
    if (this.#current !== undefined) this.#older.push(this.#current)
    while (this.#older.length > MAX_OLDER_SESSIONS) this.drop(this.#older[0] as ClientSession)
    const opened: ClientSession = {
      key: this.#key,
      session,
      outbox: new Outbox(session, {
        send: frame => this.#send(frame),
        count: () => this.#sent,
        before: () => this.#before(opened),
        onFailure: () => this.#broken(opened)
      })
    }
    this.#current = opened
    this.#state = 'ready'
    this.#owner.opened(opened, greeting)
  }

  async #open(frame: Frame): Promise<void> {
    const session = this.#find(frame)
    if (session === undefined) return
    try {
      const messages = decodeMessages(await session.session.open(frame), TOLD_DEPTH)
      this.#failures = 0
      this.heard++
      for (const message of messages) this.#owner.take(message, session)
    } catch {
      this.#broken(session)
    }
  }

  /** Something was lost or changed on the way, or the cipher's limit is reached: another session goes on where this one stood. */
  #broken(session: ClientSession): void {
    const isCurrent = session === this.#current
    this.drop(session)
    this.#owner.disturbed()
    if (isCurrent) this.#beginLater()
  }

  #before(session: ClientSession): string {
    if (session.session.isWorn && session === this.#current && this.#state === 'ready') this.begin()
    return this.#owner.before()
  }

  #refused(frame: Frame): void {
    if (this.#state === 'ready') {
      const session = this.#find(frame)
      if (session === undefined) return
      this.#broken(session)
    } else if (this.#state === 'started' && isSame(frame.session, this.#handshake?.place.session))
      this.#refuse()
  }

  #refuse(): void {
    this.#setTimer()
    this.#handshake = undefined
    this.#state = 'refused'
    this.#refusedAt = this.#owner.clock.now()
    this.#failures++
    this.#owner.refused()
    if (this.#state !== 'refused' || !this.#owner.isWaiting()) return
    this.#setTimer(
      backoff(this.#failures, () => this.#owner.random()),
      () => this.begin()
    )
  }

  /** At once after the first failure, then with a growing wait. */
  #beginLater(): void {
    if (this.#state === 'closed' || this.#state === 'offline') return
    const failures = this.#failures++
    if (failures === 0) {
      this.begin()
      return
    }
    this.#state = 'idle'
    this.#turn++
    this.#setTimer(
      backoff(failures, () => this.#owner.random()),
      () => this.begin()
    )
  }

  #becomeOffline(): void {
    this.#turn++
    this.#setTimer()
    this.#state = 'offline'
    this.#endSessions()
    this.#owner.offline()
  }

  #closed(why: string, isRefused: boolean, lastTaken = this.#sent): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#turn++
    this.#setTimer()
    this.#inbox.end()
    this.#renewals.end()
    this.#endSessions(lastTaken)
    const isFinal = isRefused || this.#bye?.retry === false
    this.#owner.closed({ why, isFinal, ...(this.#bye && { reason: this.#bye.why }) })
  }

  #endSessions(lastTaken?: number): void {
    for (const session of this.#sessions()) this.drop(session, lastTaken)
  }

  #send(frame: Uint8Array): boolean {
    this.#sent++
    return this.#link.send(frame)
  }

  #sessions(): ClientSession[] {
    return this.#current === undefined ? this.#older : [...this.#older, this.#current]
  }

  #find({ session }: Frame): ClientSession | undefined {
    if (this.#current !== undefined && isSame(this.#current.session.place.session, session))
      return this.#current
    return this.#older.find(each => isSame(each.session.place.session, session))
  }

  #setTimer(delay?: number, callback = () => {}): void {
    if (this.#timer !== undefined) this.#owner.clock.clearTimeout(this.#timer)
    this.#timer = delay === undefined ? undefined : this.#owner.clock.setTimeout(callback, delay)
  }
}

function isSame(left: Uint8Array, right: Uint8Array | undefined): boolean {
  return right !== undefined && left.every((byte, index) => byte === right[index])
}
