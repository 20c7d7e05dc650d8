import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { ServiceError, wrongOption } from '../errors/service-error'
import {
  type Checks,
  checkOptions,
  isText,
  isTime,
  isWait,
  listOf,
  needed,
  wholeNumber
} from '../options/check-options'
import type { LogglyTarget } from './loggly-sender'
import type { FromWorker, ToWorker } from './loggly-worker'

export interface LogglyOptions {
  /** Of the customer: it stands in no message. */
  readonly token: string
  /** Default: those of the loggers before us, `Winston-NodeJS`. */
  readonly tags?: readonly string[] | undefined
  /** Default `https://logs-01.loggly.com`. */
  readonly url?: string | undefined
  /** Authorities (PEM) in place of those that Node trusts. */
  readonly ca?: string | undefined
  /** Characters that wait to be sent; lines above it are dropped. Default 8 Mi. */
  readonly maxQueueLength?: number | undefined
  /** Milliseconds for which lines are gathered before they are sent. Default 1,000. */
  readonly gatherTime?: number | undefined
  /** Milliseconds of a request. Default 10,000. */
  readonly requestTimeout?: number | undefined
  /** Milliseconds before the second try; it doubles with each, up to thirty times as many. Default 1,000. */
  readonly retryDelay?: number | undefined
  /** How often a batch is tried. Default 20, about eight minutes. */
  readonly maxTries?: number | undefined
}

const CHECKS: Checks<LogglyOptions> = {
  token: needed(isText),
  tags: listOf(isText),
  url: value => (URL.canParse(String(value)) ? undefined : 'no URL'),
  ca: isText,
  maxQueueLength: wholeNumber(1),
  gatherTime: isWait,
  requestTimeout: isTime,
  retryDelay: isWait,
  maxTries: wholeNumber(1)
}

/** Lines go to the worker so often, milliseconds, or when there are so many characters. */
const POST_INTERVAL = 50
const POST_LENGTH = 65_536

/** Drops are told so often at most, milliseconds. */
const TELL_INTERVAL = 10_000

/** For so long a worker that has ended is not replaced, milliseconds. */
const WORKER_PAUSE = 10_000

/**
 * Sends the lines of a log to Loggly, from a worker. `write()` never waits and never throws: what is too much is dropped, counted
 * and told.
 */
export class Loggly {
  readonly #target: LogglyTarget
  readonly #maxQueueLength: number
  #worker: Worker | null = null
  #workerMayStartAt = 0
  #gathered: string[] = []
  #gatheredLength = 0
  #timer: NodeJS.Timeout | null = null
  /** Characters that are neither sent nor given up. */
  #queueLength = 0
  #queueLines = 0
  #dropped = 0
  #droppedNotTold = 0
  #why = ''
  #isTelling = false
  #tell: NodeJS.Timeout | null = null
  #log: Pick<Logger, 'warn'> | null = null
  #closed: Promise<void> | null = null
  #onClosed: () => void = () => {}

