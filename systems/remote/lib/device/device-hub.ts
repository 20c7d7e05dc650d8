import type { CipherSuite, KeyPair } from 'hpke'
import { utf8 } from '../encoding/bytes'
import { fieldOf, MAX_DEPTH, parseJson } from '../encoding/json'
import { RemoteError } from '../errors/remote-error'
import { type OpenedOnce, openOnce } from '../sealing/once'
import { OnceReplays } from '../sealing/once-replays'
import type { KeyMode, SealingKey } from '../sealing/session'
import { type Clock, type ClockTimer, systemClock } from '../time/clock'
import { decodeFrame, encodeFrame, FrameKind } from '../wire/frame'
import { type Greeting, isNumber, MAX_MESSAGE_BYTES } from '../wire/message'
import { AnswerMemory } from './answer-memory'
import { failureText, refusal, refusedError } from './answers'
import { type AskHandler, Asks } from './asks'
import type { ClientRecord, Command, DeviceSession } from './command'
import { Commands } from './commands'
import { deviceAsks } from './device-asks'
import {
  type ClientPort,
  DeviceClient,
  type DeviceClientOwner,
  FRAME_OVERHEAD,
  type SealedDeviceSession
} from './device-client'
import type { DeviceHubOptions, HubKeys } from './device-hub-options'
import { DeviceState } from './device-state'
import { Lease } from './lease'
import { OnceSession } from './once-session'

/** Milliseconds that a request without a connection waits for its answer; then it can be asked for again. */
const ONCE_TIMEOUT = 60_000

/** Milliseconds for what was said last, when handlers have used up all the time of a close. */
export const LAST_WORDS = 500

type OnceMessage = readonly [string, ...unknown[]]

/** One device, for all that are connected to it: by its own listener, by relays, or for one request. It knows no sockets. */
export class DeviceHub implements DeviceClientOwner {
  readonly deviceId: string
  readonly ring: HubKeys
  readonly state: DeviceState
  readonly #options: DeviceHubOptions
  readonly #clock: Clock
  readonly #commands: Commands
  readonly #memory: AnswerMemory
  readonly #replays: OnceReplays
  readonly #clients = new Set<DeviceClient>()
  readonly #asks: Asks
  /** Of each client the session by which it hears. */
  readonly #watchers = new Map<ClientRecord, DeviceSession>()
  readonly #lease: Lease
  #isClosing = false
  /** Requests without a connection that are not answered yet. */
  #onces = 0
  #onNoOnce: () => void = () => {}
  readonly #onRevoked = (keyId: string) => this.#revoke(keyId)
  readonly #onReplaced = (keyId: string) => this.#retire(keyId)

