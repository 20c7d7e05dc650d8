import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, TokenError } from 'token-server'
import type { Counters } from '../core/counters'
import type { BrokerLimits } from '../limits/limits'
import { encodeFrame } from '../wire/token-frame'

/** Messages with QoS 1 that one client has and has not settled. */
const MOST_UNDER_WAY = 256

const FIRST_RETRY = 1_000
const LONGEST_RETRY = 60_000

export interface DoorMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1
  readonly sender: { readonly id: string; readonly kind: string } | undefined
  readonly retain?: boolean
}

export interface DeliveriesOptions {
  readonly connection: Connection
  readonly counters: Counters
  readonly limits: BrokerLimits
  /** Aborts when the connection has ended. */
  readonly ended: AbortSignal
  /** Whether the client may still have a message of this topic. */
  readonly mayReceive: (topic: string) => boolean
  /** The client does not take its messages. */
  readonly onSlow: (why: string) => void
}

/** Messages on their way to one client: bounded in number and bytes, and sent again when its handler fails. */
export class Deliveries {
  readonly #options: DeliveriesOptions
  #underWay = 0
  #bytes = 0
  /** Since when messages are dropped and nothing is taken; 0: nothing was dropped. */
  #stalledSince = 0
  readonly #waiting: (() => void)[] = []

  constructor(options: DeliveriesOptions) {
    this.#options = options
    options.ended.addEventListener('abort', () => this.#letGo())
  }

  /** Once, and not at all to a client that is behind. */
  sendOnce(message: DoorMessage): void {
    const { connection, limits } = this.#options
    const isTaken =
      connection.bufferedAmount <= limits.maxWaitingBytes && connection.send(frameOf(message, 1))
    if (!isTaken) {
      this.#drop()
      return
    }
    this.#stalledSince = 0
    this.#count(message)
  }

  /**
   * Until the handler of the client has settled it, or a fresh token does not grant it any more.
   *
   * @returns false: the connection ended before
   */
  async deliver(message: DoorMessage): Promise<boolean> {
    const { length } = message.payload
    this.#underWay++
    this.#bytes += length
    try {
      return await this.#untilSettled(message)
    } finally {
      this.#underWay--
      this.#bytes -= length
      if (this.hasRoom) this.#letGo()
    }
  }

  get hasRoom(): boolean {
    return this.#underWay < MOST_UNDER_WAY && this.#bytes < this.#options.limits.maxWaitingBytes
  }

  /** Bytes of messages that are under way. */
  get bytes(): number {
    return this.#bytes
  }

  /** Resolves when there is room for one more message, or the connection has ended. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#options.ended.aborted) {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  async #untilSettled(message: DoorMessage): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#options.connection.request(frameOf(message, attempt))
        this.#count(message)
        return true
      } catch (error) {
        if (!isFailureOfHandler(error)) return false
      }
      const wait = Math.min(FIRST_RETRY * 2 ** (attempt - 1), LONGEST_RETRY)
      const isOver = await delay(wait, false, { signal: this.#options.ended, ref: false }).catch(() => true)
      if (isOver) return false
      if (!this.#options.mayReceive(message.topic)) return true
    }
  }

  #count({ payload }: DoorMessage): void {
    const { counters } = this.#options
    counters.delivered++
    counters.deliveredBytes += payload.length
  }

  #drop(): void {
    const { counters, limits, onSlow } = this.#options
    counters.droppedSlow++
    const now = performance.now()
    if (this.#stalledSince === 0) this.#stalledSince = now
    else if (now - this.#stalledSince > limits.slowConsumerTimeout)
      onSlow('it took none of its messages in time')
  }

  #letGo(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function isFailureOfHandler(error: unknown): boolean {
  return (
    error instanceof TokenError && (error.code === 'ERR_HANDLER_FAILED' || error.code === 'ERR_NO_HANDLER')
  )
}

function frameOf({ topic, payload, qos, sender, retain }: DoorMessage, attempt: number): Buffer {
  const more = {
    ...(sender === undefined ? {} : { sender: { id: sender.id, kind: sender.kind } }),
    ...(retain === true ? { retain } : {}),
    ...(attempt === 1 ? {} : { attempt })
  }
  return encodeFrame({ type: 'message', topic, qos, ...more }, payload)
}
