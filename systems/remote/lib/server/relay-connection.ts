import type { CipherSuite, KeyPair } from 'hpke'
import { Renewals } from '../client/renewals'
import { type Jwt, Token } from '../client/token'
import { toBase64url } from '../encoding/base64url'
import { RemoteError } from '../errors/remote-error'
import type { Link } from '../link/link'
import { SharedLink } from '../link/shared-link'
import { answerChallenge } from '../sealing/registration'
import { backoff } from '../time/backoff'
import { CONNECT_TIMEOUT } from '../transport/link-limits'
import { type ControlMessage, decodeControl, encodeControl } from '../wire/control'
import { decodeFrame, FrameKind } from '../wire/frame'
import type { AttachedClient, HostedDevice } from './host-client'
import { OncePort } from './once-port'

/** Keys of a device, as far as a relay is told of them. A `KeyRing` is one. */
export interface RelayedKeys {
  readonly deviceKeys: KeyPair
  readonly publicKey: Uint8Array
  readonly tagHashes: readonly string[]
  on(event: 'change', listener: () => void): unknown
  off(event: 'change', listener: () => void): unknown
}

export interface RelayConnectionOptions {
  readonly url: string
  readonly dial: (to: { readonly url: string }, signal: AbortSignal) => Promise<Link>
  readonly suite: CipherSuite
  readonly device: HostedDevice
  readonly keys: RelayedKeys
  /** Proves to the relay whose device it is; a function is called for each connection. */
  readonly jwt?: Jwt | undefined
  /** Milliseconds for the function `jwt`. Default 10,000. */
  readonly connectTimeout?: number | undefined
  /** What the relay calls it in its list. */
  readonly name?: string | undefined
  /** At least 0 and below 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined
  readonly onChange?: ((change: RelayChange) => void) | undefined
}

export interface RelayChange {
  readonly url: string
  /** Whether clients can reach the device by this relay. */
  readonly isOnline: boolean
  /** Why not. */
  readonly error?: RemoteError
  /** It is not tried again. */
  readonly isFinal: boolean
}

/** Milliseconds from the dial until the relay must have registered the device. */
const REGISTER_TIMEOUT = 10_000
/** Milliseconds until a relay that does not answer holds nothing. */
const POST_TIMEOUT = 5_000

/** Bytes that wait for the relay, from which on a client that makes the device answer what is not sealed is sent away. */
const MAX_WAITING_BYTES = 4_194_304

/** Clients at once by one relay; more are sent away. */
const MAX_CLIENTS = 20_000

/** A device's connection to a relay: it dials, proves its key, serves the clients of the relay, and comes back when it is lost. */
export class RelayConnection {
  readonly #options: RelayConnectionOptions
  readonly #clients = new Map<string, AttachedClient>()
  readonly #stopped = new AbortController()
  readonly #posts = new Map<string, (ok: boolean) => void>()
  readonly #token: Token
  #link: Link | undefined
  #renewals: Renewals | undefined
  #failures = 0
  #isRegistered = false
  /** Of a frame that the relay takes. */
  #maxFrameBytes = Number.POSITIVE_INFINITY
  #bye: Extract<ControlMessage, { do: 'bye' }> | undefined
  #timer: NodeJS.Timeout | undefined
  #first: { resolve: () => void; reject: (error: RemoteError) => void } | undefined
  readonly #onKeys = () => this.#admit()

  /** Resolves when the device is registered for the first time; rejects when it is closed before, or the relay will not have it. */
  readonly registered: Promise<void>