  constructor(options: DeviceHubOptions) {
    const {
      ring,
      clock = systemClock,
      concurrent = false,
      handlers = {},
      maxQueuedCommands = 1_000
    } = options
    this.#options = options
    this.#clock = clock
    this.ring = ring
    this.deviceId = ring.deviceId
    this.state = new DeviceState(
      { rev: clock.date(), ...options.state },
      () => this.#stateChanged(),
      this.#maxMessageBytes
    )
    this.#memory = new AnswerMemory(clock, options.memory)
    this.#replays = new OnceReplays(clock, options.replays)
    const lease = new Lease(clock, options.maxLeaseTime ?? 600_000)
    this.#lease = lease
    const byEvent = handlers instanceof Map ? handlers : new Map(Object.entries(handlers))
    const concurrentEvents = new Set(Array.isArray(concurrent) ? concurrent : [])
    this.#asks = new Asks(
      deviceAsks({ ...options, state: this.state, lease, watchers: this.#watchers }),
      this.#maxMessageBytes
    )
    this.#commands = new Commands({
      clock,
      memory: this.#memory,
      state: this.state,
      lease,
      handlerOf: options.handlerOf ?? (event => byEvent.get(event) ?? options.handler),
      isConcurrent: event => concurrent === true || concurrentEvents.has(event),
      maxQueuedCommands,
      maxQueuedPerClient: options.maxQueuedPerClient ?? Math.ceil(maxQueuedCommands / 4),
      handlerTimeout: options.handlerTimeout ?? 60_000,
      maxMessageBytes: this.#maxMessageBytes,
      mayUse: (keyId, event) => ring.mayUse(keyId, event),
      nameOf: keyId => ring.nameOf(keyId),
      onHandlerError: options.onHandlerError ?? (() => {}),
      replied: (command, text) => this.#replied(command, text)
    })
    ring.on('revoked', this.#onRevoked)
    ring.on('replaced', this.#onReplaced)
  }

  /** Somebody has connected. What arrives of them, and that they are gone, is to be told to what this returns. */
  attach(port: ClientPort): DeviceClient {
    const client = new DeviceClient(port, this)
    this.#clients.add(client)
    if (this.#isClosing) queueMicrotask(() => client.close('shutting-down'))
    return client
  }

  /** Answers what clients ask under a name of its own: `pair`, for one. */
  onAsk(what: string, handler: AskHandler): void {
    this.#asks.on(what, handler)
  }

  /** Takes the lease back from who has the device for itself. @returns false when nobody has */
  endLease(): boolean {
    return this.#lease.end()
  }

  /** Tells all clients that are connected under a key. */
  tell(keyId: string, name: string, value: unknown): void {
    const text = `["event",${JSON.stringify(name)},${JSON.stringify(value) ?? 'null'}]`
    for (const session of this.#sessionsOf(keyId)) session.say(text)
  }

  /**
   * Answers a frame that came without a connection.
   *
   * @param maxBytes of the answer that can be carried
   * @returns a frame: the answer, or `refuse`
   * @throws (rejects) RemoteError `refused`, reason `malformed`, for what is no such frame; `timeout` when no answer is there in time
   */
  async once(bytes: Uint8Array, maxBytes = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const frame = decodeFrame(bytes)
    if (frame?.kind !== FrameKind.onceRequest) throw refusedError('it is no request', 'malformed')
    this.#onces++
    try {
      const opened = await openOnce(this.suite, this.deviceKeys, frame, (id, mode) => this.find(id, mode))
      return await opened.seal(utf8(`[${await this.#answerOnce(opened, maxBytes - FRAME_OVERHEAD)}]`))
    } catch (error) {
      if (error instanceof RemoteError && error.code === 'timeout') throw error
      return encodeFrame({ ...frame, kind: FrameKind.refuse }, new Uint8Array())
    } finally {
      this.#onces--
      if (this.#onces === 0) this.#onNoOnce()
    }
  }

  /**
   * Takes nobody new and refuses what waits; when what runs is done and answered, all clients are cut off.
   *
   * @param timeout milliseconds for that; whose handler is not done then is told that it ran. Default 0.
   */
  async close(timeout = 0): Promise<void> {
    const end = this.#clock.now() + timeout
    this.#isClosing = true
    await this.#commands.close(timeout)
    this.ring.off('revoked', this.#onRevoked)
    this.ring.off('replaced', this.#onReplaced)
    const sessions = [...this.#clients].flatMap(client => client.sessions)
    await Promise.all(sessions.map(({ outbox }) => outbox.flushed()))
    await this.#emptied(sessions, Math.max(end - this.#clock.now(), Math.min(timeout, LAST_WORDS)))
    for (const client of this.#clients) client.close('shutting-down')
    this.#memory.close()
  }

  /** Whoever was told something has read it, and who has no connection can be sent the answer; or so many milliseconds are over. */
  async #emptied(sessions: readonly SealedDeviceSession[], timeout: number): Promise<void> {
    if (timeout === 0) return
    const all = sessions.map(({ outbox }) => outbox.emptied())
    if (this.#onces > 0)
      all.push(
        new Promise(resolve => {
          this.#onNoOnce = () => setImmediate(resolve)
        })
      )
    let timer: ClockTimer | undefined
    const late = new Promise<void>(resolve => {
      timer = this.#clock.setTimeout(resolve, timeout)
    })
    await Promise.race([late, Promise.all(all)])
    if (timer !== undefined) this.#clock.clearTimeout(timer)
  }

  /** Commands that wait or run, clients that are connected, and those that are remembered. */
  get stats() {
    return {
      commands: this.#commands.size,
      clients: this.#clients.size,
      remembered: this.#memory.clients,
      rememberedLength: this.#memory.length
    }
  }

  // What its clients ask.

  get suite(): CipherSuite {
    return this.#options.suite
  }

  get deviceKeys(): KeyPair {
    return this.ring.deviceKeys
  }

  find(id: string, mode: KeyMode): SealingKey | undefined {
    return this.ring.find(id, mode)
  }

  greeting(): Greeting {
    const { name } = this.#options
    return { rev: this.state.rev, ...(name !== undefined && { name }) }
  }

  recordOf(mode: KeyMode, first: unknown, keyId: string): ClientRecord | undefined {
    const [instance, sent] = [fieldOf(first, 'instance'), fieldOf(first, 'sent')]
    if (!isInstance(instance) || !isSent(sent)) return undefined
    return this.#memory.recordOf(mode, instance, keyId, sent)
  }

  opened({ keyId }: SealedDeviceSession): void {
    this.ring.touched(keyId)
  }

  ended(session: SealedDeviceSession): void {
    session.record.sessions--
    session.record.lastUsed = this.#clock.now()
    if (this.#watchers.get(session.record) === session) this.#watchers.delete(session.record)
  }

  left(client: DeviceClient): void {
    this.#clients.delete(client)
  }

  take(message: readonly [string, ...unknown[]], session: DeviceSession): void {
    switch (message[0]) {
      case 'req':
        this.#commands.request(message, session)
        return
      case 'ask':
        this.#asks.take(message, session)
        return
      case 'ping':
        session.say('["pong"]')
        return
      case 'cancel':
        this.#commands.cancel(message[1], session)
        return
      case 'ack':
        this.#commands.acknowledge(message[1], session)
        return
    }
  }

  get #maxMessageBytes(): number {
    return this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES
  }

  async #answerOnce(opened: OpenedOnce, maxBytes: number): Promise<string> {
    const { keyId, mode, plain, enc } = opened
    const [first, message, ...others] = parseJson(plain, MAX_DEPTH + 2) as [unknown, ...OnceMessage[]]
    const [instance, sent] = [fieldOf(first, 'instance'), fieldOf(first, 'sent')]
    if (!isInstance(instance) || !isSent(sent)) throw new Error('nothing is asked')
    const refused = this.#replays.take(enc, fieldOf(first, 'at'))
    if (refused === 'repeated')
      return failureText(Number(message?.[1]), refusal('the same bytes came before', 'repeated', 'maybe'))
    const clock = (prefix: string) => ['clock', ...this.#replays.moment, prefix]
    if (refused !== undefined) {
      const { prefix } = this.#memory.knownOf(mode, instance, keyId)
      const { untakenFor } = refused
      return JSON.stringify([...clock(prefix), ...(untakenFor === undefined ? [] : [untakenFor])])
    }
    const record = this.#memory.recordOf(mode, instance, keyId)
    const isKnown = fieldOf(first, 'known') === record.prefix
    // Of a client whose memory is gone: what left before may have run.
    if (!isKnown && sent === 0) return JSON.stringify(clock(record.prefix))
    if (message === undefined || !isNumber(message[1])) throw new Error('nothing is asked')
    const number = message[1]
    if (message[0] !== 'req' && message[0] !== 'ask')
      return failureText(number, refusal('nothing is asked in the first message', 'malformed'))
    const timeout = fieldOf(first, 'timeout')
    const session = new OnceSession(
      keyId,
      mode,
      record,
      typeof timeout === 'number' ? timeout : 60_000,
      maxBytes
    )
    this.ring.touched(keyId)
    if (!isKnown && message[0] === 'req' && !record.commands.has(number)) {
      const why = 'it may have been done before this device knew its client'
      return failureText(number, refusal(why, 'forgotten', 'maybe'))
    }
    this.take(message, session)
    for (const each of others) if (each[0] === 'ack') this.take(each, session)
    const timer = this.#clock.setTimeout(() => session.giveUp(), ONCE_TIMEOUT)
    const text = await session.answered
    this.#clock.clearTimeout(timer)
    if (text !== undefined) return text
    throw new RemoteError('timeout', 'Cannot answer the request: because it is not done in time', {
      ran: 'maybe'
    })
  }

  #sessionsOf(keyId: string): SealedDeviceSession[] {
    return [...this.#clients].flatMap(({ sessions }) => sessions.filter(session => session.keyId === keyId))
  }

  #revoke(keyId: string): void {
    this.#commands.revoke(keyId)
    this.#memory.forgetKey(keyId)
    if (this.#lease.holder?.keyId === keyId) this.#lease.release(this.#lease.holder)
    for (const session of this.#sessionsOf(keyId)) session.endWith('["revoked"]')
  }

  #retire(keyId: string): void {
    for (const session of this.#sessionsOf(keyId)) {
      session.isRetired = true
      if (this.#watchers.get(session.record) === session) this.#watchers.delete(session.record)
      session.say('["rekey"]')
    }
  }

  #stateChanged(): void {
    if (this.#watchers.size === 0) return
    const { json, rev } = this.state
    const text = `["event","state",{"value":${json},"rev":${rev}}]`
    for (const session of this.#watchers.values()) session.tellState(text)
  }

  #replied({ event, session }: Command, text: string): void {
    if (this.#watchers.size === 0) return
    const response = (JSON.parse(text) as unknown[])[3]
    const by = this.ring.nameOf(session.keyId) ?? session.keyId
    const told = `["event","reply",${JSON.stringify({ event, response, by })}]`
    for (const watcher of this.#watchers.values())
      if (watcher.record !== session.record && this.ring.mayUse(watcher.keyId, event) === true)
        watcher.say(told)
  }
}

/** The name of a client object. */
function isInstance(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9]{22}$/.test(value)
}

function isSent(value: unknown): value is number {
  return value === 0 || isNumber(value)
}
