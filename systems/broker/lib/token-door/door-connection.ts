import { randomBytes } from 'node:crypto'
import type { Identity, JwtError, Verifier, Watch } from '@token-server/identity'
import type { Connection, Peer } from 'token-server'
import { subjectOf } from '../authorization/subject'
import type { Broker } from '../core/broker'
import type { ConnectionInfo } from '../core/broker-options'
import type { Log } from '../core/log'
import type { Refusal } from '../core/refusals'
import { decodeFrame, encodeFrame, type Frame, type Header, MOST_FRAME_BYTES } from '../wire/token-frame'
import { DoorMember } from './door-member'
import { DoorRefusal, type EndCode, malformed, type RefusalCode, refusalOf } from './door-refusal'
import { MemberRequests } from './member-requests'

/** No text: a store can't tell two of them apart. */
const HALF_OF_A_PAIR = /\p{Surrogate}/u

/** Milliseconds in which a client whose token has ended, or whose session goes on elsewhere, may take the news. */
const FAREWELL = 1_000

/** Of the subscriptions of a session in the answer to connect: its header has at most 65,535. */
const MOST_LISTED_BYTES = 60_000

export interface DoorHost {
  readonly broker: Broker
  readonly verifier: Verifier
  readonly log: Log
  /** Members with a session, by the id of its queue. */
  readonly sessions: Map<string, DoorConnection>
  readonly isClosing: boolean
  identityOf(peer: Peer): Identity | undefined
}

/**
 * One client of the door: its requests, each answered by a frame.
 *
 * ```
 *   NEW ──connect──▶ ADMITTING ──▶ MEMBER ──▶ ENDED
 *    └──(too late)──────┴──(refused)────────────▲
 * ```
 */
export class DoorConnection {
  /** As of other connections of the broker: the log names it so. */
  readonly #id = randomBytes(4).toString('hex')
  readonly #host: DoorHost
  readonly #connection: Connection
  readonly #since = Date.now()
  readonly #connectTimer: NodeJS.Timeout
  #state: 'NEW' | 'ADMITTING' | 'MEMBER' | 'ENDED' = 'NEW'
  #member: DoorMember | undefined
  #requests: MemberRequests | undefined
  #queueId: string | undefined
  #endReason = 'the client closed it'

