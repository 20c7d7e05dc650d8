import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { ServiceError } from '../errors/service-error'
import { ID_LENGTH, MAX_TOPIC_BYTES } from './batch'
import type { Bus, BusEvents, BusLimits, BusListener, BusStats } from './bus'
import { LocalDelivery } from './local-delivery'

export interface BaseBusOptions extends BusLimits {
  /** Gets what a listener has thrown. */
  readonly onListenerError: (error: unknown) => void
}

/** What each bus has: an identity, the listeners of this process, and counts. */
export abstract class BaseBus extends EventEmitter<BusEvents> implements Bus {
  protected readonly idBytes = randomBytes(ID_LENGTH)
  readonly id = this.idBytes.toString('hex')
  protected readonly local: LocalDelivery
  protected readonly limits: BusLimits
  protected isClosed = false
  protected readonly counts = { published: 0, received: 0, dropped: 0, gaps: 0, losses: 0 }
  #isUp = false
  #isKnownDown = false
  readonly #ready = withResolvers<void>()

  constructor({ onListenerError, ...limits }: BaseBusOptions) {
    super()
    this.local = new LocalDelivery(onListenerError)
    this.limits = limits
    // Who does not ask is not to be told by an unhandled rejection.
    this.#ready.promise.catch(() => {})
  }

  get isUp(): boolean {
    return this.#isUp
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get stats(): BusStats {
    return { ...this.counts, queuedBytes: this.queuedBytes }
  }

  protected abstract get queuedBytes(): number

  /** @returns false when messages had to be dropped */
  protected abstract send(topic: string, topicBytes: number, payload: Uint8Array): boolean

  abstract flush(): Promise<void>

  abstract close(): Promise<void>

  publish(topic: string, payload: Uint8Array): boolean {
    if (this.isClosed) throw closedError('publish')
    const topicBytes = Buffer.byteLength(topic)
    const { maxMessageBytes } = this.limits
    if (topicBytes > MAX_TOPIC_BYTES) throw tooLarge('topic', topicBytes, 'at most', MAX_TOPIC_BYTES)
    if (payload.length > maxMessageBytes)
      throw tooLarge('payload', payload.length, 'maxMessageBytes is', maxMessageBytes)
    this.counts.published++
    const isKept = this.send(topic, topicBytes, payload)
    const { buffer, byteOffset, length } = payload
    this.local.deliver(
      topic,
      Buffer.isBuffer(payload) ? payload : Buffer.from(buffer, byteOffset, length),
      this.id
    )
    return isKept
  }

  subscribe(...args: [listener: BusListener] | [topic: string, listener: BusListener]): () => void {
    return args.length === 1 ? this.local.subscribe(null, args[0]) : this.local.subscribe(args[0], args[1])
  }

  protected received(topic: string, payload: Buffer, from: string): void {
    this.counts.received++
    this.local.deliver(topic, payload, from)
  }

  protected gap(from: string | null, why: string): void {
    this.counts.gaps++
    this.emit('gap', Object.freeze({ from, why }))
  }

  protected setUp(): void {
    if (this.#isUp || this.isClosed) return
    this.#isUp = true
    this.#isKnownDown = false
    this.#ready.resolve()
    this.emit('up')
  }

  protected setDown(why: string): void {
    if (this.#isUp) this.counts.losses++
    this.#isUp = false
    if (this.#isKnownDown) return
    this.#isKnownDown = true
    this.emit('down', Object.freeze({ why }))
  }

  protected closed(): void {
    this.#isUp = false
    this.#ready.reject(closedError('wait'))
  }
}

export function closedError(what: string): ServiceError {
  return new ServiceError('ERR_BUS_CLOSED', `Cannot ${what}: the bus is closed`)
}

function tooLarge(what: string, length: number, bound: string, most: number): ServiceError {
  return new ServiceError(
    'ERR_BUS_MESSAGE',
    `Cannot publish: the ${what} has ${length} bytes, ${bound} ${most}`
  )
}

/** Of a promise that is settled from outside. */
export function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
