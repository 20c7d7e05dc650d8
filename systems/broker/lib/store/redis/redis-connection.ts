import { randomUUID } from 'node:crypto'
import { BrokerError } from '../../errors/broker-error'
import { RedisLink } from './redis-link'
import { HELLO, SCRIPTS } from './scripts'

/** The longest wait before the next link, milliseconds. */
const MAX_BACKOFF = 1_000

export interface Hello {
  /** Another one than before: Redis was started anew, and what it has may be less than it was. */
  readonly epoch: string
  /** The last number of a message that it had when it was started. */
  readonly lastNumber: number
  /** What Redis says of itself. */
  readonly info: ReadonlyMap<string, string>
}

export interface RedisConnectionOptions {
  readonly url: string
  /** What all keys begin with. */
  readonly prefix: string
  /** Milliseconds, of each command and of the first connection. */
  readonly timeout: number
  /** A link is there. What it has to do before others use it. */
  prepare(link: RedisLink, hello: Hello): Promise<void>
  /** Others use it again. */
  onUp(): void
  onDown(why: string): void
}

/**
 * One link to Redis after another, dialled until `close()`.
 *
 * ```
 *   DIALLING ──link──▶ PREPARING ──▶ UP
 *      ▲ backoff           │          │ the link is lost, silent, or Redis takes no writes
 *      └───────────────────┴──────────┘
 * ```
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions
  #brokerId = ''
  #link: RedisLink | undefined
  #number = ''
  #epoch = ''
  #whyDown: string | undefined = 'it was not reached yet'
  #attempts = 0
  #retry: NodeJS.Timeout | undefined
  #onFirst: (() => void) | undefined

  constructor(options: RedisConnectionOptions) {
    this.#options = options
  }

  /**
   * Resolves when it is up for the first time.
   *
   * @throws BrokerError `ERR_BROKER_STORE`: it was not in time
   */
  open(brokerId: string): Promise<void> {
    const { url, timeout } = this.#options
    this.#brokerId = brokerId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const why = this.#whyDown
        this.close()
        const { host } = new URL(url)
        reject(new BrokerError('ERR_BROKER_STORE', `Cannot use Redis at ${host}: because ${why}`))
      }, timeout)
      this.#onFirst = () => {
        clearTimeout(timer)
        this.#onFirst = undefined
        resolve()
      }
      this.#dial()
    })
  }

  /** undefined: it can be used. */
  get whyDown(): string | undefined {
    return this.#whyDown
  }

  get brokerId(): string {
    return this.#brokerId
  }

  /** Of this broker and of its link now: Redis refuses what an earlier link has left on its way. */
  get fence(): readonly [broker: string, link: string] {
    return [this.#brokerId, this.#number]
  }

  get epoch(): string {
    return this.#epoch
  }

  /** Rejects at once when Redis is away. */
  async use<T>(work: (link: RedisLink) => Promise<T>): Promise<T> {
    if (this.#link === undefined || this.#whyDown !== undefined) {
      throw new Error(`Cannot use Redis: because ${this.#whyDown}`)
    }
    return await work(this.#link)
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#link?.end()
    this.#link = undefined
    this.#whyDown ??= 'it is closed'
  }

  #dial(): void {
    const { url, prefix, timeout } = this.#options
    this.#link = new RedisLink({
      url,
      prefix,
      timeout,
      scripts: SCRIPTS,
      onUp: (link, info) => void this.#greet(link, info),
      onDown: (link, why) => this.#down(link, why)
    })
  }

  async #greet(link: RedisLink, info: ReadonlyMap<string, string>): Promise<void> {
    try {
      const runId = info.get('run_id') ?? ''
      const hello = await link.run(HELLO, [this.#brokerId, runId, randomUUID()])
      const [number = '', epoch = '', lastNumber = ''] = (hello as Buffer[]).map(String)
      this.#number = number
      this.#epoch = epoch
      await this.#options.prepare(link, { epoch, lastNumber: Number(lastNumber), info })
      if (link === this.#link) this.#up()
    } catch (error) {
      link.fail((error as Error).message)
    }
  }

  #up(): void {
    this.#attempts = 0
    this.#whyDown = undefined
    if (this.#onFirst === undefined) this.#options.onUp()
    else this.#onFirst()
  }

  #down(link: RedisLink, why: string): void {
    if (link !== this.#link) return
    const wasUp = this.#whyDown === undefined
    this.#whyDown = why
    this.#link = undefined
    const most = Math.min(MAX_BACKOFF, 50 * 2 ** this.#attempts++)
    this.#retry = setTimeout(() => this.#dial(), most * (0.5 + Math.random() / 2))
    if (wasUp) this.#options.onDown(why)
  }
}
