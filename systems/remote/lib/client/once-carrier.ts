import { fromBase64url } from '../encoding/base64url'
import { utf8 } from '../encoding/bytes'
import { invalid, RemoteError } from '../errors/remote-error'
import { deviceIdOf } from '../sealing/keys'
import { type SealedOnce, sealOnce } from '../sealing/once'
import { backoff } from '../time/backoff'
import { decodeFrame, FrameKind } from '../wire/frame'
import { decodeMessages, type First, TOLD_DEPTH } from '../wire/message'
import type { Carrier, CarrierOwner } from './carrier'
import type { ClientKey } from './client-key'
import type { CompleteOptions, OncePost } from './options'
import { type Proof, proofOf } from './proof'
import type { Request } from './request'
import type { Requests } from './requests'
import { type ClientStatus, failureAfter } from './status'
import type { Target } from './target'

/** In a row, of the device's count of time. */
const MAX_ADJUSTMENTS = 3

/** Milliseconds by which clocks of browsers, and those of two machines, may differ about how long something took. */
const COARSENESS = 1_000

interface Device {
  readonly url: string
  readonly id: string
  readonly publicKey: Uint8Array
}

/** Sends each request by itself, over HTTPS: nothing is kept open between two of them. */
export class OnceCarrier implements Carrier {
  readonly #options: CompleteOptions
  readonly #requests: Requests
  readonly #instance: string
  readonly #key: ClientKey
  readonly #owner: CarrierOwner
  #device: Device | undefined
  #status: ClientStatus = 'closed'
  /** The device's epoch, and when it began by the clock of this client. */
  #epoch: readonly [epoch: string, began: number] | undefined
  /** What the device calls its memory of this client: what left under it is in there, or never came. */
  #known = ''
  readonly #closed = new AbortController()
  #onClosed: (() => void) | undefined

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