  constructor(options: RelayConnectionOptions) {
    this.#options = options
    this.#token = new Token(options.jwt, options.connectTimeout ?? CONNECT_TIMEOUT)
    this.registered = new Promise((resolve, reject) => {
      this.#first = { resolve, reject }
    })
    options.keys.on('change', this.#onKeys)
    void this.#dial()
  }

  get url(): string {
    return this.#options.url
  }

  get isOnline(): boolean {
    return this.#isRegistered
  }

  /** How many clients of this relay are connected. */
  get clients(): number {
    return this.#clients.size
  }

  /**
   * A fresh token, for the connection that is open and for later ones; as {@link RemoteClient.renewJwt} of a client.
   *
   * @throws (rejects) RemoteError, likewise
   */
  renewJwt(jwt?: string): Promise<void> {
    return this.#token.renew(jwt, token => this.#renewals?.ask(token))
  }

  /** Gives the relay a sealed invitation to hold. @returns whether it does */
  post(place: string, sealed: Uint8Array): Promise<boolean> {
    const link = this.#link
    if (!this.#isRegistered || link === undefined) return Promise.resolve(false)
    return new Promise(resolve => {
      const settle = (ok: boolean) => {
        clearTimeout(timer)
        this.#posts.delete(place)
        resolve(ok)
      }
      const timer = setTimeout(() => settle(false), POST_TIMEOUT)
      this.#posts.set(place, settle)
      link.send(encodeControl({ do: 'post', place, sealed: toBase64url(sealed) }))
    })
  }

  close(): void {
    if (this.#stopped.signal.aborted) return
    const error = new RemoteError(
      'disconnected',
      'Cannot stay at the relay: because this device was closed',
      {
        reason: 'closed'
      }
    )
    this.#stop(error)
    this.#link?.close('the device goes away')
  }

  async #dial(): Promise<void> {
    const { url, dial, keys, name } = this.#options
    const { signal } = this.#stopped
    this.#bye = undefined
    try {
      const token = await this.#token.get()
      const link = await dial({ url }, signal)
      if (signal.aborted) return link.close('the device goes away')
      this.#link = link
      this.#renewals = new Renewals(message => link.send(encodeControl(message)))
      this.#timer = setTimeout(
        () => link.close('the relay did not register the device in time'),
        REGISTER_TIMEOUT
      )
      const shared = new SharedLink(link)
      const once = new OncePort(this.#options.device, shared)
      link.onFrame = bytes => this.#take(bytes, link, shared, once)
      link.onDrain = () => shared.drained()
      link.onClose = ({ reason, refused }) => this.#lost(reason, refused === true)
      link.send(
        encodeControl({
          do: 'register',
          publicKey: toBase64url(keys.publicKey),
          ...(token !== undefined && { jwt: token }),
          ...(name !== undefined && { name })
        })
      )
    } catch (error) {
      if (signal.aborted) return
      const failure =
        error instanceof RemoteError
          ? error
          : new RemoteError('disconnected', 'Cannot reach the relay: because the dial failed', {
              cause: error
            })
      // What can't be used now can't be used later.
      if (failure.code === 'invalid') this.#stop(failure)
      else this.#again(failure)
    }
  }

  #take(bytes: Uint8Array, link: Link, shared: SharedLink, once: OncePort): void {
    const frame = decodeFrame(bytes)
    if (frame === undefined) return
    if (frame.kind === FrameKind.carried) {
      void once.take(frame, this.#maxFrameBytes)
      return
    }
    if (frame.kind !== FrameKind.control) {
      this.#clients.get(frame.client)?.receive(bytes)
      return
    }
    const message = decodeControl(frame)
    switch (message?.do) {
      case 'challenge':
        void this.#prove(message, link)
        return
      case 'registered':
        this.#maxFrameBytes = Math.min(
          link.maxFrameBytes ?? Number.POSITIVE_INFINITY,
          message.maxFrameBytes ?? Number.POSITIVE_INFINITY
        )
        this.#registered()
        return
      case 'renewed':
        this.#renewals?.answered(message.ok)
        return
      case 'opened':
        if (this.#isRegistered) this.#open(message.client, message.by, link, shared)
        return
      case 'posted':
        this.#posts.get(message.place)?.(message.ok)
        return
      case 'closed':
        this.#detach(message.client)
        return
      case 'bye':
        this.#bye = message
        link.close('the relay said goodbye')
    }
  }

  async #prove(challenge: Extract<ControlMessage, { do: 'challenge' }>, link: Link): Promise<void> {
    const { suite, keys } = this.#options
    try {
      link.send(encodeControl(await answerChallenge(suite, keys.deviceKeys, challenge)))
    } catch {
      link.close('the relay asked for a proof that nobody can give')
    }
  }

  #registered(): void {
    if (this.#isRegistered) return
    clearTimeout(this.#timer)
    this.#isRegistered = true
    this.#renewals?.begin()
    this.#failures = 0
    this.#admit()
    this.#first?.resolve()
    this.#first = undefined
    this.#tell({ isOnline: true, isFinal: false })
  }

  #admit(): void {
    if (this.#isRegistered)
      this.#link?.send(encodeControl({ do: 'admit', tags: this.#options.keys.tagHashes }))
  }

  #open(clientId: string, by: unknown, link: Link, shared: SharedLink): void {
    this.#detach(clientId)
    const close = (why: string) => {
      this.#detach(clientId)
      link.send(encodeControl({ do: 'closed', client: clientId, why }))
    }
    if (this.#clients.size >= MAX_CLIENTS) {
      close('too-many')
      return
    }
    const sender = { drained: () => client.drained() }
    const client = this.#options.device.attach({
      clientId,
      by,
      maxFrameBytes: this.#maxFrameBytes,
      send: frame => {
        if (frame[1] === FrameKind.sealed || shared.bufferedBytes <= MAX_WAITING_BYTES)
          return shared.send(frame, sender)
        close('busy')
        return false
      },
      reserve: length => shared.reserve(sender, length),
      release: length => shared.release(length),
      close
    })
    this.#clients.set(clientId, client)
  }

  #detach(clientId: string): void {
    const client = this.#clients.get(clientId)
    this.#clients.delete(clientId)
    client?.detached()
  }

  #lost(reason: string, isRefused: boolean): void {
    clearTimeout(this.#timer)
    this.#link = undefined
    this.#isRegistered = false
    this.#renewals?.end()
    for (const clientId of [...this.#clients.keys()]) this.#detach(clientId)
    for (const settle of [...this.#posts.values()]) settle(false)
    if (this.#stopped.signal.aborted) return
    const bye = this.#bye
    const isFinal = isRefused || bye?.retry === false
    const why = bye === undefined ? reason : `it said ${bye.why}`
    const error = new RemoteError(
      isFinal ? 'refused' : 'disconnected',
      `Cannot stay at the relay: because ${why}`,
      bye === undefined ? {} : { reason: bye.why }
    )
    if (isFinal) this.#stop(error)
    else this.#again(error)
  }

  #again(error: RemoteError): void {
    const wait = backoff(++this.#failures, this.#options.random ?? Math.random)
    this.#timer = setTimeout(() => void this.#dial(), wait)
    this.#tell({ isOnline: false, error, isFinal: false })
  }

  #stop(error: RemoteError): void {
    this.#stopped.abort()
    clearTimeout(this.#timer)
    this.#options.keys.off('change', this.#onKeys)
    this.#isRegistered = false
    this.#first?.reject(error)
    this.#first = undefined
    this.#tell({ isOnline: false, error, isFinal: true })
  }

  #tell(change: Omit<RelayChange, 'url'>): void {
    this.#options.onChange?.({ url: this.url, ...change })
  }
}
