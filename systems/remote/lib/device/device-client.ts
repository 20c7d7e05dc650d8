import type { CipherSuite, KeyPair } from 'hpke'
import { isLonger, utf8 } from '../encoding/bytes'
import { fieldOf, parseJson } from '../encoding/json'
import { InOrder } from '../link/in-order'
import { DeviceHandshake } from '../sealing/handshake'
import { Outbox } from '../sealing/outbox'
import type { KeyMode, SealingKey, Session } from '../sealing/session'
import { decodeFrame, encodeFrame, type Frame, FrameKind, type Header } from '../wire/frame'
import { decodeMessages, type Greeting } from '../wire/message'
import { carried } from './answers'
import type { Answer, ClientRecord, DeviceSession } from './command'

/** A client that is connected, as its listener or the relay's link has it. */
export interface ClientPort {
  readonly clientId: string
  /** @returns false when more waits than the client reads: `drained()` is called later */
  send(frame: Uint8Array): boolean
  /** Of a frame; left out: no limit. */
  readonly maxFrameBytes?: number | undefined
  /** Of a connection that others send over, too: as those of an outbox. */
  readonly reserve?: (length: number) => boolean
  readonly release?: (length: number) => void
  /** It has no session any more, after it had one. */
  lost?(): void
  /** The connection ends; `why` is a word as in a `bye`. */
  close(why: string): void
  /** What is known of it beside its key. */
  readonly by?: unknown
}

/** What a client's part of the device needs of the device. */
export interface DeviceClientOwner {
  readonly suite: CipherSuite
  readonly deviceId: string
  readonly deviceKeys: KeyPair
  find(id: string, mode: KeyMode): SealingKey | undefined
  greeting(): Greeting
  recordOf(mode: KeyMode, first: unknown, keyId: string): ClientRecord | undefined
  opened(session: SealedDeviceSession): void
  ended(session: SealedDeviceSession): void
  take(message: readonly [string, ...unknown[]], session: DeviceSession): void
  left(client: DeviceClient): void
}

/** Sessions at once of one connection: that of now, and those whose requests may still be answered. */
const MAX_SESSIONS = 5
const MAX_FAILED_HANDSHAKES = 100
/** Bytes of a frame beside its messages. */
export const FRAME_OVERHEAD = 512
/** Characters of several messages in one frame. */
const MAX_BATCH_LENGTH = 65_536
/** Answers outside of a session, given while the connection was full. */
const MAX_UNREAD = 100
/** Bytes of frames that wait to be opened. */
const MAX_WAITING_BYTES = 8_388_608
/** Characters that wait to be read by the client: then nothing runs for it any more, and at twice as many it is cut off. */
export const MAX_WAITING_LENGTH = 4_194_304

/** A handshake that ended well, of a client that is connected. */
export class SealedDeviceSession implements DeviceSession {
  readonly keyId: string
  readonly mode: KeyMode
  readonly record: ClientRecord
  readonly session: Session
  readonly timeout: number
  readonly outbox: Outbox
  isRetired = false
  asks = 0
  toldRev: number
  #isRenewing = false
  /** Its client is told nothing more. */
  isEnded = false
  readonly #client: DeviceClient

  constructor(
    client: DeviceClient,
    session: Session,
    record: ClientRecord,
    timeout: number,
    toldRev: number,
    outbox: Outbox
  ) {
    this.#client = client
    this.session = session
    this.keyId = session.place.key
    this.mode = session.mode
    this.record = record
    this.timeout = timeout
    this.toldRev = toldRev
    this.outbox = outbox
  }

  get waitingLength(): number {
    return this.outbox.waitingLength
  }