  connect({ url, device }: Target, retry: boolean): Promise<void> {
    if (device === '')
      return Promise.reject(invalid('the URL', 'https: needs the id of the device, as in ?device=…'))
    this.#setStatus('connecting')
    return new Promise((resolve, reject) => {
      this.#onClosed = () => reject(closedError())
      this.#meet(url, device, retry).then(resolve, error => {
        this.#setStatus('closed')
        reject(error)
      })
    })
  }

  send(request: Request): void {
    const device = this.#device
    if (device === undefined || this.#status === 'closed')
      throw request.failure('disconnected', 'there is no connection', { reason: 'not-connected' })
    this.#requests.add(request)
    void this.#carry(request).catch((error: unknown) => {
      const why = 'it can not be sent'
      this.#requests.reject(request, error instanceof RemoteError ? error : request.failure('invalid', why))
    })
  }

  keyChanged(): void {
    if (this.#status === 'bad-key') this.#setStatus('ready')
  }

  /** Each request shows the token anew. */
  renewJwt(): Promise<void> {
    return Promise.resolve()
  }

  close(): void {
    this.#device = undefined
    this.#setStatus('closed')
    this.#closed.abort()
    this.#onClosed?.()
    this.#requests.rejectAll(request =>
      request.failure('disconnected', 'this client was closed', { reason: 'closed' })
    )
  }

  get #post(): OncePost {
    const { once } = this.#options
    if (once === undefined) throw invalid('https:', 'this build has no way to post')
    return once
  }

  async #meet(url: string, id: string, retry: boolean): Promise<void> {
    for (let failures = 0; this.#status === 'connecting'; ) {
      try {
        const device = await this.#find(url, id)
        if (this.#status !== 'connecting') break
        this.#device = device
        this.#setStatus(device.online ? 'ready' : 'offline')
        return
      } catch (error) {
        if (!retry || !(error instanceof RemoteError) || error.code === 'invalid') throw error
        this.#owner.statusChanged(this.#status, error)
        await this.#pause(backoff(++failures, this.#options.random), this.#closed.signal)
      }
    }
    throw closedError()
  }

  async #find(url: string, id: string): Promise<Device & { readonly online: boolean }> {
    const proof = await proofOf(this.#options.token, await this.#key.for(id))
    const notice = await this.#post.lookUp(url, id, this.#closed.signal, proof)
    const publicKey = fromBase64url(notice.publicKey)
    if (publicKey === undefined || (await deviceIdOf(publicKey)) !== id)
      throw new RemoteError('disconnected', 'Cannot connect: because what answers is another device', {
        reason: 'rejected'
      })
    return { url, id, publicKey, online: notice.online }
  }

  /** Posts it until something answers, or it is settled. */
  async #carry(request: Request): Promise<void> {
    const settled = new AbortController()
    const forget = request.onSettled
    request.onSettled = () => {
      forget?.()
      settled.abort()
    }
    let adjustments = 0
    for (let failures = 0; !request.isDropped; ) {
      const answer = await this.#try(request, settled.signal)
      if (answer === 'done') return
      if (answer === 'again' && ++adjustments < MAX_ADJUSTMENTS) continue
      await this.#pause(backoff(++failures, this.#options.random), settled.signal)
    }
  }

  #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const { clock } = this.#options
      if (signal.aborted) return resolve()
      const go = () => {
        clock.clearTimeout(timer)
        signal.removeEventListener('abort', go)
        resolve()
      }
      const timer = clock.setTimeout(go, milliseconds)
      signal.addEventListener('abort', go)
    })
  }

  async #try(request: Request, signal: AbortSignal): Promise<'done' | 'again' | 'later'> {
    const { suite, clock, timeoutLength } = this.#options
    const device = this.#device
    const key = await this.#key.for(device?.id ?? '')
    if (device === undefined) return 'done'
    if (key === undefined) throw request.failure('bad-key', 'this client has no key')
    const hadLeft = request.hasLeft
    const sent = hadLeft ? request.number : 0
    if (!hadLeft) request.known = this.#known
    const own: First = { instance: this.#instance, sent, timeout: timeoutLength }
    let sealed: SealedOnce
    let sealedAt: readonly [now: number, date: number]
    let bytes: Uint8Array
    try {
      const proof = await proofOf(this.#options.token, key)
      // What is not sent to a device that is away has certainly not run.
      if (this.#status === 'offline') await this.#lookAgain(device, signal, proof)
      const isTimely = this.#epoch !== undefined
      sealedAt = [clock.now(), clock.date()]
      sealed = await sealOnce(suite, device.publicKey, { device: device.id }, key, this.#plain(own, request))
      if (request.isDropped) return 'done'
      if (isTimely) request.hasLeft = true
      bytes = await this.#post.post(device.url, device.id, sealed.frame, signal, proof)
    } catch (error) {
      if (request.isDropped) return 'done'
      if (!(error instanceof RemoteError)) throw error
      return this.#failed(request, hadLeft, error)
    }
    const frame = decodeFrame(bytes)
    if (frame?.kind !== FrameKind.onceAnswer) return this.#refused(request)
    const opened = await sealed.openAnswer(frame).catch(() => undefined)
    if (opened === undefined) return this.#refused(request)
    if (this.#status === 'closed') return 'done'
    this.#setStatus('ready')
    for (const message of decodeMessages(opened, TOLD_DEPTH)) {
      if (message[0] === 'clock') {
        const [, epoch, now, known, untakenFor] = message
        if (typeof untakenFor !== 'number' || this.#since(sealedAt) < untakenFor) request.hasLeft = hadLeft
        this.#epoch = [String(epoch), clock.now() - Number(now)]
        this.#known = String(known)
        return 'again'
      }
      this.#requests.take(message, hadLeft)
    }
    return 'done'
  }

  /** By the clock that has gone further: the monotonic one may stand still while a machine sleeps. */
  #since([now, date]: readonly [now: number, date: number]): number {
    const { clock } = this.#options
    return Math.max(clock.now() - now, clock.date() - date) + COARSENESS
  }

  /** A frame that the device refuses could be brought later by who carries it: the request is in none before the device's time is known. */
  #plain(own: First, request: Request): Uint8Array {
    if (this.#epoch === undefined) return utf8(JSON.stringify([own]))
    const [epoch, began] = this.#epoch
    const first: First = {
      ...own,
      known: request.known,
      at: [epoch, Math.floor(this.#options.clock.now() - began)]
    }
    return utf8(`[${JSON.stringify(first)},${request.text},["ack",${this.#requests.floor}]]`)
  }

  /** @throws RemoteError `disconnected` */
  async #lookAgain({ url, id }: Device, signal: AbortSignal, proof: Proof): Promise<void> {
    const { online } = await this.#post.lookUp(url, id, signal, proof)
    if (!online)
      throw new RemoteError('disconnected', 'Cannot ask the device: because it is away', {
        reason: 'device-offline'
      })
    if (this.#status === 'offline') this.#setStatus('ready')
  }

  /** What a relay says is no proof that the device has not had it: only what did not leave has not run. */
  #failed(request: Request, hadLeft: boolean, error: RemoteError): 'later' {
    const { reason } = error
    if (reason === 'device-offline' || reason === 'unknown-device') this.#setStatus('offline')
    if (error.ran === 'no') request.hasLeft = hadLeft
    const isLasting = reason === 'too-large' || reason === 'malformed'
    if ((error.ran === 'no' && !hadLeft) || isLasting) throw failureAfter(error, request)
    request.lastFailure = error
    return 'later'
  }

  /** Anybody on the way may have said so: it fails at its timeout. */
  #refused({ isDropped }: Request): 'done' {
    if (!isDropped && this.#status !== 'closed') {
      this.#setStatus('bad-key')
      this.#owner.refused()
    }
    return 'done'
  }

  #setStatus(status: ClientStatus): void {
    if (status === this.#status) return
    this.#status = status
    this.#owner.statusChanged(status)
  }
}

function closedError(): RemoteError {
  return new RemoteError('disconnected', 'Cannot connect: because this client was closed', {
    reason: 'closed'
  })
}