  constructor(connection: Connection, host: DoorHost) {
    this.#connection = connection
    this.#host = host
    const { connectTimeout } = host.broker.limits
    host.broker.counters.accepted++
    this.#connectTimer = setTimeout(() => {
      host.broker.counters.connectTimeouts++
      this.end('connect-timeout', `connect did not come in ${connectTimeout} ms`)
    }, connectTimeout)
    this.#connectTimer.unref()
    const why = host.broker.places.enter()
    connection.once('close', () => {
      if (why === undefined) host.broker.places.leave()
      this.#closed()
    })
    if (why !== undefined) this.#refuse(new DoorRefusal('too-many-connections', why), 'connect')
  }

  /** undefined: it has not said who it is. */
  get info(): ConnectionInfo | undefined {
    const member = this.#member
    if (member === undefined || this.#state !== 'MEMBER') return undefined
    const { connection, address } = this.#facts()
    return {
      connection,
      ...(address === undefined ? {} : { address }),
      user: subjectOf(member.identity),
      clientId: this.#queueId ?? '',
      since: this.#since,
      subscriptions: member.subscriptions.filters,
      waitingBytes: this.#connection.bufferedAmount
    }
  }

  /** The answer to a request. It never rejects. */
  async answer(token: Buffer): Promise<Buffer> {
    let asked = ''
    try {
      const frame = this.#read(token)
      asked = frame.header.type
      return encodeFrame(await this.#act(frame))
    } catch (error) {
      return this.#refuse(refusalOf(error), asked)
    }
  }

  /** Tells the client why, and closes. */
  end(code: EndCode, why: string): void {
    if (this.#state === 'ENDED') return
    this.#stop(`${code}: ${why}`)
    this.#connection.send(encodeFrame({ type: 'end', code, why }))
    this.#connection.close()
  }

  /** Another connection goes on with its session, and in its place. */
  takenOver(): void {
    this.end('taken-over', 'another connection goes on with this session')
    this.#connection.close({ timeout: FAREWELL })
  }

  #read(token: Buffer): Frame {
    const { maxConnectBytes } = this.#host.broker.limits
    if (this.#member === undefined && token.length > maxConnectBytes) {
      throw malformed(`before connect it has at most ${maxConnectBytes} bytes`)
    }
    return decodeFrame(token)
  }

  #act(frame: Frame): Promise<Header> {
    const { header } = frame
    if (header.type === 'connect') return this.#connect(header)
    const requests = this.#requests
    if (requests === undefined || this.#state !== 'MEMBER') {
      throw new DoorRefusal('not-connected', 'connect has not come, or the connection ends')
    }
    return requests.act(frame)
  }

  async #connect(header: Header): Promise<Header> {
    if (this.#state !== 'NEW') throw new DoorRefusal('connected', 'connect has come before')
    this.#state = 'ADMITTING'
    try {
      return await this.#admit(header)
    } catch (error) {
      const refusal = refusalOf(error)
      if (this.#state === 'ADMITTING' && refusal.code === 'frame')
        this.#state = 'NEW' // it may be said again
      else this.end(refusal.code, refusal.message)
      throw refusal
    }
  }

  async #admit({ token, session, clean = false }: Header): Promise<Header> {
    if (!(session === undefined || this.#isSessionName(session))) {
      const { maxClientIdLength } = this.#host.broker.limits
      throw malformed(`session must be a text of 1 to ${maxClientIdLength} characters`)
    }
    if (typeof clean !== 'boolean') throw malformed('clean must be true or false')
    const identity = await this.#identify(token)
    if (this.#state !== 'ADMITTING') throw new DoorRefusal('not-connected', 'the connection has ended')
    const { broker, verifier, isClosing } = this.#host
    if (isClosing) throw new DoorRefusal('closing', 'the broker closes')
    const { whyNoTopics } = broker.grantsOf(identity)
    if (whyNoTopics !== undefined) throw new DoorRefusal('token-refused', whyNoTopics)
    this.#checkLength()
    // A client id of MQTT has a "/" behind the subject.
    const queueId =
      session === undefined ? undefined : `${encodeURIComponent(subjectOf(identity))}:${session}`
    this.#takePlace(identity, queueId)
    const watch = verifier.watch(identity, end => this.#endToken(end))
    const member = this.#join(watch, queueId)
    if (this.#queueId !== undefined) await broker.makeRoomFor(this.#queueId, identity)
    if (clean) await member.queue?.clear()
    await member.subscriptions.restore()
    this.#enter(member)
    const { id, kind, expiresAt } = identity
    const { filters } = member.subscriptions
    const isShort = Buffer.byteLength(JSON.stringify(filters)) <= MOST_LISTED_BYTES
    return {
      type: 'connected',
      id,
      kind,
      expiresAt,
      present: filters.length > 0,
      ...(isShort ? { subscriptions: filters } : {})
    }
  }

  /** Else a message could come for it that can never leave. */
  #checkLength(): void {
    const { maxTokenLength } = this.#connection
    const longest = MOST_FRAME_BYTES + this.#host.broker.limits.maxPacketBytes
    if (maxTokenLength >= longest) return
    const why = `a frame has up to ${longest} bytes, and maxTokenLength of one side is ${maxTokenLength}`
    throw new DoorRefusal('too-large', why)
  }

  #identify(token: unknown): Promise<Identity> {
    const { verifier, identityOf } = this.#host
    if (typeof token === 'string') return verifier.verify(token)
    if (token !== undefined) throw malformed('token must be a text')
    const { peer } = this.#connection
    const identity = peer === null ? undefined : identityOf(peer)
    if (identity !== undefined) return Promise.resolve(identity)
    throw new DoorRefusal('no-identity', 'there is no token, and no trusted certificate names somebody')
  }

  #takePlace(identity: Identity, queueId: string | undefined): void {
    const { broker, sessions } = this.#host
    const { places } = broker
    const why = places.enterAs(identity, queueId !== undefined && sessions.has(queueId))
    if (why !== undefined) throw new DoorRefusal('too-many-connections', why)
    this.#connection.once('close', () => places.leaveAs(identity))
  }

  #join(watch: Watch, queueId: string | undefined): DoorMember {
    const { broker, sessions } = this.#host
    const member = new DoorMember(this.#connection, broker, watch, queueId, {
      onSlow: why => {
        broker.counters.cutSlow++
        this.end('slow', why)
      },
      onStoreError: error => {
        broker.counters.storeErrors++
        this.#host.log.error({ ...this.#facts(), error: error.message }, 'the store failed')
        this.end('store', 'the store failed')
      }
    })
    this.#member = member
    if (queueId !== undefined) {
      sessions.get(queueId)?.takenOver()
      if (member.queue !== undefined) {
        member.queue.onTaken = () => this.end('taken-over', 'the session goes on at another broker')
      }
      this.#queueId = queueId
      sessions.set(queueId, this)
    }
    return member
  }

  #enter(member: DoorMember): void {
    if (this.#state !== 'ADMITTING') throw new DoorRefusal('not-connected', 'the connection has ended')
    this.#state = 'MEMBER'
    const { broker, log } = this.#host
    const isOpen = () => this.#state === 'MEMBER'
    this.#requests = new MemberRequests({ member, broker, log, isOpen, facts: () => this.#facts() })
    clearTimeout(this.#connectTimer)
    broker.counters.connections++
    log.info({ ...this.#facts(), via: 'token' }, 'connected')
    member.subscriptions.begin()
  }

  /** What waits for the client must not follow: then it is cut without a word. */
  #endToken({ code, message }: JwtError): void {
    this.#host.broker.counters.tokenEnded++
    const waits = this.#connection.bufferedAmount > 0 || this.#connection.isDetached
    this.end(code === 'ERR_JWT_REVOKED' ? 'token-revoked' : 'token-expired', message)
    if (waits) this.#connection.destroy()
    else this.#connection.close({ timeout: FAREWELL })
  }

  #refuse(refusal: DoorRefusal, asked: string): Buffer {
    const { code, message, topic, because } = refusal
    const { id } = this.#host.broker.refuse({
      what: (VIOLATIONS.includes(code) ? undefined : WHAT.get(asked)) ?? 'packet',
      why: because,
      ...this.#facts(),
      ...(topic === undefined ? {} : { topic })
    })
    if (refusal.endsConnection) this.end(code, message)
    return encodeFrame({ type: 'refused', code, why: message, refusal: id })
  }

  #isSessionName(value: unknown): value is string {
    const { maxClientIdLength } = this.#host.broker.limits
    return (
      typeof value === 'string' &&
      value.length > 0 &&
      value.length <= maxClientIdLength &&
      !HALF_OF_A_PAIR.test(value)
    )
  }

  #facts(): Pick<Refusal, 'connection' | 'address' | 'user'> & { clientId?: string } {
    const { remoteAddress } = this.#connection
    return {
      connection: this.#id,
      ...(remoteAddress === null ? {} : { address: remoteAddress }),
      ...(this.#member === undefined ? {} : { user: subjectOf(this.#member.identity) }),
      ...(this.#queueId === undefined ? {} : { clientId: this.#queueId })
    }
  }

  #stop(reason: string): void {
    const wasMember = this.#state === 'MEMBER'
    this.#state = 'ENDED'
    this.#endReason = reason
    clearTimeout(this.#connectTimer)
    this.#member?.stop()
    const { sessions, broker } = this.#host
    if (this.#queueId !== undefined && sessions.get(this.#queueId) === this) sessions.delete(this.#queueId)
    if (wasMember) broker.counters.connections--
  }

  #closed(): void {
    if (this.#state !== 'ENDED') this.#stop(this.#endReason)
    this.#host.log.info({ ...this.#facts(), reason: this.#endReason }, 'disconnected')
  }
}

/** How the list of refusals sorts what is asked. */
const WHAT: ReadonlyMap<string, Refusal['what']> = new Map([
  ['connect', 'connect'],
  ['renew', 'connect'],
  ['publish', 'publish'],
  ['subscribe', 'subscribe'],
  ['unsubscribe', 'subscribe']
])

/** The client has broken the rules of the door, whatever it asked. */
const VIOLATIONS: readonly RefusalCode[] = ['frame', 'not-connected', 'connected']