  answer(item: Answer): void {
    if (this.isEnded) return
    this.outbox.push(carried(item, this.#client.maxBytes))
    if (this.outbox.waitingLength > 2 * MAX_WAITING_LENGTH) this.#client.close('too-slow')
    this.#renew()
  }

  say(text: string): void {
    if (this.isEnded || this.outbox.waitingLength >= MAX_WAITING_LENGTH) return
    if (isLonger(text, this.#client.maxBytes)) return
    this.outbox.say(text)
    this.#renew()
  }

  tellState(text: string): void {
    if (this.isEnded || isLonger(text, this.#client.maxBytes)) return
    this.outbox.tell(text)
    this.#renew()
  }

  /** Says it as the last thing. */
  endWith(text: string): void {
    this.outbox.say(text)
    this.#client.endSession(this)
  }

  get client(): DeviceClient {
    return this.#client
  }

  #renew(): void {
    if (!this.session.isWorn || this.#isRenewing) return
    this.#isRenewing = true
    this.outbox.say('["renew"]')
  }
}

/** One connected client: its handshakes, and what is sealed both ways. */
export class DeviceClient {
  readonly port: ClientPort
  /** Of one message that its connection can carry. */
  readonly maxBytes: number
  readonly #owner: DeviceClientOwner
  readonly #inbox = new InOrder(frame => this.#take(frame))
  readonly #sessions: SealedDeviceSession[] = []
  /** Of sessions that have ended, with last words that wait. */
  #last: Outbox[] = []
  #handshake: DeviceHandshake | undefined
  #failures = 0
  #unread = 0
  #isEnded = false

  constructor(port: ClientPort, owner: DeviceClientOwner) {
    this.port = port
    this.maxBytes = (port.maxFrameBytes ?? Number.POSITIVE_INFINITY) - FRAME_OVERHEAD
    this.#owner = owner
  }

  get sessions(): readonly SealedDeviceSession[] {
    return this.#sessions
  }

  receive(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes)
    if (frame === undefined || this.#isEnded) return
    if (frame.device !== this.#owner.deviceId || frame.client !== this.port.clientId) return
    if (this.#inbox.waitingBytes + frame.body.length > MAX_WAITING_BYTES) this.close('too-fast')
    else this.#inbox.push(frame)
  }

  drained(): void {
    this.#unread = 0
    for (const { outbox } of this.#sessions) outbox.drained()
    for (const outbox of this.#last) outbox.drained()
    this.#last = this.#last.filter(({ waitingLength }) => waitingLength > 0)
  }

  detached(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#inbox.end()
    for (const session of [...this.#sessions]) this.#drop(session)
    for (const outbox of this.#last) outbox.end()
    this.#owner.left(this)
  }

  close(why: string): void {
    if (this.#isEnded) return
    this.detached()
    this.port.close(why)
  }

  /** What it has been told still goes out; nothing of it is taken any more. */
  endSession(session: SealedDeviceSession): void {
    const index = this.#sessions.indexOf(session)
    if (index < 0) return
    this.#sessions.splice(index, 1)
    session.isEnded = true
    if (session.outbox.waitingLength > 0) this.#last.push(session.outbox)
    this.#owner.ended(session)
    if (this.#sessions.length === 0 && !this.#isEnded) this.port.lost?.()
  }

  async #take(frame: Frame): Promise<void> {
    try {
      if (frame.kind === FrameKind.sealed) await this.#open(frame)
      else if (frame.kind === FrameKind.ask) await this.#ask()
      else if (frame.kind === FrameKind.start) await this.#start(frame)
      else if (frame.kind === FrameKind.forgotten) {
        const session = this.#find(frame)
        if (session !== undefined) this.#drop(session)
      }
    } catch {
      this.close('malformed')
    }
  }

  async #ask(): Promise<void> {
    const { suite, deviceKeys, deviceId } = this.#owner
    this.#handshake ??= await DeviceHandshake.create(suite, deviceKeys, deviceId, this.port.clientId)
    this.#answer(this.#handshake.hello())
  }

  async #start(frame: Frame): Promise<void> {
    const handshake = this.#handshake
    if (handshake === undefined) return this.#sayForgotten(frame)
    let accepted: Awaited<ReturnType<DeviceHandshake['open']>>
    try {
      accepted = await handshake.open(frame, (id, mode) => this.#owner.find(id, mode))
    } catch {
      if (++this.#failures > MAX_FAILED_HANDSHAKES) this.close('too-many')
      else this.#refuse(frame)
      return
    }
    this.#handshake = undefined
    const { session } = accepted
    const first = parseJson(accepted.first)
    const greeting = this.#owner.greeting()
    const accept = await accepted.accept(utf8(JSON.stringify(greeting)))
    // The key may have been revoked, and the client may have gone, while that was done.
    if (this.#isEnded) return
    if (this.#owner.find(session.place.key, session.mode) === undefined) return this.#refuse(frame)
    const record = this.#owner.recordOf(session.mode, first, session.place.key)
    if (record === undefined) throw new Error('the first message says nothing of its client')
    this.#send(accept)
    this.#add(session, record, fieldOf(first, 'timeout'), greeting.rev)
  }

  #add(session: Session, record: ClientRecord, timeout: unknown, rev: number): void {
    const wait = typeof timeout === 'number' && timeout > 0 ? timeout : Number.POSITIVE_INFINITY
    const { reserve, release } = this.port
    const opened: SealedDeviceSession = new SealedDeviceSession(
      this,
      session,
      record,
      wait,
      rev,
      new Outbox(session, {
        send: frame => this.#send(frame),
        ...(reserve && { reserve }),
        ...(release && { release }),
        maxBatchLength: Math.min(MAX_BATCH_LENGTH, Math.floor(this.maxBytes / 3)),
        onFailure: () => this.#forget(opened)
      })
    )
    this.#sessions.push(opened)
    record.sessions++
    if (this.#sessions.length > MAX_SESSIONS) this.#forget(this.#sessions[0] as SealedDeviceSession)
    this.#owner.opened(opened)
  }

  async #open(frame: Frame): Promise<void> {
    const session = this.#find(frame)
    if (session === undefined) return this.#sayForgotten(frame)
    let plain: Uint8Array
    try {
      plain = await session.session.open(frame)
    } catch {
      return this.#refuse(frame)
    }
    // Sealed by the client itself: what is wrong in it closes the connection.
    for (const message of decodeMessages(plain)) {
      if (!this.#sessions.includes(session)) return
      this.#owner.take(message, session)
    }
  }

  #refuse(frame: Frame): void {
    this.#answer(encodeFrame({ ...frame, kind: FrameKind.refuse }, new Uint8Array()))
  }

  #sayForgotten(header: Omit<Header, 'kind'>): void {
    this.#answer(encodeFrame({ ...header, kind: FrameKind.forgotten }, new Uint8Array()))
  }

  #forget(session: SealedDeviceSession): void {
    this.#sayForgotten(session.session.place)
    this.#drop(session)
  }

  #drop(session: SealedDeviceSession): void {
    session.outbox.end()
    this.endSession(session)
  }

  #find({ session: id }: Frame): SealedDeviceSession | undefined {
    return this.#sessions.findLast(({ session }) =>
      session.place.session.every((byte, index) => byte === id[index])
    )
  }

  /** It costs the client nothing to be answered so, and no outbox holds it back. */
  #answer(frame: Uint8Array): void {
    if (!this.#send(frame) && ++this.#unread > MAX_UNREAD) this.close('too-slow')
  }

  #send(frame: Uint8Array): boolean {
    return this.#isEnded || this.port.send(frame)
  }
}
