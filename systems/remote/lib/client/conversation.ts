import { fieldOf } from '../encoding/json'
import { RemoteError } from '../errors/remote-error'
import type { SealingKey } from '../sealing/session'
import { backoff } from '../time/backoff'
import type { ClockTimer } from '../time/clock'
import type { First } from '../wire/message'
import type { Carrier, CarrierOwner } from './carrier'
import type { ClientKey } from './client-key'
import { Connection } from './connection'
import type { ClientSession, ConnectionEnd, ConnectionOwner } from './connection-owner'
import type { CompleteOptions } from './options'
import { proofOf } from './proof'
import type { Request } from './request'
import type { Requests } from './requests'
import { type ClientStatus, unsent } from './status'
import type { Target } from './target'

/** So many signs of life in vain, and the connection counts as broken. */
const MAX_PROBES = 3

/**
 * Keeps a connection to a device: dials again whenever it is lost, and asks again what had no answer.
 *
 *     closed → connecting ⇄ opening ⇄ ready
 *                  ⇅           ⇅
 *               offline     bad-key
 */
export class Conversation implements Carrier, ConnectionOwner {
  readonly #options: CompleteOptions
  readonly #requests: Requests
  readonly #instance: string
  readonly #key: ClientKey
  readonly #owner: CarrierOwner
  #target: Target | undefined
  #connection: Connection | undefined
  #status: ClientStatus = 'closed'
  /** Of what it was told last with. */
  #reason: string | undefined
  #first: { resolve: () => void; reject: (error: RemoteError) => void; retry: boolean } | undefined
  #dialling: AbortController | undefined
  #timer: ClockTimer | undefined
  #failures = 0
  #acknowledged = 1
  #probe: ClockTimer | undefined
  #probes = 0
  #heard = 0

  constructor(
    options: CompleteOptions,
    requests: Requests,
    instance: string,
    key: ClientKey,
    owner: CarrierOwner
  ) {
    this.#options = options
    this.#requests = requests
    this.#instance = instance
    this.#key = key
    this.#owner = owner
  }

  get status(): ClientStatus {
    return this.#status
  }

