import { randomBytes } from 'node:crypto'
import { type Identity, type JwtError, peerAnswer, type Verifier, type Watch } from '@token-server/identity'
import type { Connection, Peer } from 'token-server'
import type { Broker } from '../core/broker'
import type { ConnectionInfo } from '../core/broker-options'
import { whyTopicTooLong } from '../core/limits'
import type { Log } from '../core/log'
import type { Refusal } from '../core/refusals'
import { subjectOf } from '../core/subject'
import { decodeFrame, encodeFrame, type Frame, FrameError, type Header } from '../wire/token-frame'
import { isTopicFilter, isTopicName } from '../wire/topics'
import { DoorMember } from './door-member'
import { DoorRefusal, type EndCode, type RefusalCode } from './door-refusal'

/** Milliseconds in which a client whose token has ended may take the news. */
const FAREWELL = 1_000

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

  #read(token: Buffer): Frame {
    const { maxConnectBytes } = this.#host.broker.limits
    if (this.#member === undefined && token.length > maxConnectBytes) {
      throw malformed(`before connect it has at most ${maxConnectBytes} bytes`)
    }
    return decodeFrame(token)
  }

  async #act(frame: Frame): Promise<Header> {
    const { header } = frame
    if (header.type === 'connect') return this.#connect(header)
    const member = this.#member
    if (member === undefined || this.#state !== 'MEMBER') {
      throw new DoorRefusal('not-connected', 'connect has not come, or the connection ends')
    }
    switch (header.type) {
      case 'publish':
        return this.#publish(member, frame)
      case 'subscribe':
        return this.#subscribe(member, header)
      case 'unsubscribe':
        await member.subscriptions.remove([filterOf(header)])
        return { type: 'unsubscribed' }
      case 'renew':
        return this.#renew(member, header)
      default:
        throw malformed('its type is unknown')
    }
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
    this.#takePlace(identity)
    const watch = verifier.watch(identity, end => this.#endToken(end))
    const member = this.#join(watch, session)
    if (this.#queueId !== undefined) await broker.makeRoomFor(this.#queueId, identity)
    if (clean) await member.queue?.clear()
    await member.subscriptions.restore()
    this.#enter(member)
    const { id, kind, expiresAt } = identity
    const { filters } = member.subscriptions
    return { type: 'connected', id, kind, expiresAt, present: filters.length > 0, subscriptions: filters }
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

  #takePlace(identity: Identity): void {
    const { places } = this.#host.broker
    const why = places.enterAs(identity)
    if (why !== undefined) throw new DoorRefusal('too-many-connections', why)
    this.#connection.once('close', () => places.leaveAs(identity))
  }

  #join(watch: Watch, session: string | undefined): DoorMember {
    const { broker, sessions } = this.#host
    // A client id of MQTT has a "/" behind the subject.
    const queueId =
      session === undefined ? undefined : `${encodeURIComponent(subjectOf(watch.identity))}:${session}`
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
      sessions.get(queueId)?.end('taken-over', 'another connection goes on with this session')
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
    clearTimeout(this.#connectTimer)
    this.#host.broker.counters.connections++
    this.#host.log.info({ ...this.#facts(), via: 'token' }, 'connected')
    member.subscriptions.begin()
  }

  async #publish(member: DoorMember, { header, payload }: Frame): Promise<Header> {
    const { broker } = this.#host
    const { topic, qos = 1, retain = false } = header
    if (typeof topic !== 'string' || !isQos(qos) || typeof retain !== 'boolean') {
      throw malformed('a publish has a topic, a qos of 0 or 1, and retain')
    }
    const tooLong = whyTopicTooLong(topic, broker.limits)
    if (tooLong !== undefined) throw new DoorRefusal('topic', tooLong)
    if (!isTopicName(topic)) throw new DoorRefusal('topic', 'it is empty or has a wildcard')
    const why = member.grants.whyNotPublish(topic)
    if (why !== undefined) throw new DoorRefusal('not-allowed', why, { topic })
    const { maxPacketBytes } = broker.limits
    if (payload.length > maxPacketBytes) {
      throw new DoorRefusal('too-large', `it has ${payload.length} bytes, bound ${maxPacketBytes}`, { topic })
    }
    const turn = member.pace.take(payload.length)
    if (turn !== undefined) await this.#throttled(turn)
    broker.counters.published++
    const { log } = this.#host
    if (log.isLevelEnabled?.('debug') ?? true) {
      log.debug({ ...this.#facts(), topic, bytes: payload.length, qos, retain }, 'published')
    }
    await broker.publish({ topic, payload: member.stamped(payload), qos, retain }, member.identity)
    return { type: 'published' }
  }

  async #throttled(turn: Promise<void>): Promise<void> {
    this.#host.broker.counters.throttled++
    await turn
    if (this.#state !== 'MEMBER') throw new DoorRefusal('not-connected', 'the connection has ended')
  }

  async #subscribe(member: DoorMember, header: Header): Promise<Header> {
    const { broker } = this.#host
    const filter = filterOf(header)
    const { qos = 1 } = header
    if (!isQos(qos)) throw malformed('qos must be 0 or 1')
    const tooLong = whyTopicTooLong(filter, broker.limits)
    if (tooLong !== undefined) throw new DoorRefusal('topic', tooLong)
    if (!isTopicFilter(filter)) throw new DoorRefusal('topic', 'it is no topic filter')
    const why = member.grants.whyNotSubscribe(filter)
    if (why !== undefined) throw new DoorRefusal('not-allowed', why, { topic: filter })
    const { subscriptions, maxSubscriptions } = member
    if (subscriptions.size >= maxSubscriptions && !subscriptions.has(filter)) {
      throw new DoorRefusal(
        'too-many-subscriptions',
        `it has ${subscriptions.size}, bound ${maxSubscriptions}`
      )
    }
    await subscriptions.add(filter, qos)
    this.#host.log.info({ ...this.#facts(), topics: [{ topic: filter, qos }] }, 'subscribed')
    subscriptions.sendRetained(filter).catch((error: Error) => member.onStoreError(error))
    return { type: 'subscribed', qos }
  }

  async #renew(member: DoorMember, { token }: Header): Promise<Header> {
    if (typeof token !== 'string') throw malformed('token must be a text')
    const turn = member.pace.take(token.length)
    if (turn !== undefined) await this.#throttled(turn)
    const { expiresAt } = await member.watch.renew(token)
    const { broker, log } = this.#host
    const lost = member.renew()
    await member.subscriptions.remove(lost)
    if (lost.length > 0) {
      log.warn({ ...this.#facts(), topics: lost }, 'the fresh token does not grant these subscriptions')
    }
    broker.counters.tokenRenewed++
    log.info({ ...this.#facts(), expiresAt }, 'token renewed')
    return { type: 'renewed', expiresAt }
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
    return typeof value === 'string' && value.length > 0 && value.length <= maxClientIdLength
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

function refusalOf(error: unknown): DoorRefusal {
  if (error instanceof DoorRefusal) return error
  const { code = '', message } = error as { code?: string; message: string }
  if (error instanceof FrameError) return malformed(message)
  if (code === 'ERR_BROKER_CLOSED') return new DoorRefusal('closing', 'the broker closes')
  if (!code.startsWith('ERR_JWT_'))
    return new DoorRefusal('store', 'the message was not stored', { because: message })
  const { kind, message: words } = peerAnswer(error)
  return new DoorRefusal(`token-${kind}`, words, { because: message })
}

function malformed(why: string): DoorRefusal {
  return new DoorRefusal('frame', why)
}

function filterOf({ filter }: Header): string {
  if (typeof filter !== 'string') throw malformed('filter must be a text')
  return filter
}

function isQos(value: unknown): value is 0 | 1 {
  return value === 0 || value === 1
}
