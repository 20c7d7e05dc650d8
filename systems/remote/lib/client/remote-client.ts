import { toBase64url } from '../encoding/base64url'
import { fieldOf } from '../encoding/json'
import { randomText } from '../encoding/random-id'
import { invalid, isErrorCode, type Ran, RemoteError } from '../errors/remote-error'
import { admissionTag } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'
import { backoff } from '../time/backoff'
import type { ClockTimer } from '../time/clock'
import type { First } from '../wire/message'
import { ClientKey } from './client-key'
import { Connection } from './connection'
import type { ClientSession, ConnectionEnd, ConnectionOwner } from './connection-owner'
import {
  type ClientOptions,
  type ClientParts,
  type CompleteOptions,
  checkTimeout,
  completeOptions
} from './options'
import { Request, type SendOptions } from './request'
import { bodyOf } from './request-body'
import { Requests } from './requests'
import { type ClientStatus, expired, unsent } from './status'
import { parseTarget, type Target } from './target'

/** Asks a device. It knows no sockets: `dial` brings the links. */
export class RemoteClient implements ConnectionOwner {
  readonly #options: CompleteOptions
  readonly #requests: Requests
  readonly #instance = randomText(22)
  readonly #key: ClientKey
  #target: Target | undefined
  #connection: Connection | undefined
  #status: ClientStatus = 'closed'
  #first: { resolve: () => void; reject: (error: RemoteError) => void; retry: boolean } | undefined
  #dialling: AbortController | undefined
  #timer: ClockTimer | undefined
  #failures = 0
  #acknowledged = 1
  #onError: ((word: string) => void) | undefined
  #onStatus: ((status: ClientStatus) => void) | undefined
  #onEvent: ((name: string, value: unknown) => void) | undefined

