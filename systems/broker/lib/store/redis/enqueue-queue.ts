import type { StoredPacket, StoredSubscription } from '../base-persistence'
import { encodeMessage, withQos } from './messages'
import type { Argument } from './redis-link'

/** Messages and places in queues of one batch, and its bytes: Redis serves nobody else meanwhile. */
const BATCH_MESSAGES = 256
const BATCH_PLACES = 2_000
const BATCH_BYTES = 1_048_576

/** What waits for the batch before it. */
const MOST_WAITING = 20_000
const MOST_WAITING_BYTES = 64 * 1_048_576

export interface Enqueued {
  readonly packet: StoredPacket
  /** The incoming QoS 2 packet that it is. */
  readonly incoming: { readonly clientId: string; readonly messageId: number } | undefined
  readonly isRetained: boolean
}

interface Waiting extends Enqueued {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export interface EnqueueQueueOptions {
  /** Runs the script with this batch; undefined: the subscriptions were not the newest, and now are. */
  store(args: readonly Argument[], bytes: number): Promise<unknown[] | undefined>
  match(topic: string): readonly StoredSubscription[]
  onNumber(number: number): void
  onDropped(what: 'queued' | 'retained', clientId: string | undefined): void
}

/** Messages on their way to Redis, one batch after another, so that they are stored in the order in which they were asked for. */
export class EnqueueQueue {
  readonly #options: EnqueueQueueOptions
  #waiting: Waiting[] = []
  #bytes = 0
  #running: Promise<void> | undefined

  constructor(options: EnqueueQueueOptions) {
    this.#options = options
  }

  add(entry: Enqueued): Promise<void> {
    if (this.#waiting.length >= MOST_WAITING || this.#bytes > MOST_WAITING_BYTES) {
      return Promise.reject(new Error('Cannot store a message: because too many wait for Redis'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...entry, resolve, reject })
      this.#bytes += entry.packet.payload.length
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is left to store. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    await undefined // what is asked for in this turn of the microtasks goes along
    while (this.#waiting.length > 0) {
      const batch = this.#take()
      try {
        await this.#store(batch)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = undefined
  }

  #take(): Waiting[] {
    let count = 0
    let bytes = 0
    while (count < this.#waiting.length && count < BATCH_MESSAGES && bytes < BATCH_BYTES) {
      bytes += (this.#waiting[count++] as Waiting).packet.payload.length
    }
    this.#bytes -= bytes
    return this.#waiting.splice(0, count)
  }

  async #store(batch: Waiting[]): Promise<void> {
    let rest = batch
    while (rest.length > 0) {
      const { args, bytes, count } = this.#argumentsOf(rest)
      const reply = await this.#options.store(args, bytes)
      if (reply === undefined) continue
      this.#settle(rest.slice(0, count), reply)
      rest = rest.slice(count)
    }
  }

  /** Of as many messages as go into one script: how many queues each has is known only now. */
  #argumentsOf(batch: readonly Waiting[]): { args: Argument[]; bytes: number; count: number } {
    const args: Argument[] = []
    let places = 0
    let bytes = 0
    let count = 0
    for (const { packet, incoming, isRetained } of batch) {
      if (places > BATCH_PLACES) break
      count++
      const { topic, payload, qos } = packet
      const subscriptions = this.#options.match(topic)
      const message = encodeMessage(packet)
      args.push(String(payload.length), message)
      args.push(incoming?.clientId ?? '', String(incoming?.messageId ?? ''))
      const retained = payload.length === 0 ? '' : withQos(qos, message)
      args.push(isRetained ? topic : '', isRetained ? retained : '', String(subscriptions.length))
      for (const { clientId = '', qos: granted } of subscriptions) {
        args.push(clientId, String(Math.min(qos, granted))) // [MQTT-3.8.4-6]
      }
      places += subscriptions.length
      bytes += message.length
    }
    return { args, bytes, count }
  }

  #settle(batch: readonly Waiting[], reply: unknown[]): void {
    const { onNumber, onDropped } = this.#options
    const [first, twice, full, dropped] = reply as [Buffer, number[], Buffer[], number]
    for (const clientId of full) onDropped('queued', clientId.toString())
    for (let i = 0; i < dropped; i++) onDropped('retained', undefined)
    const number = Number(first)
    onNumber(number + batch.length - 1)
    batch.forEach(({ packet, resolve, reject }, index) => {
      packet.brokerCounter = number + index
      if (twice.includes(index))
        reject(new Error('Cannot store a QoS 2 message: because it is stored already'))
      else resolve()
    })
  }
}
