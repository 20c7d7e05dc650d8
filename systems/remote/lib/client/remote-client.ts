import { placeOfCode } from '../codes/invitation-code'
import { fieldOf } from '../encoding/json'
import { randomText } from '../encoding/random-id'
import { invalid, type RemoteError } from '../errors/remote-error'
import { type Checks, checkOptions, isFunction } from '../options/check-options'
import type { Carrier, CarrierOwner, GivenKey } from './carrier'
import { ClientKey } from './client-key'
import { Conversation } from './conversation'
import type { OnceCarrier } from './once-carrier'
import { type ClientOptions, type ClientParts, type CompleteOptions, completeOptions } from './options'
import { Pairing, type PairOptions } from './pairing'
import type { PhoneKey } from './phone-key'
import { quietly } from './quietly'
import { Request, SEND_CHECKS, type SendOptions } from './request'
import { bodyOf } from './request-body'
import { Requests } from './requests'
import { type ClientStatus, expired, type KnownState, type LeaseNotice } from './status'
import { invitationKey, parseTarget } from './target'

/** What a device says that it can do. */
export interface Description {
  readonly name?: string
  /** Whether clients may watch it. */
  readonly watch: boolean
  /** What this client may send, of what the device declares. Each has a title, a description and fields, or none of them. */
  readonly events: Readonly<Record<string, unknown>>
}

/** Hears of a device's state, and of what others are answered. */
export interface Watcher {
  readonly onState?: (state: KnownState) => void
  readonly onReply?: (reply: {
    readonly event: string
    readonly response: unknown
    readonly by: string
  }) => void
}

const NO_OPTIONS: SendOptions = {}

const WATCH_CHECKS: Checks<Watcher> = { onState: isFunction, onReply: isFunction }

/** Asks a device. It knows no sockets: `dial` brings the links. */
export class RemoteClient {
  readonly #options: CompleteOptions
  readonly #Once: typeof OnceCarrier | undefined
  readonly #requests: Requests
  readonly #instance = randomText(22)
  readonly #key: ClientKey
  readonly #owner: CarrierOwner
  #carrier: Carrier | undefined
  #pairing: Pairing | undefined
  #known: KnownState | undefined
  #deviceName: string | undefined
  readonly #watchers = new Set<Watcher>()
  /** The device has been asked, and is asked again by each new session. */
  #isWatching = false
  #onError: ((word: string) => void) | undefined
  #onStatus: ((status: ClientStatus, error?: RemoteError) => void) | undefined
  #onEvent: ((name: string, value: unknown) => void) | undefined

