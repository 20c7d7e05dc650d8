import type { AedesPacket } from '../core/aedes-packet'
import type { Counters } from '../core/counters'
import type { Log } from '../core/log'
import type { Store } from '../store/store'

/** Clients of a broker that was killed have so long to come back, milliseconds; then their wills are sent. */
const GRACE = 20_000

/** Milliseconds between two looks for brokers that are gone: each reads all wills. */
const INTERVAL = 60_000

/** Milliseconds between them when one has fallen silent, or a look has failed; and for how long. */
const SHORT_INTERVAL = 5_000
const HURRY = 60_000

export interface LostWillsOptions {
  readonly brokerId: string
  readonly store: Store
  readonly counters: Counters
  readonly log: Log
  /** Whether other brokers share the store, and may die. */
  readonly isShared: boolean
  readonly publish: (will: AedesPacket) => Promise<void>
  /** Milliseconds. Default 20,000. */
  readonly grace?: number | undefined
}

/**
 * Sends the wills of clients whose broker is gone. aedes' own takes four minutes, and asks each broker of a cluster to send all of
 * them at once; here the store says whose turn it is.
 */
export class LostWills {
  readonly #options: LostWillsOptions
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #isLooking = false
  #hurriesUntil = 0

  constructor(options: LostWillsOptions) {
    this.#options = options
    this.#after(options.grace ?? GRACE)
  }

  /** Another broker has fallen silent. */
  hurry(): void {
    const wasInHurry = performance.now() < this.#hurriesUntil
    this.#hurriesUntil = performance.now() + HURRY
    if (!(wasInHurry || this.#isLooking)) this.#after(SHORT_INTERVAL)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #after(time: number): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), time)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const { store, log, isShared } = this.#options
    this.#isLooking = true
    let isDone = false
    try {
      if (store.whyDown === undefined) {
        await this.#sendAll()
        isDone = true
      }
    } catch (error) {
      if (!this.#isClosed) log.error({ error: (error as Error).message }, 'wills could not be sent')
    }
    this.#isLooking = false
    if (isDone && !isShared) return
    const isInHurry = !isDone || performance.now() < this.#hurriesUntil
    this.#after(isInHurry ? SHORT_INTERVAL : INTERVAL)
  }

  async #sendAll(): Promise<void> {
    const { brokerId: own, store, counters, log, publish } = this.#options
    for await (const stored of store.streamWill({ [own]: true }) as AsyncIterable<StoredWill>) {
      if (this.#isClosed) return
      const { clientId, brokerId, topic, payload, qos, retain, properties } = stored
      const sender = properties === undefined ? {} : { properties }
      await publish({ cmd: 'publish', topic, payload, qos, retain, dup: false, ...sender })
      await store.delWill({ id: clientId, brokerId } as { id: string })
      counters.published++
      log.info({ clientId, topic }, 'sent the will of a client whose broker is gone')
    }
  }
}

type StoredWill = AedesPacket & { readonly clientId: string; readonly brokerId: string }