  /** @throws RemoteError `invalid` */
  constructor(options: ClientParts & ClientOptions) {
    this.#options = completeOptions(options)
    this.#key = new ClientKey(this.#options.scrypt, this.#options.allowPlain)
    this.#requests = new Requests({
      clock: this.#options.clock,
      expired: request => expired(this.#status, request)
    })
  }

  get status(): ClientStatus {
    return this.#status
  }

  /** How many requests wait for their answers. */
  get pending(): number {
    return this.#requests.size
  }

  /**
   * Resolves when the connection is there. When it is lost later it is made again, for ever, and what was asked is asked again under
   * its number: nothing is done twice.
   *
   * @param key as text, or as it is; undefined: the one that `setEncryption` said, or that is in the invitation
   * @param retry whether a first failure is followed by further tries, too
   * @throws (rejects) RemoteError `invalid`, `disconnected`, `refused`
   */
  connect(url: string, key?: string | SealingKey, retry = false): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#target !== undefined) throw invalid('connect()', 'this client is connected, or about to be')
      const target = parseTarget(url)
      if (key !== undefined) this.#key.set(key)
      this.#target = target
      this.#first = { resolve, reject, retry }
      void this.#dial(target)
    })
  }

  /**
   * Asks the device.
   *
   * @returns what its handler answered
   * @throws (rejects) RemoteError; with `resolveErrors` it resolves with `{ error: code }`
   */
  send(event: string, payload?: unknown, options: SendOptions = {}): Promise<unknown> {
    const answer = this.#ask('req', event, payload, options)
    return this.#options.resolveErrors
      ? answer.catch((error: RemoteError) => ({ error: error.code }))
      : answer
  }

  /** Asks something of the device itself, which its handler never sees. */
  ask(what: string, payload?: unknown, options: SendOptions = {}): Promise<unknown> {
    return this.#ask('ask', what, payload, options)
  }

  /** The key from now on, without reconnecting. What is under way is answered under the one before. */
  setEncryption(key: string | SealingKey): void {
    this.#key.set(key)
    this.#connection?.begin()
  }

  /** Called with `invalid_encryption` when the device can't open what this client sends. What it throws is ignored. */
  setErrorHandler(handler: ((word: string) => void) | undefined): void {
    this.#onError = handler
  }

  setStatusHandler(handler: ((status: ClientStatus) => void) | undefined): void {
    this.#onStatus = handler
  }

  /** What the device says unasked. */
  setEventHandler(handler: ((name: string, value: unknown) => void) | undefined): void {
    this.#onEvent = handler
  }

  close(): void {
    this.#end(request => request.failure('disconnected', 'this client was closed', { reason: 'closed' }))
  }

  #ask(kind: 'req' | 'ask', event: string, payload: unknown, options: SendOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { timeoutLength, clock, maxPending } = this.#options
      const { timeout = timeoutLength, ifRev, signal } = options
      const body = bodyOf(event, payload)
      checkTimeout('timeout', timeout)
      if (ifRev !== undefined && !Number.isSafeInteger(ifRev)) throw invalid('ifRev', 'it is no whole number')
      const extra =
        ifRev === undefined && timeout === timeoutLength
          ? ''
          : `,${JSON.stringify({ ifRev, timeout: Math.ceil(timeout) })}`
      const number = this.#requests.next()
      const text = `["${kind}",${number},${body}${extra}]`
      const deadline = clock.now() + timeout
      const request = new Request(number, event, text, deadline, options, resolve, reject)
      if (signal?.aborted === true)
        throw request.failure('cancelled', 'it was given up', { cause: signal.reason })
      if (this.#requests.size >= maxPending)
        throw request.failure('refused', `${maxPending} others wait for theirs`, {
          reason: 'too-many-pending'
        })
      const session = this.#connection?.current
      if (session === undefined && !this.#mayWait) throw unsent(this.#status, request)
      this.#requests.add(request)
      if (session !== undefined) this.#requests.send(request, session)
      else this.#connection?.tryAgain()
    })
  }

  /** Whether a session may come by itself, on the connection that is there. */
  get #mayWait(): boolean {
    return this.#status === 'opening' || (this.#status === 'bad-key' && !this.#key.isDead)
  }

  async #dial(target: Target): Promise<void> {
    const dialling = new AbortController()
    this.#dialling = dialling
    this.#setStatus('connecting')
    try {
      const { jwt, dial } = this.#options
      const token = typeof jwt === 'function' ? await jwt() : jwt
      this.#key.revive()
      const key = target.device === '' ? undefined : await this.#key.for(target.device)
      const tag =
        key === undefined || key.mode === 'plain' ? undefined : toBase64url(await admissionTag(key.psk))
      const link = await dial({ url: target.url }, dialling.signal)
      if (dialling.signal.aborted) return link.close('this client was closed')
      this.#connection = new Connection(link, this)
      this.#connection.join(target.device, {
        ...(token !== undefined && { jwt: token }),
        ...(tag !== undefined && { tag })
      })
    } catch (error) {
      if (!dialling.signal.aborted) this.#failed(errorOfDial(error))
    }
  }

  #failed(error: RemoteError): void {
    const target = this.#target
    if (target === undefined) return
    if (this.#first?.retry === false) {
      const { reject } = this.#first
      this.#end(request => request.failure('disconnected', 'there is no connection'))
      reject(error)
      return
    }
    this.#setStatus('connecting')
    const wait = backoff(++this.#failures, this.#options.random)
    this.#timer = this.#options.clock.setTimeout(() => void this.#dial(target), wait)
  }

  #end(errorOf: (request: Request) => RemoteError): void {
    const first = this.#first
    const connection = this.#connection
    this.#first = undefined
    this.#target = undefined
    this.#connection = undefined
    this.#dialling?.abort()
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#failures = 0
    this.#setStatus('closed')
    this.#requests.rejectAll(errorOf)
    connection?.close('this client was closed')
    first?.reject(
      new RemoteError('disconnected', 'Cannot connect: because this client was closed', { reason: 'closed' })
    )
  }

  #setStatus(status: ClientStatus): void {
    if (status === this.#status) return
    this.#status = status
    quietly(() => this.#onStatus?.(status))
  }

  // What its connection asks and tells.

  get suite() {
    return this.#options.suite
  }

  get clock() {
    return this.#options.clock
  }

  random(): number {
    return this.#options.random()
  }

  keyFor(device: string): Promise<SealingKey | undefined> {
    return this.#key.for(device).catch(() => undefined)
  }

  first(): First {
    const { timeoutLength } = this.#options
    return { instance: this.#instance, sent: this.#requests.highestThatLeft, timeout: timeoutLength }
  }

  isWaiting(): boolean {
    return this.#requests.size > 0
  }

  before(): string {
    const { floor } = this.#requests
    if (floor === this.#acknowledged) return ''
    this.#acknowledged = floor
    return `["ack",${floor}]`
  }

  welcomed(): void {
    this.#setStatus('opening')
    this.#first?.resolve()
    this.#first = undefined
  }

  opened(session: ClientSession): void {
    this.#failures = 0
    this.#setStatus('ready')
    this.#requests.sendUnder(session)
  }

  sessionEnded(session: ClientSession): void {
    this.#requests.sessionEnded(session)
    if (this.#status === 'ready') this.#setStatus('opening')
  }

  take(message: readonly [string, ...unknown[]], session: ClientSession): void {
    const request = this.#requests.get(message[1])
    switch (message[0]) {
      case 'res':
        if (request !== undefined) this.#requests.resolve(request, message[3])
        return
      case 'err':
        if (request !== undefined) this.#takeFailure(request, message[2])
        return
      case 'again':
        if (request !== undefined) this.#askAgain(request, session)
        return
      case 'progress':
        if (request === undefined) return
        request.hasBegun = true
        quietly(() => request.options.onProgress?.(message[2]))
        return
      case 'event':
        quietly(() => this.#onEvent?.(String(message[1]), message[2]))
        return
      case 'renew':
        this.#connection?.begin()
        return
      case 'rekey':
      case 'revoked':
        this.#takeEndOfKey(session, message[0] === 'revoked')
    }
  }

  /** It was not taken under this session, and has certainly not run. */
  #askAgain(request: Request, session: ClientSession): void {
    request.hasLeft = false
    request.session = undefined
    const current = this.#connection?.current
    if (current !== undefined && current !== session) this.#requests.send(request, current)
    else if (this.#key.isDead) this.#requests.reject(request, unsent(this.#status, request))
  }

  #takeFailure(request: Request, failure: unknown): void {
    const [code, ran] = [fieldOf(failure, 'code'), fieldOf(failure, 'ran')]
    const reason = fieldOf(failure, 'reason')
    const rev = fieldOf(failure, 'rev')
    const message = String(fieldOf(failure, 'message') ?? '').slice(0, 1000)
    const error = new RemoteError(isErrorCode(code) ? code : 'refused', message, {
      ran: ran === 'yes' || ran === 'maybe' ? (ran satisfies Ran) : 'no',
      event: request.event,
      ...(typeof reason === 'string' && { reason: reason.slice(0, 64) }),
      ...(typeof rev === 'number' && { rev })
    })
    this.#requests.reject(request, error)
  }

  /** Sealed under the key that it is about: whoever said so has it. */
  #takeEndOfKey(session: ClientSession, isRevoked: boolean): void {
    this.#key.markDead(session.key)
    const connection = this.#connection
    if (isRevoked) connection?.drop(session)
    else connection?.retire(session)
    if (this.#key.isDead) {
      this.#setStatus('bad-key')
      quietly(() => this.#onError?.('invalid_encryption'))
      const why = 'the device has said that this key counts no more'
      for (const request of this.#requests.values())
        if (request.session === undefined) this.#requests.reject(request, request.failure('bad-key', why))
    }
  }

  refused(): void {
    this.#setStatus('bad-key')
    quietly(() => this.#onError?.('invalid_encryption'))
  }

  offline(): void {
    this.#setStatus('offline')
    this.#requests.rejectUnsent(request => unsent(this.#status, request))
  }

  closed({ why, reason, isFinal }: ConnectionEnd): void {
    this.#connection = undefined
    if (this.#target === undefined) return
    const details = reason === undefined ? {} : { reason }
    const error = new RemoteError(
      isFinal ? 'refused' : 'disconnected',
      `Cannot stay connected: because ${why}`,
      details
    )
    if (isFinal) {
      const first = this.#first
      this.#first = undefined
      this.#end(request => request.failure('refused', why, details))
      first?.reject(error)
      return
    }
    this.#setStatus('connecting')
    this.#requests.rejectUnsent(request => unsent(this.#status, request))
    this.#failed(error)
  }
}

function errorOfDial(error: unknown): RemoteError {
  if (error instanceof RemoteError) return error
  return new RemoteError('disconnected', 'Cannot connect: because nobody answers there', { cause: error })
}

/** What a handler of the program throws is no business of the connection. */
function quietly(call: () => void): void {
  try {
    call()
  } catch {}
}