  /**
   * @param options that were checked
   * @param Once for `https:`; undefined in a build that asks nothing that way
   */
  constructor(options: ClientParts & ClientOptions, Once?: typeof OnceCarrier) {
    this.#Once = Once
    this.#options = completeOptions(options)
    this.#key = new ClientKey(this.#options.scrypt, this.#options.allowPlain)
    this.#requests = new Requests({
      clock: this.#options.clock,
      expired: request => expired(this.status, request)
    })
    this.#owner = {
      statusChanged: (status, error) => this.#statusChanged(status, error),
      greeted: name => {
        this.#deviceName = typeof name === 'string' ? name : undefined
      },
      refused: () => quietly(() => this.#onError?.('invalid_encryption')),
      told: (name, value) => this.#told(name, value)
    }
  }

  get suite() {
    return this.#options.suite
  }

  get status(): ClientStatus {
    return this.#carrier?.status ?? 'closed'
  }

  /** What the device calls itself; undefined over `https:`, before a first session has opened, and where it has no name. */
  get deviceName(): string | undefined {
    return this.#deviceName
  }

  /** How many requests wait for their answers. */
  get pending(): number {
    return this.#requests.size
  }

  /** The revision of the device's state after the last answer, for `ifRev`; undefined when nothing was told yet. */
  get rev(): number | undefined {
    return this.#requests.rev
  }

  /** The state as it was told last, or undefined. */
  get knownState(): KnownState | undefined {
    return this.#known
  }

  /**
   * Resolves when the connection is there; of `https:` when the device's key is known. A connection that is lost later is made again,
   * for ever, and what was asked is asked again under its number: nothing is done twice.
   *
   * @param url `ws:`, `wss:`, `tokens:`, `https:`, or that of an invitation
   * @param key as text, or as it is; undefined: the one that is in the invitation, or that `setEncryption` said
   * @param retry whether a first failure is followed by further tries, too
   * @throws (rejects) RemoteError `invalid`, `disconnected`, `refused`
   */
  async connect(url: string, key?: GivenKey, retry = false): Promise<void> {
    if (this.#carrier !== undefined && this.status !== 'closed')
      throw invalid('connect()', 'this client is connected, or about to be')
    const target = parseTarget(url)
    const given = key ?? (target.invitation && invitationKey(target.invitation))
    if (given !== undefined) this.#key.set(given)
    if (!this.#key.isSet)
      throw invalid('connect()', 'there is no key: name it, or call setEncryption() before')
    const Kind = target.kind === 'link' ? Conversation : this.#Once
    if (Kind === undefined) throw invalid('https:', 'this build has no way to post')
    this.#carrier = new Kind(this.#options, this.#requests, this.#instance, this.#key, this.#owner)
    await this.#carrier.connect(target, retry)
  }

  /**
   * Asks the device.
   *
   * @returns what its handler answered
   * @throws (rejects) RemoteError; with `resolveErrors` it resolves with `{ error: code }`
   */
  send(event: string, payload?: unknown, options: SendOptions = NO_OPTIONS): Promise<unknown> {
    const answer = this.#ask('req', event, payload, options)
    return this.#options.resolveErrors
      ? answer.catch((error: RemoteError) => ({ error: error.code }))
      : answer
  }

  /** Asks something of the device itself, which its handler never sees. */
  ask(what: string, payload?: unknown, options: SendOptions = NO_OPTIONS): Promise<unknown> {
    return this.#ask('ask', what, payload, options)
  }

  /** The key from now on, without reconnecting. What is under way is answered under the one before. @throws RemoteError `invalid` */
  setEncryption(key: GivenKey): void {
    this.#key.set(key)
    this.#carrier?.keyChanged()
  }

  /**
   * A fresh token, instead of the one of `jwt` in the options: a relay ends a connection with the token that let it in. It is shown on the
   * connection that is open, and with later ones. Resolves when the relay has taken it, or at once when there is no connection.
   *
   * @param jwt of the same subject; undefined: what the function `jwt` of the options gives now
   * @throws (rejects) RemoteError `refused`, reason `unauthenticated`, when the relay does not take it: the one of before goes on; `timeout`,
   * when what this client is connected to is no relay; `disconnected`, reason `no-token`; `invalid`
   */
  renewJwt(jwt?: string): Promise<void> {
    return this.#options.token.renew(jwt, token => this.#carrier?.renewJwt(token))
  }

  /**
   * Makes this client a phone of the device that an invitation is of: connects, agrees upon a key of its own, and waits until the owner
   * of the device has said yes. Where that was cut off, the same call goes on.
   *
   * @param invitation the URL of the QR code
   * @param name what the phone calls itself
   * @returns what is to be stored, for `readPhoneKey`
   * @throws (rejects) RemoteError `refused`, with the reason `used`, `no-invitation` or `not-approved`; `bad-key` when the invitation
   * has ended, or somebody is between; `disconnected`, through a relay with the reason `unknown-device` when it has ended; `timeout`
   */
  async pair(invitation: string, name: string, options?: PairOptions): Promise<PhoneKey> {
    const begun = this.#pairing
    const isSame = begun !== undefined && begun.text === invitation
    const pairing = isSame ? begun : await Pairing.of(invitation)
    this.#pairing = pairing
    if (this.status === 'closed') await this.connect(pairing.url, pairing.key)
    return await pairing.run(this, name, options)
  }

  /**
   * {@link pair} with the invitation for which a code stands, where there is no camera.
   *
   * @param url `https:`, of the relay or the device
   * @param code as it was typed
   * @throws (rejects) RemoteError, as `pair` does; `invalid` for what is no code; `disconnected` when nothing lies under it, or no more
   */
  async pairByCode(url: string, code: string, name: string, options?: PairOptions): Promise<PhoneKey> {
    const { suite, scrypt, once } = this.#options
    if (once === undefined) throw invalid('a code', 'this build has no way to ask for its invitation')
    if (parseTarget(url).kind !== 'once') throw invalid('the URL', 'a code needs https://')
    const place = await placeOfCode(suite, scrypt, code)
    if (place === undefined) throw invalid('the code', 'it is not of ten letters and digits')
    const sealed = await once.invitation(url, place.place, options?.signal)
    const invitation = await place.open(sealed).catch(() => {
      throw invalid('the code', 'what lies under it is of another code')
    })
    return await this.pair(invitation, name, options)
  }

  /** Called with `invalid_encryption` when the device can't open what this client sends. What it throws is ignored. */
  setErrorHandler(handler: ((word: string) => void) | undefined): void {
    this.#onError = handler
  }

  /** @param handler is told why, too, where a connection was lost or could not be made */
  setStatusHandler(handler: ((status: ClientStatus, error?: RemoteError) => void) | undefined): void {
    this.#onStatus = handler
  }

  /** What the device says unasked, by name. */
  setEventHandler(handler: ((name: string, value: unknown) => void) | undefined): void {
    this.#onEvent = handler
  }

  /** What the device can do, for a page that shows it. */
  async describe(options?: SendOptions): Promise<Description> {
    return (await this.ask('describe', undefined, options)) as Description
  }

  async state(options?: SendOptions): Promise<KnownState> {
    return this.#know(await this.ask('state', undefined, options))
  }

  /**
   * Has the device for itself: others' commands are refused until the time is over, or `release()`.
   *
   * @param time milliseconds; the device allows 10 minutes by default
   * @throws (rejects) RemoteError `refused`, reason `leased`, when somebody else has it
   */
  async lease(time: number, options?: SendOptions): Promise<LeaseNotice & { release(): Promise<void> }> {
    const lease = (await this.ask('lease', { time }, options)) as LeaseNotice
    return { ...lease, release: async () => void (await this.ask('release')) }
  }

  /**
   * Hears of the state, at once and whenever it changes, and of what others are answered; after a lost connection it goes on. Several
   * may watch at a time.
   *
   * @throws (rejects) RemoteError `refused`, reason `not-allowed`, when the device lets nobody watch
   */
  async watch(watcher: Watcher): Promise<() => Promise<void>> {
    checkOptions(watcher, WATCH_CHECKS)
    const own = { ...watcher }
    this.#watchers.add(own)
    try {
      await this.#askToWatch(own)
    } catch (error) {
      this.#watchers.delete(own)
      throw error
    }
    return async () => {
      if (!this.#watchers.delete(own) || this.#watchers.size > 0) return
      this.#isWatching = false
      if (this.status === 'ready') await this.ask('unwatch')
    }
  }

  /** What waits for an answer fails as `disconnected`. The client can be connected again. */
  close(): void {
    this.#carrier?.close()
  }

  #ask(kind: 'req' | 'ask', event: string, payload: unknown, options: SendOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (options !== NO_OPTIONS) checkOptions(options, SEND_CHECKS)
      const { timeoutLength, clock, maxPending } = this.#options
      const { timeout = timeoutLength, ifRev, signal } = options
      const body = bodyOf(event, payload)
      const isPlainest = ifRev === undefined && timeout === timeoutLength
      const extra = isPlainest ? '' : `,${JSON.stringify({ ifRev, timeout: Math.ceil(timeout) })}`
      const number = this.#requests.next()
      const text = `["${kind}",${number},${body}${extra}]`
      const request = new Request(number, event, text, clock.now() + timeout, options, resolve, reject)
      if (signal?.aborted === true)
        throw request.failure('cancelled', 'it was given up', { cause: signal.reason })
      if (this.#requests.size >= maxPending)
        throw request.failure('refused', `${maxPending} others wait for theirs`, {
          reason: 'too-many-pending'
        })
      if (this.#carrier === undefined)
        throw request.failure('disconnected', 'this client was never connected', { reason: 'not-connected' })
      this.#carrier.send(request)
    })
  }

  #statusChanged(status: ClientStatus, error?: RemoteError): void {
    if (status === 'ready' && this.#isWatching) void this.#askToWatch().catch(() => {})
    quietly(() => this.#onStatus?.(status, error))
  }

  /** @param newcomer who alone is told of the state; undefined: all watchers */
  async #askToWatch(newcomer?: Watcher): Promise<void> {
    this.#know(await this.ask('watch'), false, newcomer && [newcomer])
    this.#isWatching = true
  }

  #told(name: string, value: unknown): void {
    if (name === 'state') this.#know(value, true)
    else if (name === 'reply')
      for (const { onReply } of this.#watchers)
        quietly(() => onReply?.(value as { event: string; response: unknown; by: string }))
    quietly(() => this.#onEvent?.(name, value))
  }

  #know(told: unknown, isNews = false, watchers: Iterable<Watcher> = this.#watchers): KnownState {
    const lease = fieldOf(told, 'lease') as LeaseNotice | undefined
    const state = {
      value: fieldOf(told, 'value'),
      rev: Number(fieldOf(told, 'rev')),
      at: this.#options.clock.date(),
      ...(lease && { lease })
    }
    const isNewest = this.#requests.knowRev(state.rev, isNews)
    if (isNewest) this.#known = state
    if (isNewest || watchers !== this.#watchers)
      for (const { onState } of watchers) quietly(() => onState?.(this.#known ?? state))
    return state
  }
}