  connect(target: Target, retry: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#target = target
      this.#first = { resolve, reject, retry }
      void this.#dial(target)
    })
  }

  send(request: Request): void {
    const session = this.#connection?.current
    if (session === undefined && !this.#mayWait) throw this.#unsent(request)
    this.#requests.add(request)
    if (session !== undefined) this.#requests.send(request, session)
    else this.#connection?.tryAgain()
    this.#probe ??= this.#lookLater()
  }

  keyChanged(): void {
    if (this.#status === 'ready' || this.#status === 'bad-key') this.#setStatus('opening')
    this.#connection?.begin()
  }

  async renewJwt(token: string): Promise<void> {
    await this.#connection?.renewJwt(token)
  }

  close(): void {
    this.#end(request => request.failure('disconnected', 'this client was closed', { reason: 'closed' }))
  }

  /**
   * A frame that somebody on the way swallowed is noticed by the next one, on either side: so there is a next one. And a connection
   * that is dead, which a browser may not notice for minutes, is given up.
   */
  #look(): void {
    this.#probe = undefined
    if (this.#requests.size === 0) return
    const heard = this.#connection?.heard ?? 0
    const session = this.#connection?.current
    if (session === undefined || heard !== this.#heard) this.#probes = 0
    else if (this.#probes++ < MAX_PROBES) session.outbox.say('["ping"]')
    else {
      this.#probes = 0
      this.#connection?.close('the device says nothing')
    }
    this.#heard = heard
    this.#probe = this.#lookLater()
  }

  #lookLater(): ClockTimer {
    return this.#options.clock.setTimeout(() => this.#look(), this.#options.probeInterval)
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
      this.#key.revive()
      const key = target.device === '' ? undefined : await this.#key.for(target.device)
      const proof = await proofOf(this.#options.token, key)
      const link = await this.#options.dial({ url: target.url }, dialling.signal)
      if (dialling.signal.aborted) return link.close('this client was closed')
      this.#connection = new Connection(link, this)
      this.#connection.join(target.device, proof)
    } catch (error) {
      if (!dialling.signal.aborted) this.#failed(errorOfDial(error))
    }
  }

  #failed(error: RemoteError): void {
    const target = this.#target
    if (target === undefined) return
    // What can't be used now can't be used later.
    if (this.#first !== undefined && (!this.#first.retry || error.code === 'invalid')) {
      const { reject } = this.#first
      // It is told why, and not that it was closed.
      this.#first = undefined
      this.#end(request => request.failure('disconnected', 'there is no connection'))
      reject(error)
      return
    }
    this.#setStatus('connecting', error)
    const wait = backoff(++this.#failures, this.#options.random)
    this.#timer = this.#options.clock.setTimeout(() => void this.#dial(target), wait)
  }

  #end(errorOf: (request: Request) => RemoteError, why?: RemoteError): void {
    const first = this.#first
    const connection = this.#connection
    this.#first = undefined
    this.#target = undefined
    this.#connection = undefined
    this.#dialling?.abort()
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer)
    if (this.#probe !== undefined) this.#options.clock.clearTimeout(this.#probe)
    this.#timer = undefined
    this.#probe = undefined
    this.#failures = 0
    this.#setStatus('closed', why)
    this.#requests.rejectAll(errorOf)
    connection?.close('this client was closed')
    first?.reject(
      new RemoteError('disconnected', 'Cannot connect: because this client was closed', { reason: 'closed' })
    )
  }

  #unsent(request: Request): RemoteError {
    return unsent(this.#status, request, this.#reason)
  }

  #setStatus(status: ClientStatus, error?: RemoteError): void {
    // A further failure is told where it is another one.
    if (status === this.#status && (error === undefined || error.reason === this.#reason)) return
    this.#status = status
    this.#reason = error?.reason
    this.#owner.statusChanged(status, error)
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

  opening(): void {
    if (this.#status !== 'bad-key') this.#setStatus('opening')
  }

  welcomed(): void {
    this.#setStatus('opening')
    this.#first?.resolve()
    this.#first = undefined
  }

  opened(session: ClientSession, greeting: unknown): void {
    this.#failures = 0
    this.#requests.beginAt(fieldOf(greeting, 'rev'))
    this.#owner.greeted(fieldOf(greeting, 'name'))
    this.#setStatus('ready')
    this.#requests.sendUnder(session)
  }

  sessionEnded(session: ClientSession, lastTaken: number): void {
    this.#requests.sessionEnded(session, lastTaken)
    const current = this.#connection?.current
    if (current !== undefined && current !== session) this.#requests.sendUnder(current)
  }

  take(message: readonly [string, ...unknown[]], session: ClientSession): void {
    switch (message[0]) {
      case 'again':
        this.#askAgain(message[1], session)
        return
      case 'event':
        this.#owner.told(String(message[1]), message[2])
        return
      case 'renew':
        if (session === this.#connection?.current) this.#connection.begin()
        return
      case 'rekey':
      case 'revoked':
        this.#takeEndOfKey(session, message[0] === 'revoked')
        return
      default:
        this.#requests.take(message)
    }
  }

  /** It was not taken under this session, and has certainly not run. */
  #askAgain(number: unknown, session: ClientSession): void {
    const request = this.#requests.get(number)
    if (request?.session !== session) return
    request.hasLeft = false
    request.session = undefined
    const current = this.#connection?.current
    if (current !== undefined && current !== session) this.#requests.send(request, current)
    else if (this.#key.isDead) this.#requests.reject(request, this.#unsent(request))
  }

  /** Sealed under the key that it is about: whoever said so has it. */
  #takeEndOfKey(session: ClientSession, isRevoked: boolean): void {
    this.#key.markDead(session.key)
    const connection = this.#connection
    if (isRevoked) connection?.drop(session)
    else connection?.retire(session)
    if (!this.#key.isDead) return
    this.#setStatus(
      'bad-key',
      new RemoteError('bad-key', 'Cannot go on: because the device has said that this key counts no more', {
        ...(isRevoked && { reason: 'revoked' })
      })
    )
    this.#owner.refused()
    for (const request of this.#requests.values())
      if (request.session === undefined) this.#requests.reject(request, this.#unsent(request))
  }

  disturbed(): void {
    this.#owner.refused()
  }

  refused(): void {
    this.#setStatus('bad-key')
    this.#owner.refused()
  }

  offline(): void {
    this.#setStatus('offline')
    this.#requests.rejectUnsent(request => this.#unsent(request))
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
      this.#end(request => request.failure('refused', why, details), error)
      first?.reject(error)
      return
    }
    this.#setStatus('connecting', error)
    this.#requests.rejectUnsent(request => this.#unsent(request))
    this.#failed(error)
  }
}

function errorOfDial(error: unknown): RemoteError {
  if (error instanceof RemoteError) return error
  return new RemoteError('disconnected', 'Cannot connect: because nobody answers there', { cause: error })
}