  /** @throws ServiceError `ERR_OPTION` */
  constructor(options: LogglyOptions) {
    checkOptions(options, CHECKS, wrongOption)
    const { token, tags = ['Winston-NodeJS'], url = 'https://logs-01.loggly.com' } = options
    const path = `/bulk/${encodeURIComponent(token)}/tag/${tags.map(encodeURIComponent).join(',')}/`
    if (new URL(url).protocol !== 'https:')
      throw new ServiceError(
        'ERR_OPTION',
        'Cannot log to Loggly: url must begin with https://, for the token is in it'
      )
    this.#target = {
      url: new URL(path, url).href,
      ca: options.ca,
      maxBatchLength: 1_048_576,
      gatherTime: options.gatherTime ?? 1_000,
      requestTimeout: options.requestTimeout ?? 10_000,
      retryDelay: options.retryDelay ?? 1_000,
      maxTries: options.maxTries ?? 20
    }
    this.#maxQueueLength = options.maxQueueLength ?? 8 * 1_048_576
  }

  /** Lines that were dropped since the start: the queue was full, or Loggly did not take them. */
  get dropped(): number {
    return this.#dropped
  }

  /** Characters that wait. */
  get queueLength(): number {
    return this.#queueLength
  }

  /** Writes drops and troubles there, at most a line in ten seconds. */
  reportTo(log: Pick<Logger, 'warn'>): void {
    this.#log = log
  }

  write(line: string): void {
    if (this.#closed !== null) {
      if (!this.#isTelling) this.#drop(1, 'the log is closed')
      return
    }
    if (this.#queueLength + line.length > this.#maxQueueLength) {
      this.#drop(1, 'the queue is full')
      return
    }
    this.#queueLength += line.length
    this.#queueLines++
    this.#gathered.push(line)
    this.#gatheredLength += line.length
    if (this.#gatheredLength >= POST_LENGTH) this.#post()
    else this.#timer ??= setTimeout(() => this.#post(), POST_INTERVAL).unref()
  }

  protected get workerFile(): string {
    return join(__dirname, 'loggly-worker.js')
  }

  /** Sends what waits, each batch once, for so many milliseconds at most. Never rejects. */
  close(timeout = 5_000): Promise<void> {
    this.#closed ??= this.#close(timeout)
    return this.#closed
  }

  async #close(timeout: number): Promise<void> {
    this.#post()
    const worker = this.#worker
    if (worker !== null) {
      const closed = new Promise<void>(resolve => {
        this.#onClosed = resolve
      })
      worker.postMessage(null satisfies ToWorker)
      const timer = setTimeout(() => this.#onClosed(), timeout)
      await closed
      clearTimeout(timer)
      worker.removeAllListeners()
      await worker.terminate()
    }
    this.#worker = null
    if (this.#queueLines > 0) this.#lose('there was no time left')
    this.#tellDrops()
  }

  #post(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#gathered.length === 0) return
    this.#worker ??= this.#startWorker()
    const lines = this.#gathered
    this.#gathered = []
    this.#gatheredLength = 0
    if (this.#worker === null) this.#lose('the worker has ended')
    else this.#worker.postMessage(lines satisfies ToWorker)
  }

  #startWorker(): Worker | null {
    if (performance.now() < this.#workerMayStartAt) return null
    const worker = new Worker(this.workerFile, { workerData: this.#target, name: 'loggly' })
    worker.on('message', (message: FromWorker) => this.#heard(message))
    worker.on('error', () => {})
    worker.on('exit', () => {
      this.#worker = null
      this.#workerMayStartAt = performance.now() + WORKER_PAUSE
      this.#lose('the worker has ended')
      this.#onClosed()
    })
    // The log is no reason for a process to go on.
    worker.unref()
    return worker
  }

  #heard(message: FromWorker): void {
    if (message.kind === 'closed') this.#onClosed()
    else if (message.kind === 'trouble') this.#log?.warn(`Loggly: ${message.why}; what is logged waits`)
    else {
      const { lines, length, why } = message.settled
      this.#queueLength -= length
      this.#queueLines -= lines
      if (why !== null) this.#drop(lines, why)
    }
  }

  /** All that waits. */
  #lose(why: string): void {
    this.#drop(this.#queueLines, why)
    this.#queueLines = 0
    this.#queueLength = 0
  }

  #drop(lines: number, why: string): void {
    if (lines === 0) return
    this.#dropped += lines
    this.#droppedNotTold += lines
    this.#why = why
    if (this.#closed === null) this.#tell ??= setTimeout(() => this.#tellDrops(), TELL_INTERVAL).unref()
  }

  #tellDrops(): void {
    if (this.#tell !== null) clearTimeout(this.#tell)
    this.#tell = null
    const dropped = this.#droppedNotTold
    this.#droppedNotTold = 0
    if (dropped === 0) return
    this.#isTelling = true
    this.#log?.warn({ dropped }, `Loggly: ${dropped} lines were dropped, the last because ${this.#why}`)
    this.#isTelling = false
  }
}
