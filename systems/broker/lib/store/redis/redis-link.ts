import { RESP_TYPES } from '@redis/client'
import { redisClient, redisReason } from '@token-server/service'

export type Argument = string | Buffer

export interface RedisLinkOptions {
  readonly url: string
  /** What all keys begin with. */
  readonly prefix: string
  /** Milliseconds within which it must be connected, and each command answered. */
  readonly timeout: number
  /** The Lua scripts that it runs. */
  readonly scripts: readonly string[]
  /** It is connected and has the scripts. @param info what Redis says of itself */
  onUp(link: RedisLink, info: ReadonlyMap<string, string>): void
  /** It has ended, for whatever reason, once; also when it never was up. Not after `end()`. */
  onDown(link: RedisLink, why: string): void
}

/** Commands that wait for their answer, and their bytes. */
const MOST_WAITING = 100_000
const MOST_WAITING_BYTES = 64 * 1_048_576

/** The timeout is looked at so many times while it passes. */
const TICKS = 5

/** Answers that say that this Redis takes no writes now, or that the link is not what it was. */
const UNFIT =
  /^(READONLY|OOM|MISCONF|LOADING|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|BUSY|NOSCRIPT|NOAUTH|NOPERM|FENCED)\b/

/**
 * One connection to Redis. It lives once: what comes after its end is another link's matter, so that nothing of the old one can meddle with
 * the new. It ends when Redis is silent for too long, or says that it takes no writes.
 */
export class RedisLink {
  readonly #client: ReturnType<typeof clientOf>
  readonly #options: RedisLinkOptions
  readonly #ticker: NodeJS.Timeout
  readonly #hashes = new Map<string, string>()
  /** How many commands were sent at the last ticks, the oldest first: answers come in order. */
  readonly #sentAt: number[] = []
  #sent = 0
  #answered = 0
  #waitingBytes = 0
  #isOver = false

  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.#client = clientOf(options)
    this.#client.on('error', error => this.#down(redisReason(error)))
    this.#client.on('end', () => this.#down('the connection was closed'))
    this.#ticker = setInterval(() => this.#tick(), options.timeout / TICKS)
    void this.#connect()
  }

  /**
   * Runs a script. Rejects when it failed, or when it is not known whether it was run.
   *
   * @param bytes about how many there are, if they are many
   */
  run(script: string, args: readonly Argument[], bytes?: number): Promise<unknown> {
    return this.#send(
      ['EVALSHA', this.#hashes.get(script) as string, '1', this.#options.prefix, ...args],
      bytes
    )
  }

  /** @param key without the prefix */
  command(name: string, key: string, ...args: Argument[]): Promise<unknown> {
    return this.#send([name, this.#options.prefix + key, ...args])
  }

  async #send(args: readonly Argument[], bytes = 0): Promise<unknown> {
    if (this.#isOver) throw new Error('Redis is away')
    if (this.#sent - this.#answered >= MOST_WAITING || this.#waitingBytes > MOST_WAITING_BYTES) {
      throw new Error('too much waits for Redis')
    }
    this.#sent++
    this.#waitingBytes += bytes
    try {
      return await this.#client.sendCommand(args as Argument[])
    } catch (error) {
      const why = UNFIT.exec((error as Error).message)?.[1]
      if (why !== undefined) this.#down(`Redis says ${why}`)
      throw error
    } finally {
      this.#answered++
      this.#waitingBytes -= bytes
    }
  }

  /** Ends it without a word. What waits for its answer rejects. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#ticker)
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
    this.#sent++ // the timeout is that of a command
    try {
      await this.#client.connect()
      for (const script of this.#options.scripts) {
        this.#hashes.set(script, String(await this.#client.sendCommand(['SCRIPT', 'LOAD', script])))
      }
      const info = String(await this.#client.sendCommand(['INFO']))
      this.#answered++
      if (!this.#isOver) this.#options.onUp(this, fieldsOf(info))
    } catch (error) {
      this.#down(redisReason(error))
    }
  }

  /** A process that stood still counts one tick, however long that was: Redis is not to blame. */
  #tick(): void {
    this.#sentAt.push(this.#sent)
    if (this.#sentAt.length <= TICKS) return
    const due = this.#sentAt.shift() as number
    if (this.#answered < due) this.#down(`Redis has not answered for ${this.#options.timeout} ms`)
  }

  #down(why: string): void {
    if (this.#isOver) return
    this.end()
    this.#options.onDown(this, why)
  }
}

/** It answers in Buffers. */
function clientOf({ url, timeout }: RedisLinkOptions) {
  return redisClient(url, timeout, { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } })
}

function fieldsOf(info: string): Map<string, string> {
  const lines = info.split('\r\n').filter(line => line.includes(':'))
  return new Map(lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
