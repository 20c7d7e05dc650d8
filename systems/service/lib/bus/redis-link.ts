import { redisClient, redisReason } from './redis-client'

/** Milliseconds until a connection must be there and subscribed. */
const CONNECT_TIMEOUT = 3_000

export interface RedisLinkEvents {
  /** It is connected, and hears its channel. */
  onUp(): void
  onMessage(bytes: Buffer): void
  /** It has ended, for whatever reason, once; also when it never was up. Not after `end()`. */
  onDown(why: string): void
}

/**
 * One connection to Redis, which publishes to one channel and hears it (RESP3 does both at once). It lives once: what comes
 * after its end is another link's matter, so that nothing of the old one can meddle with the new.
 */
export class RedisLink {
  readonly #client: ReturnType<typeof redisClient>
  readonly #channel: string
  readonly #events: RedisLinkEvents
  readonly #timer: NodeJS.Timeout
  #isOver = false

  constructor(url: string, channel: string, events: RedisLinkEvents) {
    this.#channel = channel
    this.#events = events
    this.#client = redisClient(url, CONNECT_TIMEOUT)
    this.#client.on('error', error => this.#down(redisReason(error)))
    this.#client.on('end', () => this.#down('the connection was closed'))
    this.#timer = setTimeout(() => this.#down(`no connection within ${CONNECT_TIMEOUT} ms`), CONNECT_TIMEOUT)
    void this.#connect()
  }

  /** Resolves when Redis has taken the bytes; rejects when it is not known. */
  async publish(bytes: Buffer): Promise<void> {
    await this.#client.publish(this.#channel, bytes)
  }

  /** Ends it without a word. */
  end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    try {
      this.#client.destroy()
    } catch {
      // It is closed already.
    }
  }

  /** Ends it, and tells why. */
  fail(why: string): void {
    this.#down(why)
  }

  async #connect(): Promise<void> {
    try {
      await this.#client.connect()
      const onMessage = (bytes: Buffer) => {
        if (!this.#isOver) this.#events.onMessage(bytes)
      }
      await this.#client.subscribe(this.#channel, onMessage, true)
      if (this.#isOver) return
      clearTimeout(this.#timer)
      this.#events.onUp()
    } catch (error) {
      this.#down(redisReason(error))
    }
  }

  #down(why: string): void {
    if (this.#isOver) return
    this.end()
    this.#events.onDown(why)
  }
}
