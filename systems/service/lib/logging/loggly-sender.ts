import { Agent, request } from 'node:https'

export interface LogglyTarget {
  /** Where the lines go, the token included: never to be shown. */
  readonly url: string
  /** Authorities (PEM) in place of those that Node trusts. */
  readonly ca?: string | undefined
  /** Characters of a request. Loggly takes 5 MB. */
  readonly maxBatchLength: number
  /** Milliseconds for which lines are gathered. */
  readonly gatherTime: number
  /** Milliseconds of a request. */
  readonly requestTimeout: number
  /** Milliseconds before the second try; it doubles with each, up to thirty times as many. */
  readonly retryDelay: number
  /** How often a batch is tried. */
  readonly maxTries: number
}

/** What became of lines. */
export interface Settled {
  readonly lines: number
  readonly length: number
  /** Why they were given up; null when Loggly has them. */
  readonly why: string | null
}

export interface LogglySenderEvents {
  onSettled(settled: Settled): void
  /** A request has failed and is tried again; told once, until one succeeds. */
  onTrouble(why: string): void
}

/** Loggly takes no longer line. */
const MAX_LINE_LENGTH = 1_000_000

/** The longest wait between two tries, in retryDelays. */
const MAX_BACKOFF = 30

/** Sends lines in batches, one request after another, and tries again with backoff. It runs in a worker. */
export class LogglySender {
  readonly #target: LogglyTarget
  readonly #events: LogglySenderEvents
  readonly #agent: Agent
  readonly #queue: string[] = []
  #length = 0
  #running: Promise<void> | null = null
  #wake: (() => void) | null = null
  #isClosing = false
  #isTroubled = false

  constructor(target: LogglyTarget, events: LogglySenderEvents) {
    this.#target = target
    this.#events = events
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      ...(target.ca !== undefined && { ca: target.ca })
    })
  }

  /** @param lines each with its end; who gives them bounds how many wait */
  push(lines: readonly string[]): void {
    for (const line of lines) {
      if (line.length > MAX_LINE_LENGTH) {
        this.#settled([line], `a line has ${line.length} characters, Loggly takes ${MAX_LINE_LENGTH}`)
        continue
      }
      this.#queue.push(line)
      this.#length += line.length
    }
    if (this.#length >= this.#target.maxBatchLength) this.#wake?.()
    if (this.#queue.length > 0) this.#running ??= this.#run()
  }

  /** Sends what is left without waiting any longer between tries, each of which is made once. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#wake?.()
    await this.#running
    this.#agent.destroy()
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      if (this.#length < this.#target.maxBatchLength) await this.#pause(this.#target.gatherTime)
      const batch = this.#take()
      this.#settled(batch, await this.#deliver(batch))
    }
    this.#running = null
  }

  #take(): string[] {
    const batch: string[] = []
    let length = 0
    for (const line of this.#queue) {
      if (batch.length > 0 && length + line.length > this.#target.maxBatchLength) break
      batch.push(line)
      length += line.length
    }
    this.#queue.splice(0, batch.length)
    this.#length -= length
    return batch
  }

  /** @returns why it was given up, null when it has arrived */
  async #deliver(batch: readonly string[]): Promise<string | null> {
    // Loggly takes the time of an event from this field.
    const body = batch.map(line => line.replace('"time":"', '"timestamp":"')).join('')
    const { retryDelay, maxTries } = this.#target
    for (let tries = 1; ; tries++) {
      const answer = await this.#post(body)
      if (answer === null) {
        this.#isTroubled = false
        return null
      }
      if (!answer.isPassing || tries >= maxTries || this.#isClosing) return answer.why
      if (!this.#isTroubled) this.#events.onTrouble(answer.why)
      this.#isTroubled = true
      const most = retryDelay * Math.min(2 ** (tries - 1), MAX_BACKOFF)
      await this.#pause(most * (0.5 + Math.random() / 2))
    }
  }

  /** @returns null when Loggly has taken it */
  #post(body: string): Promise<{ why: string; isPassing: boolean } | null> {
    const { url, requestTimeout } = this.#target
    return new Promise(resolve => {
      const sent = request(url, {
        method: 'POST',
        agent: this.#agent,
        headers: { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(requestTimeout)
      })
      sent.on('response', response => {
        const { statusCode: status = 0 } = response
        response.resume().once('close', () => {
          if (status >= 200 && status < 300) resolve(null)
          else
            resolve({
              why: `Loggly answers ${status}`,
              isPassing: status >= 500 || status === 429 || status === 408
            })
        })
      })
      sent.on('error', error => {
        const { code, name } = error as NodeJS.ErrnoException
        resolve({
          why: `no connection to Loggly: ${name === 'AbortError' ? 'timeout' : code}`,
          isPassing: true
        })
      })
      sent.end(body)
    })
  }

  #settled(batch: readonly string[], why: string | null): void {
    const length = batch.reduce((sum, line) => sum + line.length, 0)
    this.#events.onSettled({ lines: batch.length, length, why })
  }

  /** Ends early when there is enough for a batch, and when it closes. */
  #pause(milliseconds: number): Promise<void> {
    if (this.#isClosing) return Promise.resolve()
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        this.#wake = null
        resolve()
      }
      const timer = setTimeout(end, milliseconds)
      this.#wake = end
    })
  }
}
